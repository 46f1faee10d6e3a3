//! Ctrl-C and its kin: the first asks, the second insists.

use tokio::sync::mpsc;

/// Hears how often somebody wanted the program to end.
#[derive(Debug)]
pub struct Interrupts(mpsc::UnboundedReceiver<()>);

impl Interrupts {
    /// Listens from now on: Ctrl-C, and on Unix also SIGTERM.
    ///
    /// # Errors
    ///
    /// The system does not let us listen.
    #[cfg(unix)]
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (heard, interrupts) = mpsc::unbounded_channel();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let (mut signal, heard) = (signal(kind)?, heard.clone());
            tokio::spawn(async move { while signal.recv().await.is_some() && heard.send(()).is_ok() {} });
        }
        Ok(Self(interrupts))
    }

    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// The system does not let us listen.
    #[cfg(not(unix))]
    pub fn listen() -> std::io::Result<Self> {
        let (heard, interrupts) = mpsc::unbounded_channel();
        tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && heard.send(()).is_ok() {} });
        Ok(Self(interrupts))
    }

    /// The next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
