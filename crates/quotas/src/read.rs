//! Files of limits, taken apart.
//!
//! A limit is a rate by itself, `connects = "100/s"`, or a table that also says to whom it applies, how firmly it is kept
//! and who says so. Each table has a list of limits; a key that is not in it is refused.

use settings::reading::{self, parsed};
use settings::span::SPAN_FORM;
use settings::{At, DeValue, Document, Invalid, Item, Span, Table, Unreadable};

use crate::amount::{AMOUNT_FORM, Amount, Unit};
use crate::limit::{Kind, Limit, Limits};

/// Limits that the emulator keeps, all of them rates, and whether an earlier file may call them otherwise.
const RATE: &str = r#"a rate such as "20/s", "200/min" or "400000/day", of at least 1 and at most 1000000000"#;
const LIMIT: &str = "a limit, or a table with its value";
const INCLUDE: &str = "a list of presets, such as [\"dps\"]";
const UNITS: &str = "a whole number from 1 to 1000";

/// How the value of a limit is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A whole number in a time: the emulator keeps it.
    Rate,
    /// Anything that can be counted.
    Amount,
}

/// The keys of `[dps]`, each with the id of its limit.
const DPS: &[(&str, &str, Form)] = &[
    ("registrations", "dps.registrations", Form::Rate),
    ("operations", "dps.operations", Form::Amount),
    ("polls", "dps.polls", Form::Amount),
    ("individual_enrollments", "dps.individual_enrollments", Form::Amount),
    ("enrollment_groups", "dps.enrollment_groups", Form::Amount),
    ("authorities", "dps.authorities", Form::Amount),
    ("hubs", "dps.hubs", Form::Amount),
    ("message", "dps.message", Form::Amount),
];
/// The keys of `[hub]`; `messages` and `daily_messages` are other names of two of them.
const HUB: &[(&str, &str, Form)] = &[
    ("connects", "hub.connects", Form::Rate),
    ("sends", "hub.sends", Form::Rate),
    ("messages", "hub.sends", Form::Rate),
    ("device_messages", "hub.device_messages", Form::Rate),
    ("daily", "hub.daily", Form::Rate),
    ("daily_messages", "hub.daily", Form::Rate),
    ("twin_reads", "hub.twin_reads", Form::Rate),
    ("twin_updates", "hub.twin_updates", Form::Rate),
    ("c2d", "hub.c2d", Form::Amount),
    ("c2d_waiting", "hub.c2d_waiting", Form::Amount),
    ("methods", "hub.methods", Form::Amount),
    ("message", "hub.message", Form::Amount),
    ("billed_unit", "hub.billed_unit", Form::Amount),
];
/// The keys of `[central]`; `requests` is another name of `rest`.
const CENTRAL: &[(&str, &str, Form)] = &[
    ("devices", "central.devices", Form::Amount),
    ("messages", "central.messages", Form::Rate),
    ("device_messages", "central.device_messages", Form::Rate),
    ("property_updates", "central.property_updates", Form::Rate),
    ("commands", "central.commands", Form::Rate),
    ("rest", "central.rest", Form::Rate),
    ("requests", "central.rest", Form::Rate),
    ("rest_queries", "central.rest_queries", Form::Amount),
    ("registrations", "central.registrations", Form::Rate),
    ("hub_per", "central.hub_per", Form::Amount),
    ("templates", "central.templates", Form::Amount),
    ("capabilities", "central.capabilities", Form::Amount),
    ("message", "central.message", Form::Amount),
    ("message_down", "central.message_down", Form::Amount),
    ("billed_unit", "central.billed_unit", Form::Amount),
    ("included_standard_1", "central.included_standard_1", Form::Amount),
    ("included_standard_2", "central.included_standard_2", Form::Amount),
];

/// Where the limits of a preset are found.
pub(crate) type Presets<'a> = &'a dyn Fn(&str) -> Option<Limits>;

pub(crate) fn read(name: &str, text: &str, presets: Presets<'_>) -> Result<Limits, Invalid> {
    let invalid = |problems| Invalid {
        name: name.into(),
        problems,
    };
    let document = Document::parse("a file of limits", name, text, &[]).map_err(invalid)?;
    let limits = limits(name, document.root(), presets);
    match document.problems.take() {
        none if none.is_empty() => Ok(limits),
        problems => Err(invalid(problems)),
    }
}

