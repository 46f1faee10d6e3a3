//! The judgement on a run: its figures, second by second, against the thresholds of its manifest.

use std::time::Duration;

use device_sim::ramp::{self, RampClock};
use fleet_report::gather::Gather;
use fleet_report::report::Losses;
use fleet_report::thresholds::{Evaluator, Second, Stage, Threshold, ThresholdResult};
use fleet_report::totals::Decoded;
use tokio::time::Instant;

use crate::manifest::values;

/// Takes every line of the processes, and looks each second.
#[derive(Debug)]
pub(super) struct Judge {
    gather: Gather,
    evaluator: Evaluator,
    /// Once the stages have begun.
    clock: Option<RampClock>,
    stages: Vec<values::Stage>,
    begun: Instant,
    /// How many devices the first stage wants online; none once they are.
    first_target: Option<u64>,
}

impl Judge {
    /// Nothing where there is nothing to judge: figures by group would be gathered for nothing.
    pub(super) fn new(thresholds: &[Threshold], stages: &[values::Stage], devices: u32, now: Instant) -> Option<Self> {
        if thresholds.is_empty() {
            return None;
        }
        let target = stages
            .first()
            .map(|stage| u64::from(ramp::wanted(stage.share, devices)));
        Some(Self {
            gather: Gather::new(thresholds),
            evaluator: Evaluator::new(thresholds.to_vec()),
            clock: None,
            stages: stages.to_vec(),
            begun: now,
            first_target: target.filter(|target| *target > 0),
        })
    }

    pub(super) fn line(&mut self, process: usize, line: &Decoded) {
        self.gather.line(process, line);
    }

    /// So many devices of the whole fleet are online.
    pub(super) fn online(&mut self, devices: u64, now: Instant) {
        if self.first_target.is_some_and(|target| devices >= target)
            && let Some(clock) = &self.clock
        {
            self.first_target = None;
            self.gather.time_to_online(clock.elapsed(now).as_secs_f64());
        }
    }

    pub(super) fn stages_begin(&mut self, now: Instant) {
        self.clock.get_or_insert_with(|| RampClock::begin(now));
    }

    /// The time of the stages, once they have begun.
    pub(super) fn clock(&mut self) -> Option<&mut RampClock> {
        self.clock.as_mut()
    }

    /// A second has passed. A threshold that comes back ends the run.
    pub(super) fn second(&mut self, now: Instant) -> Option<&Threshold> {
        let clock = self.clock.as_ref();
        let stage = clock.and_then(|clock| stage_at(&self.stages, clock.elapsed(now)));
        let at_s = self.since_begun(now);
        self.evaluator.second(Second { at_s, stage }, self.gather.figures())
    }

    /// A second of the drain has passed.
    pub(super) fn drain(&mut self, now: Instant) {
        let at_s = self.since_begun(now);
        self.evaluator.drain(at_s, self.gather.figures());
    }

    /// The last judgement, when every device has stopped. `not_received` was acknowledged and did not reach the target.
    pub(super) fn finish(mut self, now: Instant, losses: Losses, not_received: u64) -> Vec<ThresholdResult> {
        self.gather.drained(losses, not_received);
        let at_s = self.since_begun(now);
        self.evaluator.finish(at_s, self.gather.figures())
    }

    fn since_begun(&self, now: Instant) -> u64 {
        now.duration_since(self.begun).as_secs()
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

#[cfg(test)]
mod tests {
    use fleet_report::labels::KnownLabels;
    use fleet_report::thresholds::{Expression, Selector};

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
    fn the_time_of_the_stages_counts_from_their_one_beginning() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let selector = Selector::parse("telemetry_acked", &KnownLabels::default()).unwrap();
        let expression = Expression::parse("count >= 0", selector.metric).unwrap();
        let stages = stages(&["100%@5s"]);
        let mut judge = Judge::new(&[Threshold::new(selector, expression)], &stages, 10, start).unwrap();
        assert!(judge.clock().is_none(), "they have not begun");
        judge.stages_begin(at(2));
        judge.stages_begin(at(61));
        assert_eq!(judge.clock().unwrap().elapsed(at(62)), Duration::from_secs(60));
        assert!(Judge::new(&[], &stages, 10, start).is_none());
    }
}
