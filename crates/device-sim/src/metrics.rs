//! Figures that all devices of a process write and the stats line reads.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleet_protocol::lines::{Phase, State, Stats, Unfinished, counter};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};

/// Counters that change with every message, and therefore have their own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// [`counter::DEVICES_REGISTERED`]
    DevicesRegistered,
    /// [`counter::DEVICES_ASSIGNMENT_REUSED`]
    DevicesAssignmentReused,
    /// [`counter::DEVICES_WANTED`]
    DevicesWanted,
    /// [`counter::DEVICES_CONNECTED`]
    DevicesConnected,
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
}

const COUNTERS: [(Counter, &str); 10] = [
    (Counter::DevicesRegistered, counter::DEVICES_REGISTERED),
    (Counter::DevicesAssignmentReused, counter::DEVICES_ASSIGNMENT_REUSED),
    (Counter::DevicesWanted, counter::DEVICES_WANTED),
    (Counter::DevicesConnected, counter::DEVICES_CONNECTED),
    (Counter::TelemetryOffered, counter::TELEMETRY_OFFERED),
    (Counter::TelemetrySent, counter::TELEMETRY_SENT),
    (Counter::TelemetryAcked, counter::TELEMETRY_ACKED),
    (Counter::TelemetryResent, counter::TELEMETRY_RESENT),
    (Counter::TicksMissed, counter::TICKS_MISSED),
    (Counter::DpsThrottled, counter::DPS_THROTTLED),
];

/// All figures of a process.
#[derive(Debug)]
pub struct Metrics {
    devices: u64,
    counters: [AtomicU64; COUNTERS.len()],
    states: [AtomicU64; State::ALL.len()],
    /// `name/reason`: only failures are counted here, so a lock does no harm.
    reasons: Mutex<BTreeMap<String, u64>>,
    /// By group and phase. Only phases that were given up are counted here, and these are as rare.
    unfinished: Mutex<BTreeMap<(usize, Phase), Unfinished>>,
    groups: Vec<GroupHistograms>,
}

#[derive(Debug)]
struct GroupHistograms {
    name: String,
    /// In the order of [`Phase::ALL`]; made when the first value comes.
    phases: [Mutex<Option<Histogram<u64>>>; Phase::ALL.len()],
}