fn limits(name: &str, root: Table<'_>, presets: Presets<'_>) -> Limits {
    let tables = [
        (root.table("dps"), DPS),
        (root.table("hub"), HUB),
        (root.table("central"), CENTRAL),
    ];
    let included = root.read_list("include", INCLUDE, INCLUDE, |value| {
        let name = reading::text(value)?;
        presets(name).ok_or_else(|| Unreadable::Value(format!("`{name}` is not a preset")))
    });
    let max_units = root.read("max_units", UNITS, |value| reading::whole(value, 1, 1000));
    let origin = Origin::of(&root);
    let mut limits = Limits {
        name: name.into(),
        limits: Vec::new(),
        max_units: max_units.and_then(|units| u32::try_from(units.value).ok()),
        shaped_at_most: None,
    };
    for included in included.into_iter().flat_map(|list| list.value) {
        limits.include(included.value);
    }
    for (table, keys) in tables {
        let Some(table) = table else { continue };
        for (key, id, form) in keys {
            let entry = table.entry(key);
            if let Some(limit) = entry.and_then(|entry| limit(entry, id, *form, &origin)) {
                limits.put(limit);
            }
        }
        if std::ptr::eq(keys, HUB) {
            let shaped = table.read("shaped_at_most", SPAN_FORM, parsed::<Span>);
            limits.shaped_at_most = shaped.map(|at| at.value.0).or(limits.shaped_at_most);
        }
        table.finish();
    }
    root.finish();
    limits
}

impl Limits {
    fn put(&mut self, limit: Limit) {
        self.limits.retain(|other| other.id != limit.id);
        self.limits.push(limit);
    }

    fn include(&mut self, included: Self) {
        included.limits.into_iter().for_each(|limit| self.put(limit));
        self.max_units = self.max_units.or(included.max_units);
        self.shaped_at_most = included.shaped_at_most.or(self.shaped_at_most);
    }
}

/// Who says so.
#[derive(Clone, Default)]
struct Origin {
    source: Option<String>,
    date: Option<String>,
}

impl Origin {
    fn of(table: &Table<'_>) -> Self {
        Self {
            source: words(table, "source"),
            date: words(table, "date"),
        }
    }

    /// The date belongs to the source: a limit with a source of its own has no date but its own.
    fn or(self, other: &Self) -> Self {
        match self.source {
            Some(_) => self,
            None => Self {
                source: other.source.clone(),
                date: self.date.or_else(|| other.date.clone()),
            },
        }
    }
}

fn words(table: &Table<'_>, key: &'static str) -> Option<String> {
    let read = table.read(key, "a text", reading::text)?;
    Some(read.value.to_owned())
}

fn limit(entry: Item<'_>, id: &str, form: Form, origin: &Origin) -> Option<Limit> {
    let plain = |value| Limit {
        id: id.to_owned(),
        value,
        per_unit: None,
        scope: None,
        kind: Kind::Unstated,
        source: None,
        date: None,
        note: None,
    };
    if entry.value().as_table().is_none() {
        return Some(plain(Some(
            entry.read(form.words(), |value| amount(value, form))?.value,
        )));
    }
    let table = entry.table(LIMIT)?;
    let read = |key| -> Option<At<Amount>> { table.read(key, form.words(), |value| amount(value, form)) };
    let (value, per_unit) = (read("value"), read("per_unit"));
    if !table.has("value") && !table.has("per_unit") {
        let message = format!("`{}` has neither a value nor one per unit", table.path());
        table.problem(message, &format!("accepted: {LIMIT}"));
    }
    let kind = table.read("kind", Kind::FORM, |value| reading::word(value, &Kind::WORDS));
    let Origin { source, date } = Origin::of(&table).or(origin);
    let limit = Limit {
        per_unit: per_unit.map(|at| at.value),
        scope: words(&table, "scope"),
        kind: kind.map_or(Kind::Unstated, |at| at.value),
        source,
        date,
        note: words(&table, "note"),
        ..plain(value.map(|at| at.value))
    };
    table.finish_as("a limit");
    Some(limit)
}

impl Form {
    fn words(self) -> &'static str {
        match self {
            Self::Rate => RATE,
            Self::Amount => AMOUNT_FORM,
        }
    }
}

fn amount(value: &DeValue<'_>, form: Form) -> Result<Amount, Unreadable> {
    match form {
        Form::Rate => rate(value),
        Form::Amount if value.is_str() => parsed(value),
        Form::Amount => {
            let count = reading::number(value)?;
            (count > 0.0)
                .then(|| Amount::count(count))
                .ok_or_else(|| Unreadable::Value(format!("{count} is not above 0")))
        }
    }
}

