//! The figures of all processes put together: counters summed, histograms added, never percentiles averaged.

use std::collections::BTreeMap;

use fleet_protocol::histogram::decode;
use fleet_protocol::lines::{GroupStats, Phase, State, Stats, Unfinished, counter};
use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::occurrences::failure;
use crate::sparse::SparseHistogram;

/// A line of figures whose times are decoded, once for everything that adds them up.
#[derive(Debug)]
pub struct Decoded {
    /// The line; its histograms are in `times`.
    pub stats: Stats,
    /// What was timed since the line before.
    pub times: Vec<Times>,
    /// How late the process was since the line before, in microseconds.
    pub lag: Option<Histogram<u64>>,
    unreadable: u64,
}

/// The times of a phase in a group, in microseconds.
#[derive(Debug)]
pub struct Times {
    /// What was timed.
    pub phase: Phase,
    /// The group; empty where the line names none.
    pub group: String,
    /// How long it took.
    pub values: SparseHistogram,
}

impl From<Stats> for Decoded {
    fn from(mut stats: Stats) -> Self {
        let (mut times, mut unreadable) = (Vec::new(), 0);
        for (name, encoded) in std::mem::take(&mut stats.histograms) {
            let (word, group) = name.split_once('/').unwrap_or((&name, ""));
            match Phase::of_word(word).zip(decode(&encoded)) {
                None => unreadable += 1,
                Some((phase, values)) => times.push(Times {
                    phase,
                    group: group.to_owned(),
                    values: (&values).into(),
                }),
            }
        }
        let lag = stats.process.as_mut().and_then(|process| process.lag.take());
        Self {
            lag: lag.as_deref().and_then(decode),
            stats,
            times,
            unreadable,
        }
    }
}

/// The figures of a fleet.
#[derive(Debug)]
pub struct Totals {
    /// The last line of each process.
    last: Vec<Stats>,
    /// How many messages each process offered between its last two lines.
    offered_last: Vec<u64>,
    times: BTreeMap<(Phase, String), SparseHistogram>,
    /// Values that could not be read; there are none unless a process is of another version.
    unreadable: u64,
}

impl Totals {
    /// Nothing has happened in any of `processes`.
    #[must_use]
    pub fn new(processes: usize) -> Self {
        Self {
            last: vec![Stats::default(); processes],
            offered_last: vec![0; processes],
            times: BTreeMap::new(),
            unreadable: 0,
        }
    }

    /// Takes a line of a process.
    pub fn add(&mut self, process: usize, line: impl Into<Decoded>) {
        let Decoded {
            stats,
            times,
            unreadable,
            ..
        } = line.into();
        self.unreadable += unreadable;
        for Times { phase, group, values } in times {
            self.times.entry((phase, group)).or_default().add(&values);
        }
        let offered = |stats: &Stats| counter::count(&stats.counters, counter::TELEMETRY_OFFERED);
        if let Some((last, offered_last)) = self.last.get_mut(process).zip(self.offered_last.get_mut(process)) {
            *offered_last = offered(&stats).saturating_sub(offered(last));
            *last = stats;
        }
    }

