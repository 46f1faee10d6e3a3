//! Which of the documented limits are kept, and those of files of the same form.

use std::time::Duration;

use quotas::{Amount, Limits};
use settings::Invalid;

use super::bucket::Rate;
use crate::unconfirmed::SHAPED_AT_MOST;

/// What a subscription allows. A limit that is left out is not kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Quota {
    limits: Limits,
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
    /// The quota of a preset, such as `iot-central` or `hub-s1`, or of a file; `off` is none.
    ///
    /// # Errors
    ///
    /// The file can't be read, or something in it is wrong; then all of it.
    pub fn load(preset_or_file: &str) -> Result<Option<Self>, Invalid> {
        match preset_or_file {
            "off" => Ok(None),
            name => quotas::load(name).map(|limits| Some(Self::of(limits, 1))),
        }
    }

    /// The quota in the text of such a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the text.
    pub fn parse(toml: &str) -> Result<Self, Invalid> {
        quotas::parse(toml).map(|limits| Self::of(limits, 1))
    }

    /// The same for so many units of a hub.
    ///
    /// # Errors
    ///
    /// There can't be so many; the sentence that says so.
    pub fn with_units(self, units: u32) -> Result<Self, String> {
        self.limits.check_units(units)?;
        Ok(Self::of(self.limits, units))
    }

    fn of(limits: Limits, units: u32) -> Self {
        let least = |ids: &[&str]| limits.least(ids, units).map(rate);
        Self {
            registrations: limits.registrations(units).map(rate),
            connects: least(&["hub.connects"]),
            messages: least(&["hub.sends", "central.messages"]),
            device_messages: least(&["hub.device_messages", "central.device_messages"]),
            daily_messages: least(&["hub.daily"]),
            twin_reads: least(&["hub.twin_reads"]),
            twin_updates: least(&["hub.twin_updates", "central.property_updates"]),
            requests: least(&["central.rest"]),
            commands: least(&["central.commands"]),
            shaped_at_most: limits.shaped_at_most.unwrap_or(SHAPED_AT_MOST),
            limits,
        }
    }

    /// The preset or the file that it comes from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.limits.name
    }
}

/// The limits that are kept are whole numbers in a time. More than four billion is no limit for one emulator.
fn rate(amount: Amount) -> Rate {
    Rate {
        amount: amount.count as u32,
        period: amount.per.unwrap_or(Duration::from_secs(1)),
    }
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
    fn units_of_a_hub_allow_more() {
        let hub = |units| Quota::load("hub-s1").unwrap().unwrap().with_units(units);
        let ten = hub(10).unwrap();
        assert_eq!(
            (ten.connects.unwrap().amount, ten.twin_reads.unwrap().amount),
            (120, 100)
        );
        assert_eq!(ten.daily_messages.unwrap().amount, 4_000_000);
        assert_eq!(hub(1), Ok(Quota::load("hub-s1").unwrap().unwrap()));
        assert_eq!(hub(0).unwrap_err(), "hub-s1 has from 1 to 200 units");
        let largest = Quota::load("hub-s3").unwrap().unwrap().with_units(10).unwrap();
        assert_eq!(largest.daily_messages.unwrap().amount, 3_000_000_000);
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let bad = "[dps]\nregistrations = 200\n[hub]\nmesages = \"1/s\"\nconnects = \"0/s\"\ntwin_reads = \"0.5/s\"\n[rest]\n";
        let error = Quota::parse(bad).unwrap_err();
        let rate = r#"a rate such as "20/s", "200/min" or "400000/day", of at least 1 and at most 1000000000"#;
        assert_eq!(
            error.to_string().lines().collect::<Vec<_>>(),
            [
                format!("quota:2: `dps.registrations` is an integer; accepted: {rate}"),
                "quota:4: `hub.mesages` is not a key of a file of limits; did you mean `messages`?".to_owned(),
                format!("quota:5: `hub.connects`: `0/s` is less than one in an hour; accepted: {rate}"),
                format!("quota:6: `hub.twin_reads`: `0.5/s` is not a whole number from 1 to 1000000000; accepted: {rate}"),
                "quota:7: `rest` is not a key of a file of limits; accepted: dps, hub, central, include, max_units, source, date"
                    .to_owned(),
            ]
        );
        let missing = Quota::load("no-such-file").unwrap_err().to_string();
        assert!(
            missing.contains("accepted: off, iot-central, dps, hub-f1, hub-s1, hub-s2, hub-s3, or a file"),
            "{missing}"
        );
    }
}
