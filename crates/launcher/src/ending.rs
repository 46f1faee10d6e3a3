//! How long an end may take. What asks a run to end has a time in mind: a person a minute, `docker stop` ten seconds.

use std::time::Duration;

use tokio::time::Instant;

/// The time of an end where none is given.
pub const STOP_WITHIN: Duration = Duration::from_secs(45);
/// What a device that is asked to stop needs at most on a network that works.
const DRAIN: Duration = Duration::from_secs(10);

/// An end that has begun, and the instants at which its parts have to be over. What is not finished then is given up, and
/// the next part begins; the report has what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    begun: Instant,
    within: Duration,
}

impl Ending {
    /// The end begins now.
    #[must_use]
    pub fn begin(now: Instant, within: Duration) -> Self {
        Self { begun: now, within }
    }

    /// When every device-sim process has to be gone.
    #[must_use]
    pub fn drained(&self) -> Instant {
        self.begun + self.within * 2 / 3
    }

    /// When what the application was asked no longer matters.
    #[must_use]
    pub fn answered(&self) -> Instant {
        self.begun + self.within * 5 / 6
    }

    /// When the program has to be gone.
    #[must_use]
    pub fn over(&self) -> Instant {
        self.begun + self.within
    }

    /// When the emulator has to be gone.
    #[must_use]
    pub fn stopped(&self) -> Instant {
        self.begun + self.within * 19 / 20
    }
}

/// How long a device waits for acknowledgements when it stops, so that its process reports its last figures before it would
/// be killed.
#[must_use]
pub fn drain(within: Duration) -> Duration {
    DRAIN.min(within / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_parts_of_an_end_follow_each_other_and_leave_time_for_the_report() {
        let now = Instant::now();
        let ending = Ending::begin(now, STOP_WITHIN);
        let seconds = |instant: Instant| (instant - now).as_secs_f64();
        assert_eq!(
            [ending.drained(), ending.answered(), ending.stopped()].map(seconds),
            [30.0, 37.5, 42.75]
        );
        assert_eq!(drain(STOP_WITHIN), Duration::from_secs(10));
        assert_eq!(drain(Duration::from_secs(9)), Duration::from_secs(3));
    }
}
