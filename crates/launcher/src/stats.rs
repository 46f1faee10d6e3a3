//! The figures of all processes put together: counters summed, histograms added, never percentiles averaged.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use device_sim::lines::{Phase, State, Stats, counter};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

/// The figures of a fleet.
#[derive(Debug)]
pub struct Totals {
    /// The last line of each process.
    last: Vec<Stats>,
    histograms: BTreeMap<Phase, Histogram<u64>>,
    /// Values that could not be read; there are none unless a process is of another version.
    unreadable: u64,
}

impl Totals {
    /// Nothing has happened in any of `processes`.
    #[must_use]
    pub fn new(processes: usize) -> Self {
        Self {
            last: vec![Stats::default(); processes],
            histograms: BTreeMap::new(),
            unreadable: 0,
        }
    }

    /// Takes a line of a process.
    pub fn add(&mut self, process: usize, stats: Stats) {
        for (name, encoded) in &stats.histograms {
            let word = name.split_once('/').map_or(name.as_str(), |(phase, _group)| phase);
            let phase = Phase::ALL.into_iter().find(|phase| phase.word() == word);
            let added = phase.zip(decode(encoded)).is_some_and(|(phase, new)| {
                let all = self.histograms.entry(phase).or_insert_with(Phase::histogram);
                all.add(new).is_ok()
            });
            self.unreadable += u64::from(!added);
        }
        if let Some(last) = self.last.get_mut(process) {
            *last = stats;
        }
    }

    /// A counter of the whole fleet.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.last.iter().filter_map(|stats| stats.counters.get(name)).sum()
    }

    /// The same of one process.
    #[must_use]
    pub fn counter_of(&self, process: usize, name: &str) -> u64 {
        self.last
            .get(process)
            .and_then(|stats| stats.counters.get(name))
            .copied()
            .unwrap_or(0)
    }

    /// Devices of one process that never came online, as far as it has told.
    #[must_use]
    pub fn failed_of(&self, process: usize) -> u64 {
        let counters = self.last.get(process).into_iter().flat_map(|stats| &stats.counters);
        counters
            .filter(|(name, _)| name.starts_with(counter::DEVICES_FAILED))
            .map(|(_, count)| count)
            .sum()
    }

    /// The counters that begin with `prefix`, by what follows it.
    #[must_use]
    pub fn by_reason(&self, prefix: &str) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        let counters = self.last.iter().flat_map(|stats| &stats.counters);
        for (name, count) in counters.filter(|(_, count)| **count > 0) {
            if let Some(reason) = name.strip_prefix(prefix) {
                *reasons.entry(reason.to_owned()).or_insert(0) += count;
            }
        }
        reasons
    }

    /// Everything that failed, as `<phase>_failed/<reason>`.
    #[must_use]
    pub fn errors(&self) -> BTreeMap<String, u64> {
        let phases = [
            counter::REGISTER_FAILED,
            counter::CONNECT_FAILED,
            counter::TWIN_GET_FAILED,
            counter::REPORT_FAILED,
            counter::COMMAND_FAILED,
            counter::RECONNECTS,
        ];
        let mut errors: BTreeMap<String, u64> = phases
            .iter()
            .flat_map(|prefix| {
                self.by_reason(prefix)
                    .into_iter()
                    .map(move |(reason, count)| (format!("{prefix}{reason}"), count))
            })
            .collect();
        for name in [counter::DPS_THROTTLED, counter::TICKS_MISSED] {
            let count = self.counter(name);
            if count > 0 {
                errors.insert(name.to_owned(), count);
            }
        }
        if self.unreadable > 0 {
            errors.insert("unreadable_histograms".to_owned(), self.unreadable);
        }
        errors
    }

    /// How many devices are in a state.
    #[must_use]
    pub fn state(&self, state: State) -> u64 {
        self.last.iter().filter_map(|stats| stats.states.get(&state)).sum()
    }

    /// Every phase in which something was measured, in the order of a device's life.
    pub fn phases(&self) -> impl Iterator<Item = (Phase, &Histogram<u64>)> {
        self.histograms
            .iter()
            .filter(|(_, histogram)| !histogram.is_empty())
            .map(|(phase, histogram)| (*phase, histogram))
    }
}

/// A histogram as lines and records have it.
pub(crate) fn decode(encoded: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(encoded).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{Serializer, V2Serializer};

    use super::*;

    fn encoded(values: &[u64]) -> String {
        let mut histogram = Phase::histogram();
        for value in values {
            histogram.record(*value).unwrap();
        }
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&histogram, &mut bytes).unwrap();
        STANDARD.encode(bytes)
    }

    fn stats(acked: u64, online: u64, connects: &[u64]) -> Stats {
        Stats {
            counters: BTreeMap::from([
                (counter::TELEMETRY_ACKED.to_owned(), acked),
                (format!("{}tcp_refused", counter::CONNECT_FAILED), acked / 10),
            ]),
            states: BTreeMap::from([(State::Online, online)]),
            histograms: BTreeMap::from([("connect/thermostats".to_owned(), encoded(connects))]),
            ..Stats::default()
        }
    }

    #[test]
    fn counters_are_summed_over_processes_and_not_over_time() {
        let mut totals = Totals::new(2);
        totals.add(0, stats(10, 1, &[]));
        totals.add(0, stats(20, 3, &[]));
        totals.add(1, stats(5, 2, &[]));
        assert_eq!(totals.counter(counter::TELEMETRY_ACKED), 25);
        assert_eq!(totals.counter_of(0, counter::TELEMETRY_ACKED), 20);
        assert_eq!(totals.state(State::Online), 5);
        assert_eq!(
            totals.errors(),
            BTreeMap::from([("connect_failed/tcp_refused".to_owned(), 2)])
        );
    }

    #[test]
    fn histograms_are_added_over_processes_and_time() {
        let mut totals = Totals::new(2);
        // Ninety-eight fast connections in one process and two slow ones in the other: the 99th percentile of all is
        // slow, while the average of both processes' percentiles would be in between.
        totals.add(0, stats(0, 0, &[1_000; 49]));
        totals.add(0, stats(0, 0, &[1_000; 49]));
        totals.add(1, stats(0, 0, &[1_000_000; 2]));
        let (phase, all) = totals.phases().next().unwrap();
        assert_eq!(phase, Phase::Connect);
        assert_eq!(all.len(), 100);
        assert!(all.equivalent(all.value_at_quantile(0.5), 1_000));
        assert!(all.equivalent(all.value_at_quantile(0.99), 1_000_000));
    }

    #[test]
    fn a_histogram_that_cannot_be_read_is_counted() {
        let mut totals = Totals::new(1);
        for (name, value) in [
            ("connect/a", "not base64"),
            ("nonsense/a", &*encoded(&[1])),
            ("connect", ""),
        ] {
            let histograms = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            totals.add(
                0,
                Stats {
                    histograms,
                    ..Stats::default()
                },
            );
        }
        assert_eq!(totals.errors()["unreadable_histograms"], 3);
    }
}
