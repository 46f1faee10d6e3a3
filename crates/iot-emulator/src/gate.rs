//! The one place that decides whether the emulator may do what it is about to do: quotas and faults.
//!
//! The emulator asks at each [`Phase`]. With neither quotas nor rules, that is a look at one flag. Quotas come first:
//! they are the service's own limits, so that what they refuse never reaches the fault rules, and a rule for "the first
//! five" means five that the service would have acted on. Delays add up, and then the next rule is asked; the first
//! other verdict decides.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod restart;

use crate::faults::{FaultRules, Faults, Hit};
use crate::phase::Phase;
use crate::quota::{Meter, Quota, Throttled};
use restart::Restarts;

/// Marks a request that a person has made by a click. Quotas and faults do not apply to it: the page is the operator's,
/// and the author of a rule has to be able to remove it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Click;

/// Quotas and faults of a running emulator: what each connection, packet and request has to pass.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Whether there is a quota or a fault rule at all.
    has_rules: AtomicBool,
    meter: Option<Mutex<Meter>>,
    /// What the quota is called, if there is one.
    pub(crate) quota: Option<String>,
    faults: Mutex<Faults>,
    pub(crate) seed: u64,
    pub(crate) restarts: Restarts,
    /// How many connections were made slow.
    slowed: AtomicU64,
}

/// The rules that apply at one moment: at most one of the quota's, and any number of fault rules.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rules {
    pub(crate) throttled: Option<Throttled>,
    pub(crate) hits: Vec<Hit>,
}

impl Gate {
    /// `stop` ends the emulator.
    pub(crate) fn new(quota: Option<Quota>, faults: FaultRules, seed: u64, stop: CancellationToken) -> Self {
        let faults = Faults::new(seed, faults, Instant::now());
        Self {
            has_rules: AtomicBool::new(quota.is_some() || faults.are_on()),
            quota: quota.as_ref().map(|quota| quota.name().to_owned()),
            meter: quota.map(|quota| Mutex::new(Meter::new(quota))),
            faults: Mutex::new(faults),
            seed,
            restarts: Restarts::new(stop),
            slowed: AtomicU64::new(0),
        }
    }

    /// Whether there is a quota, or a fault rule that is on: without, there is nothing to ask.
    pub(crate) fn has_rules(&self) -> bool {
        self.has_rules.load(Relaxed)
    }

    pub(crate) fn rules<T>(&self, with: impl FnOnce(&mut Faults) -> T) -> T {
        let mut faults = self.lock();
        let result = with(&mut faults);
        self.has_rules.store(self.meter.is_some() || faults.are_on(), Relaxed);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules that apply to what a device is about to do.
    pub(crate) fn ask(&self, phase: Phase, device: Option<&str>, now: Instant) -> Rules {
        let throttled = self.meter.as_ref().and_then(|meter| {
            let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
            meter.ask(phase, device, now)
        });
        let hits = match throttled {
            Some(throttled) if throttled.is_final() => Vec::new(),
            _ => self.lock().ask(phase, device, now),
        };
        Rules { throttled, hits }
    }

    /// The number of a connection that is made slow.
    pub(crate) fn slowed(&self) -> u64 {
        self.slowed.fetch_add(1, Relaxed)
    }
}
