//! `fleet collect`

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use settings::Span;

use super::drive::{executable, interruptible};
use super::shared::{ConductArgs, ManifestArgs, StopArgs};
use crate::exit::Failure;
use crate::http::Address;
use crate::run;

#[derive(Debug, Args)]
#[command(after_help = COLLECT)]
pub(super) struct CollectArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    /// The plan that the sims have, from `prepare` with this manifest
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Into how many shards the fleet is cut
    #[arg(long, value_name = "N", env = "FLEET_SHARDS", value_parser = shards)]
    shards: NonZeroU32,
    /// Where sims connect. A port alone is one that only this machine reaches, and port 0 means any free one
    #[arg(long, value_name = "ADDR")]
    listen: Address,
    /// The folder of the collector's certificates; `collector` in the folder of the plan when left out
    #[arg(long, value_name = "DIR")]
    credentials: Option<PathBuf>,
    /// How long all shards may take to come. After that, those that are there are stopped, and the missing ones are named
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = |text: &str| text.parse::<Span>())]
    ready_within: Span,
    /// How long a shard may be away: its sim comes back, or another one takes its place. After that, the run ends as when
    /// a process dies
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = |text: &str| text.parse::<Span>())]
    lost_after: Span,
    #[command(flatten)]
    conduct: ConductArgs,
    #[command(flatten)]
    stop: StopArgs,
}

const COLLECT: &str = "\
Sims connect over TLS, each with the certificate of its shard. When all are there, the stages of the devices begin at one \
instant, and the rest is as in `run`. A sim that loses its collector goes on, and delivers what it has when it is back; a \
collector that is started again goes on, too.

Examples:
  fleet prepare fleet.toml --plan plan.json --collector collector.example.net --shards 8
  fleet collect fleet.toml --plan plan.json --shards 8 --listen 0.0.0.0:9470 --report report
  fleet sim --plan plan.json --results results --shard 0/8 --collector collector.example.net:9470";

/// Into how many shards a fleet can be cut for a collector.
fn shards(text: &str) -> Result<NonZeroU32, String> {
    let shards = text.parse().ok().filter(|shards: &NonZeroU32| shards.get() <= 256);
    shards.ok_or_else(|| "accepted: a number from 1 to 256".to_owned())
}

pub(super) fn run(args: CollectArgs) -> Result<u8, Failure> {
    interruptible(async |interrupts| {
        let options = run::collect::Options {
            manifest: args.manifest.file.manifest,
            set: args.manifest.file.set,
            duration: args.manifest.duration,
            plan: args.plan,
            shards: args.shards,
            listen: args.listen,
            credentials: args.credentials,
            ready_within: args.ready_within.0,
            lost_after: args.lost_after.0,
            conduct: args.conduct.with(&args.stop),
            executable: executable()?,
        };
        run::collect::collect(options, interrupts).await
    })
}
