//! The totals of the last minutes, looked at every two seconds whether or not a person does: a curve that begins when
//! somebody looks shows nothing of what made them look.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iot_emulator::Stats;
use iot_emulator::extension::Listener;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::Shared;

const EVERY: Duration = Duration::from_secs(2);
/// How long a sample is kept.
pub(crate) const WITHIN: Duration = Duration::from_secs(5 * 60);
/// Samples that are kept: one more than there are steps.
const KEPT: usize = 151;

/// The totals at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) stats: Stats,
}

/// The samples, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    kept: Mutex<VecDeque<Sample>>,
    begun: AtomicBool,
}

/// How much a total grew per second from one sample to a later one; none if no time lies between them.
pub(crate) fn rate(earlier: &Sample, later: &Sample, of: fn(&Stats) -> u64) -> Option<f64> {
    let seconds = later.at.duration_since(earlier.at).as_secs_f64();
    let growth = of(&later.stats) as f64 - of(&earlier.stats) as f64;
    (seconds > 0.0).then(|| growth.max(0.0) / seconds)
}

impl Samples {
    pub(crate) fn read(&self) -> Vec<Sample> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().copied().collect()
    }

    fn keep(&self, sample: Sample) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(sample);
    }
}

/// Begins to take samples, until the emulator stops. A second listener changes nothing.
pub(crate) fn begin(listener: &Listener, shared: &Arc<Shared>) {
    if shared.samples.begun.swap(true, Relaxed) {
        return;
    }
    let (listener, shared) = (listener.clone(), Arc::clone(shared));
    tokio::spawn(async move {
        let view = listener.view();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                at = ticks.tick() => shared.samples.keep(Sample { at, stats: view.stats() }),
                () = listener.stopped() => return,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_are_kept_and_no_more() {
        let (samples, start) = (Samples::default(), Instant::now());
        for number in 0..1000_u32 {
            samples.keep(Sample {
                at: start + number * EVERY,
                stats: Stats::default(),
            });
        }
        let kept = samples.read();
        let (first, last) = (kept.first().unwrap().at, kept.last().unwrap().at);
        assert_eq!((last, last - first), (start + 999 * EVERY, WITHIN));
    }
}
