//! How a collector and its sims trust each other: a small CA of their own, which signs one certificate for the collector and
//! one for each shard, and whose key is not kept.
//!
//! ```text
//! <dir>/ca.crt                    what both sides trust, and nothing else
//! <dir>/collector.crt, .key       the collector, under its names
//! <dir>/sim-3-of-8/sim.crt, .key  the sim that has shard 3 of 8: the certificate's name is "sim 3/8"
//! <dir>/sim-3-of-8/ca.crt         the same as above, so that one machine needs only this folder
//! ```
//! The devices' authorities are no part of it: those state who a device is, not who may report figures.

mod load;
mod make;

use std::path::{Path, PathBuf};

use fleet_protocol::plan::Shard;

pub(crate) use load::{clients, server, shard_of};
#[cfg(test)]
use make::{MOST_SHARDS, make};
pub(crate) use make::{Request, files};

/// What is in front of the shard in the name of its certificate.
const NAME_OF_SIM: &str = "sim ";
const CA: &str = "ca.crt";

/// A certificate, with its key beside it.
#[derive(Debug, Clone)]
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn in_folder(folder: &Path, name: &str) -> Self {
        Self {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        }
    }

    fn of_collector(folder: &Path) -> Self {
        Self::in_folder(folder, "collector")
    }

    /// Of one sim, in a folder that is its own.
    fn of_sim(folder: &Path) -> Self {
        Self::in_folder(folder, "sim")
    }
}

/// The folder for those of a plan, where none is named.
pub(crate) fn beside(plan: &Path) -> PathBuf {
    plan.with_file_name("collector")
}

/// The folder of one sim among those of all.
fn folder_of_sim(folder: &Path, shard: Shard) -> PathBuf {
    folder.join(format!("sim-{}-of-{}", shard.index, shard.count))
}

fn name_of_sim(shard: Shard) -> String {
    format!("{NAME_OF_SIM}{shard}")
}

#[cfg(test)]
mod tests;
