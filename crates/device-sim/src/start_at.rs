//! The instant at which the stages begin, where the processes of a fleet can't wait for each other: those on several machines
//! have their clocks in common. Pure; the time is handed in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::hint::Hint;

/// An instant that is further ahead is a mistake: what waits for it has its certificates and its quotas from today.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24);

/// When the stages begin, by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartAt(pub Timestamp);

impl FromStr for StartAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("`{text}` is not a date and a time with an offset, e.g. 2026-11-27T06:00:00Z"))
    }
}

impl fmt::Display for StartAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StartAt {
    /// The stages, as this process sees them at `now`, which is `at` for its timers. They take `length` together. If they have
    /// begun, the process joins them where they are, as one that takes the place of another has to.
    ///
    /// # Errors
    ///
    /// They are over, or far ahead.
    pub fn schedule(self, length: Duration, now: Timestamp, at: Instant) -> Result<Schedule, StartError> {
        let ahead = self.0.duration_since(now);
        if ahead > FARTHEST {
            return Err(StartError::TooFar { start: self, now });
        }
        let schedule = Schedule { at, ahead };
        if schedule.elapsed(at) >= length && ahead <= SignedDuration::ZERO {
            return Err(StartError::Over {
                start: self,
                length,
                now,
            });
        }
        Ok(schedule)
    }
}

/// Where the stages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    at: Instant,
    /// How long after `at` they begin; negative if they had begun.
    ahead: SignedDuration,
}

impl Schedule {
    /// How long it is until they begin; zero once they have.
    #[must_use]
    pub fn until(&self, now: Instant) -> Duration {
        Duration::try_from(-self.since(now)).unwrap_or_default()
    }

    /// How long ago they began; zero until they have.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        Duration::try_from(self.since(now)).unwrap_or_default()
    }

    fn since(&self, now: Instant) -> SignedDuration {
        let passed = now.saturating_duration_since(self.at);
        SignedDuration::try_from(passed)
            .unwrap_or(SignedDuration::MAX)
            .saturating_sub(self.ahead)
    }
}

/// Why the stages can't begin at an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// They would be over.
    #[error("--start-at {start}: the stages take {length:?} and are over; it is {now:.0}")]
    Over {
        /// When they began.
        start: StartAt,
        /// How long they take.
        length: Duration,
        /// What the clock shows.
        now: Timestamp,
    },
    /// They would not begin for a long time.
    #[error("--start-at {start} is more than 24 hours ahead; it is {now:.0}")]
    TooFar {
        /// When they would begin.
        start: StartAt,
        /// What the clock shows.
        now: Timestamp,
    },
}

impl StartError {
    /// The error with what to do about it.
    #[must_use]
    pub fn hinted(self) -> anyhow::Error {
        let hint = match self {
            Self::Over { .. } => {
                "give all shards the same later instant, e.g. --start-at $(date -u -d '+5 minutes' +%FT%TZ), or compare this \
                 machine's clock with the others'"
            }
            Self::TooFar { .. } => "compare the date and the offset with this machine's clock",
        };
        anyhow::Error::from(self).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(60);

    fn start(now: &str) -> Result<(Schedule, Instant), StartError> {
        let at = Instant::now();
        let start: StartAt = "2026-11-27T06:00:00Z".parse().unwrap();
        Ok((start.schedule(LENGTH, now.parse().unwrap(), at)?, at))
    }

    #[tokio::test]
    async fn stages_ahead_are_waited_for_and_then_go_by() {
        let (schedule, at) = start("2026-11-27T05:59:52.5Z").unwrap();
        for (after, until, elapsed) in [(0, 7_500, 0), (7_000, 500, 0), (7_500, 0, 0), (9_000, 0, 1_500)] {
            let now = at + Duration::from_millis(after);
            assert_eq!(schedule.until(now), Duration::from_millis(until));
            assert_eq!(schedule.elapsed(now), Duration::from_millis(elapsed));
        }
        // An instant from before, as another clock of the same machine may give it.
        assert_eq!(
            schedule.until(at - Duration::from_millis(1)),
            Duration::from_millis(7_500)
        );
    }

    #[tokio::test]
    async fn stages_that_have_begun_are_joined_until_they_are_over() {
        for (now, elapsed) in [
            ("2026-11-27T06:00:00Z", 0),
            ("2026-11-27T06:00:12Z", 12),
            // The same, by an offset.
            ("2026-11-27T07:00:59+01:00", 59),
        ] {
            let (schedule, at) = start(now).unwrap();
            assert_eq!(
                (schedule.until(at), schedule.elapsed(at)),
                (Duration::ZERO, Duration::from_secs(elapsed))
            );
        }
        let over = start("2026-11-27T06:01:00.2Z").unwrap_err();
        assert_eq!(
            over.to_string(),
            "--start-at 2026-11-27T06:00:00Z: the stages take 60s and are over; it is 2026-11-27T06:01:00Z"
        );
    }

    #[tokio::test]
    async fn no_process_waits_for_longer_than_a_day() {
        assert!(start("2026-11-26T06:00:00Z").is_ok());
        let far = start("2026-11-26T05:59:59Z").unwrap_err();
        assert_eq!(
            far.to_string(),
            "--start-at 2026-11-27T06:00:00Z is more than 24 hours ahead; it is 2026-11-26T05:59:59Z"
        );
    }

    #[tokio::test]
    async fn the_ends_of_time_are_no_trouble() {
        let at = Instant::now();
        for (start, now) in [(Timestamp::MIN, Timestamp::MAX), (Timestamp::MAX, Timestamp::MIN)] {
            assert!(StartAt(start).schedule(LENGTH, now, at).is_err());
            // Stages that last for ever.
            let joined = StartAt(Timestamp::MIN)
                .schedule(Duration::MAX, Timestamp::MAX, at)
                .unwrap();
            assert_eq!(joined.until(at), Duration::ZERO);
        }
    }

    #[test]
    fn an_instant_has_a_date_a_time_and_an_offset() {
        for good in [
            "2026-11-27T06:00:00Z",
            "2026-11-27 07:00:00+01:00",
            "2026-11-27T06:00:00.250Z",
        ] {
            assert!(good.parse::<StartAt>().is_ok(), "{good}");
        }
        for bad in ["", "06:00", "2026-11-27T06:00:00", "2026-11-27", "+5m", "1795802400"] {
            let error = bad.parse::<StartAt>().unwrap_err();
            assert!(
                error.ends_with("is not a date and a time with an offset, e.g. 2026-11-27T06:00:00Z"),
                "{error}"
            );
        }
    }
}
