//! Whether telemetry arrived, as the application shows it: an estimate from looks at the last values of a sample of
//! devices.
//!
//! IoT Central counts nothing that could be asked for. What it shows is the last value of each device, and asking for
//! those of all devices would take more requests than it accepts.

use fleet_protocol::lines::counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interval::wilson;
use crate::plan::text::percent;
use crate::totals::Totals;
use crate::words::counted;

/// An estimate of how much of the telemetry has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arrival {
    /// How often the last value of a device was looked at, each time of one that had been online for two intervals.
    pub looks: u64,
    /// How often it was no older than two of the device's intervals.
    pub fresh: u64,
    /// Their share, 0 to 1.
    pub share: f64,
    /// The lower end of its interval of 95 % confidence, by Wilson.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Arrival {
    /// What it is estimated from, for a person.
    pub(crate) fn words(&self) -> String {
        format!(
            "{} of {} at a device's last value found it fresh; 95 % confidence: {} to {}",
            self.fresh,
            counted(self.looks, "look", "looks"),
            percent(self.low),
            percent(self.high)
        )
    }

    /// Nothing where nothing was looked at.
    pub(crate) fn of(totals: &Totals) -> Option<Self> {
        let (looks, stale) = (
            totals.counter(counter::ARRIVAL_LOOKS),
            totals.counter(counter::ARRIVAL_STALE),
        );
        let fresh = looks.saturating_sub(stale);
        let interval = wilson(fresh, looks)?;
        Some(Self {
            looks,
            fresh,
            share: interval.value,
            low: interval.low,
            high: interval.high,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fleet_protocol::lines::Stats;

    use super::*;

    #[test]
    fn an_estimate_is_as_wide_as_its_sample_is_small() {
        let of = |looks: u64, stale: u64| {
            let mut totals = Totals::new(1);
            let counters = [(counter::ARRIVAL_LOOKS, looks), (counter::ARRIVAL_STALE, stale)];
            let counters = counters.map(|(name, count)| (name.to_owned(), count));
            totals.add(
                0,
                Stats {
                    counters: BTreeMap::from(counters),
                    ..Stats::default()
                },
            );
            Arrival::of(&totals)
        };
        assert_eq!(of(0, 0), None);
        let (few, many) = (of(10, 0).unwrap(), of(1_000, 10).unwrap());
        assert_eq!((few.fresh, few.share, few.high), (10, 1.0, 1.0));
        assert!(few.low < 0.75, "{few:?}");
        assert_eq!((many.fresh, many.share), (990, 0.99));
        assert_eq!(
            few.words(),
            "10 of 10 looks at a device's last value found it fresh; 95 % confidence: 72 % to 100 %"
        );
        assert!(many.low > 0.98 && many.high < 0.996, "{many:?}");
    }
}
