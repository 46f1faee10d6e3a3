//! `fleet prepare`: what a run does before its devices start, for devices that others start: certificates, enrollment,
//! and the plan.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use iot_protocol::shown;
use settings::Span;

use super::resolve_whole;
use super::start::Start;
use crate::exit::{Failure, PASSED};
use crate::interrupts::Interrupts;
use crate::keep;
use crate::keep::write_whole;
use crate::manifest::types::Target;
use crate::prepare::{budget, reach};
use crate::progress::ProgressLog;

/// What to prepare.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// `path=value`, each over a key of the manifest.
    pub set: Vec<String>,
    /// How long the stages take together.
    pub duration: Option<Span>,
    /// Where the plan goes.
    pub plan: PathBuf,
    /// Our own program.
    pub executable: PathBuf,
}

/// Makes certificates, enrolls and writes the plan.
///
/// # Errors
///
/// The manifest can't be used, or the target does not agree.
pub async fn prepare(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let manifest = resolve_whole(&options.manifest, &options.set, options.duration).await?;
    if matches!(manifest.target, Target::Emulator(_)) {
        return Err(Failure::refused(
            anyhow!("a target of kind `emulator` lives only as long as the `fleet run` that starts it")
                .hint("start `fleet emulator`, and describe it as a target of kind `iot-central` with its CA"),
        ));
    }
    let plan = budget::plan(&manifest).map_err(Failure::Refused)?;
    let (start, token) = Start::check(manifest, plan)?;
    keep::try_file("--plan", &options.plan)?;
    let progress = ProgressLog::begin();
    progress.report(start.words());
    if start.manifest.operator.is_some() {
        progress.report("warning: [operator] is not part of a plan: only `fleet run` plays it");
    }
    let prepared = async {
        reach::application(&start.manifest.target, progress).await?;
        let identities = start.identities(progress).await?;
        start.prepare(&identities, &options.executable, token, progress).await
    };
    let ready = tokio::select! {
        ready = prepared => ready?,
        () = interrupts.next() => return Err(Failure::Interrupted),
    };
    let plan = crate::prepare::plan::plan(&start.manifest, ready.plan, &ready.gateways, start.now)?;
    let text = serde_json::to_vec_pretty(&plan).context("the plan can't be put into JSON")?;
    write_whole(&options.plan, &text)?;
    progress.report(format!(
        "run {}: the plan is in {}",
        plan.run_id,
        shown::path(&options.plan)
    ));
    Ok(PASSED)
}
