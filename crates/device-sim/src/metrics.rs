//! Figures that all devices of a process write and the stats line reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{GroupStats, Phase, State, Stats, Unfinished, counter};
use hdrhistogram::Histogram;

/// Counters that change with every message, and therefore have their own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// [`counter::DEVICES_REGISTERED`]
    DevicesRegistered,
    /// [`counter::DEVICES_ASSIGNMENT_REUSED`]
    DevicesAssignmentReused,
    /// [`counter::DEVICES_WANTED`]
    DevicesWanted,
    /// [`counter::REGISTRATIONS_BEGUN`]
    RegistrationsBegun,
    /// [`counter::DEVICES_CONNECTED`]
    DevicesConnected,
    /// [`counter::DEVICES_NEGATIVE`]
    DevicesNegative,
    /// [`counter::DEVICES_LET_IN`]
    DevicesLetIn,
    /// [`counter::TELEMETRY_OFFERED`]
    TelemetryOffered,
    /// [`counter::TELEMETRY_SENT`]
    TelemetrySent,
    /// [`counter::TELEMETRY_ACKED`]
    TelemetryAcked,
    /// [`counter::TELEMETRY_RESENT`]
    TelemetryResent,
    /// [`counter::TICKS_MISSED`]
    TicksMissed,
    /// [`counter::DPS_THROTTLED`]
    DpsThrottled,
    /// [`counter::COMMANDS`]
    Commands,
    /// [`counter::C2D_RECEIVED`]
    C2dReceived,
}

const COUNTERS: [(Counter, &str); 15] = [
    (Counter::DevicesRegistered, counter::DEVICES_REGISTERED),
    (Counter::DevicesAssignmentReused, counter::DEVICES_ASSIGNMENT_REUSED),
    (Counter::DevicesWanted, counter::DEVICES_WANTED),
    (Counter::RegistrationsBegun, counter::REGISTRATIONS_BEGUN),
    (Counter::DevicesConnected, counter::DEVICES_CONNECTED),
    (Counter::DevicesNegative, counter::DEVICES_NEGATIVE),
    (Counter::DevicesLetIn, counter::DEVICES_LET_IN),
    (Counter::TelemetryOffered, counter::TELEMETRY_OFFERED),
    (Counter::TelemetrySent, counter::TELEMETRY_SENT),
    (Counter::TelemetryAcked, counter::TELEMETRY_ACKED),
    (Counter::TelemetryResent, counter::TELEMETRY_RESENT),
    (Counter::TicksMissed, counter::TICKS_MISSED),
    (Counter::DpsThrottled, counter::DPS_THROTTLED),
    (Counter::Commands, counter::COMMANDS),
    (Counter::C2dReceived, counter::C2D_RECEIVED),
];

/// All figures of a process.
#[derive(Debug)]
pub struct Metrics {
    groups: Vec<GroupFigures>,
    /// The figures of each group of the plan: groups of one name share theirs.
    figures_of: Vec<usize>,
}

/// The figures of all devices that are in a group of this name.
#[derive(Debug)]
struct GroupFigures {
    name: String,
    devices: u64,
    wanted_now: AtomicU64,
    counters: [AtomicU64; COUNTERS.len()],
    states: [AtomicU64; State::ALL.len()],
    /// `name/reason`: only failures are counted here, so a lock does no harm.
    reasons: Mutex<BTreeMap<String, u64>>,
    /// Only phases that were given up are counted here, and these are as rare.
    unfinished: Mutex<BTreeMap<Phase, Unfinished>>,
    /// In the order of [`Phase::ALL`]; made when the first value comes.
    phases: [Mutex<Option<Histogram<u64>>>; Phase::ALL.len()],
}

impl GroupFigures {
    fn new(name: String) -> Self {
        Self {
            name,
            devices: 0,
            wanted_now: AtomicU64::default(),
            counters: Default::default(),
            states: Default::default(),
            reasons: Mutex::default(),
            unfinished: Mutex::default(),
            phases: std::array::from_fn(|_| Mutex::new(None)),
        }
    }

