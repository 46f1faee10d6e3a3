//! The events of a run: each begins at its time, and reports its outcome to the run.

use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::lines::Control;
use fleet_report::words;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::control::RunHandle;
use crate::manifest::Manifest;
use crate::manifest::events::Effect;
use crate::progress::ProgressLog;
use crate::roll;

/// What an event still does when the devices have gone is soon over: it notices that the run has ended.
const OVER_WITHIN: Duration = Duration::from_secs(10);

/// A timer is that late on a busy machine; an event whose time has passed for longer is one of an earlier supervisor.
const LATE: Duration = Duration::from_secs(5);

/// The events of a run.
#[derive(Debug)]
pub(super) struct EventSchedule {
    manifest: Arc<Manifest>,
    live: RunHandle,
    progress: ProgressLog,
    begun: bool,
    tasks: JoinSet<Happened>,
}

/// The outcome of an event.
#[derive(Debug)]
enum Happened {
    Rolled(Box<roll::Report>),
    Ordered,
    /// Its time did not come.
    Missed(String),
    Failed(String),
}

/// What the events of a run came to.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) rolls: Vec<roll::Report>,
    pub(super) failed: bool,
}

impl EventSchedule {
    pub(super) fn new(manifest: Arc<Manifest>, live: RunHandle, progress: ProgressLog) -> Self {
        Self {
            manifest,
            live,
            progress,
            begun: false,
            tasks: JoinSet::new(),
        }
    }

    /// The stages begin, or began then, and the events count from there: those whose time has passed have happened before
    /// this program was started. Returns how long the stages take.
    pub(super) fn begin(&mut self, begun: Instant) -> Duration {
        let stages = self.manifest.load.stages.iter().map(|stage| stage.over.0).sum();
        if std::mem::replace(&mut self.begun, true) {
            return stages;
        }
        let passed = begun.elapsed().saturating_sub(LATE);
        for (index, event) in self.manifest.event.iter().enumerate() {
            if event.at().0 < passed {
                continue;
            }
            let (manifest, live, progress) = (Arc::clone(&self.manifest), self.live.clone(), self.progress);
            let at = begun + event.at().0;
            self.tasks.spawn(async move {
                tokio::select! {
                    () = sleep_until(at) => happen(&manifest, index, live, progress).await,
                    () = live.gone() => Happened::Missed(format!("event.{index} did not happen: the run was over before")),
                }
            });
        }
        stages
    }

    /// The run is over: what has not begun does not happen, what is on its way comes to its end, or is given up at `until`.
    pub(super) async fn finish(mut self, until: Instant) -> Results {
        let mut results = Results::default();
        if !self.begun && !self.manifest.event.is_empty() {
            self.progress
                .report("no event has happened: not all devices had registered once");
        }
        let late = timeout_at(until.min(Instant::now() + OVER_WITHIN), async {
            while let Some(happened) = self.tasks.join_next().await {
                match happened {
                    Ok(Happened::Rolled(report)) => results.rolls.push(*report),
                    Ok(Happened::Ordered) => {}
                    Ok(Happened::Missed(words)) => self.progress.report(words),
                    Ok(Happened::Failed(words)) => {
                        self.progress.fault(words);
                        results.failed = true;
                    }
                    Err(error) => {
                        self.progress.fault(format!("an event failed: {error}"));
                        results.failed = true;
                    }
                }
            }
        });
        if late.await.is_err() {
            self.progress.fault("an event was still going on and is given up");
            results.failed = true;
        }
        results.failed |= results.rolls.iter().any(|report| !report.passed());
        results
    }
}

async fn happen(manifest: &Manifest, index: usize, live: RunHandle, progress: ProgressLog) -> Happened {
    let Some(event) = manifest.event.get(index) else {
        return Happened::Failed(format!("there is no event {index}"));
    };
    let name = format!("event.{index}");
    match event.effect() {
        Effect::Order(control) => order(&name, control, &live, progress).await,
        Effect::Roll(event) => match roll::perform(&event.request(), manifest, Some(live), progress).await {
            Ok(report) => Happened::Rolled(Box::new(report)),
            Err(error) => Happened::Failed(format!("{name}, the {}, failed: {error}", event.case)),
        },
    }
}

/// Its outcome is reported as it comes, and not when the run is over.
async fn order(name: &str, control: Control, live: &RunHandle, progress: ProgressLog) -> Happened {
    let action = control.action.word();
    match live.order(control).await {
        Ok(devices) => {
            progress.report(format!("{name}, {action}, reached {}", words::devices(devices)));
            Happened::Ordered
        }
        Err(error) => Happened::Failed(format!("{name}, {action}, failed: {error}")),
    }
}
