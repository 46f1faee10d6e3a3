//! Stages that begin at an instant, as a process sees them that starts the shards. Pure; the time is handed in.

use std::time::Duration;

use device_sim::ramp::Ramp;
use device_sim::start_at::{Schedule, StartAt, StartError};
use fleet_protocol::plan::Plan;
use jiff::Timestamp;
use tokio::time::Instant;

/// The stages of a plan that begin at an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stages {
    start: StartAt,
    schedule: Schedule,
    length: Duration,
}

impl Stages {
    /// The stages at `now`, which is `at` for timers.
    ///
    /// # Errors
    ///
    /// They are over, or far ahead.
    pub(super) fn new(plan: &Plan, start: StartAt, now: Timestamp, at: Instant) -> Result<Self, StartError> {
        let length = Ramp::new(plan.stages.clone()).length();
        let schedule = start.schedule(length, now, at)?;
        Ok(Self {
            start,
            schedule,
            length,
        })
    }

    /// When they begin or began.
    pub(super) fn start(&self) -> StartAt {
        self.start
    }

    /// How long it is until they are over; zero once they are.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let left = self.length.saturating_sub(self.schedule.elapsed(now));
        left.saturating_add(self.schedule.until(now))
    }

    /// When they begin or began, in words.
    pub(super) fn when(&self, now: Instant) -> String {
        let (start, elapsed) = (self.start, self.schedule.elapsed(now).as_secs_f64());
        match self.schedule.until(now) {
            Duration::ZERO => format!("the stages began at {start}, {elapsed:.1}s ago, and are joined where they are"),
            until => format!("the stages begin at {start}, in {:.1}s", until.as_secs_f64()),
        }
    }

    /// The warning that devices have registered only now, where the stages have begun.
    pub(super) fn late(&self, now: Instant) -> Option<String> {
        let late = self.schedule.elapsed(now);
        let late = (late > Duration::ZERO).then_some(late.as_secs_f64())?;
        Some(format!(
            "its devices have registered {late:.1}s after the stages began, and join them there"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn stages_that_begin_at_an_instant_end_at_one() {
        let plan: Plan = serde_json::from_str(include_str!("../../../fleet-protocol/tests/data/plan.json")).unwrap();
        let at = Instant::now();
        let now = "2026-11-27T05:59:50Z".parse().unwrap();
        // 40 s of stages.
        let stages = Stages::new(&plan, "2026-11-27T06:00:00Z".parse().unwrap(), now, at).unwrap();
        assert_eq!(stages.when(at), "the stages begin at 2026-11-27T06:00:00Z, in 10.0s");
        assert_eq!((stages.left(at), stages.late(at)), (seconds(50), None));
        let later = at + seconds(22);
        assert_eq!(
            stages.when(later),
            "the stages began at 2026-11-27T06:00:00Z, 12.0s ago, and are joined where they are"
        );
        assert_eq!(stages.left(later), seconds(28));
        assert_eq!(
            stages.late(later).unwrap(),
            "its devices have registered 12.0s after the stages began, and join them there"
        );
        assert_eq!(stages.left(at + seconds(50)), Duration::ZERO);
        assert_eq!(stages.left(at + seconds(500)), Duration::ZERO);
    }
}
