//! `fleet sim`

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use device_sim::shard::ShardChoice;
use device_sim::start_at::StartAt;

use super::drive::{executable, interruptible};
use super::shared::StopArgs;
use crate::collect::address::CollectorAddress;
use crate::exit::Failure;
use crate::{metrics, sim};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SimArgs {
    /// The plan
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The folder that all processes of the fleet share: leases, and the figures of each shard
    #[arg(long, value_name = "DIR")]
    results: PathBuf,
    /// Cut the fleet into this many shards and take a fair part of them, whatever the number of processes
    #[arg(long, value_name = "N", env = "FLEET_SHARDS", required_unless_present = "shard")]
    shards: Option<NonZeroU32>,
    /// Take this shard only; auto/N takes the number from the scheduler: from the first that is set of
    /// JOB_COMPLETION_INDEX (Kubernetes), FLEET_SLOT (Swarm), NOMAD_ALLOC_INDEX, AWS_BATCH_JOB_ARRAY_INDEX,
    /// CLOUD_RUN_TASK_INDEX and SLURM_ARRAY_TASK_ID, or from the end of the host's name (sim-0, sim-1, …)
    #[arg(long, value_name = "I/N", env = "FLEET_SHARD", conflicts_with = "shards")]
    shard: Option<ShardChoice>,
    /// When the stages begin, e.g. 2026-11-27T06:00:00Z, for shards on several machines; devices register before.
    /// Stages that have begun are joined where they are. When left out, they begin when the fleet's devices have had
    /// their turns to register
    #[arg(long, value_name = "TIME", env = "FLEET_START_AT")]
    start_at: Option<StartAt>,
    /// Report to this collector, which decides when the stages begin; sims that lose it go on and come back
    #[arg(long, value_name = "HOST:PORT", env = "FLEET_COLLECTOR", conflicts_with = "start_at")]
    collector: Option<CollectorAddress>,
    /// The folder with ca.crt, sim.crt and sim.key of the shard, or with those of all shards, as `fleet prepare
    /// --collector` makes it; `collector` in the folder of the plan when left out
    #[arg(
        long,
        value_name = "DIR",
        env = "FLEET_COLLECTOR_CREDENTIALS",
        requires = "collector"
    )]
    collector_credentials: Option<PathBuf>,
    /// Leave a few words about the end in this file, at most 4096 bytes; when left out, in /dev/termination-log, if
    /// Kubernetes has made it
    #[arg(long, value_name = "FILE", env = "FLEET_TERMINATION_LOG")]
    termination_log: Option<PathBuf>,
    #[command(flatten)]
    metrics: metrics::Options,
    #[command(flatten)]
    stop: StopArgs,
}

const EXAMPLES: &str = "\
Examples:
  fleet sim --plan plan.json --results results --shard 0/8
  fleet sim --plan plan.json --results results --shard auto/8 --start-at 2026-11-27T06:00:00Z
  fleet sim --plan plan.json --results results --shards 8 --collector collector.example.net:9470";

pub(super) fn run(args: SimArgs) -> Result<u8, Failure> {
    interruptible(async |interrupts| {
        let part = match (args.shard, args.shards) {
            (Some(choice), _) => sim::Part::One(choice),
            (None, Some(shards)) => sim::Part::Fair(shards),
            (None, None) => return Err(Failure::refused(anyhow!("neither --shards nor --shard is given"))),
        };
        let options = sim::Options {
            plan: args.plan,
            part,
            results: args.results,
            start_at: args.start_at,
            collector: args.collector,
            credentials: args.collector_credentials,
            termination_log: args.termination_log,
            metrics: args.metrics,
            stop_within: args.stop.stop_within.0,
            executable: executable()?,
        };
        sim::run(options, interrupts).await
    })
}
