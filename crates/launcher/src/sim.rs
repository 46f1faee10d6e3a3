//! `fleet sim`: simulates shards of a plan, together with other processes that share a folder with it.
//!
//! How many processes there are is no setting: each takes its fair part of the shards, takes over what others leave
//! and gives back what is more than its part.

pub(crate) mod coordination;
mod deaths;
mod delivery;
mod lateness;
mod reach;
pub(crate) mod record;
pub(crate) mod share;
mod stages;
mod termination;
mod uplink;
mod worker;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coordination::SharedFolder;
use deaths::Deaths;
use delivery::Carrier;
use device_sim::limits::ensure_file_handles;
use device_sim::shard::{Numbered, ShardChoice};
use device_sim::start_at::StartAt;
use device_sim::{console, plan_file};
use fleet_protocol::plan::Shard;
use fleet_report::words;
use jiff::Timestamp;
use reach::Reach;
use rustls::ClientConfig;
use stages::Stages;
use termination::{LastWords, TERMINATION_LOG, TerminationLog};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};
use uplink::Collector;
use workers::Workers;

use crate::collect::address::CollectorAddress;
use crate::collect::credentials;
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
    /// Where its shards report to, which then decides when the stages begin.
    pub collector: Option<CollectorAddress>,
    /// The credentials for that; beside the plan when left out.
    pub credentials: Option<PathBuf>,
    /// The file for its last words.
    pub termination_log: Option<PathBuf>,
    /// Where the figures of its shards are served.
    pub metrics: metrics::Options,
    /// Our own program.
    pub executable: PathBuf,
    /// How long the end may take.
    pub stop_within: Duration,
}

/// The collector, with the certificate of each shard that this process may have.
struct Reporting {
    address: CollectorAddress,
    tls: BTreeMap<u32, Arc<ClientConfig>>,
}

impl Reporting {
    /// Loads the certificates of the shard `only`, or of all.
    fn load(options: &Options, shards: NonZeroU32, only: Option<u32>) -> Result<Option<Self>, Failure> {
        let Some(address) = options.collector.clone() else {
            return Ok(None);
        };
        let folder = options.credentials.clone();
        let folder = folder.unwrap_or_else(|| credentials::beside(&options.plan));
        let indices = only.map_or(0..shards.get(), |index| index..index + 1);
        let wanted = indices.map(|index| Shard { index, count: shards });
        let tls = credentials::clients(&folder, wanted, Timestamp::now()).map_err(Failure::Refused)?;
        Ok(Some(Self { address, tls }))
    }

    fn of(&self, index: u32) -> Option<Collector> {
        let (address, tls) = (self.address.clone(), self.tls.get(&index)?);
        let tls = Arc::clone(tls);
        Some(Collector { address, tls })
    }
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
    let collector = Reporting::load(options, shards, only)?;
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
    let collector = collector.map(|reporting| {
        let address = reporting.address.to_string();
        progress.report(format!("waiting for the collector at {address}"));
        (reporting, Reach::new(address, shards))
    });
    let (update, updates) = mpsc::unbounded_channel();
    let mut workers = Workers {
        options,
        plan: &plan,
        shared: &shared,
        member,
        shards,
        only,
        stages,
        collector,
        carrier: Carrier::of_stdout(options.stop_within),
        last_words,
        undelivered: None,
        progress,
        update,
        running: BTreeMap::new(),
        deaths: Deaths::default(),
        given_up: None,
        has_begun: false,
        unwritten: false,
        failed: 0,
        late: BTreeSet::new(),
        superseded: BTreeSet::new(),
        ending: None,
        is_asked: false,
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
