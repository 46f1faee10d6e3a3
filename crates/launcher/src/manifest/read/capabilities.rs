//! `[group.capability.…]`: how the capabilities of a model behave, where that is not left to their names.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use fleet_protocol::plan::Process;
use settings::reading::{number, word};
use settings::{DeValue, Document, Item, Table, Unreadable};

use super::{models, recording};
use crate::manifest::forms::{Fraction, Interval, Typed, Value};
use crate::manifest::models::{Capability, DeviceModel, FleetModel, Replay, behaviours};

const FORM: &str = "a table, such as { process = \"walk\", min = 2, max = 8 }";
const REPLAY: &str = "\"recorded.csv\", or { file = \"recorded.csv\", speed = 10, loop = false }";

/// Any number.
struct Number(f64);
/// A status of a command.
struct Status(u16);

impl Value for Number {
    const FORM: &'static str = "a number";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        match number(value)? {
            number if number.is_finite() => Ok(Self(number)),
            _ => Err(Unreadable::Value("it is not finite".into())),
        }
    }
}

impl Value for Status {
    const FORM: &'static str = "a whole number from 200 to 599";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let status = number(value)?;
        match (200.0..=599.0).contains(&status) && status.fract() == 0.0 {
            true => Ok(Self(status as u16)),
            false => Err(Unreadable::Value(format!("{status} is not a status"))),
        }
    }
}

impl Value for Process {
    const FORM: &'static str =
        "\"walk\", \"ramp\", \"sine\", \"constant\" or \"counter\", and `replay` with a file for what was recorded";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        word(
            value,
            &[
                ("walk", Self::Walk),
                ("ramp", Self::Ramp),
                ("sine", Self::Sine),
                ("constant", Self::Constant),
                ("counter", Self::Counter),
                ("replay", Self::Replay),
            ],
        )
    }
}

/// Where a capability stands, and each of its keys.
#[derive(Default, Clone)]
struct Placed {
    whole: Range<usize>,
    keys: Vec<(&'static str, Range<usize>)>,
}

/// The capabilities that were read, by their names, and where they stand.
#[derive(Default)]
struct Read {
    capabilities: BTreeMap<String, Capability>,
    places: BTreeMap<String, Placed>,
}

/// The capabilities of a group.
pub(super) fn capabilities(
    group: &Table<'_>,
    folder: &Path,
    model: Option<&DeviceModel>,
    models: &[FleetModel],
    document: &Document<'_>,
) -> BTreeMap<String, Capability> {
    let mut read = Read::default();
    let Some(table) = group.table("capability") else {
        return read.capabilities;
    };
    if let Some(DeviceModel::Shipped(_)) = model {
        table.problem(
            format!("`{}` is for models of your own", table.path()),
            "accepted: model = { dtdl = \"models/pump.json\" }; a thermostat has `room`",
        );
        return read.capabilities;
    }
    let components = model.map_or_else(Vec::new, |model| models::components(model, models));
    for (name, span, item) in table.entries() {
        if components.iter().any(|component| component == name) {
            let Some(inner) = item.table("a table of the component's capabilities") else {
                continue;
            };
            for (within, span, item) in inner.entries() {
                one(&format!("{name}.{within}"), span, item, folder, &mut read, document);
            }
        } else {
            one(name, span, item, folder, &mut read, document);
        }
    }
    if let Some(model) = model {
        for problem in models::check(model, models, &behaviours(&read.capabilities)) {
            let placed = read.places.get(&problem.capability).cloned().unwrap_or_default();
            let place = placed.keys.into_iter().find(|(key, _)| Some(*key) == problem.key);
            let key = problem.key.map_or_else(String::new, |key| format!(".{key}"));
            let path = format!("{}.capability.{}{key}", group.path(), problem.capability);
            let message = format!("`{path}`: {}", problem.message);
            document
                .problems
                .push(place.map_or(placed.whole, |(_, span)| span), message, Vec::new());
        }
    }
    read.capabilities
}

fn one(name: &str, span: Range<usize>, item: Item<'_>, folder: &Path, read: &mut Read, document: &Document<'_>) {
    let Some(table) = item.table(FORM) else { return };
    let mut keys = Vec::new();
    for (key, span, _) in table.entries() {
        if let Some(known) = KEYS.iter().find(|known| **known == key) {
            keys.push((*known, span));
        }
    }
    let number = |key| table.optional::<Number>(key).map(|at| at.value.0);
    let time = |key| table.optional::<Interval>(key).map(|at| at.value.0);
    let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
    let capability = Capability {
        process: table.optional::<Process>("process").map(|at| at.value),
        min: number("min"),
        max: number("max"),
        start: number("start"),
        noise: number("noise"),
        period: time("period"),
        interval: time("interval"),
        on_change: number("on_change"),
        replay: replay(&table, folder, last, document),
        status: table.optional::<Status>("status").map(|at| at.value.0),
        delay: time("delay"),
        fail_share: table.optional::<Fraction>("fail_share").map(|at| at.value.0),
    };
    table.finish();
    let placed = Placed { whole: span, keys };
    read.places.insert(name.to_owned(), placed);
    read.capabilities.insert(name.to_owned(), capability);
}

const KEYS: [&str; 12] = [
    "process",
    "min",
    "max",
    "start",
    "noise",
    "period",
    "interval",
    "on_change",
    "replay",
    "status",
    "delay",
    "fail_share",
];

fn replay(table: &Table<'_>, folder: &Path, name: &str, document: &Document<'_>) -> Option<Replay> {
    let item = table.entry("replay")?;
    let (file, speed, loops, span) = if matches!(item.value(), DeValue::Table(_)) {
        let inner = item.table(REPLAY)?;
        let (file, speed) = (inner.required::<PathBuf>("file"), inner.optional::<Number>("speed"));
        let loops = inner.optional::<bool>("loop").is_none_or(|at| at.value);
        let span = inner.span();
        inner.finish();
        (file?.value, speed.map_or(1.0, |at| at.value.0), loops, span)
    } else {
        let file = item.read(REPLAY, PathBuf::read)?;
        (file.value, 1.0, true, file.span)
    };
    match recording::read(&folder.join(&file), name) {
        Ok(samples) => Some(Replay {
            file,
            speed,
            loops,
            samples,
        }),
        Err(message) => {
            document.problems.push(span, message, Vec::new());
            None
        }
    }
}
