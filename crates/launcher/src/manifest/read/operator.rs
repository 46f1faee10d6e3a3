//! `[operator]`: what is sent to devices while a run lasts.

use fleet_protocol::plan::Model;
use settings::reading::{number, word};
use settings::{DeValue, Document, Rate, Table, Unreadable};

use crate::manifest::Manifest;
use crate::manifest::event_forms::{EventGroup, EventShare};
use crate::manifest::forms::{Typed, Value};
use crate::manifest::operator::{Operator, OperatorCommand, VALUES};
use crate::manifest::thresholds::INDIVIDUAL;
use crate::manifest::types::{GroupKind, Target};

/// A value of a property.
struct Degrees(f64);

impl Value for Degrees {
    const FORM: &'static str = "a number";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        match number(value)? {
            number if number.is_finite() => Ok(Self(number)),
            _ => Err(Unreadable::Value("it is not finite".into())),
        }
    }
}

impl Value for OperatorCommand {
    const FORM: &'static str = "\"getMaxMinReport\" or \"reboot\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let words = [Self::GetMaxMinReport, Self::Reboot].map(|command| (command.name(), command));
        word(value, &words)
    }
}

const RANGE: &str = "the least and the greatest value, such as [18, 24]";

/// The operator, and where it stands.
pub(super) struct Placed {
    pub(super) operator: Operator,
    span: std::ops::Range<usize>,
}

pub(super) fn operator(table: Table<'_>, document: &Document<'_>) -> Option<Placed> {
    let span = table.span();
    let (commands, properties) = (table.has("command_rate"), table.has("property_rate"));
    if !commands && !properties && !table.has("arrival_rate") && !table.has("message_rate") {
        table.problem(
            "the operator has nothing to do".into(),
            "accepted: at least one of command_rate = \"2/s\", property_rate = \"1/s\", arrival_rate = \"1/s\", message_rate = \
             \"1/s\"",
        );
    }
    let command_rate = table.optional::<Rate>("command_rate");
    let property_rate = table.optional::<Rate>("property_rate");
    let arrival_rate = table.optional::<Rate>("arrival_rate").map(|at| at.value);
    let message_rate = table.optional::<Rate>("message_rate").map(|at| at.value);
    let (mut command, mut values) = (OperatorCommand::default(), Some(VALUES));
    match commands {
        true => command = table.optional("command").map_or(command, |at| at.value),
        false => table.out_of_place(&["command"], "goes with `command_rate` only"),
    }
    match properties {
        true if table.has("values") => values = range(&table, document),
        true => {}
        false => table.out_of_place(&["values"], "goes with `property_rate` only"),
    }
    let group = table.optional::<EventGroup>("group").map(|at| at.value.0);
    let share = table.optional::<EventShare>("share").map_or(1.0, |at| at.value.0);
    table.finish();
    Some(Placed {
        operator: Operator {
            command_rate: command_rate.map(|at| at.value),
            command,
            property_rate: property_rate.map(|at| at.value),
            values: values?,
            arrival_rate,
            message_rate,
            group,
            share,
        },
        span,
    })
}

fn range(table: &Table<'_>, document: &Document<'_>) -> Option<[f64; 2]> {
    let list = table.list::<Degrees>("values", RANGE)?;
    match list.value.as_slice() {
        [least, greatest] if least.value.0 <= greatest.value.0 => Some([least.value.0, greatest.value.0]),
        _ => {
            let message = format!("`{}` is not a range", list.key);
            let help = vec![format!("accepted: {RANGE}")];
            document.problems.push(list.span, message, help);
            None
        }
    }
}

/// What the operator asks of the rest of the manifest.
pub(super) fn check(placed: &Placed, manifest: &Manifest, document: &Document<'_>) {
    let Placed { operator, span } = placed;
    let problem = |message: String, help: String| document.problems.push(span.clone(), message, vec![help]);
    if manifest.target.is_enrolled_elsewhere() {
        problem(
            "there is no application whose REST API the operator could use".into(),
            "accepted: a target of kind \"emulator\", or \"iot-central\" with an API token".into(),
        );
    }
    if operator.message_rate.is_some() && !matches!(manifest.target, Target::Emulator(_)) {
        problem(
            format!(
                "`operator.message_rate`: a target of kind \"{}\" has no way to send cloud-to-device messages: IoT Central's REST API \
                 has none but commands",
                manifest.target.kind()
            ),
            "accepted: a target of kind \"emulator\", or command_rate instead".into(),
        );
    }
    let mut groups = groups(manifest);
    let mut names: Vec<_> = groups.iter().map(|(name, _)| *name).collect();
    names.dedup();
    groups.retain(|(name, _)| operator.group.as_deref().is_none_or(|group| group == *name));
    if groups.is_empty() {
        match &operator.group {
            Some(group) => problem(
                format!("`operator.group`: there is no group `{group}` with simulated thermostats"),
                format!("accepted: {}", names.join(", ")),
            ),
            None => problem(
                "the operator has no device to work with".into(),
                "accepted: a manifest with at least one simulated thermostat".into(),
            ),
        }
    }
    let lacking = groups.iter().find(|(_, model)| !operator.command.is_of(*model));
    if let Some((group, _)) = lacking.filter(|_| operator.command_rate.is_some()) {
        let command = operator.command.name();
        problem(
            format!("`operator.command`: the devices of `{group}` have no command `{command}`"),
            "accepted: command = \"getMaxMinReport\", or a `group` of the model temperature-controller".into(),
        );
    }
}

/// The groups of simulated thermostats, each with its model.
fn groups(manifest: &Manifest) -> Vec<(&str, Model)> {
    let groups = manifest.group.iter();
    let groups =
        groups.filter(|group| group.kind == GroupKind::Iot && group.expect.is_none() && manifest.simulates(group));
    let groups = groups.map(|group| (group.id.as_str(), group.model.in_plan()));
    let individuals = manifest
        .individual
        .iter()
        .filter(|individual| individual.expect.is_none());
    groups
        .chain(individuals.map(|individual| (INDIVIDUAL, individual.model.in_plan())))
        .filter(|(_, model)| !matches!(model, Model::Own(_)))
        .collect()
}
