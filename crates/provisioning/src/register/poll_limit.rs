//! DPS takes five polls per device in ten seconds
//! (<https://learn.microsoft.com/azure/iot-dps/about-iot-dps#quotas-and-limits>), whatever it asks for in
//! `retry-after`.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const POLLS: usize = 5;
/// A second more than the service's window: it counts when polls arrive, and the network may push them together.
const WINDOW: Duration = Duration::from_secs(11);

#[derive(Debug, Default)]
pub(super) struct PollLimit {
    /// When the last polls were sent, oldest first.
    sent: VecDeque<Instant>,
}

impl PollLimit {
    pub(super) fn sent(&mut self, now: Instant) {
        if self.sent.len() == POLLS {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// When the next poll may be sent.
    pub(super) fn next(&self, now: Instant) -> Instant {
        match self.sent.front() {
            Some(oldest) if self.sent.len() == POLLS => now.max(*oldest + WINDOW),
            _ => now,
        }
    }
}
