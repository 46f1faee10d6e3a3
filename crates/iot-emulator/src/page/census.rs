//! How many devices there are in each state. Counting thousands takes a moment, so it is done once a second at most,
//! however many people look.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Page;
use super::look::Status;
use crate::stats::Stats;

const EVERY: Duration = Duration::from_millis(900);
/// A rate over a longer time says nothing about now.
const RATE_WITHIN: Duration = Duration::from_secs(10);

/// The devices and the totals at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Census {
    at: Instant,
    pub(super) online: usize,
    by_status: [usize; Status::ALL.len()],
    pub(super) individuals: usize,
    pub(super) stats: Stats,
    /// Telemetry messages per second, once two moments are known.
    pub(super) rate: Option<f64>,
}

/// The last count.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Option<Census>>);

impl Census {
    pub(super) fn total(&self) -> usize {
        self.by_status.iter().sum()
    }

    pub(super) fn of(&self, status: Status) -> usize {
        let index = Status::ALL.iter().position(|known| *known == status);
        index.map_or(0, |index| self.by_status[index])
    }

    fn with_rate_since(mut self, earlier: Option<Self>) -> Self {
        self.rate = earlier.and_then(|earlier| {
            let time = self.at.duration_since(earlier.at);
            let messages = self.stats.telemetry_received - earlier.stats.telemetry_received;
            (time <= RATE_WITHIN).then(|| messages as f64 / time.as_secs_f64())
        });
        self
    }
}

impl Page {
    pub(super) fn census(&self) -> Census {
        let now = Instant::now();
        let mut latest = self.shared.census.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *latest {
            Some(census) if now.duration_since(census.at) < EVERY => census,
            earlier => *latest.insert(self.take_census(now).with_rate_since(earlier)),
        }
    }

    fn take_census(&self, at: Instant) -> Census {
        let application = self.services.central.read();
        let mut by_status = [0; Status::ALL.len()];
        let (mut online, mut individuals) = (0, 0);
        for device in application.devices.values() {
            let status = Status::of(device);
            if let Some(index) = Status::ALL.iter().position(|known| *known == status) {
                by_status[index] += 1;
            }
            individuals += usize::from(device.attestation.is_some());
            let in_hub = self.in_hub(device);
            online += usize::from(in_hub.is_some_and(|in_hub| in_hub.lock().connection.is_some()));
        }
        Census {
            at,
            online,
            by_status,
            individuals,
            stats: self.services.counters.read(),
            rate: None,
        }
    }
}
