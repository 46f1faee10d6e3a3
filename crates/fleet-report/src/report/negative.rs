//! Counts of negative devices, which must be refused.

use fleet_protocol::lines::counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::{agreeing, counted};

/// Counts of the devices that must be refused. They are neither wanted nor failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NegativeCounts {
    /// In the manifest.
    pub asked: u64,
    /// Refused as expected.
    pub refused: u64,
    /// Refused, but not as expected.
    pub refused_otherwise: u64,
    /// Neither refused nor let in until the end: not reached, throttled, or not their turn yet.
    pub not_judged: u64,
    /// Let in: assigned to a hub, or connected to it.
    pub let_in: u64,
}

impl NegativeCounts {
    /// By the counters of the devices; nothing where there is no such device.
    #[must_use]
    pub fn of(count: impl Fn(&str) -> u64) -> Option<Self> {
        let asked = count(counter::DEVICES_NEGATIVE);
        let [refused, refused_otherwise, let_in] = [
            counter::DEVICES_REFUSED,
            counter::DEVICES_REFUSED_OTHERWISE,
            counter::DEVICES_LET_IN,
        ]
        .map(count);
        (asked > 0).then_some(Self {
            asked,
            refused,
            refused_otherwise,
            not_judged: asked.saturating_sub(refused + refused_otherwise + let_in),
            let_in,
        })
    }

    /// Of the same devices in several processes, one after the other: what was judged in one of them is judged.
    pub(crate) fn or(self, later: Self) -> Self {
        let asked = self.asked.max(later.asked);
        let [refused, refused_otherwise, let_in] = [
            self.refused.max(later.refused),
            self.refused_otherwise.max(later.refused_otherwise),
            self.let_in.max(later.let_in),
        ];
        Self {
            asked,
            refused,
            refused_otherwise,
            not_judged: asked.saturating_sub(refused + refused_otherwise + let_in),
            let_in,
        }
    }

    /// Of these and of other devices.
    pub(crate) fn and(self, others: Self) -> Self {
        Self {
            asked: self.asked + others.asked,
            refused: self.refused + others.refused,
            refused_otherwise: self.refused_otherwise + others.refused_otherwise,
            not_judged: self.not_judged + others.not_judged,
            let_in: self.let_in + others.let_in,
        }
    }

    /// In a sentence.
    pub(crate) fn words(&self) -> String {
        let Self {
            asked,
            refused,
            refused_otherwise,
            not_judged,
            let_in,
        } = *self;
        let mut words = format!(
            "{refused} of {} that must be refused {} refused as expected",
            counted(asked, "device", "devices"),
            agreeing(refused, "was", "were")
        );
        for (count, what) in [
            (refused_otherwise, "refused for another reason"),
            (not_judged, "not judged until the end"),
            (let_in, "let in"),
        ] {
            if count > 0 {
                words += &format!(", {count} {what}");
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fleet_protocol::lines::{GroupStats, Stats};

    use super::*;
    use crate::exit::PASSED;
    use crate::measurements::Measurements;
    use crate::report::{Circumstances, Report};
    use crate::summary::summary;
    use crate::thresholds::Marks;

    fn stats(counters: &[(&str, u64)]) -> Stats {
        let counters: BTreeMap<_, _> = counters
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        let group = GroupStats {
            counters: counters.clone(),
            ..GroupStats::default()
        };
        Stats {
            counters,
            groups: BTreeMap::from([("strangers".to_owned(), group)]),
            ..Stats::default()
        }
    }

    fn report(counters: &[(&str, u64)]) -> Report {
        let mut measurements = Measurements::new(1, &[]);
        measurements.totals.add(0, stats(counters));
        Report::new(Circumstances::default(), &measurements)
    }

    #[test]
    fn what_is_refused_as_expected_is_right_and_what_got_in_fails_the_run() {
        let counters = [
            ("devices_negative", 10),
            ("devices_refused/mqtt_not_authorized", 6),
            ("devices_refused_otherwise/dps_disabled", 2),
            ("devices_not_judged/dns", 1),
            ("devices_faulty/slow", 3),
        ];
        let right = report(&counters);
        assert_eq!((right.exit, right.run.failures.len()), (PASSED, 0));
        let negative = right.devices.negative.unwrap();
        assert_eq!(
            negative.words(),
            "6 of 10 devices that must be refused were refused as expected, 2 refused for another reason, 2 not judged until the end"
        );
        let text = summary(&right, Marks::Ascii);
        for line in [
            "  with slow               3  (on purpose)",
            "  as expected             6  (mqtt_not_authorized 6)",
            "  otherwise               2  (dps_disabled 2)",
            "  not judged              2  (dns 1)",
            "  let in                  0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("\nErrors"), "{text}");

        let wrong = report(&[("devices_negative", 2), ("devices_let_in", 1)]);
        assert_eq!(wrong.run.failures, ["1 of 2 devices that must be refused got in"]);
        assert!(report(&[("devices_wanted", 1)]).devices.negative.is_none());
    }

    #[test]
    fn what_one_process_of_a_shard_has_judged_is_judged() {
        let of = |refused, not_judged| NegativeCounts {
            asked: 5,
            refused,
            refused_otherwise: 0,
            not_judged,
            let_in: 0,
        };
        assert_eq!(of(5, 0).or(of(0, 5)), of(5, 0));
        assert_eq!(of(2, 3).and(of(5, 0)).refused, 7);
    }
}
