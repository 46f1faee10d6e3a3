//! `fleet prepare`

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use device_sim::console;

use super::drive::{executable, interruptible};
use super::shared::ManifestArgs;
use crate::collect::address::Host;
use crate::collect::credentials;
use crate::exit::Failure;
use crate::run;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PrepareArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    /// Where the plan goes
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Make the certificates of a collector that is reached under these names, host names or IP addresses, and of the
    /// sims that report to it
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "shards")]
    collector: Vec<Host>,
    /// Into how many shards the fleet is cut; each has a certificate of its own
    #[arg(long, value_name = "N", requires = "collector")]
    shards: Option<NonZeroU32>,
    /// The folder for those certificates; `collector` in the folder of the plan when left out
    #[arg(long, value_name = "DIR", requires = "collector")]
    collector_credentials: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  fleet prepare fleet.toml --plan plan.json
  fleet prepare fleet.toml --plan plan.json --collector collector.example.net --shards 8";

pub(super) fn run(args: PrepareArgs) -> Result<u8, Failure> {
    interruptible(async |interrupts| {
        let folder = args
            .collector_credentials
            .unwrap_or_else(|| credentials::beside(&args.plan));
        let request = args.shards.map(|shards| credentials::Request {
            folder,
            names: args.collector,
            shards,
        });
        request.as_ref().map_or(Ok(()), credentials::Request::check)?;
        let options = run::prepare::Options {
            manifest: args.manifest.file.manifest,
            set: args.manifest.file.set,
            duration: args.manifest.duration,
            plan: args.plan,
            executable: executable()?,
        };
        let done = run::prepare::prepare(options, interrupts).await?;
        if let Some(request) = request {
            console::note(request.make(jiff::Timestamp::now())?);
        }
        Ok(done)
    })
}
