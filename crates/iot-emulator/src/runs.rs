//! How much telemetry came from which run: the message ids of our devices begin with the id of their run, so several runs
//! against one emulator can be distinguished.
//!
//! A run is remembered as long as one of its devices remembers it, and a device remembers a few. So a client that makes up
//! runs pushes out its own and no other's, and there are never more of them than devices times that few.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::Serialize;

/// So many runs are kept without a look at which of them are outdated.
const FEW: usize = 64;

/// The runs that devices remember.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    runs: BTreeMap<Box<str>, Weak<Run>>,
    /// When there are so many, the outdated ones are removed.
    sweep_at: usize,
}

/// What has come of one run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    received: AtomicU64,
    unique: AtomicU64,
}

/// What has come of one run, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RunStats {
    pub(crate) id: String,
    pub(crate) telemetry_received: u64,
    /// Telemetry messages that were not sent before.
    pub(crate) telemetry_received_unique: u64,
}

impl Run {
    pub(crate) fn count(&self, is_new: bool) {
        self.received.fetch_add(1, Relaxed);
        self.unique.fetch_add(u64::from(is_new), Relaxed);
    }
}

impl Runs {
    /// The run of this id, for a device that will remember it.
    pub(crate) fn remember(&self, id: &str) -> Arc<Run> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = known.runs.get(id).and_then(Weak::upgrade) {
            return run;
        }
        if known.runs.len() >= known.sweep_at {
            known.runs.retain(|_, run| run.strong_count() > 0);
            known.sweep_at = FEW.max(2 * known.runs.len());
        }
        let run = Arc::default();
        known.runs.insert(id.into(), Arc::downgrade(&run));
        run
    }

    /// What has come of a run; nothing, if no device remembers it.
    pub(crate) fn read(&self, id: &str) -> RunStats {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = known.runs.get(id).and_then(Weak::upgrade);
        let of = |counter: fn(&Run) -> &AtomicU64| run.as_deref().map_or(0, |run| counter(run).load(Relaxed));
        RunStats {
            id: id.to_owned(),
            telemetry_received: of(|run| &run.received),
            telemetry_received_unique: of(|run| &run.unique),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_no_device_remembers_take_no_memory_without_end() {
        let runs = Runs::default();
        let kept = runs.remember("kept");
        for number in 0..10_000 {
            runs.remember(&format!("made-up-{number}")).count(true);
        }
        kept.count(true);
        assert!(runs.0.lock().unwrap().runs.len() <= FEW);
        assert_eq!(runs.read("kept").telemetry_received, 1);
        assert_eq!(runs.read("made-up-7").telemetry_received, 0);
        assert!(Arc::ptr_eq(&kept, &runs.remember("kept")));
    }
}
