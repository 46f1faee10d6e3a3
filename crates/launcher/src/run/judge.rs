//! The judgement on a run: its figures, second by second, against the thresholds of its manifest.

use std::time::Duration;

use device_sim::ramp;
use fleet_protocol::lines::{State, Stats};
use fleet_report::gather::Gather;
use fleet_report::report::Losses;
use fleet_report::thresholds::{Evaluator, Second, Stage, Threshold, ThresholdResult};
use tokio::time::Instant;

use crate::manifest::values;

/// Takes every line of the processes, and looks each second.
#[derive(Debug)]
pub(super) struct Judge {
    gather: Gather,
    evaluator: Evaluator,
    clock: StageClock,
    stages: Vec<values::Stage>,
    begun: Instant,
    /// How many devices the first stage wants online; none once they are.
    first_target: Option<u64>,
    /// By process: how many devices are online.
    online: Vec<u64>,
}

impl Judge {
    /// Nothing where there is nothing to judge: figures by group would be gathered for nothing.
    pub(super) fn new(
        thresholds: Vec<Threshold>,
        stages: &[values::Stage],
        devices: u32,
        processes: u32,
        now: Instant,
    ) -> Option<Self> {
        if thresholds.is_empty() {
            return None;
        }
        let target = stages
            .first()
            .map(|stage| u64::from(ramp::wanted(stage.share, devices)));
        Some(Self {
            gather: Gather::default(),
            evaluator: Evaluator::new(thresholds),
            clock: StageClock::default(),
            stages: stages.to_vec(),
            begun: now,
            first_target: target.filter(|target| *target > 0),
            online: vec![0; processes as usize],
        })
    }

    pub(super) fn line(&mut self, process: usize, stats: &Stats, now: Instant) {
        self.gather.line(process, stats);
        if let Some(online) = self.online.get_mut(process) {
            *online = stats.states.get(&State::Online).copied().unwrap_or(0);
        }
        let reached = self
            .first_target
            .is_some_and(|target| self.online.iter().sum::<u64>() >= target);
        if reached && let Some(since) = self.clock.at(now) {
            self.first_target = None;
            self.gather.time_to_online(since.as_secs_f64());
        }
    }

    pub(super) fn clock(&mut self) -> &mut StageClock {
        &mut self.clock
    }

    /// A second has passed. A threshold that comes back ends the run.
    pub(super) fn second(&mut self, now: Instant, is_draining: bool) -> Option<&Threshold> {
        let elapsed = self.clock.at(now).filter(|_| !is_draining);
        let stage = elapsed.and_then(|elapsed| stage_at(&self.stages, elapsed));
        let at_s = now.duration_since(self.begun).as_secs();
        self.evaluator.second(Second { at_s, stage }, self.gather.figures())
    }

    /// The last judgement, when every device has stopped. `not_received` was acknowledged and did not reach the target.
    pub(super) fn finish(mut self, now: Instant, losses: Losses, not_received: u64) -> Vec<ThresholdResult> {
        self.gather.drained(losses, not_received);
        let at_s = now.duration_since(self.begun).as_secs();
        self.evaluator.finish(at_s, self.gather.figures())
    }
}

/// The stage after so much of their time; none after the last one. A stage holds a target where it begins with it.
fn stage_at(stages: &[values::Stage], elapsed: Duration) -> Option<Stage> {
    let (mut end, mut share) = (Duration::ZERO, 0.0);
    for (number, stage) in (1..).zip(stages) {
        end += stage.over.0;
        if elapsed < end {
            #[expect(
                clippy::float_cmp,
                reason = "both are numbers as the manifest has them, and nothing is computed"
            )]
            let held = stage.share == share;
            return Some(Stage { number, held });
        }
        share = stage.share;
    }
    None
}

/// The time that counts for the stages: they begin once, and can be paused.
#[derive(Debug, Default)]
pub(super) struct StageClock {
    counted: Duration,
    running_since: Option<Instant>,
    begun: bool,
}

impl StageClock {
    pub(super) fn begin(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.begun, true) {
            self.running_since = Some(now);
        }
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.counted = self.at(now).unwrap_or_default();
        self.running_since = None;
    }

    pub(super) fn resume(&mut self, now: Instant) {
        if self.begun {
            self.running_since.get_or_insert(now);
        }
    }

    /// How much of their time has passed; none before they begin.
    fn at(&self, now: Instant) -> Option<Duration> {
        let running = self
            .running_since
            .map_or(Duration::ZERO, |since| now.duration_since(since));
        self.begun.then(|| self.counted + running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(texts: &[&str]) -> Vec<values::Stage> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_stage_that_begins_with_its_target_holds_it() {
        let stages = stages(&["100%@5s", "100%@30s", "0%@5s"]);
        for (seconds, number, held) in [
            (0, 1, false),
            (4, 1, false),
            (5, 2, true),
            (34, 2, true),
            (35, 3, false),
        ] {
            assert_eq!(
                stage_at(&stages, Duration::from_secs(seconds)),
                Some(Stage { number, held }),
                "{seconds}"
            );
        }
        assert_eq!(stage_at(&stages, Duration::from_secs(40)), None);
    }

    #[test]
    fn paused_stages_stand_still() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clock = StageClock::default();
        clock.resume(at(0));
        assert_eq!(clock.at(at(1)), None, "they have not begun");
        clock.begin(at(2));
        clock.pause(at(5));
        assert_eq!(clock.at(at(60)), Some(Duration::from_secs(3)));
        clock.resume(at(60));
        clock.begin(at(61));
        assert_eq!(clock.at(at(62)), Some(Duration::from_secs(5)));
    }
}
