//! Which rates there are: presets, and files of the same form.

use std::time::Duration;

use settings::reading::parsed;
use settings::span::SPAN_FORM;
use settings::{DeValue, Document, Invalid, Span, Table, Unreadable};

use super::bucket::Rate;
use crate::unconfirmed::SHAPED_AT_MOST;

static PRESETS: [(&str, &str); 2] = [
    (
        "iot-central",
        include_str!("../../../../configs/quotas/iot-central.toml"),
    ),
    ("hub-s1", include_str!("../../../../configs/quotas/hub-s1.toml")),
];
const RATE: &str = r#"a rate such as "20/s", "200/min" or "400000/day", of at least 1 and at most 1000000"#;

/// What a subscription allows. A limit that is left out is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    name: String,
    pub(super) registrations: Option<Rate>,
    pub(super) connects: Option<Rate>,
    pub(super) messages: Option<Rate>,
    pub(super) device_messages: Option<Rate>,
    pub(super) daily_messages: Option<Rate>,
    pub(super) twin_reads: Option<Rate>,
    pub(super) twin_updates: Option<Rate>,
    pub(super) requests: Option<Rate>,
    pub(super) commands: Option<Rate>,
    /// How long a message may be held back before the connection is closed instead.
    pub(super) shaped_at_most: Duration,
}

impl Quota {
    /// The quota of a preset (`iot-central`, `hub-s1`) or of a file; `off` is none.
    ///
    /// # Errors
    ///
    /// The file can't be read, or something in it is wrong; then all of it.
    pub fn load(preset_or_file: &str) -> Result<Option<Self>, Invalid> {
        if preset_or_file == "off" {
            return Ok(None);
        }
        if let Some((_, text)) = PRESETS.iter().find(|(name, _)| *name == preset_or_file) {
            return read(preset_or_file, text).map(Some);
        }
        let text = std::fs::read_to_string(preset_or_file).map_err(|error| {
            let accepted = "off, iot-central, hub-s1, or a file of limits";
            Invalid::whole(preset_or_file, format!("can't be read: {error}"), accepted)
        })?;
        read(preset_or_file, &text).map(Some)
    }

    /// The quota in the text of such a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the text.
    pub fn parse(toml: &str) -> Result<Self, Invalid> {
        read("quota", toml)
    }

    /// How many devices may register, and in which time; `None` where that is not limited.
    #[must_use]
    pub fn registrations(&self) -> Option<(u32, Duration)> {
        self.registrations.map(|rate| (rate.amount, rate.period))
    }

    /// The preset or the file that it comes from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn read(name: &str, text: &str) -> Result<Quota, Invalid> {
    let invalid = |problems| Invalid {
        name: name.into(),
        problems,
    };
    let document = Document::parse("a file of limits", name, text, &[]).map_err(invalid)?;
    let quota = limits(name, document.root());
    match document.problems.take() {
        none if none.is_empty() => Ok(quota),
        problems => Err(invalid(problems)),
    }
}

fn limits(name: &str, root: Table<'_>) -> Quota {
    let (dps, hub, central) = (root.table("dps"), root.table("hub"), root.table("central"));
    let limit = |table: &Option<Table<'_>>, key| Some(table.as_ref()?.read(key, RATE, rate)?.value);
    let shaped_at_most = hub
        .as_ref()
        .and_then(|hub| hub.read("shaped_at_most", SPAN_FORM, parsed::<Span>));
    let quota = Quota {
        name: name.into(),
        registrations: limit(&dps, "registrations"),
        connects: limit(&hub, "connects"),
        messages: limit(&hub, "messages"),
        device_messages: limit(&hub, "device_messages"),
        daily_messages: limit(&hub, "daily_messages"),
        twin_reads: limit(&hub, "twin_reads"),
        twin_updates: limit(&hub, "twin_updates"),
        requests: limit(&central, "requests"),
        commands: limit(&central, "commands"),
        shaped_at_most: shaped_at_most.map_or(SHAPED_AT_MOST, |at| at.value.0),
    };
    [Some(root), dps, hub, central]
        .into_iter()
        .flatten()
        .for_each(Table::finish);
    quota
}

fn rate(value: &DeValue<'_>) -> Result<Rate, Unreadable> {
    let rate: settings::Rate = parsed(value)?;
    let count = rate.count();
    if count.fract() != 0.0 || !(1.0..=1e6).contains(&count) {
        return Err(Unreadable::Value(format!(
            "`{rate}` is not a whole number from 1 to 1000000"
        )));
    }
    Ok(Rate {
        amount: count as u32,
        period: rate.period(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_can_be_read_and_hold_the_documented_numbers() {
        assert_eq!(Quota::load("off").unwrap(), None);
        let per_second = |amount| {
            Some(Rate {
                amount,
                period: Duration::from_secs(1),
            })
        };
        let central = Quota::load("iot-central").unwrap().unwrap();
        let registrations = Rate {
            amount: 200,
            period: Duration::from_secs(60),
        };
        assert_eq!(central.registrations, Some(registrations));
        assert_eq!(
            (central.messages, central.device_messages, central.twin_updates),
            (per_second(200), per_second(10), per_second(100))
        );
        assert_eq!((central.requests, central.commands), (per_second(20), per_second(20)));
        let hub = Quota::load("hub-s1").unwrap().unwrap();
        assert_eq!((hub.connects, hub.messages), (per_second(100), per_second(100)));
        assert_eq!((hub.twin_reads, hub.twin_updates), (per_second(100), per_second(50)));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let bad = "[dps]\nregistrations = 200\n[hub]\nmesages = \"1/s\"\nconnects = \"0/s\"\ntwin_reads = \"0.5/s\"\n[rest]\n";
        let error = Quota::parse(bad).unwrap_err();
        assert_eq!(
            error.to_string().lines().collect::<Vec<_>>(),
            [
                format!("quota:2: `dps.registrations` is an integer; accepted: {RATE}"),
                "quota:4: `hub.mesages` is not a key of a file of limits; did you mean `messages`?".to_owned(),
                format!("quota:5: `hub.connects`: `0/s` is less than one in an hour; accepted: {RATE}"),
                format!("quota:6: `hub.twin_reads`: `0.5/s` is not a whole number from 1 to 1000000; accepted: {RATE}"),
                "quota:7: `rest` is not a key of a file of limits; accepted: dps, hub, central".to_owned(),
            ]
        );
        let missing = Quota::load("no-such-file").unwrap_err().to_string();
        assert!(
            missing.contains("accepted: off, iot-central, hub-s1, or a file"),
            "{missing}"
        );
    }
}
