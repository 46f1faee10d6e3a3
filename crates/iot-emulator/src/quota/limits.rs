//! Which rates there are: presets, and files of the same form.

use std::time::Duration;

use serde_json::{Map, Value};

use super::bucket::Rate;
use crate::unconfirmed::SHAPED_AT_MOST;
use crate::weather::{BadSettings, DURATION, Form, duration, toml_table};

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
    /// The file can't be read, or something in it is wrong; everything is told that is.
    pub fn load(preset_or_file: &str) -> Result<Option<Self>, BadSettings> {
        if preset_or_file == "off" {
            return Ok(None);
        }
        if let Some((_, text)) = PRESETS.iter().find(|(name, _)| *name == preset_or_file) {
            return read(preset_or_file, text).map(Some);
        }
        let text = std::fs::read_to_string(preset_or_file).map_err(|error| {
            BadSettings::new(
                preset_or_file,
                format!("can't be read: {error}; accepted: off, iot-central, hub-s1, or a file of limits"),
            )
        })?;
        read(preset_or_file, &text).map(Some)
    }

    /// The quota in the text of such a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the text.
    pub fn parse(toml: &str) -> Result<Self, BadSettings> {
        read("quota", toml)
    }

    /// The preset or the file that it comes from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn read(name: &str, text: &str) -> Result<Quota, BadSettings> {
    let table = toml_table(name, text)?;
    let empty = Map::new();
    let mut problems = Vec::new();
    let mut whole = Form::new(&table, String::new(), &mut problems);
    let mut part = |key| whole.optional(key, "a table", Value::as_object).unwrap_or(&empty);
    let (dps, hub, central) = (part("dps"), part("hub"), part("central"));
    whole.finish();
    let mut dps = Form::new(dps, "[dps] ".into(), &mut problems);
    let registrations = dps.optional("registrations", RATE, rate);
    dps.finish();
    let mut hub = Form::new(hub, "[hub] ".into(), &mut problems);
    let mut limit = |key| hub.optional(key, RATE, rate);
    let (connects, messages, device_messages) = (limit("connects"), limit("messages"), limit("device_messages"));
    let (daily_messages, twin_reads) = (limit("daily_messages"), limit("twin_reads"));
    let twin_updates = limit("twin_updates");
    let shaped_at_most = hub.optional("shaped_at_most", DURATION, duration);
    hub.finish();
    let mut central = Form::new(central, "[central] ".into(), &mut problems);
    let requests = central.optional("requests", RATE, rate);
    let commands = central.optional("commands", RATE, rate);
    central.finish();
    if !problems.is_empty() {
        let name = name.into();
        return Err(BadSettings { name, problems });
    }
    Ok(Quota {
        name: name.into(),
        registrations,
        connects,
        messages,
        device_messages,
        daily_messages,
        twin_reads,
        twin_updates,
        requests,
        commands,
        shaped_at_most: shaped_at_most.unwrap_or(SHAPED_AT_MOST),
    })
}

fn rate(value: &Value) -> Option<Rate> {
    let (amount, unit) = value.as_str()?.split_once('/')?;
    let amount = amount.parse().ok().filter(|amount| (1..=1_000_000).contains(amount))?;
    let period = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    let period = Duration::from_secs(period);
    Some(Rate { amount, period })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_can_be_read_and_hold_the_documented_numbers() {
        assert_eq!(Quota::load("off"), Ok(None));
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
        let bad = "[dps]\nregistrations = 200\n[hub]\nmesages = \"1/s\"\nconnects = \"0/s\"\n[rest]\n";
        let error = Quota::parse(bad).unwrap_err();
        assert_eq!(
            error.problems,
            [
                "`rest` is not known here; accepted: central, dps, hub".to_owned(),
                format!("[dps] `registrations` is 200; accepted: {RATE}"),
                format!("[hub] `connects` is \"0/s\"; accepted: {RATE}"),
                "[hub] `mesages` is not known here; accepted: connects, daily_messages, device_messages, messages, \
                 shaped_at_most, twin_reads, twin_updates"
                    .to_owned(),
            ]
        );
        let missing = Quota::load("no-such-file").unwrap_err().to_string();
        assert!(
            missing.contains("accepted: off, iot-central, hub-s1, or a file"),
            "{missing}"
        );
    }
}
