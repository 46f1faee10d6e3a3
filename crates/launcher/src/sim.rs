//! `fleet sim`: simulates shards of a plan, together with other processes that share a folder with it.
//!
//! How many processes there are is no setting: each takes its fair part of the shards, takes over what others leave
//! and gives back what is more than its part.

pub(crate) mod coordination;
mod deaths;
mod delivery;
mod lateness;
pub(crate) mod record;
pub(crate) mod share;
mod stages;
mod termination;
mod worker;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coordination::SharedFolder;
use deaths::Deaths;
use delivery::Carrier;
use device_sim::limits::ensure_file_handles;
use device_sim::shard::{Numbered, ShardChoice};
use device_sim::start_at::StartAt;
use device_sim::{console, plan_file};
use fleet_report::words;
use jiff::Timestamp;
use stages::Stages;
use termination::{LastWords, TERMINATION_LOG, TerminationLog};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};
use workers::Workers;

use crate::exit::{Failure, PASSED};
use crate::interrupts::Interrupts;
use crate::metrics::{self, Exporter};
use crate::progress::ProgressLog;

/// How often a process looks around. A lock that is free again gives no notice.
const LOOK: Duration = Duration::from_millis(500);

/// What to simulate, and where to meet the others.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The plan's file.
    pub plan: PathBuf,
    /// Which shards.
    pub part: Part,
    /// The folder for leases and figures.
    pub results: PathBuf,
    /// When the stages begin, if that is not to depend on when devices have registered.
    pub start_at: Option<StartAt>,
    /// The file for its last words.
    pub termination_log: Option<PathBuf>,
    /// Where the figures of its shards are served.
    pub metrics: metrics::Options,
    /// Our own program.
    pub executable: PathBuf,
    /// How long the end may take.
    pub stop_within: Duration,
}

/// Which shards a process wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// This one.
    One(ShardChoice),
    /// A fair part of so many.
    Fair(NonZeroU32),
}

/// Simulates until all shards are finished or a stop is asked for, which is a good end, too, and leaves last words.
///
/// # Errors
///
/// The plan or the folder can't be used, or device-sim processes can't be started again and again.
pub(crate) async fn run(options: Options, interrupts: Interrupts) -> Result<u8, Failure> {
    let asked_for = options.termination_log.as_deref();
    let log = TerminationLog::open(asked_for, Path::new(TERMINATION_LOG))?;
    let mut last_words = LastWords::default();
    let done = simulate(&options, interrupts, &mut last_words).await;
    if let Err(error) = log.write(&last_words.text(&done)) {
        // They are on stderr too.
        console::note(format_args!("the last words can't be left for the scheduler: {error}"));
    }
    done
}

async fn simulate(options: &Options, mut interrupts: Interrupts, last_words: &mut LastWords) -> Result<u8, Failure> {
    let plan = plan_file::read(&options.plan).map_err(Failure::refused)?;
    let (shards, only, part) = match options.part {
        Part::Fair(shards) => {
            let part = format!("a part of {}", words::counted(shards.get(), "shard", "shards"));
            (shards, None, part)
        }
        Part::One(choice) => {
            let Numbered { shard, from } = choice.resolve_here().map_err(Failure::Refused)?;
            let by = from.map(|from| format!(", by {from}")).unwrap_or_default();
            (shard.count, Some(shard.index), format!("shard {shard}{by}"))
        }
    };
    last_words.part = format!("run {}: taking {part}", plan.run_id);
    let stages = options
        .start_at
        .map(|start| Stages::new(&plan, start, Timestamp::now(), Instant::now()));
    let stages = stages.transpose().map_err(|error| Failure::Refused(error.hinted()))?;
    // Children inherit the limit, and one of them has at most so many devices.
    let devices = u64::from(plan.device_count().div_ceil(shards.get()));
    ensure_file_handles(devices).map_err(Failure::refused)?;
    let progress = ProgressLog::begin();
    let run = (
        plan.run_id.clone(),
        plan.target.dps_endpoint.as_str(),
        plan.groups.clone(),
    );
    let mut exporter = Exporter::begin(&options.metrics, options.stop_within, run, progress).await?;
    let shared = SharedFolder::open(&options.results, &plan.run_id, shards)?;
    let joined = tokio::select! {
        joined = join(&shared, progress) => joined?,
        () = interrupts.next() => return Ok(PASSED),
    };
    let member = shared.enter()?;
    progress.report(&last_words.part);
    if let Some(stages) = stages {
        progress.report(stages.when(Instant::now()));
    }
    let (update, updates) = mpsc::unbounded_channel();
    let mut workers = Workers {
        options,
        plan: &plan,
        shared: &shared,
        member,
        shards,
        only,
        stages,
        carrier: Carrier::of_stdout(options.stop_within),
        last_words,
        undelivered: None,
        progress,
        update,
        running: BTreeMap::new(),
        deaths: Deaths::default(),
        given_up: None,
        unwritten: false,
        failed: 0,
        late: BTreeSet::new(),
        ending: None,
        figures: exporter.shards(),
    };
    let done = match workers.deliver_left_behind().await {
        Ok(()) => workers.work(updates, &mut interrupts).await,
        Err(error) => Err(error.into()),
    };
    let ending = workers.ending;
    drop((workers, joined));
    if !matches!(done, Err(Failure::Interrupted)) {
        exporter.linger(ending, &mut interrupts, progress).await;
    }
    done
}

async fn join(shared: &SharedFolder, progress: ProgressLog) -> anyhow::Result<coordination::Joined> {
    let mut ticks = interval(LOOK);
    let mut tries = 0_u32;
    loop {
        ticks.tick().await;
        if let Some(joined) = shared.join()? {
            return Ok(joined);
        }
        // Others of the same run that begin at this moment are in the way for less than that.
        tries = tries.saturating_add(1);
        if tries == 3 {
            progress.report("waiting: another run, or the same in another number of shards, is still going on here");
        }
    }
}

/// Whether the `fleet sim` that is the process `pid` of this host is well.
///
/// # Errors
///
/// It is not.
pub(crate) fn health(results: &Path, pid: u32, now: jiff::Timestamp) -> anyhow::Result<()> {
    coordination::health(results, pid, now)
}
