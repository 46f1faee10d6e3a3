//! Ctrl-C and its kin: the first asks, the second insists.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

/// `timeout`, and shells with a wrapper in between, signal a process and its group: signals that come so soon after the
/// one that counted belong to it.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Counts how often the program was asked to end.
#[derive(Debug)]
pub struct Interrupts {
    signals: mpsc::UnboundedReceiver<Instant>,
    counted: Option<Instant>,
}

impl Interrupts {
    /// Listens from now on: Ctrl-C, and on Unix also SIGTERM, and SIGHUP unless it is ignored, as under `nohup`.
    ///
    /// # Errors
    ///
    /// The system does not let us listen.
    #[cfg(unix)]
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (sender, signals) = mpsc::unbounded_channel();
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !device_sim::hangup_is_ignored() {
            kinds.push(SignalKind::hangup());
        }
        for kind in kinds {
            let (mut signal, sender) = (signal(kind)?, sender.clone());
            tokio::spawn(async move { while signal.recv().await.is_some() && sender.send(Instant::now()).is_ok() {} });
        }
        Ok(Self::from(signals))
    }

    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// The system does not let us listen.
    #[cfg(not(unix))]
    pub fn listen() -> std::io::Result<Self> {
        let (sender, signals) = mpsc::unbounded_channel();
        tokio::spawn(
            async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(Instant::now()).is_ok() {} },
        );
        Ok(Self::from(signals))
    }

    /// The next request.
    pub async fn next(&mut self) {
        loop {
            let Some(at) = self.signals.recv().await else {
                return std::future::pending().await;
            };
            if self
                .counted
                .is_none_or(|counted| at.duration_since(counted) >= SAME_REQUEST)
            {
                self.counted = Some(at);
                return;
            }
        }
    }
}

impl From<mpsc::UnboundedReceiver<Instant>> for Interrupts {
    fn from(signals: mpsc::UnboundedReceiver<Instant>) -> Self {
        Self { signals, counted: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn signals_of_one_moment_are_one_request_and_a_later_one_is_another() {
        let (sender, signals) = mpsc::unbounded_channel();
        let mut interrupts = Interrupts::from(signals);
        let begun = Instant::now();
        for after in [0, 1, 499, 600, 700] {
            sender.send(begun + Duration::from_millis(after)).unwrap();
        }
        drop(sender);
        interrupts.next().await;
        assert_eq!(interrupts.counted, Some(begun));
        interrupts.next().await;
        assert_eq!(interrupts.counted, Some(begun + Duration::from_millis(600)));
        let third = tokio::time::timeout(Duration::from_millis(10), interrupts.next()).await;
        assert!(third.is_err(), "the last two are one");
    }
}
