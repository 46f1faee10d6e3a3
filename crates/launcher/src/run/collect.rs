//! `fleet collect`: a run whose devices are simulated by `fleet sim` on other machines. From the moment when all shards are
//! there, it is what `fleet run` is.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use device_sim::hint::Hint;
use device_sim::plan_file;
use fleet_protocol::plan::{Devices, Group, Plan, Stage};
use fleet_report::report::EndReason;
use fleet_report::words::{counted, devices};
use iot_protocol::shown;
use jiff::Timestamp;
use settings::Span;
use tokio::time::Instant;

use super::conduct::Conduct;
use super::finish::{Found, finish};
use super::life::Life;
use super::outcome::Outcome;
use super::resolve;
use super::start::Start;
use super::supervise::Begin;
use super::viewers::Doors;
use crate::collect::collector::{Gathered, Gathering, gather};
use crate::collect::credentials;
use crate::collect::roster::{CALLED, Terms};
use crate::control::state_lock::StateLock;
use crate::exit::Failure;
use crate::http::{Address, Listener};
use crate::interrupts::Interrupts;
use crate::manifest::Manifest;
use crate::manifest::events::Effect;
use crate::manifest::types::Target;
use crate::paths::absolute;
use crate::prepare::{budget, models, plan, target};
use crate::progress::ProgressLog;

/// Sims start their processes before devices can register.
const START: Duration = Duration::from_secs(5);

/// What to collect, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// `path=value`, each over a key of the manifest.
    pub set: Vec<String>,
    /// How long the stages take together.
    pub duration: Option<Span>,
    /// The plan that the sims have.
    pub plan: PathBuf,
    /// Into how many shards the fleet is cut.
    pub shards: NonZeroU32,
    /// Where sims connect.
    pub(crate) listen: Address,
    /// The folder of the collector's credentials; `collector` beside the plan, when there is none.
    pub credentials: Option<PathBuf>,
    /// How long all shards may take to come.
    pub ready_within: Duration,
    /// How long a shard may be away.
    pub lost_after: Duration,
    /// How the run is shown, judged and reported.
    pub conduct: Conduct,
    /// Our own program.
    pub executable: PathBuf,
}

/// Collects a run. Returns the number with which the process is to end.
///
/// # Errors
///
/// Nothing was started, or something failed before there was anything to report.
pub async fn collect(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let conduct = &options.conduct;
    let plan = plan_file::read(&options.plan).map_err(Failure::refused)?;
    let start = start(&options, &plan)?;
    let token = start.token()?;
    let form = conduct.ui.form().map_err(Failure::Refused)?;
    let state = conduct.try_places(&start)?;
    let folder = options.credentials.clone();
    let folder = folder.unwrap_or_else(|| credentials::beside(&options.plan));
    let tls = credentials::server(&folder, options.shards.get(), Timestamp::now()).map_err(Failure::Refused)?;
    let listener = Listener::bind("--listen", options.listen).await?;
    let progress = conduct.progress(form);
    let doors = Doors::open(&start, conduct, form, progress).await?;
    progress.report(format!(
        "{}: run {}, {} in {}, target {}",
        start.manifest.fleet.name,
        start.run_id,
        devices(start.devices),
        counted(start.processes, "shard", "shards"),
        start.manifest.target.kind()
    ));
    progress.report(format!("collecting at {}", listener.address()));
    let _held = StateLock::for_run(&state)?;
    let application = target::open(&start.manifest, &options.executable, token, progress)
        .await?
        .application;

    let Gathering {
        shards,
        events,
        gathered,
    } = gather(listener.into_inner(), tls, terms(&options, &start, &plan), progress);
    let gathered = tokio::select! {
        gathered = gathered => gathered.map_err(|_| anyhow!("the collector has ended"))?,
        () = interrupts.next() => {
            shards.stop();
            shards.kill().await;
            return early(&start, &Outcome::interrupted_early(), conduct, progress);
        }
    };
    let (begin, restarted) = match gathered {
        Gathered::Go { begin, restarted } => (begin, restarted),
        Gathered::NotReady(missing) => {
            let words = format!("the run has not begun within {}: {missing}", Span(options.ready_within));
            progress.fault(&words);
            shards.kill().await;
            let outcome = Outcome {
                failures: vec![words],
                end_reason: Some(EndReason::ShardsMissing),
                ..Outcome::default()
            };
            return early(&start, &outcome, conduct, progress);
        }
    };
    progress.report(when(begin, start.processes, restarted));
    let life = Life {
        start: &start,
        conduct,
        state: &state,
        plan: absolute(&options.plan)?,
        set: options.set.clone(),
        doors,
        shards,
        events,
        called: CALLED,
        begin: Begin::At(begin),
        restarted: restarted.then(|| RESTARTED.to_owned()),
        application,
        emulator: None,
        progress,
    };
    life.lead(interrupts).await
}

const RESTARTED: &str = "this collector was started when the run was going on: its timeline begins here, and its totals have \
                         all that the processes of now have counted";

