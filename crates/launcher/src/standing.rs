//! A run as it stands, lent to those who look at it: a page, a terminal, a scraper.

use std::time::Duration;

use device_sim::advice;
use fleet_report::measurements::Measurements;
use fleet_report::report::{Circumstances, EventMark, Losses, Report};
use fleet_report::thresholds::{Stage, ThresholdResult};
use tokio::sync::{mpsc, oneshot};

use crate::manifest::values;

/// A live run at one moment. It is made only when a viewer asks, so a run without viewers pays nothing for it.
#[derive(Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) position: Position,
    /// The same in words, such as `stage 2 of 3: 100%@30s`.
    pub(crate) words: String,
    pub(crate) measurements: &'a Measurements,
    /// What happened so far, in the order of its time.
    pub(crate) marks: &'a [EventMark],
    /// How the thresholds look so far.
    pub(crate) thresholds: Vec<ThresholdResult>,
    /// What went with processes that died.
    pub(crate) losses: Losses,
    /// Why the run has failed already, whatever its devices do.
    pub(crate) failures: &'a [String],
    /// How long the first stage took to reach its target, if it has.
    pub(crate) time_to_online: Option<Duration>,
}

/// Where a run stands in its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Position {
    /// Seconds since the processes were started.
    pub(crate) at_s: f64,
    /// None before the first stage, and in the drain.
    pub(crate) stage: Option<Stage>,
    /// How much of the time of the stages has passed; nothing until they begin.
    pub(crate) stages_elapsed: Option<Duration>,
    /// The stages stand still.
    pub(crate) is_paused: bool,
    /// Devices drain and disconnect.
    pub(crate) is_ending: bool,
}

impl Standing<'_> {
    /// The report as it would be if the run were over now. `circumstances` are those that were there from its beginning.
    pub(crate) fn report(&self, circumstances: Circumstances) -> Report {
        let mut circumstances = Circumstances {
            losses: self.losses,
            events: self.marks.to_vec(),
            ..circumstances
        };
        let run = &mut circumstances.run;
        run.duration_s = Some(self.position.at_s);
        run.time_to_online_s = self.time_to_online.map(|took| took.as_secs_f64());
        run.failures = self.failures.to_vec();
        let mut report = Report::new(circumstances, self.measurements);
        report.advise(advice::remedy);
        report.judge(self.thresholds.clone());
        report
    }
}

/// The stage with this number, from 1, in words such as `stage 2 of 3: 100%@30s`.
pub(crate) fn stage_words(stages: &[values::Stage], number: u32) -> String {
    let index = (number as usize).checked_sub(1);
    let profile = index.and_then(|index| stages.get(index));
    let profile = profile.map(ToString::to_string).unwrap_or_default();
    format!("stage {number} of {}: {profile}", stages.len())
}

/// A viewer of a live run of this process.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    looks: mpsc::UnboundedSender<Look>,
}

/// What a viewer makes of the run. It is made where the supervisor is, between two lines of the devices' processes, so it
/// is to be quick.
pub(crate) struct Look(Box<dyn FnOnce(&Standing<'_>) + Send>);

impl Viewer {
    /// A viewer, and the end where its looks arrive.
    pub(crate) fn pair() -> (Self, mpsc::UnboundedReceiver<Look>) {
        let (looks, asked) = mpsc::unbounded_channel();
        (Self { looks }, asked)
    }

    /// What `look` makes of the run as it stands; nothing when its devices have stopped.
    pub(crate) async fn look<T, F>(&self, look: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce(&Standing<'_>) -> T + Send + 'static,
    {
        let (answer, seen) = oneshot::channel();
        let look = Look(Box::new(move |standing| {
            // The viewer may have gone away; then the answer goes nowhere.
            let _ = answer.send(look(standing));
        }));
        self.looks.send(look).ok()?;
        seen.await.ok()
    }
}

impl Look {
    pub(crate) fn at(self, standing: &Standing<'_>) {
        (self.0)(standing);
    }
}
