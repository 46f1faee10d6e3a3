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
    /// What is enrolled from the cluster, where that was left for later.
    pub(crate) enroll: Option<Enroll>,
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

/// What `fleet enroll` needs where no key is.
#[derive(Debug)]
pub(crate) struct Enroll {
    /// The certificates that the enrollments are to hold, as the folder of certificates has them.
    pub(crate) certificates: Vec<ExportFile>,
    /// As of the collector.
    pub(crate) flags: Vec<String>,
}

/// The collector of an export.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) needs: Needs,
    /// What it has to be given of the export's command line, and the paths of the manifest as they are in the container.
    pub(crate) flags: Vec<String>,
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

    /// The same for a container of another user; the folder of the export keeps it from others on this machine.
    pub(crate) fn for_containers(self) -> Self {
        Self {
            access: Access::Folder,
            ..self
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

    /// The arguments of the container that makes a shard's leaves: of the shard of this number, or else of that which
    /// the engine gives the container.
    pub(crate) fn leaves_arguments(&self, shard: Option<u32>) -> Vec<String> {
        let mut arguments = container::leaves_arguments(&self.shard(shard));
        arguments.extend(self.leaf_flags.iter().cloned());
        arguments
    }

    /// The same of the container that simulates a shard; [`Export::collector_arguments`] come after them.
    pub(crate) fn sim_arguments(&self, shard: Option<u32>) -> Vec<String> {
        container::sim_arguments(&self.shard(shard))
    }

    fn shard(&self, shard: Option<u32>) -> String {
        let shard = shard.map_or("auto".to_owned(), |index| index.to_string());
        format!("{shard}/{}", self.shards)
    }

    /// The arguments with which a sim reports to the collector; nothing where there is none.
    pub(crate) fn collector_arguments(&self) -> Vec<String> {
        let arguments = self.collector.as_ref().map(|_| container::collector_arguments());
        arguments.unwrap_or_default()
    }

    /// The arguments of what enrolls.
    pub(crate) fn enroll_arguments(&self, enroll: &Enroll) -> Vec<String> {
        container::enroll_arguments(&enroll.flags)
    }

    /// The arguments of the collector.
    pub(crate) fn collect_arguments(&self, collector: &Collector) -> Vec<String> {
        container::collect_arguments(self.shards, &collector.flags)
    }
}
