//! How many requests the service accepts.

use std::time::Duration;

use crate::rate_limiter::RateLimiter;

/// How many requests may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So many in a second, in the long run.
    pub per_second: u32,
    /// So many at once after a pause.
    pub burst: u32,
}

impl Pace {
    /// What IoT Central accepts on most of its REST API
    /// (<https://learn.microsoft.com/azure/iot-central/core/concepts-quotas-limits>).
    pub const IOT_CENTRAL: Self = Self {
        per_second: 20,
        burst: 20,
    };

    pub(super) fn limiter(self) -> RateLimiter {
        RateLimiter::new(Duration::from_secs(1) / self.per_second.max(1), self.burst)
    }
}
