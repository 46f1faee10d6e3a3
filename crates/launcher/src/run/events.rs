//! The events of a run: each happens at its times, and reports its outcome to the run.

use std::sync::Arc;
use std::time::Duration;

use device_sim::ramp::RampClock;
use fleet_protocol::lines::Control;
use fleet_report::words;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::control::RunHandle;
use crate::manifest::Manifest;
use crate::manifest::events::{Effect, Event};
use crate::progress::ProgressLog;
use crate::roll;
use crate::timer::at;

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
    /// The time of the stages, once they have begun.
    ramp: Option<watch::Sender<RampClock>>,
    tasks: JoinSet<Vec<Happened>>,
}

/// The outcome of one time of an event.
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
            ramp: None,
            tasks: JoinSet::new(),
        }
    }

    /// The stages begin, or began then, and the events count from there: those whose time has passed have happened before
    /// this program was started. Returns how long the stages take.
    pub(super) fn begin(&mut self, begun: Instant) -> Duration {
        let stages = self.manifest.load.stages.iter().map(|stage| stage.over.0).sum();
        if self.ramp.is_some() {
            return stages;
        }
        let ramp = watch::Sender::new(RampClock::begin(begun));
        for index in 0..self.manifest.event.len() {
            let event = Occurring {
                manifest: Arc::clone(&self.manifest),
                index,
                ramp: ramp.subscribe(),
                live: self.live.clone(),
                progress: self.progress,
            };
            self.tasks.spawn(event.follow(begun, stages));
        }
        self.ramp = Some(ramp);
        stages
    }

    /// The stages are held, or go on.
    pub(super) fn pause_or_resume(&mut self, clock: RampClock) {
        if let Some(ramp) = &self.ramp {
            ramp.send_replace(clock);
        }
    }

    /// The run is over: what has not begun does not happen, what is on its way comes to its end, or is given up at `until`.
    pub(super) async fn finish(mut self, until: Instant) -> Results {
        let mut results = Results::default();
        if self.ramp.is_none() && !self.manifest.event.is_empty() {
            self.progress
                .report("no event has happened: not all devices had registered once");
        }
        let late = timeout_at(until.min(Instant::now() + OVER_WITHIN), async {
            while let Some(happened) = self.tasks.join_next().await {
                match happened {
                    Ok(happened) => happened.into_iter().for_each(|one| results.add(one, self.progress)),
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

impl Results {
    fn add(&mut self, happened: Happened, progress: ProgressLog) {
        match happened {
            Happened::Rolled(report) => self.rolls.push(*report),
            Happened::Ordered => {}
            Happened::Missed(words) => progress.report(words),
            Happened::Failed(words) => {
                progress.fault(words);
                self.failed = true;
            }
        }
    }
}

/// An event while the run lasts.
struct Occurring {
    manifest: Arc<Manifest>,
    index: usize,
    ramp: watch::Receiver<RampClock>,
    live: RunHandle,
    progress: ProgressLog,
}

impl Occurring {
    /// Lets it happen at all of its times that are to come, one after the other. The stages began at `begun`, and take `stages`
    /// together.
    async fn follow(mut self, begun: Instant, stages: Duration) -> Vec<Happened> {
        let since = Instant::now();
        let manifest = Arc::clone(&self.manifest);
        let name = format!("event.{}", self.index);
        let Some(event) = manifest.event.get(self.index) else {
            return vec![Happened::Failed(format!("there is no {name}"))];
        };
        let missed = |why: &str| Happened::Missed(format!("{name} did not happen: {why}"));
        let origin = match event.when().origin(&manifest.load.stages) {
            None => return vec![missed("the run has no such stage")],
            Some(Duration::ZERO) => Some(begun),
            Some(origin) => self.reached(origin).await,
        };
        let Some(origin) = origin else {
            return vec![missed("the run was over before")];
        };
        let (mut happened, mut passed_over) = (Vec::new(), 0_u32);
        let mut times = (1..).zip(event.times()).peekable();
        while let Some((number, after)) = times.next() {
            let happened_before = |at: Instant| at + LATE < since;
            if origin.checked_add(after).is_some_and(happened_before) {
                continue;
            }
            if !self.waits_until(origin.checked_add(after)).await {
                happened.extend((number == 1).then(|| missed("the run was over before")));
                break;
            }
            let next = times.peek().and_then(|(_, next)| origin.checked_add(*next));
            if next.is_some_and(|next| next <= Instant::now()) {
                passed_over += 1;
                continue;
            }
            if number > 1 && self.ramp.borrow().elapsed(Instant::now()) >= stages {
                break;
            }
            let name = match event.when().every {
                Some(_) => format!("{name} ({number})"),
                None => name.clone(),
            };
            happened.push(happen(&manifest, event, &name, &self.live, self.progress).await);
        }
        if passed_over > 0 {
            let times = words::counted(passed_over, "time", "times");
            self.progress.report(format!(
                "{name} was passed over {times}: it was still going on from the time before"
            ));
        }
        happened
    }

    /// Waits until so much of the time of the stages has passed; `None` where the run is over before.
    async fn reached(&mut self, elapsed: Duration) -> Option<Instant> {
        loop {
            let then = self.ramp.borrow_and_update().reaches(elapsed, Instant::now());
            tokio::select! {
                () = at(then) => return then,
                () = self.live.gone() => return None,
                // Without a sender, the run is over too.
                changed = self.ramp.changed() => changed.ok()?,
            }
        }
    }

    /// Whether the run still goes on at that instant.
    async fn waits_until(&self, then: Option<Instant>) -> bool {
        tokio::select! {
            () = at(then) => true,
            () = self.live.gone() => false,
        }
    }
}

async fn happen(manifest: &Manifest, event: &Event, name: &str, live: &RunHandle, progress: ProgressLog) -> Happened {
    match event.effect() {
        Effect::Order(control) => order(name, control, live, progress).await,
        Effect::Roll(event) => match roll::perform(&event.request(), manifest, Some(live.clone()), progress).await {
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
