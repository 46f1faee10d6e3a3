//! What a run tells on stderr while it goes: a plain line per step.

use std::time::Duration;

use device_sim::console;
use tokio::time::Instant;

/// Tells what happens, each line with the seconds since the start.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    start: Instant,
}

impl Story {
    /// The story begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { start: Instant::now() }
    }

    /// How long it has gone on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Tells one line, or drops it where it can't be written.
    pub fn tell(&self, line: impl std::fmt::Display) {
        console::note(format_args!("[{:6.1}s] {line}", self.start.elapsed().as_secs_f64()));
    }
}
