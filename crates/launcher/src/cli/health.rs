//! `fleet health`

use std::path::PathBuf;

use clap::Subcommand;

use super::drive::in_runtime;
use crate::exit::Failure;
use crate::health;

#[derive(Debug, Subcommand)]
pub(super) enum HealthCommand {
    /// Ask a running emulator for its figures and print them; fails if it does not answer
    #[command(after_help = "Examples:\n  fleet health emulator --state state/emulator")]
    Emulator {
        /// The emulator's state folder, with its CA and its API token
        #[arg(long, value_name = "DIR", default_value = "state/emulator")]
        state: PathBuf,
        /// Where its REST API listens with TLS
        #[arg(long, value_name = "URL", default_value = "https://localhost:8443")]
        app: String,
    },
    /// Check whether a `fleet sim` on this host holds a shard and writes figures
    #[command(after_help = "Examples:\n  fleet health sim --results results --pid 4711")]
    Sim {
        /// Its folder of results
        #[arg(long, value_name = "DIR")]
        results: PathBuf,
        /// Its process; in a container it is the first
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        pid: u32,
    },
}

pub(super) fn run(command: HealthCommand) -> Result<u8, Failure> {
    match command {
        HealthCommand::Emulator { state, app } => in_runtime(async move { health::emulator(&state, &app).await }),
        HealthCommand::Sim { results, pid } => health::sim(&results, pid),
    }
}
