//! `fleet export`: a fleet for an engine that runs containers on many machines, as files that a person reads, changes
//! and applies. The engine schedules; each container simulates the shard of its number.
//!
//! ```text
//! manifest ─► refuse ─► prepare ─► model::Export ─► kubernetes | swarm | compose ─► folder
//!                       keys ──────┘   (container: paths and commands, the same for every engine)
//! ```
//! Only `prepare`, `keys` and `folder` touch a disk or a network. The renderers are pure: the same [`model::Export`]
//! gives the same files.

mod args;
mod collector;
mod compose;
mod container;
mod enroll;
mod folder;
#[cfg(test)]
mod golden;
mod keys;
mod kubernetes;
mod model;
mod prepare;
mod refuse;
mod swarm;
mod yaml;

use std::path::PathBuf;

use args::Engine;
pub(crate) use args::ExportArgs;
use fleet_report::words;
use folder::OutFolder;
use iot_protocol::shown;

use crate::exit::{Failure, PASSED};
use crate::interrupts::Interrupts;
use crate::prepare::budget;
use crate::progress::ProgressLog;
use crate::run::resolve_whole;

/// Prepares the fleet as `fleet prepare` does, but for the leaves, and writes what the engine needs.
///
/// # Errors
///
/// The manifest can't be exported, or the folder can't be written; then nothing was made. Or the target does not agree.
pub(crate) async fn run(args: ExportArgs, executable: PathBuf, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let manifest = resolve_whole(&args.manifest, &args.set, args.duration).await?;
    refuse::check(&manifest, &args)?;
    let summary = budget::plan(&manifest).map_err(Failure::Refused)?;
    let out = OutFolder::check(&args.out, args.force)?;
    let request = prepare::Request {
        args: &args,
        manifest: &manifest,
        summary: &summary,
        executable: &executable,
        progress: ProgressLog::begin(),
    };
    let progress = request.progress;
    let export = tokio::select! {
        export = request.prepare() => export?,
        () = interrupts.next() => return Err(Failure::Interrupted),
    };
    let files = match args.engine {
        Engine::Kubernetes => kubernetes::render(&export)?,
        Engine::Swarm => swarm::render(&export)?,
        Engine::Compose => compose::render(&export)?,
    };
    let count = files.len();
    out.write(files)?;
    progress.report(format!(
        "run {}: {} in {}, for {}: {} files in {}",
        export.run_id,
        words::devices(export.devices),
        words::counted(export.shards.get(), "shard", "shards"),
        args.engine.name(),
        count,
        shown::path(&args.out)
    ));
    if !args.collect && !manifest.event.is_empty() {
        progress.report("the manifest's events are left out: they need a collector, --collect");
    }
    progress.report(format!("next: {}", args.engine.next(&args.out)));
    Ok(PASSED)
}
