//! The last minutes of a run: rates from counts, and the times of its last seconds. Pure.
//!
//! Processes report each second and not at the same instant, so a rate is measured over several seconds at least.

use std::collections::{BTreeMap, VecDeque};

use fleet_protocol::lines::Phase;
use fleet_report::sparse::SparseHistogram;
use fleet_report::words::seconds;

use super::snapshot::{Counts, Snapshot};

/// So many snapshots are kept, one for each second.
const KEPT: usize = 600;
/// What is shown as the rate of now is measured over so many seconds.
const NOW_S: f64 = 5.0;
/// What is shown as the times of now are those of so many snapshots.
const RECENT: usize = 10;

/// What was counted and timed, second by second.
#[derive(Debug, Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
    /// The times since the run began, as of the last snapshot.
    before: BTreeMap<Phase, SparseHistogram>,
    /// The times of each of the last snapshots alone.
    recent: VecDeque<BTreeMap<Phase, SparseHistogram>>,
}

#[derive(Debug)]
struct Sample {
    at_s: f64,
    counts: Counts,
    quantiles: BTreeMap<Phase, Quantiles>,
}

/// Three percentiles of the times of a phase, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

/// What is counted, and may be shown as a rate.
pub(super) type Count = fn(&Counts) -> u64;

impl History {
    pub(super) fn take(&mut self, snapshot: &Snapshot) {
        let nothing = SparseHistogram::default();
        let added: BTreeMap<Phase, SparseHistogram> = snapshot
            .times
            .iter()
            .map(|(phase, times)| (*phase, times.since(self.before.get(phase).unwrap_or(&nothing))))
            .filter(|(_, times)| !times.is_empty())
            .collect();
        let quantiles = added
            .iter()
            .filter_map(|(phase, times)| Some((*phase, Quantiles::of(times)?)));
        self.samples.push_back(Sample {
            at_s: snapshot.position.at_s,
            counts: snapshot.counts,
            quantiles: quantiles.collect(),
        });
        self.before.clone_from(&snapshot.times);
        self.recent.push_back(added);
        while self.samples.len() > KEPT {
            self.samples.pop_front();
        }
        while self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// How many a second there are now.
    pub(super) fn rate(&self, count: Count) -> f64 {
        let Some(last) = self.samples.back() else { return 0.0 };
        let earlier = self
            .samples
            .iter()
            .rev()
            .find(|sample| last.at_s - sample.at_s >= NOW_S - 0.5);
        let first = earlier.map_or((0.0, 0), |first| (first.at_s, count(&first.counts)));
        per_second(first, (last.at_s, count(&last.counts)))
    }

    /// How many a second there were, in `columns` stretches of time that are equally long. The last one is of now. Where
    /// the run is younger, there are fewer.
    pub(super) fn rates(&self, count: Count, columns: usize, span_s: f64) -> Vec<f64> {
        let mut rates = Vec::new();
        let (mut from, mut last) = ((0.0, 0), (0.0, 0));
        let step = step_s(columns, span_s);
        let mut bucket = 0;
        for sample in &self.samples {
            let number = whole(sample.at_s / step);
            if number > bucket && last.0 > from.0 {
                rates.push((bucket, per_second(from, last)));
                from = last;
            }
            bucket = number;
            last = (sample.at_s, count(&sample.counts));
        }
        if last.0 > from.0 {
            rates.push((bucket, per_second(from, last)));
        }
        // What was skipped, because the program was stopped, was as it was then.
        let mut all: Vec<f64> = Vec::new();
        let begins = rates.first().map_or(0, |(first, _)| *first);
        for (number, rate) in rates {
            let filled = usize::try_from(number.saturating_sub(begins)).unwrap_or(0).min(KEPT);
            all.resize(filled.max(all.len()), rate);
            all.push(rate);
        }
        all.split_off(all.len().saturating_sub(columns))
    }

    /// The percentiles of the last seconds; none where nothing of the phase has ended in them.
    pub(super) fn recent(&self, phase: Phase) -> Option<Quantiles> {
        let mut all = SparseHistogram::default();
        let recent = self.recent.iter().filter_map(|times| times.get(&phase));
        recent.for_each(|times| all.add(times));
        Quantiles::of(&all)
    }

    /// The percentiles of each of the last seconds, at most so many.
    pub(super) fn quantiles(&self, phase: Phase, most: usize) -> Vec<Option<Quantiles>> {
        let skipped = self.samples.len().saturating_sub(most);
        let samples = self.samples.iter().skip(skipped);
        samples.map(|sample| sample.quantiles.get(&phase).copied()).collect()
    }
}

impl Quantiles {
    pub(super) fn of(times: &SparseHistogram) -> Option<Self> {
        let at = |quantile| times.value_at_quantile(quantile).map(seconds);
        Some(Self {
            p50: at(0.5)?,
            p95: at(0.95)?,
            p99: at(0.99)?,
        })
    }
}

/// How many seconds a column is of.
fn step_s(columns: usize, span_s: f64) -> f64 {
    let columns = u32::try_from(columns.max(1)).unwrap_or(u32::MAX);
    (span_s / f64::from(columns)).ceil().max(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a run, which are above zero and far below 2^53"
)]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

#[expect(clippy::cast_precision_loss, reason = "a run counts far below 2^53")]
fn per_second(from: (f64, u64), to: (f64, u64)) -> f64 {
    let passed = to.0 - from.0;
    if passed > 0.0 {
        to.1.saturating_sub(from.1) as f64 / passed
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::screen::testing;

    fn history(seconds: impl IntoIterator<Item = (f64, u64)>) -> History {
        let mut history = History::default();
        for (at_s, acked) in seconds {
            let mut snapshot = testing::empty();
            snapshot.position.at_s = at_s;
            snapshot.counts.acked = acked;
            history.take(&snapshot);
        }
        history
    }

    #[test]
    fn a_rate_is_measured_over_several_seconds() {
        // 100 a second, and lines of two processes that do not always come in the same second.
        let history = history((1..=20_u32).map(|second| (f64::from(second) + 0.2, u64::from(second) * 100)));
        assert!((history.rate(|counts| counts.acked) - 100.0).abs() < 1e-9);
        assert_eq!(History::default().rate(|counts| counts.acked), 0.0);
    }

    #[test]
    fn rates_over_time_stay_in_their_columns_and_the_last_is_of_now() {
        let seconds = |to: u32| (1..=to).map(|second| (f64::from(second), u64::from(second.min(30)) * 10));
        let rates = |to| history(seconds(to)).rates(|counts| counts.acked, 10, 50.0);
        assert_eq!(rates(29), [10.0; 6]);
        assert_eq!(rates(37).len(), 8);
        assert_eq!(&rates(37)[6..], [2.0, 0.0]);
        // Later the oldest columns leave, and the others are what they were.
        assert_eq!(rates(500), [0.0; 10]);
        assert_eq!(history([]).rates(|counts| counts.acked, 10, 50.0), [] as [f64; 0]);
    }

    #[test]
    fn times_of_the_last_seconds_are_without_those_before() {
        let mut history = History::default();
        let mut times = SparseHistogram::default();
        for second in 1..=30_u64 {
            let mut values = Phase::histogram();
            values.record(second * 1_000).unwrap();
            times.add(&SparseHistogram::from(&values));
            let mut snapshot = testing::empty();
            snapshot.times = BTreeMap::from([(Phase::Publish, times.clone())]);
            history.take(&snapshot);
        }
        let recent = history.recent(Phase::Publish).unwrap();
        assert!(
            (recent.p50 - 0.025).abs() < 1e-4 && (recent.p99 - 0.030).abs() < 1e-4,
            "{recent:?}"
        );
        assert_eq!(history.recent(Phase::Command), None);
        let series = history.quantiles(Phase::Publish, 5);
        assert_eq!(series.len(), 5);
        assert!((series[0].unwrap().p50 - 0.026).abs() < 1e-4, "{series:?}");
    }
}
