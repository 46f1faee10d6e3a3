//! The life of a run, from the manifest to the report.

mod devices;
mod environment;
mod event_log;
mod events;
mod finish;
mod futile;
mod judge;
pub mod prepare;
mod silence;
mod stages;
mod start;
mod supervise;
mod throttling;
mod viewers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use events::{EventSchedule, Results};
use fleet_protocol::lines::counter;
use fleet_report::measurements::Measurements;
use fleet_report::totals::Received;
use jiff::Timestamp;
use settings::Span;
use tokio::time::{Instant, timeout_at};

use crate::advice::Advisor;
use crate::control::broker::Broker;
use crate::control::state_lock::StateLock;
use crate::control::{RunHandle, Status};
use crate::ending::{self, Ending};
use crate::exit::Failure;
use crate::interrupts::Interrupts;
use crate::keep::{self, Format};
use crate::manifest::types::Target;
use crate::manifest::{self, Manifest};
use crate::metrics::{self, Snapshot};
use crate::paths::absolute;
use crate::prepare::application::Application;
use crate::prepare::budget::{self, Bound};
use crate::prepare::target::Ready;
use crate::prepare::{load, plan, pre_flight, reach};
use crate::process::device_sims;
use crate::progress::ProgressLog;
use crate::roll;
use crate::standing::Viewer;
use crate::terminal::Ui;
use crate::terminal::ui::Form;
use crate::web;
use finish::{Found, finish};
use judge::Judge;
use stages::StageClock;
use start::Start;
use supervise::{Extent, Finished, Instruments, Supervisor};
use viewers::Doors;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// `path=value`, each over a key of the manifest.
    pub set: Vec<String>,
    /// How long the stages take together.
    pub duration: Option<Span>,
    /// Where the report goes.
    pub report: Option<PathBuf>,
    /// What is written there besides the usual files.
    pub formats: Vec<Format>,
    /// Where a page shows the run while it lasts; unless told, it is there where the target is the emulator.
    pub(crate) web: Option<web::Place>,
    /// Run the whole plan, even where all devices fail for a reason that only a person can mend.
    pub keep_going: bool,
    /// Where its figures are served.
    pub(crate) metrics: metrics::Options,
    /// How far the plan may go beyond the limits.
    pub bound: Bound,
    /// How the progress is shown.
    pub ui: Ui,
    /// How long the end may take.
    pub stop_within: Duration,
    /// Our own program, which is started for the emulator and the devices.
    pub executable: PathBuf,
}

/// A manifest with what the command line adds to it.
///
/// # Errors
///
/// The manifest can't be read or is not one.
pub fn resolve(path: &Path, set: &[String], duration: Option<Span>) -> Result<Manifest, Failure> {
    let mut manifest = manifest::load(path, set)?;
    if let Some(duration) = duration {
        manifest.load.stages = load::period(&manifest.load.stages, duration);
    }
    Ok(manifest)
}

