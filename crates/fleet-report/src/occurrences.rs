//! When each failure was first and last seen.

use std::collections::BTreeMap;

use fleet_protocol::lines::{Stats, counter};

use crate::attempts::ATTEMPTS;

/// First and last occurrence of everything that is counted as a failure, in seconds since the run began.
#[derive(Debug, Clone, Default)]
pub struct Occurrences(BTreeMap<String, (f64, f64)>);

/// Counters that are failures, or that a person looks for among them, beside attempts that failed. Those that end in `/`
/// are followed by a reason.
const FAILURES: [&str; 12] = [
    counter::DEVICES_FAILED,
    counter::DEVICES_LET_IN,
    counter::DEVICES_REFUSED_OTHERWISE,
    counter::DEVICES_NOT_JUDGED,
    counter::RECONNECTS,
    counter::TELEMETRY_DROPPED,
    counter::DPS_THROTTLED,
    counter::TICKS_MISSED,
    counter::REST_THROTTLED,
    counter::OPERATOR_SKIPPED,
    counter::ARRIVAL_FAILED,
    counter::C2D_FAILED,
];

/// The failure that a counter is, and its reason.
pub(crate) fn failure(name: &str) -> Option<(&'static str, Option<&str>)> {
    let attempts = ATTEMPTS.iter().map(|attempt| attempt.failed);
    FAILURES
        .into_iter()
        .chain(attempts)
        .find_map(|failure| match failure.strip_suffix('/') {
            Some(operation) => Some((operation, Some(name.strip_prefix(failure)?))),
            None => (name == failure).then_some((failure, None)),
        })
}

impl Occurrences {
    /// Takes a line of a process whose line before was `before`.
    pub fn line(&mut self, before: &Stats, line: &Stats, at_s: f64) {
        for (name, count) in &line.counters {
            if *count > counter::count(&before.counters, name) && failure(name).is_some() {
                match self.0.get_mut(name) {
                    Some((_, last)) => *last = at_s,
                    None => {
                        self.0.insert(name.clone(), (at_s, at_s));
                    }
                }
            }
        }
    }

    /// First and last time of a counter.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<(f64, f64)> {
        self.0.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_a_first_and_a_last_time() {
        let line = |failed: u64, acked: u64| Stats {
            counters: BTreeMap::from([
                ("connect_failed/dns".to_owned(), failed),
                (counter::TELEMETRY_ACKED.to_owned(), acked),
            ]),
            ..Stats::default()
        };
        let lines = [line(0, 1), line(2, 2), line(2, 3), line(3, 4), line(3, 5)];
        let mut occurrences = Occurrences::default();
        for (at_s, pair) in (2..).zip(lines.windows(2)) {
            occurrences.line(&pair[0], &pair[1], f64::from(at_s));
        }
        assert_eq!(occurrences.of("connect_failed/dns"), Some((2.0, 4.0)));
        assert_eq!(occurrences.of(counter::TELEMETRY_ACKED), None, "it is no failure");
    }

    #[test]
    fn a_counter_is_split_into_operation_and_reason() {
        assert_eq!(failure("connect_failed/dns"), Some(("connect_failed", Some("dns"))));
        assert_eq!(failure("dps_throttled"), Some(("dps_throttled", None)));
        assert_eq!(failure("telemetry_acked"), None);
    }
}
