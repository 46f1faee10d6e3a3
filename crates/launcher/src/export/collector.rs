//! The collector of an export: its credentials, those of the sims, and its overrides of the manifest.

use std::num::NonZeroU32;
use std::path::Path;

use anyhow::anyhow;
use files::Access;
use fleet_protocol::plan::Shard;
use jiff::Timestamp;

use super::args::ExportArgs;
use super::container;
use super::model::{Collector, ExportFile, Needs};
use crate::collect::credentials;
use crate::manifest::Manifest;
use crate::manifest::types::{Endpoint, Secret, Target};

/// The collector of a fleet of so many shards.
///
/// # Errors
///
/// The credentials can't be made.
pub(super) fn collector(args: &ExportArgs, manifest: &Manifest, now: Timestamp) -> anyhow::Result<Collector> {
    let shards = args.shards;
    let host = container::COLLECTOR_HOST
        .parse()
        .map_err(|error: String| anyhow!(error))?;
    let (mut own, mut sims) = (Vec::new(), vec![Vec::new(); shards.get() as usize]);
    for made in credentials::files(&[host], shards, now)? {
        let name = made.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = match made.access {
            Access::Owner => ExportFile::secret(name, made.text.as_bytes()),
            Access::Folder => ExportFile::open(name, made.text.as_bytes()),
        };
        match shard_of(&made.path, shards) {
            Some(index) => sims[index].push(file),
            None => own.push(file),
        }
    }
    Ok(Collector {
        needs: needs(shards),
        flags: collect_flags(args, manifest),
        credentials: own,
        sims,
    })
}

fn collect_flags(args: &ExportArgs, manifest: &Manifest) -> Vec<String> {
    let mut flags = flags(args, manifest, container::LEAVES);
    // Its stages have to be those of the plan.
    flags.extend(args.duration.map(|duration| format!("--duration={duration}")));
    flags
}

/// The overrides of the manifest, for a container that has the certificates at `certs`.
pub(super) fn flags(args: &ExportArgs, manifest: &Manifest, certs: &str) -> Vec<String> {
    let mut set = args.set.clone();
    set.push(format!("fleet.certs={certs}"));
    set.extend(in_container(manifest));
    set.into_iter().map(|one| format!("--set={one}")).collect()
}

/// In whose folder a file is.
fn shard_of(path: &Path, count: NonZeroU32) -> Option<usize> {
    let folder = path.parent()?.to_str()?.strip_prefix("sim-")?;
    let (index, of) = folder.split_once("-of-")?;
    let shard: Shard = format!("{index}/{of}").parse().ok()?;
    (shard.count == count).then_some(shard.index as usize)
}

/// Where the files are that the manifest names by the paths of this machine.
fn in_container(manifest: &Manifest) -> Vec<String> {
    let mut set = vec![format!("fleet.state={}/state", container::WORK)];
    let (endpoint, quota): (&Endpoint, _) = match &manifest.target {
        Target::IotCentral(target) => {
            if matches!(target.api_token, Some(Secret::File(_))) {
                let token = format!("{}/{}", container::TOKEN_FOLDER, container::TOKEN);
                set.push(format!("target.api_token.file={token}"));
            }
            (&target.endpoint, &target.quota)
        }
        Target::Dps(target) => (&target.endpoint, &target.quota),
        Target::Emulator(_) => return set,
    };
    if endpoint.ca.is_some() {
        set.push(format!("target.ca={}/{}", container::CONFIG, container::TARGET_CA));
    }
    if quota.as_deref().is_some_and(|quota| Path::new(quota).is_file()) {
        set.push(format!("target.quota={}/{}", container::CONFIG, container::QUOTA));
    }
    set
}

/// A line of each shard a second, and the figures of all of them.
fn needs(shards: NonZeroU32) -> Needs {
    Needs {
        millicores: 50 + 8 * shards.get(),
        memory_mib: 64 + 2 * u64::from(shards.get()),
        memory_limit_mib: 256 + 4 * u64::from(shards.get()),
        disk_mib: 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_sim_names_its_shard() {
        let of = |path: &str| shard_of(Path::new(path), NonZeroU32::new(8).unwrap());
        assert_eq!(of("sim-3-of-8/sim.key"), Some(3));
        for other in [
            "ca.crt",
            "collector.key",
            "sim-3-of-9/sim.key",
            "sim-8-of-8/sim.key",
            "sim-x/ca.crt",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