/// Runs a fleet. Returns the number with which the process is to end.
///
/// # Errors
///
/// Nothing was started, or something failed before there was anything to report.
pub async fn run(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let manifest = resolve(&options.manifest, &options.set, options.duration)?;
    let plan = budget::plan(&manifest).map_err(Failure::Refused)?;
    budget::refuse_above(&plan, options.bound)?;
    let form = options.ui.form().map_err(Failure::Refused)?;
    let (start, token) = Start::check(manifest, plan)?;
    pre_flight::source_addresses(&plan::source_addresses(&start.manifest))?;
    if let Some(folder) = &options.report {
        keep::try_folder("--report", folder)?;
    }
    let state = absolute(&start.manifest.fleet.state)?;
    StateLock::check(&state)?;
    let progress = match form {
        Form::Nothing => ProgressLog::begin().quiet(),
        Form::Lines | Form::View => ProgressLog::begin(),
    };
    let doors = Doors::open(&start, &options, form, progress).await?;
    progress.report(start.words());
    for warning in budget::warnings(&start.plan) {
        progress.report(format!("warning: {warning}"));
    }
    for roll in roll::unfinished(&start.manifest, &state) {
        progress.report(roll);
    }

    let prepared = async {
        reach::application_and_dps(&start.manifest.target, progress).await?;
        let identities = start.identities(progress).await?;
        // A run that can't begin leaves no state.
        let held = StateLock::for_run(&state)?;
        let ready = start.prepare(&identities, &options.executable, token, progress).await?;
        Ok::<_, Failure>((held, ready))
    };
    let (_held, ready) = tokio::select! {
        prepared = prepared => prepared?,
        () = interrupts.next() => {
            // What had been started is killed by being dropped; there is nothing to drain yet.
            return finish(&start, &supervise::Outcome::interrupted_early(), Found::default(), &options, progress).map(|report| report.exit);
        }
    };
    let Ready {
        plan,
        gateways,
        application,
        mut emulator,
    } = ready;
    let _asking = application
        .as_ref()
        .map(|application| roll::report_blocked(&start.manifest, &state, &application.central, progress));
    let (plan, run_id) = start.write_plan(plan, &gateways)?;
    let (live, questions) = RunHandle::pair();
    let (viewer, looks) = Viewer::pair();
    let _serving = listen(&state, live.clone(), progress);
    let (shards, events) = device_sims::start(
        &options.executable,
        &plan,
        start.processes,
        ending::drain(options.stop_within),
    )?;
    let status = Status {
        run_id,
        pid: std::process::id(),
        devices: start.devices,
        plan,
        figures: roll::figures(&start.manifest)?,
        set: options.set.clone(),
        service: emulator.as_ref().map(|emulator| emulator.ready.service()),
    };
    let broker = Broker::new(status, start.processes as usize);
    let schedule = EventSchedule::new(Arc::new(start.manifest.clone()), live.clone(), progress);
    let instruments = Instruments {
        clock: StageClock::new(&start.manifest.load.stages, start.devices, Instant::now()),
        measurements: Measurements::new(start.processes as usize, &start.plan.quotas),
        judge: Judge::new(&start.manifest.thresholds.0),
    };
    let t0 = Timestamp::now();
    let mut supervisor = Supervisor::new(
        Extent {
            devices: start.devices,
            processes: start.processes,
            peak: load::peak(&start.manifest.load.stages),
        },
        start.first_device.clone(),
        broker,
        schedule,
        options.stop_within,
        progress,
        instruments,
    );
    supervisor.advise(Advisor::new(start.manifest.clone()));
    if options.keep_going || start.fails_on_purpose() {
        supervisor.keep_going();
    }
    let mut viewers = doors.show(&start, t0, viewer, live, progress);
    let mut outcome = supervisor
        .run(shards, events, questions, looks, &mut emulator, &mut interrupts)
        .await;
    viewers.leave_the_terminal().await;
    let shown = supervisor.device_to_show().map(str::to_owned);
    let Finished {
        measurements,
        marks,
        devices,
        schedule,
        ending,
        judge,
        time_to_online,
        end,
    } = supervisor.finish();
    let mut found = Found {
        measurements,
        marks,
        devices,
        t0: Some(t0),
        time_to_online,
        ..Found::default()
    };
    if outcome.left_at_once {
        found.judged = judge
            .map(|judge| judge.finish(end, outcome.losses, 0))
            .unwrap_or_default();
        return finish(&start, &outcome, found, &options, progress).map(|report| report.exit);
    }
    // An emulator that died with the run answers nothing, and would be asked again and again.
    let gone = matches!(start.manifest.target, Target::Emulator(_)) && emulator.is_none();
    let questions = async {
        let results = schedule.finish(ending.answered()).await;
        let run = plan::run_id(start.now);
        let asked = application.as_ref().filter(|_| !gone);
        let received = ask(asked, &run, shown.as_deref(), ending, progress).await;
        (results, received)
    };
    let (results, received) = tokio::select! {
        answers = questions => answers,
        () = interrupts.next() => {
            progress.report("interrupted: what the application shows is not waited for");
            outcome.interrupted = true;
            (Results::default(), None)
        }
    };
    if results.failed {
        let rolls = results.rolls.iter().all(roll::Report::passed);
        let what = if rolls { "an event" } else { "a roll of certificates" };
        outcome.failures.push(format!("{what} failed"));
    }
    if let Some(emulator) = emulator
        && let Err(error) = emulator.stop_until(ending.stopped()).await
    {
        let words = format!("{error:#}");
        outcome
            .failures
            .push(words.lines().next().unwrap_or_default().to_owned());
        progress.fault(words);
    }
    outcome.received_unknown = received.is_none() && application.is_some_and(|application| application.counts());
    let acked = found.measurements.totals.counter(counter::TELEMETRY_ACKED);
    let not_received = received.map_or(0, |received| acked.saturating_sub(received.received_unique));
    let judged = judge.map(|judge| judge.finish(end, outcome.losses, not_received));
    found.judged = judged.unwrap_or_default();
    (found.received, found.results) = (received, results);
    viewers
        .last_figures(|| Snapshot::of_end(&found.measurements, &found.judged))
        .await;
    let report = finish(&start, &outcome, found, &options, progress);
    viewers
        .end(report.as_ref().ok(), ending, &mut interrupts, progress)
        .await;
    report.map(|report| report.exit)
}

/// Asks the application what it has seen, for as long as the end allows. What it does not answer is unknown.
async fn ask(
    application: Option<&Application>,
    run: &str,
    device: Option<&str>,
    ending: Ending,
    progress: ProgressLog,
) -> Option<Received> {
    let application = application?;
    let until = ending.answered();
    let shown = async {
        let Some(device) = device else { return };
        progress.report(match timeout_at(until, application.temperature(device)).await {
            Ok(Ok(Some(temperature))) => format!("Central shows {device} at {temperature:.1} °C"),
            Ok(Ok(None)) => format!("Central shows no temperature of {device}"),
            Ok(Err(error)) => format!("what Central shows of {device} is unknown: {error}"),
            Err(_) => format!("what Central shows of {device} is unknown: no answer in time"),
        });
    };
    let count = async {
        let counted = timeout_at(until, application.received(run)).await.ok().flatten();
        if counted.is_none() && application.counts() {
            progress.report("how much telemetry was received is unknown: the emulator does not answer");
        }
        counted
    };
    tokio::join!(shown, count).1
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