/// The run is over before it has begun.
fn early(start: &Start, outcome: &Outcome, conduct: &Conduct, progress: ProgressLog) -> Result<u8, Failure> {
    finish(start, outcome, Found::default(), conduct, progress).map(|report| report.exit)
}

fn when(begin: Instant, shards: u32, restarted: bool) -> String {
    let ahead = begin.saturating_duration_since(Instant::now());
    match restarted {
        false => format!(
            "all {shards} shards are there: the stages begin in {:.1}s",
            ahead.as_secs_f64()
        ),
        true if ahead.is_zero() => {
            format!(
                "the run is going on: its stages began {:.1}s ago",
                begin.elapsed().as_secs_f64()
            )
        }
        true => format!("the run is going on: its stages begin in {:.1}s", ahead.as_secs_f64()),
    }
}

fn terms(options: &Options, start: &Start, plan: &Plan) -> Terms {
    let count = options.shards;
    Terms {
        run_id: start.run_id.clone(),
        count,
        devices: start.devices,
        named: (0..count.get()).map(|index| named(plan, index, count)).collect(),
        lost_after: options.lost_after,
        ready_until: Instant::now() + options.ready_within,
        lead: START + Duration::from_secs(start.plan.register_s),
    }
}

/// The devices of a shard, in words.
fn named(plan: &Plan, index: u32, count: NonZeroU32) -> String {
    let own = (index..plan.device_count()).step_by(count.get() as usize);
    let (first, last) = (own.clone().next(), own.clone().next_back());
    let ids = first
        .zip(last)
        .and_then(|(first, last)| Some((id(plan, first)?, id(plan, last)?)));
    let counted = devices(own.len());
    match ids {
        None => counted,
        Some((first, last)) if first == last => format!("{counted} ({first})"),
        Some((first, last)) => format!("{counted} ({first} to {last}, one in {count})"),
    }
}

/// The id of a device of the fleet, by its index.
fn id(plan: &Plan, mut index: u32) -> Option<String> {
    for Group { devices, .. } in &plan.groups {
        if index < devices.count() {
            return match devices {
                Devices::Range(range) => Some(range.id(index)),
                Devices::Ids(ids) => ids.get(index as usize).map(ToString::to_string),
            };
        }
        index -= devices.count();
    }
    None
}

/// The run of a plan, checked against its manifest: all that does not fit is refused together.
fn start(options: &Options, plan: &Plan) -> Result<Start, Failure> {
    let mut set = options.set.clone();
    // Shards are what processes are in a run of one machine: thresholds name them by number.
    set.push(format!("load.processes={}", options.shards));
    let mut manifest = resolve(&options.manifest, &set, options.duration)?;
    models::from_plan(&mut manifest, plan).map_err(Failure::Refused)?;
    let mut problems = unfit(&manifest);
    problems.extend(differences(&manifest, plan)?);
    if options.shards.get() > plan.device_count() {
        let (shards, devices) = (options.shards, devices(plan.device_count()));
        problems.push(format!(
            "--shards {shards}: the plan has only {devices}, and each shard needs one"
        ));
    }
    if !problems.is_empty() {
        let (manifest, plan) = (shown::path(&options.manifest), shown::path(&options.plan));
        let problems = problems.join("\n  ");
        return Err(Failure::refused(
            anyhow!("`{manifest}` and the plan `{plan}` can't be collected:\n  {problems}")
                .hint("give the manifest, --set and --duration with which `fleet prepare` made the plan"),
        ));
    }
    let summary = budget::plan(&manifest).map_err(Failure::Refused)?;
    Start::of(manifest, summary, plan.run_id.clone(), plan.start)
}

/// What a collector can't do of a manifest.
fn unfit(manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    if matches!(manifest.target, Target::Emulator(_)) {
        problems.push(
            "target.kind: a target of kind `emulator` lives only as long as the `fleet run` that starts it; start `fleet emulator`, \
             and describe it as a target of kind `iot-central` with its CA"
                .to_owned(),
        );
    }
    for (index, event) in manifest.event.iter().enumerate() {
        if matches!(event.effect(), Effect::Roll(_)) {
            problems.push(format!(
                "event.{index}: a roll makes certificates on the machine of its devices, and those are on other machines"
            ));
        }
    }
    problems
}

/// Where the plan is not that of the manifest.
fn differences(manifest: &Manifest, plan: &Plan) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let names = |groups: &[Group]| -> Vec<(String, Devices)> {
        let named = groups.iter().map(|group| (group.name.clone(), group.devices.clone()));
        named.collect()
    };
    let groups = plan::groups(manifest)?;
    if names(&groups) != names(&plan.groups) {
        let (here, there) = (devices(plan::device_count(&groups)), devices(plan.device_count()));
        problems.push(format!(
            "group: the manifest has {here}, and the plan has other ones ({there})"
        ));
    }
    let stages: Vec<Stage> = manifest.load.stages.iter().copied().map(Stage::from).collect();
    if stages != plan.stages {
        problems.push("load.stages: those of the plan are different".to_owned());
    }
    Ok(problems)
}