    /// A counter of the whole fleet; of a name that ends in `/`, all of its reasons together.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.last
            .iter()
            .map(|stats| counter::count(&stats.counters, name))
            .sum()
    }

    /// The same of one process.
    #[must_use]
    pub fn counter_of(&self, process: usize, name: &str) -> u64 {
        self.last
            .get(process)
            .map_or(0, |stats| counter::count(&stats.counters, name))
    }

    /// How many messages one process offered in the last second that it reported: so many more it may have offered, and
    /// sent, before it died.
    #[must_use]
    pub fn last_second_of(&self, process: usize) -> u64 {
        self.offered_last.get(process).copied().unwrap_or(0)
    }

    /// Telemetry that is neither acknowledged nor given up: while a run lasts, what is on its way; at the end, what was
    /// lost with processes that died.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.counter(counter::TELEMETRY_OFFERED)
            .saturating_sub(self.counter(counter::TELEMETRY_ACKED) + self.counter(counter::TELEMETRY_DROPPED))
    }

    /// What was given up without an end, by phase and group.
    #[must_use]
    pub fn unfinished(&self) -> BTreeMap<(Phase, String), Unfinished> {
        let mut all = BTreeMap::new();
        for (name, unfinished) in self.last.iter().flat_map(|stats| &stats.unfinished) {
            let (word, group) = name.split_once('/').unwrap_or((name, ""));
            if let Some(phase) = Phase::of_word(word) {
                let known: &mut Unfinished = all.entry((phase, group.to_owned())).or_default();
                *known = known.and(*unfinished);
            }
        }
        all
    }

    /// Everything that failed, as `<phase>_failed/<reason>`.
    #[must_use]
    pub fn errors(&self) -> BTreeMap<String, u64> {
        let mut errors = BTreeMap::new();
        let counters = self.last.iter().flat_map(|stats| &stats.counters);
        for (name, count) in counters.filter(|(name, count)| **count > 0 && failure(name).is_some()) {
            *errors.entry(name.clone()).or_insert(0) += count;
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

    /// The last line of a process, if there is such a process; it is empty until it has written one.
    #[must_use]
    pub(crate) fn last(&self, process: usize) -> Option<&Stats> {
        self.last.get(process)
    }

    /// Each group of each process, as its last line has it.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &GroupStats)> {
        let groups = self.last.iter().flat_map(|stats| &stats.groups);
        groups.map(|(name, group)| (name.as_str(), group))
    }

    /// Each group over all processes that have reported.
    #[must_use]
    pub fn by_group(&self) -> BTreeMap<String, GroupStats> {
        let mut groups: BTreeMap<String, GroupStats> = BTreeMap::new();
        for (name, group) in self.groups() {
            groups.entry(name.to_owned()).or_default().add(group);
        }
        groups
    }

    /// What was timed, by phase and group.
    #[must_use]
    pub fn times(&self) -> &BTreeMap<(Phase, String), SparseHistogram> {
        &self.times
    }

    /// What was timed of a phase, in all groups.
    #[must_use]
    pub fn times_of(&self, phase: Phase) -> SparseHistogram {
        let mut all = SparseHistogram::default();
        let times = self.times.iter().filter(|((of, _), _)| *of == phase);
        times.for_each(|(_, times)| all.add(times));
        all
    }
}

/// What the target received of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Received {
    /// All messages.
    pub received: u64,
    /// Messages with an id that was new.
    pub received_unique: u64,
}

#[cfg(test)]
mod tests {
    use fleet_protocol::histogram::Encoder;

    use super::*;

    fn encoded(values: &[u64]) -> String {
        let mut histogram = Phase::histogram();
        for value in values {
            histogram.record(*value).unwrap();
        }
        Encoder::default().encode(&histogram)
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
        let all = totals.times_of(Phase::Connect).to_histogram();
        assert_eq!(all.len(), 100);
        assert!(all.equivalent(all.value_at_quantile(0.5), 1_000));
        assert!(all.equivalent(all.value_at_quantile(0.99), 1_000_000));
    }

    #[test]
    fn what_has_no_end_is_summed_over_processes_and_is_as_old_as_its_oldest() {
        let mut totals = Totals::new(2);
        for (process, count, oldest_ms) in [(0, 1, 500), (0, 3, 2_000), (1, 4, 9_000)] {
            let unfinished = BTreeMap::from([("publish/thermostats".to_owned(), Unfinished { count, oldest_ms })]);
            totals.add(
                process,
                Stats {
                    unfinished,
                    ..Stats::default()
                },
            );
        }
        let publish = Unfinished {
            count: 7,
            oldest_ms: 9_000,
        };
        let thermostats = (Phase::Publish, "thermostats".to_owned());
        assert_eq!(totals.unfinished(), BTreeMap::from([(thermostats, publish)]));
    }

    #[test]
    fn a_group_stands_where_its_devices_of_all_processes_do() {
        let mut totals = Totals::new(2);
        for (process, online, wanted) in [(0, 9, 9), (0, 2, 3), (1, 1, 2)] {
            let group = GroupStats {
                counters: BTreeMap::from([(counter::DEVICES_WANTED.to_owned(), wanted)]),
                states: BTreeMap::from([(State::Online, online), (State::Parked, 1)]),
                wanted_now: wanted,
            };
            let groups = BTreeMap::from([("thermostats".to_owned(), group)]);
            totals.add(
                process,
                Stats {
                    groups,
                    ..Stats::default()
                },
            );
        }
        let both = GroupStats {
            counters: BTreeMap::from([(counter::DEVICES_WANTED.to_owned(), 5)]),
            states: BTreeMap::from([(State::Online, 3), (State::Parked, 2)]),
            wanted_now: 5,
        };
        assert_eq!(totals.by_group(), BTreeMap::from([("thermostats".to_owned(), both)]));
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
