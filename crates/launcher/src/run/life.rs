//! The life of a run once its shards are there, whatever carries them: it is supervised until no device is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleet_report::measurements::Measurements;
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::account::Account;
use super::conduct::Conduct;
use super::events::EventSchedule;
use super::judge::Judge;
use super::operator::Operator;
use super::stages::StageClock;
use super::start::Start;
use super::supervise::{Asked, Begin, Extent, Instruments, Supervisor};
use super::troubles::Troubles;
use super::viewers::Doors;
use crate::advice::Advisor;
use crate::control::broker::Broker;
use crate::control::{RunHandle, Status};
use crate::exit::Failure;
use crate::interrupts::Interrupts;
use crate::prepare::application::Application;
use crate::prepare::load;
use crate::process::emulator::EmulatorChild;
use crate::process::shards::{Called, Event, Shards};
use crate::progress::ProgressLog;
use crate::roll;
use crate::standing::Viewer;

/// A run whose shards are there.
pub(super) struct Life<'a> {
    pub(super) start: &'a Start,
    pub(super) conduct: &'a Conduct,
    /// The state folder, which is held.
    pub(super) state: &'a Path,
    /// The plan's file.
    pub(super) plan: PathBuf,
    /// The `--set` of the command line.
    pub(super) set: Vec<String>,
    pub(super) doors: Doors,
    pub(super) shards: Shards,
    pub(super) events: UnboundedReceiver<Event>,
    pub(super) called: Called,
    pub(super) begin: Begin,
    /// That it began before this program did, in a sentence.
    pub(super) restarted: Option<String>,
    pub(super) application: Option<Application>,
    /// The emulator, where the run has one of its own.
    pub(super) emulator: Option<EmulatorChild>,
    pub(super) progress: ProgressLog,
}

impl Life<'_> {
    /// Leads it to its report. Returns the number with which the process is to end.
    ///
    /// # Errors
    ///
    /// It can't be begun, or its report can't be delivered.
    pub(super) async fn lead(self, mut interrupts: Interrupts) -> Result<u8, Failure> {
        let (live, questions) = RunHandle::pair();
        let (viewer, looks) = Viewer::pair();
        let _serving = listen(self.state, live.clone(), self.progress);
        let t0 = Timestamp::now();
        let mut supervisor = self.supervisor(live.clone())?;
        let Self {
            start,
            conduct,
            doors,
            shards,
            events,
            begin,
            restarted,
            application,
            mut emulator,
            progress,
            ..
        } = self;
        supervisor.begin(begin);
        if let Some(words) = restarted {
            supervisor.note("collector_restarted", words);
        }
        let mut viewers = doors.show(start, t0, viewer, live, progress);
        let asked = Asked { questions, looks };
        let outcome = supervisor
            .run(shards, events, asked, &mut emulator, &mut interrupts)
            .await;
        viewers.leave_the_terminal().await;
        let account = Account {
            start,
            conduct,
            t0,
            outcome,
            shown: supervisor.device_to_show().map(str::to_owned),
            finished: supervisor.finish(),
            viewers,
            application,
            emulator,
            progress,
        };
        account.close(interrupts).await
    }

    fn supervisor(&self, live: RunHandle) -> anyhow::Result<Supervisor> {
        let Self { start, conduct, .. } = self;
        let manifest = &start.manifest;
        let status = Status {
            run_id: start.run_id.clone(),
            pid: std::process::id(),
            devices: start.devices,
            plan: self.plan.clone(),
            figures: roll::figures(manifest)?,
            set: self.set.clone(),
            service: self.emulator.as_ref().map(|emulator| emulator.ready.service()),
        };
        let instruments = Instruments {
            clock: StageClock::new(&manifest.load.stages, start.positive(), Instant::now()),
            // An operator writes figures as a process of its own.
            measurements: Measurements::new(
                start.processes as usize + usize::from(manifest.operator.is_some()),
                &start.plan.quotas,
            ),
            judge: Judge::new(&manifest.thresholds.0),
            troubles: Troubles::new(Advisor::new(manifest.clone()), self.progress),
        };
        let extent = Extent {
            devices: start.positive(),
            processes: start.processes,
            called: self.called,
            peak: load::peak(&manifest.load.stages),
        };
        let mut supervisor = Supervisor::new(
            extent,
            start.first_device.clone(),
            Broker::new(status, start.processes as usize),
            EventSchedule::new(Arc::new(manifest.clone()), live, self.progress),
            conduct.stop_within,
            self.progress,
            instruments,
        );
        if let Some(application) = &self.application {
            supervisor.play_operator(Operator::start(manifest, &application.central)?);
        }
        if conduct.keep_going || start.fails_on_purpose() {
            supervisor.keep_going();
        }
        Ok(supervisor)
    }
}

/// Lets others ask this run. It goes on without, since its devices do not depend on it.
#[cfg(unix)]
fn listen(state: &Path, live: RunHandle, progress: ProgressLog) -> Option<crate::control::Serving> {
    crate::control::serve(state, live)
        .inspect_err(|error| {
            progress.report(format!(
                "no control socket, so `fleet roll` can't reach this run: {error}"
            ))
        })
        .ok()
}

/// There are no such sockets here, so `fleet roll` can't reach a live run.
#[cfg(not(unix))]
fn listen(_: &Path, _: RunHandle, _: ProgressLog) {}
