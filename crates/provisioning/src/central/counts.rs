//! How many requests a client has sent.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many requests some clients have sent since they were made, repeated ones included.
#[derive(Debug, Default)]
pub struct RequestCounts {
    requests: AtomicU64,
    throttled: AtomicU64,
}

impl RequestCounts {
    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn was_throttled(&self) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Those of them that were answered 429.
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }
}
