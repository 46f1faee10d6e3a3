//! The judgement on a run: its figures, second by second, against the thresholds of its manifest.

use std::time::Duration;

use fleet_report::gather::Gather;
use fleet_report::report::Losses;
use fleet_report::thresholds::{Evaluator, Second, Threshold, ThresholdResult};
use fleet_report::totals::Decoded;

/// Takes every line of the processes, and looks each second.
#[derive(Debug)]
pub(super) struct Judge {
    gather: Gather,
    evaluator: Evaluator,
}

impl Judge {
    /// Nothing where there is nothing to judge: figures by group would be gathered for nothing.
    pub(super) fn new(thresholds: &[Threshold]) -> Option<Self> {
        (!thresholds.is_empty()).then(|| Self {
            gather: Gather::new(thresholds),
            evaluator: Evaluator::new(thresholds.to_vec()),
        })
    }

    pub(super) fn line(&mut self, process: usize, line: &Decoded) {
        self.gather.line(process, line);
    }

    /// The first stage has reached its target, so long after it began.
    pub(super) fn time_to_online(&mut self, took: Duration) {
        self.gather.time_to_online(took.as_secs_f64());
    }

    /// So much of each limit is used now.
    pub(super) fn quota_used<'a>(&mut self, used: impl IntoIterator<Item = (&'a str, f64)>) {
        self.gather.quota_used(used);
    }

    /// A second has passed. A threshold that comes back ends the run.
    pub(super) fn second(&mut self, second: Second) -> Option<&Threshold> {
        self.evaluator.second(second, self.gather.figures())
    }

    /// A second of the drain has passed.
    pub(super) fn drain(&mut self, second: Second) {
        self.evaluator.drain(second.at_s, self.gather.figures());
    }

    /// How it looks so far.
    pub(super) fn so_far(&self) -> Vec<ThresholdResult> {
        self.evaluator.so_far()
    }

    /// The last judgement, when every device has stopped. `not_received` was acknowledged and did not reach the target.
    pub(super) fn finish(mut self, end: Second, losses: Losses, not_received: u64) -> Vec<ThresholdResult> {
        self.gather.drained(losses, not_received);
        self.evaluator.finish(end.at_s, self.gather.figures())
    }
}
