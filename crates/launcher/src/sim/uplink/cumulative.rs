//! All that a process has reported, folded together: what a collector gets that has not taken the lines one by one. Pure.

use std::collections::BTreeMap;

use fleet_protocol::collect::{Snapshot, ToCollector};
use fleet_protocol::histogram::{Encoder, decode};
use fleet_protocol::lines::{DeviceLine, EndReason, Line, Stats};
use fleet_report::sparse::SparseHistogram;

/// No collector takes a longer snapshot.
const LONGEST: usize = 4 << 20;

/// What the lines until now say together.
#[derive(Debug, Default)]
pub(super) struct Cumulative {
    /// The last figures; their histograms are in `times` and `lag`.
    stats: Stats,
    times: BTreeMap<String, SparseHistogram>,
    lag: SparseHistogram,
    devices: BTreeMap<String, DeviceLine>,
    end: Option<EndReason>,
}

impl Cumulative {
    /// Takes the next line.
    pub(super) fn add(&mut self, line: &Line) {
        match line {
            Line::Stats(stats) => self.add_figures(stats.clone()),
            Line::Device(device) => drop(self.devices.insert(device.id.clone(), device.clone())),
            Line::End { reason } => self.end = Some(*reason),
            // They answer an order, which is over, or say what the hello says.
            Line::Ready { .. } | Line::Done { .. } | Line::Refused { .. } => {}
        }
    }

    fn add_figures(&mut self, mut stats: Stats) {
        for (name, text) in std::mem::take(&mut stats.histograms) {
            if let Some(new) = decode(&text) {
                self.times.entry(name).or_default().add(&(&new).into());
            }
        }
        let lag = stats.process.as_mut().and_then(|process| process.lag.take());
        if let Some(new) = lag.as_deref().and_then(decode) {
            self.lag.add(&(&new).into());
        }
        self.stats = stats;
    }

    /// The message for a collector, in which `n` is the number of the last line.
    pub(super) fn message(&self, n: u64) -> String {
        let mut snapshot = self.snapshot(n);
        let mut text = written(&snapshot);
        // Sentences are dispensable: the reasons are there too. And figures count for more than the states of devices.
        if text.len() > LONGEST {
            snapshot.devices.iter_mut().for_each(|device| device.message = None);
            text = written(&snapshot);
        }
        if text.len() > LONGEST {
            snapshot.devices.clear();
            text = written(&snapshot);
        }
        text
    }

    fn snapshot(&self, n: u64) -> Snapshot {
        let mut encoder = Encoder::default();
        let mut stats = self.stats.clone();
        let times = self.times.iter();
        stats.histograms = times
            .map(|(name, times)| (name.clone(), encoder.encode(&times.to_histogram())))
            .collect();
        if let Some(process) = &mut stats.process
            && !self.lag.is_empty()
        {
            process.lag = Some(encoder.encode(&self.lag.to_histogram()));
        }
        Snapshot {
            n,
            stats,
            devices: self.devices.values().cloned().collect(),
            end: self.end,
        }
    }
}

fn written(snapshot: &Snapshot) -> String {
    serde_json::to_string(&ToCollector::Snapshot(snapshot.clone())).expect("a message can be written")
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::{EndReason, Phase, ProcessStats, State};

    use super::*;

    fn encoded(values: &[u64]) -> String {
        let mut histogram = Phase::histogram();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        Encoder::default().encode(&histogram)
    }

    fn device(id: &str, state: State, message: Option<&str>) -> Line {
        Line::Device(DeviceLine {
            id: id.to_owned(),
            state,
            hub: None,
            leaf_sha256: None,
            offline_ms: None,
            reason: None,
            message: message.map(str::to_owned),
            negative: false,
        })
    }

    fn parsed(text: &str) -> Snapshot {
        match serde_json::from_str(text).unwrap() {
            ToCollector::Snapshot(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn figures_are_the_last_times_are_all_and_devices_are_where_they_were_last() {
        let mut all = Cumulative::default();
        for (seq, times) in [(0, &[5_u64, 7][..]), (1, &[7])] {
            all.add(&Line::Stats(Stats {
                seq,
                counters: BTreeMap::from([("telemetry_offered".to_owned(), seq + 10)]),
                process: Some(ProcessStats {
                    lag: Some(encoded(times)),
                    ..ProcessStats::default()
                }),
                histograms: BTreeMap::from([("publish/g".to_owned(), encoded(times))]),
                ..Stats::default()
            }));
        }
        all.add(&device("a", State::Online, None));
        all.add(&device("b", State::Online, None));
        all.add(&device("a", State::Stopped, None));
        let snapshot = parsed(&all.message(5));
        assert_eq!((snapshot.n, snapshot.stats.seq, snapshot.end), (5, 1, None));
        assert_eq!(snapshot.stats.counters["telemetry_offered"], 11);
        let lag = snapshot.stats.process.unwrap().lag.unwrap();
        for text in [&snapshot.stats.histograms["publish/g"], &lag] {
            let times = decode(text).unwrap();
            assert_eq!((times.count_at(5), times.count_at(7), times.len()), (1, 2, 3));
        }
        let states: Vec<_> = snapshot.devices.iter().map(|device| device.state).collect();
        assert_eq!(states, [State::Stopped, State::Online]);
        all.add(&Line::End {
            reason: EndReason::Stopped,
        });
        assert_eq!(parsed(&all.message(6)).end, Some(EndReason::Stopped));
    }

    #[test]
    fn a_snapshot_is_never_longer_than_a_collector_takes_and_keeps_the_figures() {
        let mut all = Cumulative::default();
        all.add(&Line::Stats(Stats {
            seq: 7,
            ..Stats::default()
        }));
        for index in 0..20_000 {
            all.add(&device(
                &format!("device-{index:06}"),
                State::Parked,
                Some(&"why ".repeat(100)),
            ));
        }
        let text = all.message(1);
        assert!(text.len() <= LONGEST);
        assert_eq!(parsed(&text).devices.len(), 20_000);
        for index in 0..60_000 {
            all.add(&device(&format!("{}{index:06}", "d".repeat(60)), State::Parked, None));
        }
        let text = all.message(1);
        assert!(text.len() <= LONGEST);
        let snapshot = parsed(&text);
        assert_eq!((snapshot.stats.seq, snapshot.devices.len()), (7, 0));
    }
}
