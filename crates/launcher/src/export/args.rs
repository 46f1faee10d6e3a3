//! The command line of `fleet export`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use settings::Span;

use crate::complete;
use crate::shell::quoted;

/// The arguments of `fleet export`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ExportArgs {
    /// What runs the containers
    #[arg(value_name = "ENGINE", value_enum)]
    pub(super) engine: Engine,
    /// The fleet manifest
    #[arg(value_name = "MANIFEST")]
    pub(super) manifest: PathBuf,
    /// Cut the fleet into this many shards; each container simulates one of them
    #[arg(long, value_name = "N")]
    pub(super) shards: NonZeroU32,
    /// The folder for the files
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Add a collector: one report, one verdict and one beginning of the stages for all shards
    #[arg(long)]
    pub(super) collect: bool,
    /// Leave the application as it is: its id scope is in the manifest, and the collector's pod enrolls before the
    /// collector starts, with the CAs' certificates and without their keys
    #[arg(long, requires = "collect")]
    pub(super) enroll_later: bool,
    /// The image of the containers, where the engine finds it
    #[arg(long, value_name = "IMAGE", default_value = "fleet:latest")]
    pub(super) image: String,
    /// Write into a folder that is not empty; the files of an earlier export are removed first
    #[arg(long)]
    pub(super) force: bool,
    /// Override a key of the manifest, e.g. `group.thermostats.devices.count=10000`
    #[arg(long, value_name = "PATH=VALUE", add = complete::paths())]
    pub(super) set: Vec<String>,
    /// Cut the stages short, or hold the fleet online longer, so that they take this time, e.g. `1h30m`
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    pub(super) duration: Option<Span>,
}

const AFTER_HELP: &str = "\
The CAs of the enrollment groups are made and enrolled as `prepare` does it, but no leaves: each shard gets an authority \
of its own below the root of its group, and makes the leaves of its devices where it runs. The root's key stays here. \
The folder holds keys: treat it as a secret.

Examples:
  fleet export kubernetes fleet.toml --shards 8 --out fleet-k8s
  fleet export kubernetes fleet.toml --shards 8 --collect --image registry.example/fleet:1 --out fleet-k8s
  fleet export swarm fleet.toml --shards 8 --collect --image registry.example/fleet:1 --out fleet-swarm
  fleet export compose fleet.toml --shards 4 --out fleet-compose";

/// What runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// An Indexed Job, as a kustomize base with overlays
    Kubernetes,
    /// A replicated job in Docker Swarm, as the scripts that create and remove it
    Swarm,
    /// A compose file, for one machine
    Compose,
}

impl Engine {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "Kubernetes",
            Self::Swarm => "Docker Swarm",
            Self::Compose => "Docker Compose",
        }
    }

    /// What a person types next.
    pub(super) fn next(self, out: &Path) -> String {
        let out = |name: &str| quoted(&out.join(name).to_string_lossy());
        match self {
            Self::Kubernetes => format!("kubectl apply -k {}", out("")),
            Self::Swarm => format!("sh {}", out("deploy.sh")),
            Self::Compose => format!("docker compose -f {} up", out("compose.yaml")),
        }
    }
}
