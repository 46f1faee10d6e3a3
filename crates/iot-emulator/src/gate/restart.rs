//! Restarts: every connection of a device ends, and its port is closed for a while. What is stored stays.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Which restarts there were.
#[derive(Debug)]
pub(crate) struct Restarts {
    stop: CancellationToken,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    /// Cancelled when the connections that were made since the last restart have to end.
    epoch: CancellationToken,
    closed_until: Option<Instant>,
}

impl Restarts {
    /// None yet. `stop` ends the emulator.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        let now = Now {
            epoch: stop.child_token(),
            closed_until: None,
        };
        Self {
            stop,
            now: Mutex::new(now),
        }
    }

    /// What ends the connections that are made now.
    pub(crate) fn epoch(&self) -> CancellationToken {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).epoch.clone()
    }

    /// Ends all connections, and keeps the ports closed for as long as `down`.
    pub(crate) fn begin(&self, down: Duration) {
        let over = {
            let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            now.closed_until = now.closed_until.max(Some(Instant::now() + down));
            std::mem::replace(&mut now.epoch, self.stop.child_token())
        };
        over.cancel();
    }

    /// Waits until ports may be open again; at once when none has to be closed.
    pub(crate) async fn wait_until_open(&self) {
        loop {
            let closed_until = self.now.lock().unwrap_or_else(PoisonError::into_inner).closed_until;
            match closed_until {
                Some(at) if at > Instant::now() => sleep_until(at).await,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_restart_ends_what_was_there_before_and_nothing_that_comes_after() {
        let stop = CancellationToken::new();
        let restarts = Restarts::new(stop.clone());
        restarts.wait_until_open().await;
        let before = restarts.epoch();
        let start = Instant::now();
        restarts.begin(Duration::from_millis(60));
        restarts.begin(Duration::from_millis(5));
        assert!(before.is_cancelled());
        restarts.wait_until_open().await;
        assert!(
            start.elapsed() >= Duration::from_millis(60),
            "the longest restart counts"
        );
        let after = restarts.epoch();
        assert!(!after.is_cancelled());
        stop.cancel();
        assert!(after.is_cancelled());
    }
}
