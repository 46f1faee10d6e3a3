//! The one place that can keep the emulator from what it is about to do: quotas and faults.
//!
//! At each [`Phase`] the emulator asks, and most often there is nothing in the way: with neither quotas nor rules, the
//! question is the look at one flag. Quotas come first. They are the gate of the service, so that what they refuse never
//! reaches the rules, and a rule that says "the first five" means five that the service would have acted on. What only
//! delays adds up, and then the next is asked; the first other verdict decides.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod restart;

use crate::faults::{FaultRules, Faults, Hit};
use crate::phase::Phase;
use crate::quota::{Meter, Quota, Throttled};
use restart::Outages;

/// Marks a request that a person has made by a click here. Quotas and faults are not in its way: the page is the operator's,
/// and the author of a rule has to be able to remove it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Click;

/// Quotas and faults of a running emulator.
#[derive(Debug)]
pub(crate) struct Weather {
    /// Whether anything can be in the way at all.
    is_rough: AtomicBool,
    meter: Option<Mutex<Meter>>,
    /// What the quota is called, if there is one.
    pub(crate) quota: Option<String>,
    faults: Mutex<Faults>,
    pub(crate) seed: u64,
    pub(crate) outages: Outages,
    /// Connections that were made slow.
    slowed: AtomicU64,
}

/// What is in the way.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Forecast {
    pub(crate) throttled: Option<Throttled>,
    pub(crate) hits: Vec<Hit>,
}

impl Weather {
    /// `stop` ends the emulator.
    pub(crate) fn new(quota: Option<Quota>, faults: FaultRules, seed: u64, stop: CancellationToken) -> Self {
        let faults = Faults::new(seed, faults, Instant::now());
        Self {
            is_rough: AtomicBool::new(quota.is_some() || faults.are_on()),
            quota: quota.as_ref().map(|quota| quota.name().to_owned()),
            meter: quota.map(|quota| Mutex::new(Meter::new(quota))),
            faults: Mutex::new(faults),
            seed,
            outages: Outages::new(stop),
            slowed: AtomicU64::new(0),
        }
    }

    /// Whether nothing can be in the way.
    pub(crate) fn is_calm(&self) -> bool {
        !self.is_rough.load(Relaxed)
    }

    /// Reads or changes the rules.
    pub(crate) fn rules<T>(&self, with: impl FnOnce(&mut Faults) -> T) -> T {
        let mut faults = self.lock();
        let result = with(&mut faults);
        self.is_rough.store(self.meter.is_some() || faults.are_on(), Relaxed);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in the way of what a device is about to do.
    pub(crate) fn ask(&self, phase: Phase, device: Option<&str>, now: Instant) -> Forecast {
        let throttled = self.meter.as_ref().and_then(|meter| {
            let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
            meter.ask(phase, device, now)
        });
        let hits = match throttled {
            Some(throttled) if throttled.is_final() => Vec::new(),
            _ => self.lock().ask(phase, device, now),
        };
        Forecast { throttled, hits }
    }

    /// The number of a connection that is made slow.
    pub(crate) fn slowed(&self) -> u64 {
        self.slowed.fetch_add(1, Relaxed)
    }
}
