//! The export for Docker Swarm: scripts that put a replicated job into a swarm and take it out again, and a stack with the
//! collector.
//!
//! ```text
//! deploy.sh     secrets, configs, network, stack and job, as a person would type it
//! start.sh      what each task of the job runs
//! records.sh    what the tasks wrote to stdout at their ends
//! remove.sh     takes all of it out again
//! stack.yaml    the collector; a stack file has no replicated jobs before version 23 of Docker's command line
//! config/       the same in every task
//! shards/I/     the keys of a shard, which become one secret
//! collector/    the keys of the collector
//! shard.tmpl    makes of all shards' secrets the one that a task can read
//! ```

mod archive;
mod scripts;
mod stack;
#[cfg(test)]
mod tests;

use anyhow::anyhow;
use device_sim::hint::Hint;

use super::container;
use super::model::{Export, ExportFile, ShardFiles};
use crate::exit::Failure;

/// What a secret holds, and what a config holds (<https://docs.docker.com/engine/swarm/secrets/>,
/// <https://docs.docker.com/engine/swarm/configs/>).
const MOST_BYTES: usize = 500 * 1024;
/// The service of the sims.
const SIM: &str = "fleet-sim";
/// The stack of the collector.
const COLLECTOR_STACK: &str = "fleet";
/// The overlay network of all services, which an emulator of the target can be on too.
const NETWORK: &str = "fleet";
/// The label of all that belongs to a run.
const RUN_LABEL: &str = "fleet.run";

/// The secret with the API token of the application, which a person makes.
const TOKEN: &str = "fleet-api-token";

/// The folders of a shard's keys, and where they are in a container.
const FOLDERS: [(&str, &str); 3] = [
    ("authorities", container::AUTHORITIES),
    ("certificates", container::CERTIFICATES),
    ("collector", container::COLLECTOR),
];

/// The files for Docker Swarm.
///
/// # Errors
///
/// The keys of a shard are more than a secret holds, or the plan is more than a config holds.
pub(super) fn render(export: &Export) -> Result<Vec<ExportFile>, Failure> {
    if export.enroll.is_some() {
        let hint = "leave it out: what exports enrolls";
        return Err(Failure::refused(anyhow!("--enroll-later is for Kubernetes").hint(hint)));
    }
    configs_fit(export)?;
    let folders = folders(export);
    let shards = shards(export, &folders);
    shards_fit(&shards)?;
    let mut files = vec![
        ExportFile::open("deploy.sh", scripts::deploy(export, &folders)),
        ExportFile::open("records.sh", scripts::records()),
        ExportFile::open("remove.sh", scripts::remove(export)),
        ExportFile::open("shard.tmpl", scripts::SHARD_TEMPLATE),
        ExportFile::open("config/start.sh", scripts::start(export, &folders)),
    ];
    if let Some(stack) = stack::stack(export)? {
        files.push(ExportFile::open("stack.yaml", stack));
    }
    files.extend(export.config.iter().map(|file| file.below("config")));
    for (index, shard) in shards.into_iter().enumerate() {
        files.extend(shard.iter().map(|file| file.below(&format!("shards/{index}"))));
    }
    let credentials = export.collector.iter().flat_map(|collector| &collector.credentials);
    files.extend(credentials.map(|file| file.below("collector")));
    Ok(files)
}

/// Whether a collector has to ask an application.
fn needs_token(export: &Export) -> bool {
    export.collector.is_some() && export.application.is_some()
}

/// The folders that a shard has, of [`FOLDERS`].
fn folders(export: &Export) -> Vec<(&'static str, &'static str)> {
    let has = [
        export.makes_leaves(),
        export.has_certificates(),
        export.collector.is_some(),
    ];
    let folders = FOLDERS.into_iter().zip(has);
    folders.filter_map(|(folder, has)| has.then_some(folder)).collect()
}

/// The keys of each shard, in those of [`FOLDERS`] that the fleet has.
fn shards(export: &Export, folders: &[(&str, &str)]) -> Vec<Vec<ExportFile>> {
    let shard = |(index, keys): (usize, &ShardFiles)| {
        let collector = export.collector.as_ref();
        let credentials = collector.and_then(|collector| collector.sims.get(index));
        let all = [Some(&keys.authorities), Some(&keys.certificates), credentials];
        let mut files = Vec::new();
        for ((folder, _), within) in FOLDERS.into_iter().zip(all) {
            let within = within.map(Vec::as_slice).unwrap_or_default();
            files.extend(within.iter().map(|file| file.below(folder)));
            if within.is_empty() && folders.iter().any(|(wanted, _)| *wanted == folder) {
                // A folder that is not there can't be unpacked.
                files.push(ExportFile::secret(format!("{folder}/nothing"), ""));
            }
        }
        files
    };
    export.shard_files.iter().enumerate().map(shard).collect()
}

fn configs_fit(export: &Export) -> Result<(), Failure> {
    match export.config.iter().find(|file| file.content.len() > MOST_BYTES) {
        None => Ok(()),
        Some(file) => Err(Failure::refused(
            anyhow!(
                "{} is {} bytes, and a config in Swarm holds {MOST_BYTES}",
                file.path,
                file.content.len()
            )
            .hint("name devices as ranges (prefix and count) instead of one by one"),
        )),
    }
}

fn shards_fit(shards: &[Vec<ExportFile>]) -> Result<(), Failure> {
    let too_large = |(index, files): (usize, &Vec<ExportFile>)| {
        let bytes = archive::size(files);
        (bytes > MOST_BYTES).then_some((index, bytes))
    };
    match shards.iter().enumerate().find_map(too_large) {
        None => Ok(()),
        Some((index, bytes)) => Err(Failure::refused(
            anyhow!(
                "the keys of shard {index} are {bytes} bytes as an archive, and a secret in Swarm holds {MOST_BYTES}"
            )
            .hint(
                "more shards, or groups instead of individual enrollments: the leaves of a group are made by its sims",
            ),
        )),
    }
}
