//! One limit, and all those that hold together.

use std::time::Duration;

use crate::amount::Amount;

/// How firmly a limit is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Nothing moves it.
    Fixed,
    /// Support raises it on request.
    Adjustable,
    /// What comes faster is delayed first, then refused.
    Throttle,
    /// So much in a day, and then nothing before the next.
    Quota,
    /// The service grows with the traffic, and refuses for a while.
    Scales,
    /// IoT Central names it, DPS keeps it.
    SetByDps,
    /// The documentation does not say.
    #[default]
    Unstated,
}

impl Kind {
    pub(crate) const WORDS: [(&str, Self); 6] = [
        ("fixed", Self::Fixed),
        ("adjustable", Self::Adjustable),
        ("throttle", Self::Throttle),
        ("quota", Self::Quota),
        ("scales", Self::Scales),
        ("set-by-dps", Self::SetByDps),
    ];
    pub(crate) const FORM: &str = "fixed, adjustable, throttle, quota, scales or set-by-dps";

    /// Whether what is beyond it fails for good, so that a plan beyond it is not begun.
    #[must_use]
    pub fn refuses(self) -> bool {
        matches!(self, Self::Fixed | Self::Quota)
    }

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, kind)| *kind == self);
        found.map_or("unstated", |(word, _)| word)
    }
}

/// One limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Such as `hub.connects`.
    pub id: String,
    /// What is allowed, whatever the number of units.
    pub value: Option<Amount>,
    /// What each unit allows.
    pub per_unit: Option<Amount>,
    /// Whom it is for: all of an application, one device.
    pub scope: Option<String>,
    /// How firmly it is kept.
    pub kind: Kind,
    /// The page that says so.
    pub source: Option<String>,
    /// The date of that page.
    pub date: Option<String>,
    /// What else is to be known of it, such as another source that disagrees.
    pub note: Option<String>,
}

impl Limit {
    /// What is allowed with so many units: the larger of what all of them allow together, and of what is allowed anyway.
    #[must_use]
    pub fn allowed(&self, units: u32) -> Option<Amount> {
        let together = self.per_unit.map(|amount| amount.times(f64::from(units)));
        match (self.value, together) {
            (Some(value), Some(together)) if together.hertz() > value.hertz() => Some(together),
            (Some(value), _) => Some(value),
            (None, together) => together,
        }
    }
}

/// The limits that hold together, such as those of one tier of IoT Hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The preset or the file.
    pub name: String,
    /// In the order of the file, those that it includes first.
    pub limits: Vec<Limit>,
    /// How many units there can be; `None` where nothing is sold in units.
    pub max_units: Option<u32>,
    /// How long a message may be delayed before the connection is closed instead.
    pub shaped_at_most: Option<Duration>,
}

impl Limits {
    /// The limit of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.id == id)
    }

    /// The smallest of what these limits allow, such as the service's own and that of the service behind it.
    #[must_use]
    pub fn least(&self, ids: &[&str], units: u32) -> Option<Amount> {
        let allowed = ids.iter().filter_map(|id| self.get(id)?.allowed(units));
        allowed.min_by(|a, b| a.hertz().total_cmp(&b.hertz()))
    }

    /// How many devices may register, and in which time.
    #[must_use]
    pub fn registrations(&self, units: u32) -> Option<Amount> {
        self.least(&["dps.registrations", "central.registrations"], units)
    }

    /// Whether there can be so many units.
    ///
    /// # Errors
    ///
    /// There can't; the sentence that says so.
    pub fn check_units(&self, units: u32) -> Result<(), String> {
        match self.max_units {
            None => Err(format!("{} is not sold in units", self.name)),
            Some(1) if units != 1 => Err(format!("{} has 1 unit", self.name)),
            Some(most) if !(1..=most).contains(&units) => Err(format!("{} has from 1 to {most} units", self.name)),
            Some(_) => Ok(()),
        }
    }

    /// Whether there is a limit of a hub: without one, nothing beyond the registrations can be judged.
    #[must_use]
    pub fn judges_hub(&self) -> bool {
        let of_hub = |limit: &Limit| limit.id.starts_with("hub.") || limit.id.starts_with("central.");
        self.limits.iter().any(of_hub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_allow_more_and_never_less_than_what_is_allowed_anyway() {
        let limits = crate::parse(
            "[hub]\nconnects = { value = \"100/s\", per_unit = \"12/s\" }\nsends = { per_unit = \"120/s\" }\n\
             twin_reads = \"100/s\"",
        )
        .unwrap();
        let allowed = |id, units| limits.get(id).unwrap().allowed(units).unwrap().to_string();
        assert_eq!(
            [1, 8, 9].map(|units| allowed("hub.connects", units)),
            ["100/s", "100/s", "108/s"]
        );
        assert_eq!([1, 3].map(|units| allowed("hub.sends", units)), ["120/s", "360/s"]);
        assert_eq!([1, 3].map(|units| allowed("hub.twin_reads", units)), ["100/s", "100/s"]);
    }

    #[test]
    fn the_smaller_of_two_limits_counts_whatever_their_periods() {
        let limits = crate::parse("[dps]\nregistrations = \"20/s\"\n[central]\nregistrations = \"200/min\"").unwrap();
        assert_eq!(limits.registrations(1).unwrap().to_string(), "200/min");
        assert_eq!(limits.least(&["hub.connects"], 1), None);
    }

    #[test]
    fn there_are_as_many_units_as_a_tier_has() {
        let check = |name, units| crate::preset(name).unwrap().check_units(units);
        assert_eq!(check("hub-s1", 200), Ok(()));
        assert_eq!(check("hub-s1", 201), Err("hub-s1 has from 1 to 200 units".to_owned()));
        assert_eq!(check("hub-f1", 0), Err("hub-f1 has 1 unit".to_owned()));
        assert_eq!(check("dps", 1), Err("dps is not sold in units".to_owned()));
    }

    #[test]
    fn what_is_fixed_or_counted_by_the_day_refuses() {
        let refusing = Kind::WORDS.iter().filter(|(_, kind)| kind.refuses());
        assert_eq!(refusing.map(|(word, _)| *word).collect::<Vec<_>>(), ["fixed", "quota"]);
        assert!(!Kind::Unstated.refuses());
    }
}
