//! The life of a run, from the manifest to the report.

mod account;
pub mod collect;
mod conduct;
mod devices;
pub(crate) mod environment;
mod event_log;
mod events;
mod finish;
mod futile;
mod judge;
mod life;
mod operator;
mod outcome;
pub mod prepare;
mod presence;
pub mod register;
mod silence;
mod stages;
mod start;
mod supervise;
mod throttling;
mod troubles;
mod viewers;

use std::path::{Path, PathBuf};

use settings::Span;
use tokio::time::Instant;

use crate::control::state_lock::StateLock;
use crate::ending;
use crate::exit::Failure;
use crate::interrupts::Interrupts;
use crate::manifest::{self, Manifest};
use crate::prepare::budget::{self, Bound};
use crate::prepare::target::Ready;
use crate::prepare::{load, models, plan, pre_flight, reach};
use crate::process::device_sims;
use crate::process::settled::RegistrationBarrier;
use crate::roll;
pub use conduct::Conduct;
use finish::{Found, finish};
use life::Life;
use outcome::Outcome;
use start::Start;
use supervise::Begin;
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
    /// How it is shown, judged and reported.
    pub conduct: Conduct,
    /// How far the plan may go beyond the limits.
    pub bound: Bound,
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

/// The same with the templates that the manifest names, which the application is asked for.
///
/// # Errors
///
/// The same, or the application can't be asked or does not have one.
pub(crate) async fn resolve_whole(path: &Path, set: &[String], duration: Option<Span>) -> Result<Manifest, Failure> {
    let mut manifest = resolve(path, set, duration)?;
    models::read_templates(&mut manifest).await.map_err(Failure::Refused)?;
    Ok(manifest)
}

/// Runs a fleet. Returns the number with which the process is to end.
///
/// # Errors
///
/// Nothing was started, or something failed before there was anything to report.
pub async fn run(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let conduct = &options.conduct;
    let manifest = resolve_whole(&options.manifest, &options.set, options.duration).await?;
    let plan = budget::plan(&manifest).map_err(Failure::Refused)?;
    budget::refuse_above(&plan, options.bound)?;
    let form = conduct.ui.form().map_err(Failure::Refused)?;
    let (start, token) = Start::check(manifest, plan)?;
    pre_flight::source_addresses(&plan::source_addresses(&start.manifest))?;
    let state = conduct.try_places(&start)?;
    let progress = conduct.progress(form);
    let doors = Doors::open(&start, conduct, form, progress).await?;
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
            return finish(&start, &Outcome::interrupted_early(), Found::default(), conduct, progress).map(|report| report.exit);
        }
    };
    let Ready {
        plan,
        gateways,
        application,
        emulator,
    } = ready;
    let _asking = application
        .as_ref()
        .map(|application| roll::report_blocked(&start.manifest, &state, &application.central, progress));
    let plan = start.write_plan(plan, &gateways, |_| true)?;
    let drain = ending::drain(conduct.stop_within);
    let (shards, events) = device_sims::start(&options.executable, &plan, start.processes, drain)?;
    let life = Life {
        start: &start,
        conduct,
        state: &state,
        plan,
        set: options.set.clone(),
        doors,
        shards,
        events,
        called: device_sims::CALLED,
        begin: match start.positive() {
            // There is no device to wait for.
            0 => Begin::At(Instant::now()),
            devices => Begin::Settled(RegistrationBarrier::new(devices)),
        },
        restarted: None,
        application,
        emulator,
        progress,
    };
    life.lead(interrupts).await
}
