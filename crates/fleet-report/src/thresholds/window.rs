//! The last seconds of a run, as a window that moves with it.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use super::aggregation::Aggregation;
use super::amount::{Amount, Delta, Measured, Total};

/// The last `length` seconds of what a selector asks for.
///
/// It keeps what each of these seconds brought and their sum, so that a step costs the same however long it is.
#[derive(Debug)]
pub(super) struct Window {
    length: u64,
    seconds: VecDeque<Delta>,
    sum: Amount,
    scratch: Option<Histogram<u64>>,
}

impl Window {
    pub(super) fn new(length: u64) -> Self {
        Self {
            length,
            seconds: VecDeque::new(),
            sum: Amount::default(),
            scratch: None,
        }
    }

    /// Moves on by `passed` seconds, the last of which brought the total's delta.
    pub(super) fn step(&mut self, passed: u64, total: &Total) {
        // After more than a whole window, all that was in it is out of it.
        for _ in 0..passed.min(self.length) {
            self.seconds.push_back(Delta::default());
        }
        if self.seconds.is_empty() {
            self.seconds.push_back(Delta::default());
        }
        if let Some(last) = self.seconds.back_mut() {
            last.merge(&total.delta);
        }
        self.sum.add(&total.delta, &total.now);
        while self.count() > self.length
            && let Some(out) = self.seconds.pop_front()
        {
            self.sum.remove(&out, &mut self.scratch);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.count() == self.length
    }

    /// The value of what is in it.
    pub(super) fn value(&self, total: &Total, aggregation: Aggregation) -> Option<Measured> {
        if self.seconds.is_empty() {
            return None;
        }
        self.sum
            .value(total.metric.kind(), aggregation, self.count(), total.seen)
    }

    fn count(&self) -> u64 {
        u64::try_from(self.seconds.len()).unwrap_or(u64::MAX)
    }
}

/// The last readings of a gauge, without a gap between them.
#[derive(Debug)]
pub(super) struct Readings {
    length: u64,
    last: VecDeque<f64>,
}

impl Readings {
    pub(super) fn new(length: u64) -> Self {
        Self {
            length,
            last: VecDeque::new(),
        }
    }

    /// Takes the reading of a second; without one, the next window begins anew.
    pub(super) fn step(&mut self, reading: Option<f64>) {
        match reading {
            None => self.last.clear(),
            Some(reading) => {
                self.last.push_back(reading);
                if self.count() > self.length {
                    self.last.pop_front();
                }
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.count() == self.length
    }

    pub(super) fn value(&self, aggregation: Aggregation) -> Option<Measured> {
        let all = self.last.iter().copied();
        let value = match aggregation {
            Aggregation::Min => all.reduce(f64::min),
            Aggregation::Max => all.reduce(f64::max),
            _ => all.last(),
        };
        value.map(Measured::plain)
    }

    fn count(&self) -> u64 {
        u64::try_from(self.last.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;
    use crate::labels::Labels;
    use crate::metric::Metric;

    #[test]
    fn a_window_keeps_no_more_than_its_seconds() {
        let mut total = Total::new(Metric::PublishDuration, Labels::none());
        total.has_deltas = true;
        let (mut window, mut figures) = (Window::new(60), Figures::default());
        let mut times = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
        times.record_n(5_000, 1_000).unwrap();
        for _ in 0..1_000 {
            figures.add_times(Metric::PublishDuration, Labels::none(), &(&times).into(), 0);
            total.refresh(&figures);
            window.step(1, &total);
        }
        assert_eq!(window.seconds.len(), 60);
        // A thousand messages of the same time are one entry.
        assert!(window.seconds.iter().all(|second| second.entries() == 1));
        assert_eq!(
            window.value(&total, Aggregation::Count),
            Some(Measured::plain(60_000.0))
        );
    }
}
