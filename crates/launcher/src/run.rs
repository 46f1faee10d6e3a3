//! The life of a run, from the manifest to the report.

mod devices;
mod environment;
mod event_log;
mod events;
mod futile;
mod judge;
pub mod prepare;
mod silence;
mod stages;
mod supervise;
mod throttling;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use device_sim::advice;
use events::{EventSchedule, Results};
use files::{self, Access, Durability};
use fleet_protocol::lines::{DeviceLine, counter};
use fleet_report::measurements::Measurements;
use fleet_report::plan::PlanSummary;
use fleet_report::report::{Circumstances, EndReason, EventMark, Report, Run};
use fleet_report::summary::summary;
use fleet_report::thresholds::ThresholdResult;
use fleet_report::totals::Received;
use fleet_report::words::{self, counted};
use iot_protocol::shown;
use jiff::Timestamp;
use settings::Span;
use tokio::time::{Instant, timeout_at};

use crate::advice::Advisor;
use crate::control::broker::Broker;
use crate::control::state_lock::StateLock;
use crate::control::{RunHandle, Status};
use crate::ending::{self, Ending};
use crate::exit::{FAILED, Failure, INTERRUPTED, PASSED, THRESHOLDS};
use crate::http::{Address, Listener};
use crate::interrupts::Interrupts;
use crate::keep::{self, Format, deliver, marks};
use crate::manifest::types::Target;
use crate::manifest::{self, Manifest};
use crate::metrics::{self, Exporter, Snapshot};
use crate::paths::absolute;
use crate::prepare::application::Application;
use crate::prepare::budget::{self, Bound};
use crate::prepare::edge::Gateways;
use crate::prepare::identities::{self, Identities};
use crate::prepare::target::{Preparation, Ready, Token};
use crate::prepare::{load, plan, pre_flight, reach, target};
use crate::process::shards::Shards;
use crate::progress::ProgressLog;
use crate::roll;
use crate::standing::Viewer;
use crate::terminal::Ui;
use crate::terminal::ui::Form;
#[cfg(unix)]
use crate::terminal::{Subject, View};
use crate::web::{self, Web};
use judge::Judge;
use stages::StageClock;
use supervise::{Extent, Finished, Instruments, Outcome, Supervisor};

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
    if let Some(folder) = &options.report {
        keep::try_folder("--report", folder)?;
    }
    let page = start.web(options.web).listen().await?;
    let state = absolute(&start.manifest.fleet.state)?;
    StateLock::check(&state)?;
    let progress = match form {
        Form::Nothing => ProgressLog::begin().quiet(),
        Form::Lines | Form::View => ProgressLog::begin(),
    };
    let mut exporter = start.serve_metrics(&options, progress).await?;
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
            return finish(&start, &Outcome::interrupted_early(), Found::default(), &options, progress).map(|report| report.exit);
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
    exporter.run(viewer.clone());
    let _serving = listen(&state, live.clone(), progress);
    let (shards, events) = Shards::start(
        &options.executable,
        &plan,
        start.processes,
        ending::drain(options.stop_within),
    )?;
    let status = Status {
        run_id: run_id.clone(),
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
    let t0 = Some(Timestamp::now());
    let page = page.map(|page| serve(page, viewer.clone(), start.circumstances(t0), progress));
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
    let view = (form == Form::View).then(|| show(&start, &run_id, viewer, live, progress));
    let mut outcome = supervisor
        .run(shards, events, questions, looks, &mut emulator, &mut interrupts)
        .await;
    close(view.flatten()).await;
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
        t0,
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
    exporter
        .end(|| Snapshot::of_end(&found.measurements, &found.judged))
        .await;
    let report = finish(&start, &outcome, found, &options, progress);
    if let (Some(page), Ok(report)) = (page, &report) {
        page.end(report).await;
    }
    exporter.linger(Some(ending), &mut interrupts, progress).await;
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

/// Shows the run in the terminal. It goes on without, in lines.
#[cfg(unix)]
fn show(start: &Start, run_id: &str, viewer: Viewer, live: RunHandle, progress: ProgressLog) -> Option<View> {
    let groups = plan::groups(&start.manifest).ok()?;
    let subject = Subject::of(&start.manifest, &groups, run_id);
    View::open(subject, viewer, live, progress)
        .inspect_err(|error| progress.report(format!("no live view: {error}")))
        .ok()
}

/// The terminal is as it was before.
#[cfg(unix)]
async fn close(view: Option<View>) {
    if let Some(view) = view {
        view.close().await;
    }
}

/// There is no view here, and none is chosen.
#[cfg(not(unix))]
fn show(_: &Start, _: &str, _: Viewer, _: RunHandle, _: ProgressLog) -> Option<()> {
    None
}

#[cfg(not(unix))]
async fn close(_: Option<()>) {}

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

/// Shows this run in a browser.
fn serve(listener: Listener, viewer: Viewer, circumstances: Circumstances, progress: ProgressLog) -> Web {
    progress.report(format!("watch the run: http://{}/", listener.address()));
    Web::start(listener, viewer, circumstances)
}

/// There are no such sockets here, so `fleet roll` can't reach a live run.
#[cfg(not(unix))]
fn listen(_: &Path, _: RunHandle, _: ProgressLog) {}

/// A run that has been checked as far as possible before something is started.
#[derive(Debug)]
struct Start {
    manifest: Manifest,
    /// As the report holds it.
    resolved: serde_json::Value,
    devices: u32,
    processes: u32,
    first_device: String,
    /// What it will ask of its target.
    plan: PlanSummary,
    now: Timestamp,
}

impl Start {
    fn check(manifest: Manifest, summary: PlanSummary) -> Result<(Self, Option<Token>), Failure> {
        let groups = plan::groups(&manifest).map_err(Failure::Refused)?;
        let (devices, processes) = (plan::device_count(&groups), plan::processes(&manifest, &groups));
        let first_device = plan::first_device(&groups)
            .ok_or_else(|| Failure::refused(anyhow!("there is no device in the manifest")))?;
        let with_emulator = matches!(manifest.target, Target::Emulator(_));
        pre_flight::file_handles(devices, processes, with_emulator)?;
        if let Target::Emulator(target) = &manifest.target
            && let Some(port) = target.port
        {
            pre_flight::port(port)?;
        }
        let token = target::token(&manifest.target, |name| std::env::var(name).ok())?;
        let resolved = serde_json::to_value(&manifest)
            .context("the manifest can't be put into JSON")
            .map_err(Failure::Refused)?;
        let start = Self {
            resolved,
            now: Timestamp::now(),
            manifest,
            devices,
            processes,
            first_device,
            plan: summary,
        };
        Ok((start, token))
    }

    fn web(&self, asked: Option<web::Place>) -> web::Place {
        let unasked = match self.manifest.target {
            Target::Emulator(_) => web::Place::At(Address::any()),
            Target::IotCentral(_) | Target::Dps(_) => web::Place::Off,
        };
        asked.unwrap_or(unasked)
    }

    async fn serve_metrics(&self, options: &Options, progress: ProgressLog) -> Result<Exporter, Failure> {
        let groups = plan::groups(&self.manifest).map_err(Failure::Refused)?;
        let run = (plan::run_id(self.now), self.manifest.target.kind(), groups);
        Exporter::begin(&options.metrics, options.stop_within, run, progress).await
    }

    /// Whether the manifest itself asks for things to go wrong.
    fn fails_on_purpose(&self) -> bool {
        matches!(&self.manifest.target, Target::Emulator(target) if target.faults.is_some())
    }

    fn words(&self) -> String {
        let Self { devices, processes, .. } = self;
        format!(
            "{}: {} in {}, target {}",
            self.manifest.fleet.name,
            words::devices(*devices),
            counted(*processes, "process", "processes"),
            self.manifest.target.kind()
        )
    }

    /// What the report says of the run from its beginning. `t0` is when the processes were started.
    fn circumstances(&self, t0: Option<Timestamp>) -> Circumstances {
        Circumstances {
            run: Run {
                id: plan::run_id(self.now),
                started: Some(self.now),
                command: Some(command_line(
                    std::env::args_os().map(|word| word.to_string_lossy().into_owned()),
                )),
                ..Run::default()
            },
            t0,
            environment: Some(environment::here()),
            manifest: Some(self.resolved.clone()),
            plan: Some(self.plan.clone()),
            asked: u64::from(self.devices),
            ..Circumstances::default()
        }
    }

    async fn prepare(
        &self,
        identities: &Identities,
        executable: &Path,
        token: Option<Token>,
        progress: ProgressLog,
    ) -> Result<Ready, Failure> {
        let preparation = Preparation {
            manifest: &self.manifest,
            identities,
            executable,
            now: self.now,
            progress,
        };
        preparation.run(token).await
    }

    /// Signing is work for all cores, and must not keep Ctrl-C from being handled. What it leaves when the process ends
    /// under it is taken up by the next run.
    async fn identities(&self, progress: ProgressLog) -> Result<Identities, Failure> {
        let (manifest, now) = (self.manifest.clone(), self.now);
        tokio::task::spawn_blocking(move || identities::open_or_create(&manifest, now, progress))
            .await
            .context("making certificates failed")?
    }

    fn write_plan(
        &self,
        target: fleet_protocol::plan::Target,
        gateways: &Gateways,
    ) -> anyhow::Result<(PathBuf, String)> {
        let plan = plan::plan(&self.manifest, target, gateways, self.now)?;
        let state = absolute(&self.manifest.fleet.state)?;
        let path = state.join("plan.json");
        let text = serde_json::to_vec_pretty(&plan).context("the plan can't be put into JSON")?;
        // The folder is there: the run holds it.
        files::write_whole(&path, &text, Access::Owner, Durability::Synced)
            .with_context(|| format!("can't write `{}`", shown::path(&path)))?;
        Ok((path, plan.run_id))
    }
}

/// What a run has left when it is over.
struct Found {
    measurements: Measurements,
    marks: Vec<EventMark>,
    /// The last line of each device.
    devices: BTreeMap<String, DeviceLine>,
    /// When the processes were started.
    t0: Option<Timestamp>,
    time_to_online: Option<Duration>,
    judged: Vec<ThresholdResult>,
    /// What the target received, as far as it answers.
    received: Option<Received>,
    results: Results,
}

impl Default for Found {
    /// Nothing was started.
    fn default() -> Self {
        Self {
            measurements: Measurements::new(0, &[]),
            marks: Vec::new(),
            devices: BTreeMap::new(),
            t0: None,
            time_to_online: None,
            judged: Vec::new(),
            received: None,
            results: Results::default(),
        }
    }
}

/// Makes the report, writes what is asked for and prints the summary.
fn finish(
    start: &Start,
    outcome: &Outcome,
    found: Found,
    options: &Options,
    progress: ProgressLog,
) -> Result<Report, Failure> {
    let Found {
        measurements,
        marks: events,
        devices,
        t0,
        time_to_online,
        judged,
        received,
        results,
    } = found;
    let mut circumstances = Circumstances {
        losses: outcome.losses,
        target: received,
        target_unknown: outcome.received_unknown,
        events,
        ..start.circumstances(t0)
    };
    let run = &mut circumstances.run;
    run.ended = Some(Timestamp::now());
    run.duration_s = Some(progress.elapsed().as_secs_f64());
    run.time_to_online_s = time_to_online.map(|took| took.as_secs_f64());
    run.end_reason = Some(outcome.end_reason.unwrap_or(EndReason::StagesOver));
    run.failures = outcome.failures.iter().chain(&outcome.hopeless).cloned().collect();
    let mut report = Report::new(circumstances, &measurements);
    report.advise(advice::remedy);
    report.judge(judged);
    report.exit = if outcome.left_at_once {
        INTERRUPTED
    } else if !outcome.failures.is_empty() {
        FAILED
    } else if report.thresholds.iter().any(ThresholdResult::fails) {
        THRESHOLDS
    } else if outcome.interrupted {
        INTERRUPTED
    } else if !report.run.failures.is_empty() {
        FAILED
    } else {
        PASSED
    };
    let mut text = summary(&report, marks());
    let folder = options.report.as_deref();
    let mut written: Vec<_> = folder.map(|folder| keep::write(&report, folder)).unwrap_or_default();
    if let Some(folder) = folder.filter(|_| options.formats.contains(&Format::Csv)) {
        written.push(devices::write(&start.manifest, &devices, folder));
    }
    for (index, roll) in results.rolls.iter().enumerate() {
        let name = match index {
            0 => "roll.json".to_owned(),
            more => format!("roll-{}.json", more + 1),
        };
        written.extend(folder.map(|folder| roll.write(folder, &name)));
        text += &format!("\n{}", roll.summary());
    }
    deliver(written, text, |words| progress.report(words))?;
    Ok(report)
}

/// A command line as it can be typed again. No argument of ours holds a secret.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%@+".contains(c);
    let words = arguments.skip(1).map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    std::iter::once("fleet".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again() {
        let words = ["/usr/bin/fleet", "run", "my fleet.toml", "--set=a.b=1", "it's", ""];
        let line = command_line(words.into_iter().map(str::to_owned));
        assert_eq!(line, r"fleet run 'my fleet.toml' --set=a.b=1 'it'\''s' ''");
    }
}
