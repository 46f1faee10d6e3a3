//! How many devices there are in each state. Counting thousands takes a moment, so it is done once a second at most,
//! however many people look.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iot_emulator::Stats;
use tokio::time::Instant;

use crate::Page;
use crate::device_view::Status;

const EVERY: Duration = Duration::from_millis(900);
/// A rate over a longer time means nothing for now.
const RATE_WITHIN: Duration = Duration::from_secs(10);

/// The devices and the totals at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    at: Instant,
    pub(crate) online: usize,
    by_status: [usize; Status::ALL.len()],
    pub(crate) individuals: usize,
    /// The devices that came through each group.
    groups: Arc<BTreeMap<String, Members>>,
    pub(crate) stats: Stats,
    /// Telemetry messages per second, once two moments are known.
    pub(crate) rate: Option<f64>,
}

/// Devices that came through a group.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Members {
    pub(crate) total: usize,
    pub(crate) online: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Option<Counts>>);

impl Counts {
    pub(crate) fn total(&self) -> usize {
        self.by_status.iter().sum()
    }

    pub(crate) fn of(&self, status: Status) -> usize {
        let index = Status::ALL.iter().position(|known| *known == status);
        index.map_or(0, |index| self.by_status[index])
    }

    pub(crate) fn members(&self, group: &str) -> Members {
        self.groups.get(group).copied().unwrap_or_default()
    }

    fn with_rate_since(mut self, earlier: Option<&Self>) -> Self {
        self.rate = earlier.and_then(|earlier| {
            let time = self.at.duration_since(earlier.at);
            let messages = self.stats.telemetry_received - earlier.stats.telemetry_received;
            (time <= RATE_WITHIN).then(|| messages as f64 / time.as_secs_f64())
        });
        self
    }
}

impl Page {
    pub(crate) fn counts(&self) -> Counts {
        let now = Instant::now();
        let mut latest = self.shared.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = latest.as_ref().filter(|counts| now.duration_since(counts.at) < EVERY) {
            return counts.clone();
        }
        let counts = self.count(now).with_rate_since(latest.as_ref());
        latest.insert(counts).clone()
    }

    fn count(&self, at: Instant) -> Counts {
        let application = self.view.application();
        let mut by_status = [0; Status::ALL.len()];
        let (mut online, mut individuals) = (0, 0);
        let mut groups: BTreeMap<String, Members> = BTreeMap::new();
        for (_, device) in application.devices() {
            let status = Status::of(&device);
            if let Some(index) = Status::ALL.iter().position(|known| *known == status) {
                by_status[index] += 1;
            }
            individuals += usize::from(device.is_individual());
            let is_online = usize::from(device.is_online());
            online += is_online;
            if let Some(group) = device.group() {
                if !groups.contains_key(group) {
                    groups.insert(group.to_owned(), Members::default());
                }
                if let Some(members) = groups.get_mut(group) {
                    members.total += 1;
                    members.online += is_online;
                }
            }
        }
        Counts {
            at,
            online,
            by_status,
            individuals,
            groups: Arc::new(groups),
            stats: self.view.stats(),
            rate: None,
        }
    }
}
