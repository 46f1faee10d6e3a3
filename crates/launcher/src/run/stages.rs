//! Where a run stands: its seconds, and its stages once they have begun.

use std::time::Duration;

use device_sim::ramp::{self, RampClock};
use fleet_report::thresholds::{Second, Stage};
use tokio::time::Instant;

use crate::manifest::values;
use crate::standing::{Position, stage_words};

/// The seconds and the stages of a run.
#[derive(Debug)]
pub(super) struct StageClock {
    stages: Vec<values::Stage>,
    /// When the processes were started: the zero of all seconds in figures and reports.
    begun: Instant,
    /// Once the stages have begun.
    ramp: Option<RampClock>,
    /// How many devices the first stage wants online; none once they are.
    first_target: Option<u64>,
    time_to_online: Option<Duration>,
}

impl StageClock {
    pub(super) fn new(stages: &[values::Stage], devices: u32, now: Instant) -> Self {
        let target = stages
            .first()
            .map(|stage| u64::from(ramp::wanted(stage.share, devices)));
        Self {
            stages: stages.to_vec(),
            begun: now,
            ramp: None,
            first_target: target.filter(|target| *target > 0),
            time_to_online: None,
        }
    }

    /// The stages begin, or began then; they begin only once.
    pub(super) fn begin(&mut self, begun: Instant) {
        self.ramp.get_or_insert_with(|| RampClock::begin(begun));
    }

    pub(super) fn has_begun(&self) -> bool {
        self.ramp.is_some()
    }

    /// The time of the stages, once they have begun.
    pub(super) fn ramp(&mut self) -> Option<&mut RampClock> {
        self.ramp.as_mut()
    }

    /// So many devices of the whole fleet are online. Returns how long the first stage took to reach its target, once.
    pub(super) fn online(&mut self, devices: u64, now: Instant) -> Option<Duration> {
        let ramp = self.ramp.as_ref()?;
        self.first_target.take_if(|target| devices >= *target)?;
        self.time_to_online = Some(ramp.elapsed(now));
        self.time_to_online
    }

    /// How long the first stage took to reach its target, if it has.
    pub(super) fn time_to_online(&self) -> Option<Duration> {
        self.time_to_online
    }

    /// Where the run stands.
    pub(super) fn second(&self, now: Instant) -> Second {
        let stage = self
            .ramp
            .as_ref()
            .and_then(|ramp| stage_at(&self.stages, ramp.elapsed(now)));
        Second {
            at_s: now.duration_since(self.begun).as_secs(),
            stage,
        }
    }

    /// The same when the devices drain, which is in no stage.
    pub(super) fn drain_second(&self, now: Instant) -> Second {
        Second {
            stage: None,
            ..self.second(now)
        }
    }

    /// Where the run stands, for those who look.
    pub(super) fn position(&self, now: Instant, is_ending: bool) -> Position {
        Position {
            at_s: self.at_s(now),
            stage: self.second(now).stage.filter(|_| !is_ending),
            stages_elapsed: self.ramp.as_ref().map(|ramp| ramp.elapsed(now)),
            is_paused: self.ramp.as_ref().is_some_and(RampClock::is_paused),
            is_ending,
        }
    }

    /// Whether the stages hold or raise the share of devices that is online.
    pub(super) fn rises(&self, now: Instant) -> bool {
        let elapsed = self.ramp.as_ref().map(|ramp| ramp.elapsed(now));
        elapsed.is_some_and(|elapsed| rises_at(&self.stages, elapsed))
    }

    /// Seconds since the processes were started.
    pub(super) fn at_s(&self, now: Instant) -> f64 {
        now.duration_since(self.begun).as_secs_f64()
    }

    /// A stage in words, such as `stage 2 of 3: 100%@30s`.
    pub(super) fn words(&self, stage: Stage) -> String {
        stage_words(&self.stages, stage.number)
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

/// Whether the stage after so much of their time holds or raises the share; there is none after the last.
fn rises_at(stages: &[values::Stage], elapsed: Duration) -> bool {
    let (mut end, mut share) = (Duration::ZERO, 0.0);
    for stage in stages {
        end += stage.over.0;
        if elapsed < end {
            return stage.share >= share;
        }
        share = stage.share;
    }
    false
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
    fn an_operator_rests_while_the_stages_take_devices_offline() {
        let stages = stages(&["100%@5s", "100%@30s", "50%@5s", "80%@5s", "0%@5s"]);
        for (seconds, rises) in [
            (0, true),
            (5, true),
            (34, true),
            (35, false),
            (40, true),
            (45, false),
            (50, false),
        ] {
            assert_eq!(rises_at(&stages, Duration::from_secs(seconds)), rises, "{seconds}");
        }
    }

    #[test]
    fn the_time_of_the_stages_counts_from_their_one_beginning() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clock = StageClock::new(&stages(&["100%@30s", "100%@60s"]), 10, start);
        assert!(clock.ramp().is_none(), "they have not begun");
        assert_eq!(clock.online(10, at(1)), None);
        clock.begin(at(2));
        clock.begin(at(61));
        let second = clock.second(at(62));
        assert_eq!((second.at_s, second.stage), (62, Some(Stage { number: 2, held: true })));
        assert_eq!(clock.words(second.stage.unwrap()), "stage 2 of 2: 100%@1m");
        assert_eq!(clock.drain_second(at(62)).stage, None);
        assert_eq!(clock.online(9, at(20)), None);
        assert_eq!(clock.online(10, at(22)), Some(Duration::from_secs(20)));
        assert_eq!(clock.online(10, at(23)), None, "it is reached once");
        assert_eq!(clock.time_to_online(), Some(Duration::from_secs(20)));
    }
}
