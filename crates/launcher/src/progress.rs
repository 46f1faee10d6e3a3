//! The progress of a run on stderr: a plain line per step.

use std::time::Duration;

use device_sim::console;
use tokio::time::Instant;

/// Writes what happens, each line with the seconds since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgressLog {
    start: Instant,
}

impl ProgressLog {
    /// The time counts from now on.
    #[must_use]
    pub(crate) fn begin() -> Self {
        Self { start: Instant::now() }
    }

    /// The time since the start.
    #[must_use]
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Writes one line, or drops it where it can't be written.
    pub(crate) fn report(&self, line: impl std::fmt::Display) {
        console::note(format_args!("[{:6.1}s] {line}", self.start.elapsed().as_secs_f64()));
    }
}