impl Metrics {
    /// Figures for `devices` devices, all pending, in these groups.
    #[must_use]
    pub fn new(devices: u64, groups: impl IntoIterator<Item = String>) -> Self {
        let metrics = Self {
            devices,
            counters: Default::default(),
            states: Default::default(),
            reasons: Mutex::default(),
            unfinished: Mutex::default(),
            groups: groups
                .into_iter()
                .map(|name| GroupHistograms {
                    name,
                    phases: std::array::from_fn(|_| Mutex::new(None)),
                })
                .collect(),
        };
        metrics.states[State::Pending as usize].store(devices, Ordering::Relaxed);
        metrics
    }

    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts several.
    pub fn add(&self, counter: Counter, n: u64) {
        self.counters[counter as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// Counts one with a reason; `prefix` ends in a slash.
    pub fn count_reason(&self, prefix: &str, reason: &str) {
        self.add_reason(prefix, reason, 1);
    }

    /// Counts several with a reason.
    pub fn add_reason(&self, prefix: &str, reason: &str, n: u64) {
        let mut reasons = self.reasons.lock().expect("no holder of this lock panics");
        *reasons.entry(format!("{prefix}{reason}")).or_default() += n;
    }

    /// Notes a device's change of state.
    pub fn moved(&self, from: State, to: State) {
        self.states[from as usize].fetch_sub(1, Ordering::Relaxed);
        self.states[to as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Records how long a phase took for a device of a group.
    pub fn record(&self, group: usize, phase: Phase, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        if micros > Phase::LONGEST_US {
            self.count_reason(counter::CLIPPED, phase.word());
        }
        let mut histogram = self.groups[group].phases[phase as usize]
            .lock()
            .expect("no holder of this lock panics");
        histogram.get_or_insert_with(Phase::histogram).saturating_record(micros);
    }

    /// Notes that a phase of a device of a group was given up without an end after this time.
    pub fn unfinished(&self, group: usize, phase: Phase, waited: Duration) {
        let one = Unfinished {
            count: 1,
            oldest_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        };
        let mut unfinished = self.unfinished.lock().expect("no holder of this lock panics");
        let known = unfinished.entry((group, phase)).or_default();
        *known = known.and(one);
    }

    /// The figures now. Histograms start again from nothing.
    #[must_use]
    pub fn stats(&self, seq: u64, t: f64) -> Stats {
        let mut counters: BTreeMap<String, u64> = COUNTERS
            .iter()
            .map(|&(counter, name)| (name.to_owned(), self.counters[counter as usize].load(Ordering::Relaxed)))
            .collect();
        counters.insert(counter::DEVICES_ASKED.into(), self.devices);
        counters.extend(self.reasons.lock().expect("no holder of this lock panics").clone());
        let states = State::ALL
            .iter()
            .map(|&state| (state, self.states[state as usize].load(Ordering::Relaxed)))
            .filter(|&(_, devices)| devices > 0)
            .collect();
        let unfinished = self.unfinished.lock().expect("no holder of this lock panics");
        let unfinished = unfinished.iter().map(|(&(group, phase), &unfinished)| {
            let name = format!("{}/{}", phase.word(), self.groups[group].name);
            (name, unfinished)
        });
        Stats {
            seq,
            t,
            counters,
            states,
            unfinished: unfinished.collect(),
            histograms: self.take_histograms(),
        }
    }

    fn take_histograms(&self) -> BTreeMap<String, String> {
        let mut histograms = BTreeMap::new();
        let mut serializer = V2Serializer::new();
        for group in &self.groups {
            for phase in Phase::ALL {
                let mut slot = group.phases[phase as usize]
                    .lock()
                    .expect("no holder of this lock panics");
                let Some(histogram) = slot.as_mut().filter(|histogram| !histogram.is_empty()) else {
                    continue;
                };
                let mut bytes = Vec::new();
                serializer
                    .serialize(histogram, &mut bytes)
                    .expect("a histogram of these bounds fits into memory");
                histogram.reset();
                histograms.insert(format!("{}/{}", phase.word(), group.name), STANDARD.encode(bytes));
            }
        }
        histograms
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;

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
        let metrics = Metrics::new(3, ["g".to_owned()]);
        metrics.count(Counter::TelemetryAcked);
        metrics.count_reason(counter::CONNECT_FAILED, "dns");
        metrics.moved(State::Pending, State::Online);
        metrics.record(0, Phase::Publish, Duration::from_millis(5));
        let first = metrics.stats(0, 1.0);
        assert_eq!(
            (first.counters["telemetry_acked"], first.counters["connect_failed/dns"]),
            (1, 1)
        );
        assert_eq!(first.states, BTreeMap::from([(State::Pending, 2), (State::Online, 1)]));
        let bytes = STANDARD.decode(&first.histograms["publish/g"]).unwrap();
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(histogram.len(), 1);
        assert!(histogram.max().abs_diff(5_000) <= 5);
        metrics.count(Counter::TelemetryAcked);
        assert!(first.unfinished.is_empty());
        let second = metrics.stats(1, 2.0);
        assert_eq!(second.counters["telemetry_acked"], 2);
        assert!(second.histograms.is_empty());
    }

    #[test]
    fn a_value_beyond_the_histogram_is_counted_as_clipped() {
        let metrics = Metrics::new(1, ["g".to_owned()]);
        metrics.record(0, Phase::Publish, Duration::from_secs(600));
        assert!(!metrics.stats(0, 1.0).counters.contains_key("clipped/publish"));
        metrics.record(0, Phase::Publish, Duration::from_secs(601));
        assert_eq!(metrics.stats(1, 2.0).counters["clipped/publish"], 1);
    }

    #[test]
    fn what_is_given_up_is_counted_with_the_age_of_the_oldest() {
        let metrics = Metrics::new(1, ["g".to_owned(), "h".to_owned()]);
        for seconds in [2, 13, 5] {
            metrics.unfinished(1, Phase::Publish, Duration::from_secs(seconds));
        }
        let oldest = Unfinished {
            count: 3,
            oldest_ms: 13_000,
        };
        let expected = BTreeMap::from([("publish/h".to_owned(), oldest)]);
        assert_eq!(metrics.stats(0, 1.0).unfinished, expected);
        assert_eq!(metrics.stats(1, 2.0).unfinished, expected, "it is cumulative");
    }
}