    fn stats(&self) -> GroupStats {
        let counters = COUNTERS
            .iter()
            .map(|&(counter, name)| (name.to_owned(), self.counters[counter as usize].load(Ordering::Relaxed)));
        let mut counters: BTreeMap<String, u64> = counters.filter(|&(_, count)| count > 0).collect();
        counters.extend(held(&self.reasons).clone());
        let states = State::ALL
            .iter()
            .map(|&state| (state, self.states[state as usize].load(Ordering::Relaxed)))
            .filter(|&(_, devices)| devices > 0)
            .collect();
        GroupStats {
            counters,
            states,
            wanted_now: self.wanted_now.load(Ordering::Relaxed),
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

impl Metrics {
    /// Figures for the groups of a plan: the name of each, and how many devices of it this process has, all pending.
    #[must_use]
    pub fn new(plan: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut groups: Vec<GroupFigures> = Vec::new();
        let figures_of = plan.into_iter().map(|(name, devices)| {
            let found = groups.iter().position(|group| group.name == name);
            let index = found.unwrap_or_else(|| {
                groups.push(GroupFigures::new(name));
                groups.len() - 1
            });
            groups[index].devices += devices;
            *groups[index].states[State::Pending as usize].get_mut() += devices;
            index
        });
        let figures_of = figures_of.collect();
        Self { groups, figures_of }
    }

    fn of(&self, group: usize) -> &GroupFigures {
        &self.groups[self.figures_of[group]]
    }

    /// Counts one of a group.
    pub fn count(&self, group: usize, counter: Counter) {
        self.add(group, counter, 1);
    }

    /// Counts several.
    pub fn add(&self, group: usize, counter: Counter, n: u64) {
        self.of(group).counters[counter as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// Counts one with a reason; `prefix` ends in a slash.
    pub fn count_reason(&self, group: usize, prefix: &str, reason: &str) {
        *held(&self.of(group).reasons)
            .entry(format!("{prefix}{reason}"))
            .or_default() += 1;
    }

    /// Notes a device's change of state.
    pub fn moved(&self, group: usize, from: State, to: State) {
        let states = &self.of(group).states;
        states[from as usize].fetch_sub(1, Ordering::Relaxed);
        states[to as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the stages want a device of a group online, or no longer.
    pub fn wants(&self, group: usize, online: bool) {
        let wanted = &self.of(group).wanted_now;
        match online {
            true => wanted.fetch_add(1, Ordering::Relaxed),
            false => wanted.fetch_sub(1, Ordering::Relaxed),
        };
    }

    /// Records how long a phase took for a device of a group.
    pub fn record(&self, group: usize, phase: Phase, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        if micros > Phase::LONGEST_US {
            self.count_reason(group, counter::CLIPPED, phase.word());
        }
        held(&self.of(group).phases[phase as usize])
            .get_or_insert_with(Phase::histogram)
            .saturating_record(micros);
    }

    /// Notes that a phase of a device of a group was given up without an end after this time.
    pub fn unfinished(&self, group: usize, phase: Phase, waited: Duration) {
        let one = Unfinished {
            count: 1,
            oldest_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        };
        let mut unfinished = held(&self.of(group).unfinished);
        let found = unfinished.entry(phase).or_default();
        *found = found.and(one);
    }

    /// The figures now. Histograms start again from nothing.
    #[must_use]
    pub fn stats(&self, seq: u64, t: f64, encoder: &mut Encoder) -> Stats {
        let groups: BTreeMap<String, GroupStats> = self
            .groups
            .iter()
            .map(|group| (group.name.clone(), group.stats()))
            .collect();
        let mut counters: BTreeMap<String, u64> = COUNTERS.iter().map(|&(_, name)| (name.to_owned(), 0)).collect();
        counters.insert(
            counter::DEVICES_ASKED.into(),
            self.groups.iter().map(|group| group.devices).sum(),
        );
        let mut states = BTreeMap::new();
        for group in groups.values() {
            for (name, count) in &group.counters {
                *counters.entry(name.clone()).or_default() += count;
            }
            for (state, devices) in &group.states {
                *states.entry(*state).or_default() += devices;
            }
        }
        let unfinished = self.groups.iter().flat_map(|group| {
            let unfinished = held(&group.unfinished).clone();
            unfinished
                .into_iter()
                .map(|(phase, unfinished)| (format!("{}/{}", phase.word(), group.name), unfinished))
        });
        Stats {
            seq,
            t,
            counters,
            states,
            groups,
            unfinished: unfinished.collect(),
            process: None,
            histograms: self.take_histograms(encoder),
        }
    }

    fn take_histograms(&self, encoder: &mut Encoder) -> BTreeMap<String, String> {
        let mut histograms = BTreeMap::new();
        for group in &self.groups {
            for phase in Phase::ALL {
                let mut slot = held(&group.phases[phase as usize]);
                let Some(histogram) = slot.as_mut().filter(|histogram| !histogram.is_empty()) else {
                    continue;
                };
                let encoded = encoder.encode(histogram);
                histogram.reset();
                histograms.insert(format!("{}/{}", phase.word(), group.name), encoded);
            }
        }
        histograms
    }
}

#[cfg(test)]
mod tests {
    use fleet_protocol::histogram::decode;

    use super::*;

    #[test]
    fn the_tables_are_in_the_order_of_their_enums() {
        for (i, (counter, _)) in COUNTERS.iter().enumerate() {
            assert_eq!(*counter as usize, i);
        }
        for (i, state) in State::ALL.iter().enumerate() {
            assert_eq!(*state as usize, i);
        }
        for (i, phase) in Phase::ALL.iter().enumerate() {
            assert_eq!(*phase as usize, i);
        }
    }

    #[test]
    fn counters_go_on_and_histograms_start_again() {
        let metrics = Metrics::new([("g".to_owned(), 3)]);
        metrics.count(0, Counter::TelemetryAcked);
        metrics.count_reason(0, counter::CONNECT_FAILED, "dns");
        metrics.moved(0, State::Pending, State::Online);
        metrics.record(0, Phase::Publish, Duration::from_millis(5));
        let first = metrics.stats(0, 1.0, &mut Encoder::default());
        assert_eq!(
            (first.counters["telemetry_acked"], first.counters["connect_failed/dns"]),
            (1, 1)
        );
        assert_eq!(first.states, BTreeMap::from([(State::Pending, 2), (State::Online, 1)]));
        let histogram = decode(&first.histograms["publish/g"]).unwrap();
        assert_eq!(histogram.len(), 1);
        assert!(histogram.max().abs_diff(5_000) <= 5);
        metrics.count(0, Counter::TelemetryAcked);
        assert!(first.unfinished.is_empty());
        let second = metrics.stats(1, 2.0, &mut Encoder::default());
        assert_eq!(second.counters["telemetry_acked"], 2);
        assert!(second.histograms.is_empty());
    }

    #[test]
    fn a_value_beyond_the_histogram_is_counted_as_clipped() {
        let metrics = Metrics::new([("g".to_owned(), 1)]);
        metrics.record(0, Phase::Publish, Duration::from_secs(600));
        assert!(
            !metrics
                .stats(0, 1.0, &mut Encoder::default())
                .counters
                .contains_key("clipped/publish")
        );
        metrics.record(0, Phase::Publish, Duration::from_secs(601));
        assert_eq!(
            metrics.stats(1, 2.0, &mut Encoder::default()).counters["clipped/publish"],
            1
        );
    }

    #[test]
    fn what_is_given_up_is_counted_with_the_age_of_the_oldest() {
        let metrics = Metrics::new([("g".to_owned(), 1), ("h".to_owned(), 0)]);
        for seconds in [2, 13, 5] {
            metrics.unfinished(1, Phase::Publish, Duration::from_secs(seconds));
        }
        let oldest = Unfinished {
            count: 3,
            oldest_ms: 13_000,
        };
        let expected = BTreeMap::from([("publish/h".to_owned(), oldest)]);
        assert_eq!(metrics.stats(0, 1.0, &mut Encoder::default()).unfinished, expected);
        assert_eq!(
            metrics.stats(1, 2.0, &mut Encoder::default()).unfinished,
            expected,
            "it is cumulative"
        );
    }

    #[test]
    fn groups_of_one_name_share_their_figures_and_the_process_has_the_sums() {
        let plan = [("individual", 1), ("a", 2), ("individual", 4)];
        let metrics = Metrics::new(plan.map(|(name, devices)| (name.to_owned(), devices)));
        for group in [0, 1, 2] {
            metrics.count(group, Counter::TelemetryAcked);
            metrics.count_reason(group, counter::CONNECT_FAILED, "dns");
            metrics.record(group, Phase::Connect, Duration::from_millis(5));
            metrics.unfinished(group, Phase::Publish, Duration::from_secs(1));
        }
        metrics.moved(2, State::Pending, State::Online);
        metrics.wants(1, true);
        let stats = metrics.stats(0, 1.0, &mut Encoder::default());
        assert_eq!(
            (stats.counters["devices_asked"], stats.counters["telemetry_acked"]),
            (7, 3)
        );
        let individual = &stats.groups["individual"];
        assert_eq!(
            (individual.counters["connect_failed/dns"], individual.wanted_now),
            (2, 0)
        );
        assert_eq!(
            individual.states,
            BTreeMap::from([(State::Pending, 4), (State::Online, 1)])
        );
        assert!(!individual.counters.contains_key("reconnects"), "what is 0 is left out");
        assert_eq!(stats.groups["a"].wanted_now, 1);
        assert_eq!(stats.unfinished["publish/individual"].count, 2);
        let histogram = decode(&stats.histograms["connect/individual"]).unwrap();
        assert_eq!(histogram.len(), 2);
    }
}