fn rate(value: &DeValue<'_>) -> Result<Amount, Unreadable> {
    let rate: settings::Rate = parsed(value)?;
    let count = rate.count();
    if count.fract() != 0.0 || !(1.0..=1e9).contains(&count) {
        return Err(Unreadable::Value(format!(
            "`{rate}` is not a whole number from 1 to 1000000000"
        )));
    }
    Ok(Amount {
        count,
        unit: Unit::Count,
        per: Some(rate.period()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{load, parse};

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let bad = "include = [\"hub-s4\"]\nmax_units = 0\n[dps]\nregistrations = 200\npolls = \"often\"\n\
                   [hub]\nmesages = \"1/s\"\nconnects = { value = \"0.5/s\", kind = \"soft\", from = \"x\" }\nsends = {}\n\
                   methods = -1\n[rest]\n";
        let error = parse(bad).unwrap_err();
        assert_eq!(
            error.to_string().lines().collect::<Vec<_>>(),
            [
                format!("quota:1: `include.0`: `hub-s4` is not a preset; accepted: {INCLUDE}"),
                format!("quota:2: `max_units`: 0 is too small; accepted: {UNITS}"),
                format!("quota:4: `dps.registrations` is an integer; accepted: {RATE}"),
                format!("quota:5: `dps.polls`: `often` is not an amount; accepted: {AMOUNT_FORM}"),
                "quota:7: `hub.mesages` is not a key of a file of limits; did you mean `messages`?".to_owned(),
                format!("quota:8: `hub.connects.value`: `0.5/s` is not a whole number from 1 to 1000000000; accepted: {RATE}"),
                format!("quota:8: `hub.connects.kind`: `soft` is not one of them; accepted: {}", Kind::FORM),
                "quota:8: `hub.connects.from` is not a key of a limit; accepted: value, per_unit, kind, source, date, scope, note".to_owned(),
                format!("quota:9: `hub.sends` has neither a value nor one per unit; accepted: {LIMIT}"),
                format!("quota:10: `hub.methods`: -1 is not above 0; accepted: {AMOUNT_FORM}"),
                "quota:11: `rest` is not a key of a file of limits; accepted: dps, hub, central, include, max_units, source, date".to_owned(),
            ]
        );
    }

    #[test]
    fn a_name_that_is_nearly_a_preset_gets_a_hint() {
        let missing = load("./folder/hub-s9").unwrap_err().to_string();
        assert!(missing.starts_with("./folder/hub-s9: can't be read: "), "{missing}");
        assert!(
            missing.ends_with(
                "did you mean `hub-s1`?; accepted: off, iot-central, dps, hub-f1, hub-s1, hub-s2, hub-s3, or a file of limits"
            ),
            "{missing}"
        );
    }

    #[test]
    fn a_file_builds_on_presets_and_its_own_limits_win() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        std::fs::write(&file, "include = [\"hub-s2\"]\n[dps]\nregistrations = \"2000/min\"\n").unwrap();
        let limits = load(file.to_str().unwrap()).unwrap();
        assert_eq!(limits.registrations(1).unwrap().to_string(), "2000/min");
        assert_eq!(
            limits.get("hub.sends").unwrap().allowed(2).unwrap().to_string(),
            "240/s"
        );
        assert_eq!(limits.max_units, Some(200));
    }

    #[test]
    fn earlier_names_of_limits_are_understood() {
        let limits = parse(
            "[hub]\nmessages = \"10/s\"\ndaily_messages = \"99/day\"\nshaped_at_most = \"2s\"\n[central]\nrequests = \"3/s\"",
        )
        .unwrap();
        let ids = limits.limits.iter().map(|limit| limit.id.as_str());
        assert_eq!(ids.collect::<Vec<_>>(), ["hub.sends", "hub.daily", "central.rest"]);
        assert_eq!(limits.shaped_at_most, Some(std::time::Duration::from_secs(2)));
    }

    #[test]
    fn a_source_of_its_own_has_no_date_but_its_own() {
        let limits = parse(
            "source = \"a\"\ndate = \"2024\"\n[hub]\nconnects = { value = \"1/s\" }\nsends = { value = \"1/s\", source = \"b\" }\n\
             twin_reads = \"1/s\"",
        )
        .unwrap();
        let from = |id| {
            let limit = limits.get(id).unwrap();
            (limit.source.as_deref(), limit.date.as_deref())
        };
        assert_eq!(from("hub.connects"), (Some("a"), Some("2024")));
        assert_eq!(from("hub.sends"), (Some("b"), None));
        assert_eq!(from("hub.twin_reads"), (None, None));
    }
}
