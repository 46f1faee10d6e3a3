//! Whether a shard's process should have ended by itself and has not, as one that was stopped or hangs. Pure; the time is
//! handed in.

use std::time::Duration;

use fleet_protocol::plan::{Plan, Shard};
use tokio::time::Instant;

/// Processes report every second.
const SILENT_FOR: Duration = Duration::from_secs(15);

/// What is known of the end of one process.
#[derive(Debug)]
pub(super) struct Lateness {
    /// When it has reported last; nothing while its process has not started, as it waits for a collector.
    reported: Option<Instant>,
    /// When its stages are over at the latest, once they have begun.
    over: Option<Instant>,
}

impl Lateness {
    /// Of a process that has not started.
    pub(super) fn waiting() -> Self {
        Self {
            reported: None,
            over: None,
        }
    }

    /// It has started, or has written figures.
    pub(super) fn reported(&mut self, now: Instant) {
        self.reported = Some(now);
    }

    /// Its devices have finished their first registration.
    pub(super) fn settled(&mut self, now: Instant, stages: Duration) {
        self.over = now.checked_add(stages);
    }

    /// Whether it is late. `alone`: the other shards of the fleet are finished, so one that is silent is waited for in vain.
    pub(super) fn is_late(&self, now: Instant, within: Duration, alone: bool) -> bool {
        let silent_since = |reported| now.saturating_duration_since(reported) >= SILENT_FOR + within;
        let silent = self.reported.is_some_and(silent_since);
        self.over.is_some_and(|over| now >= over + within) || (alone && silent)
    }
}

/// How long the stages of a shard take at the latest, from when its own devices have registered: it waits for the last of the
/// fleet's, which has its turn within two rounds of the shards.
pub(super) fn stages(plan: &Plan, shard: Shard) -> Duration {
    let rounds = f64::from(shard.count.get()) * 2.0 / plan.rates.register_per_s;
    let rounds = Duration::try_from_secs_f64(rounds).unwrap_or(Duration::MAX);
    let stages = plan.stages.iter().map(|stage| Duration::from_millis(stage.over_ms));
    stages.fold(rounds, Duration::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn a_process_is_late_after_its_stages_or_in_a_silence_that_keeps_all_others_waiting() {
        let begin = Instant::now();
        let within = seconds(30);
        let mut one = Lateness::waiting();
        assert!(
            !one.is_late(begin + seconds(10_000), within, true),
            "it has not started"
        );
        one.reported(begin);
        assert!(
            !one.is_late(begin + seconds(1_000), within, false),
            "its devices may wait to register"
        );
        assert!(!one.is_late(begin + seconds(44), within, true));
        assert!(one.is_late(begin + seconds(45), within, true));
        one.reported(begin + seconds(40));
        assert!(!one.is_late(begin + seconds(84), within, true));
        one.settled(begin + seconds(40), seconds(100));
        for now in (41..170).step_by(10) {
            one.reported(begin + seconds(now));
            assert!(!one.is_late(begin + seconds(now), within, true), "{now}");
        }
        // It still reports, and should have ended.
        one.reported(begin + seconds(170));
        assert!(one.is_late(begin + seconds(170), within, false));
    }

    #[test]
    fn the_stages_of_a_shard_wait_for_the_registrations_of_the_others() {
        let plan: Plan = serde_json::from_str(include_str!("../../../fleet-protocol/tests/data/plan.json")).unwrap();
        // Two rounds of four shards at 20/s, and 40 s of stages.
        assert_eq!(stages(&plan, "1/4".parse().unwrap()), Duration::from_millis(40_400));
    }
}
