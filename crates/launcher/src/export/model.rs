//! What is exported, whatever the engine: the renderers read this and nothing else.

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Component, Path};

use files::Access;
use zeroize::Zeroizing;

use super::container;

/// A fleet, cut into shards for containers.
#[derive(Debug)]
pub(crate) struct Export {
    /// The manifest's name for it.
    pub(crate) fleet: String,
    pub(crate) run_id: String,
    /// The image of all containers.
    pub(crate) image: String,
    pub(crate) shards: NonZeroU32,
    /// How many devices the whole fleet has.
    pub(crate) devices: u32,
    /// After this a run has failed, in seconds: its estimate, half as much again, and ten minutes to pull images.
    pub(crate) deadline_s: u64,
    /// Of the container that simulates the largest shard.
    pub(crate) sim: Needs,
    /// The same in every container: the plan, the manifest, the CA of the target. They hold no secret.
    pub(crate) config: Vec<ExportFile>,
    /// By shard, from 0.
    pub(crate) shard_files: Vec<ShardFiles>,
    /// What `fleet leaves` needs to hear of the groups' keys and validities.
    pub(crate) leaf_flags: Vec<String>,
    /// The DPS and hub port of the target.
    pub(crate) device_port: u16,
    /// The application, where there is one.
    pub(crate) application: Option<Application>,
    /// What gathers the shards' figures, where it is wanted.
    pub(crate) collector: Option<Collector>,
}

/// The files of one shard. Only its own containers may see them.
#[derive(Debug, Default)]
pub(crate) struct ShardFiles {
    /// The authorities that sign its leaves: `GROUP/ca.crt`, `GROUP/ca.key`. Only what makes the leaves needs them.
    pub(crate) authorities: Vec<ExportFile>,
    /// Certificates that are there already: of individual enrollments, and the user's own.
    pub(crate) certificates: Vec<ExportFile>,
    /// How many devices it has.
    pub(crate) devices: u32,
}

/// An IoT Central application, or an emulator of one.
#[derive(Debug)]
pub(crate) struct Application {
    /// The port of its REST API.
    pub(crate) port: u16,
    /// The environment variable in which the manifest expects the API token, or `None` for a file.
    pub(crate) token_variable: Option<String>,
}

/// The collector of an export.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) needs: Needs,
    /// Its overrides of the manifest, `PATH=VALUE`: paths as they are in the container, and the user's own.
    pub(crate) set: Vec<String>,
    /// Its credentials: `ca.crt`, `collector.crt`, `collector.key`.
    pub(crate) credentials: Vec<ExportFile>,
    /// Those of each sim, by shard: `ca.crt`, `sim.crt`, `sim.key`.
    pub(crate) sims: Vec<Vec<ExportFile>>,
}

/// What a container takes of its machine, from measured figures (docs/performance.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// While it lasts, in thousandths of a core.
    pub(crate) millicores: u32,
    /// What it will have resident, in MiB.
    pub(crate) memory_mib: u64,
    /// Beyond that something is wrong, in MiB.
    pub(crate) memory_limit_mib: u64,
    /// On the container's disk, in MiB.
    pub(crate) disk_mib: u64,
}

/// A file of an export.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ExportFile {
    /// Relative, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) content: Zeroizing<Vec<u8>>,
    pub(crate) access: Access,
}

impl ExportFile {
    /// A file that anybody may read.
    pub(crate) fn open(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            content: Zeroizing::new(content.into()),
            access: Access::Folder,
        }
    }

    /// A file for its owner alone.
    pub(crate) fn secret(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            access: Access::Owner,
            ..Self::open(path, content)
        }
    }

    /// The same in a folder.
    pub(crate) fn below(&self, folder: &str) -> Self {
        Self {
            path: format!("{folder}/{}", self.path),
            ..self.clone()
        }
    }

    /// Whether its path stays below the folder that it is written into.
    pub(crate) fn stays_below(&self) -> bool {
        let mut parts = Path::new(&self.path).components();
        !self.path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
    }
}

/// Most of them hold keys.
impl fmt::Debug for ExportFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.content.len())
    }
}

impl Export {
    /// Whether some shard has to make leaves.
    pub(crate) fn makes_leaves(&self) -> bool {
        self.shard_files.iter().any(|files| !files.authorities.is_empty())
    }

    /// Whether some shard has certificates that go along.
    pub(crate) fn has_certificates(&self) -> bool {
        self.shard_files.iter().any(|files| !files.certificates.is_empty())
    }

    /// The arguments of the container that makes a shard's leaves.
    pub(crate) fn leaves_arguments(&self) -> Vec<String> {
        let mut arguments = container::leaves_arguments(self.shards);
        arguments.extend(self.leaf_flags.iter().cloned());
        arguments
    }

    /// The arguments of the container that simulates a shard. `collector` is the host of the collector.
    pub(crate) fn sim_arguments(&self, collector: Option<&str>) -> Vec<String> {
        let mut arguments = container::sim_arguments(self.shards);
        if let Some(host) = collector {
            arguments.extend(container::collector_arguments(host));
        }
        arguments
    }

    /// The arguments of the collector, where there is one.
    pub(crate) fn collect_arguments(&self) -> Option<Vec<String>> {
        let collector = self.collector.as_ref()?;
        Some(container::collect_arguments(self.shards, &collector.set))
    }
}
