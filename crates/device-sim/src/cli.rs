//! The command line of `device-sim`, which is also `fleet device-sim`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args as ClapArgs, ValueEnum};
use fleet_protocol::lines::{Control, Line, counter};
use fleet_protocol::plan::Shard;
use jiff::Timestamp;
use settings::Span;
use single::Advisor;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::context::load_files;
use crate::fleet::{Fleet, Input, Settings};
use crate::hint::Hint;
use crate::lease::Lease;
use crate::limits::ensure_file_handles;
use crate::patience::Patience;
use crate::plan_file;
use crate::proxies::Proxies;
use crate::ramp::Ramp;
use crate::retry;
use crate::shard::{Numbered, ShardChoice, draw_incarnation};
use crate::source_addresses::ensure_ours;
use crate::start_at::{StartAt, StartError};
use crate::{console, output, single};

/// Simulate the devices of a plan, or a single device by its certificate.
///
/// With a plan, data (JSON lines) goes to stdout and logs go to stderr. Without one, a single device is started from
/// the flags and variables below, and logs on stderr what it does until it is stopped with Ctrl-C.
///
/// A device that was refused tries again after some minutes. Enter (where stdin is a terminal) and SIGUSR1 have every
/// device that waits try again now.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// The plan, as `fleet plan --json` prints it
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Simulate every n-th device only, starting with the i-th (from 0), at an n-th of every rate; auto/N takes the
    /// number from the scheduler: from the first that is set of JOB_COMPLETION_INDEX (Kubernetes), FLEET_SLOT (Swarm),
    /// NOMAD_ALLOC_INDEX, AWS_BATCH_JOB_ARRAY_INDEX, CLOUD_RUN_TASK_INDEX and SLURM_ARRAY_TASK_ID, or from the end of
    /// the host's name (sim-0, sim-1, …)
    #[arg(long, value_name = "I/N", default_value_t = ShardChoice::Fixed(Shard::WHOLE), requires = "plan")]
    pub shard: ShardChoice,
    /// Simulate only while holding the lock on this file; another process that holds it is a reason not to start
    #[arg(long, value_name = "FILE", requires = "plan")]
    pub lease: Option<PathBuf>,
    /// Which process of this shard this is: a number that no other one has in this run. It becomes part of message ids,
    /// so that none is used twice. When left out, it is 1, and with auto/N, where a scheduler starts processes again, it
    /// is drawn
    #[arg(long, value_name = "NUMBER", requires = "plan")]
    pub incarnation: Option<NonZeroU32>,
    /// When the stages begin, e.g. 2026-11-27T06:00:00Z, for shards on several machines; devices register before. Stages
    /// that have begun are joined where they are. When left out, they begin when the fleet's devices have had their
    /// turns to register
    #[arg(long, value_name = "TIME", requires = "plan")]
    pub start_at: Option<StartAt>,
    /// Where control lines come from
    #[arg(long, value_name = "WHERE", default_value = "none", requires = "plan")]
    pub control: ControlSource,
    /// How long a device that stops waits for the acknowledgements of what it has sent, e.g. 3s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = |text: &str| text.parse::<Span>())]
    pub drain_within: Span,
    /// A single device.
    #[command(flatten)]
    pub single: single::Args,
}

impl Args {
    /// What to log by default: a single device is there to be watched.
    #[must_use]
    pub fn log_filter(&self) -> &'static str {
        if self.plan.is_some() {
            "warn"
        } else {
            "warn,device_sim=debug"
        }
    }
}

/// Where control lines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ControlSource {
    /// From nowhere; a signal ends the run
    None,
    /// From stdin; its end means drain and stop
    Stdin,
}

/// Why a run failed, which decides the exit code of the process.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing was started: the plan can't be used, or not on this machine.
    #[error(transparent)]
    NotStarted(#[from] anyhow::Error),
    /// The reader of the lines has gone; the devices have been stopped.
    #[error("can't write to stdout")]
    Output(#[source] std::io::Error),
}

impl RunError {
    /// 2 where nothing was started, otherwise 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotStarted(_) => 2,
            Self::Output(_) => 1,
        }
    }
}

/// Runs the shard until its stages are over, its control lines end, or `shutdown` resolves.
///
/// # Errors
///
/// The plan can't be used, there are too few file handles, or the lines have no reader.
pub async fn run(args: Args, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), RunError> {
    let (inputs, input) = mpsc::unbounded_channel();
    tokio::spawn({
        let inputs = inputs.clone();
        async move {
            shutdown.await;
            let _ = inputs.send(Input::Stop);
        }
    });
    match &args.plan {
        Some(path) => run_plan(path, &args, inputs, input).await,
        None => run_single(&args, inputs, input).await,
    }
}

async fn run_plan(
    path: &Path,
    args: &Args,
    inputs: mpsc::UnboundedSender<Input>,
    input: mpsc::UnboundedReceiver<Input>,
) -> Result<(), RunError> {
    let mut plan = plan_file::read(path)?;
    let Numbered { shard, from } = args.shard.resolve_here()?;
    // The fence between two processes of one shard: what the one before has left in flight may still arrive, and must not be
    // taken for a repetition of a message of this one.
    let incarnation = args.incarnation.unwrap_or_else(|| match from {
        None => NonZeroU32::MIN,
        Some(_) => draw_incarnation(),
    });
    if incarnation > NonZeroU32::MIN {
        plan.run_id = format!("{}.{incarnation}", plan.run_id);
    }
    let mut settings = settings(args);
    let length = Ramp::new(plan.stages.clone()).length();
    let schedule = args
        .start_at
        .map(|start| start.schedule(length, Timestamp::now(), Instant::now()));
    settings.schedule = schedule.transpose().map_err(StartError::hinted)?;
    if let Some(from) = from {
        console::note(format_args!("shard {shard}, by {from}; incarnation {incarnation}"));
    }
    // Taken before the first device connects, held until the last one has stopped: the kernel, not a time limit, keeps a
    // second process away from these devices.
    let lease = args.lease.as_deref().map(Lease::take).transpose();
    let _lease = lease.map_err(anyhow::Error::from)?;
    let devices = plan
        .devices(shard)
        .context("the plan contains an invalid device id")?
        .len();
    ensure_file_handles(devices as u64)
        .map_err(anyhow::Error::from)
        .hint("raise the limit before starting, e.g. `ulimit -n 65536`, or use more processes")?;

    ensure_ours(&plan.source_addresses).map_err(anyhow::Error::from)?;

    let (lines, received) = mpsc::unbounded_channel();
    let enter = settings.enter_retries;
    let fleet = Fleet::new(plan, shard, settings, lines.clone()).map_err(anyhow::Error::from)?;
    retry::listen(&inputs, enter);
    let writer = output::write_to_stdout(received, {
        let inputs = inputs.clone();
        // Without a reader of the lines, the devices are not needed.
        move || drop(inputs.send(Input::Stop))
    });
    if args.control == ControlSource::Stdin {
        tokio::spawn(read_control(inputs, lines));
    } else {
        drop(lines);
    }
    fleet.run(input).await;
    // Another task may still hold a sender of lines; the last line is out when the writer has ended.
    writer.finished().await.map_err(RunError::Output)
}

async fn run_single(
    all: &Args,
    inputs: mpsc::UnboundedSender<Input>,
    input: mpsc::UnboundedReceiver<Input>,
) -> Result<(), RunError> {
    let args = &all.single;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let connection_string = variable("IOTHUB_DEVICE_CONNECTION_STRING");
    if args.cert.is_none() && variable("IOTHUB_DEVICE_DPS_DEVICE_KEY").is_some() {
        warn!("IOTHUB_DEVICE_DPS_DEVICE_KEY is not used: devices are simulated with X.509 certificates only");
    }
    let identity = args
        .cert
        .as_deref()
        .map(|certificate| load_files(&single::files(args, certificate)));
    let identity = identity.transpose().map_err(single::explained)?;
    let named = identity.as_ref().map(|identity| identity.registration_id()).transpose();
    let common_name = named.map_err(anyhow::Error::from)?.flatten().map(str::to_owned);
    let plan = single::plan(
        args,
        connection_string.as_deref(),
        common_name.as_deref(),
        Timestamp::now(),
    )
    .map_err(anyhow::Error::from)?;
    let devices = plan.devices(Shard::WHOLE).map_err(anyhow::Error::from)?;
    if let (Some(identity), [(_, id), ..]) = (&identity, devices.as_slice()) {
        // It would be refused before each try, forever.
        let checked = identity.check_name(id.as_str());
        let checked = checked.and_then(|()| identity.check_form(Timestamp::now()));
        let checked = checked.map_err(anyhow::Error::from);
        checked.context("the device can't be started")?;
    }
    let mut advisor = identity.map(|identity| Advisor::new(args, &identity));
    let (lines, mut received) = mpsc::unbounded_channel();
    let settings = settings(all);
    let enter = settings.enter_retries;
    let fleet = Fleet::new(plan, Shard::WHOLE, settings, lines).map_err(anyhow::Error::from)?;
    retry::listen(&inputs, enter);
    // The log has the content of the lines in words.
    let figures = tokio::spawn(async move {
        let mut figures = None;
        while let Some(line) = received.recv().await {
            match line {
                Line::Stats(stats) => figures = Some(stats),
                Line::Device(device) => {
                    let words = advisor.as_mut().map(|advisor| advisor.on(&device));
                    words.into_iter().flatten().for_each(|words| warn!("{words}"));
                }
                _ => {}
            }
        }
        figures
    });
    fleet.run(input).await;
    if let Ok(Some(stats)) = figures.await {
        let count = |name: &str| counter::count(&stats.counters, name);
        info!(
            "stopped: {} messages sent, {} acknowledged",
            count(counter::TELEMETRY_SENT),
            count(counter::TELEMETRY_ACKED)
        );
    }
    Ok(())
}

fn settings(args: &Args) -> Settings {
    let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
    Settings {
        proxies,
        patience: Patience {
            drain: args.drain_within.0,
            ..Patience::default()
        },
        enter_retries: retry::enter_is_read(args.control == ControlSource::Stdin),
        ignores_dates: args.single.ignore_dates,
        schedule: None,
    }
}

/// Reads control lines until stdin ends.
async fn read_control(inputs: mpsc::UnboundedSender<Input>, lines: mpsc::UnboundedSender<Line>) {
    let mut stdin = BufReader::new(tokio::io::stdin()).lines();
    loop {
        let line = match stdin.next_line().await {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                warn!("control lines can't be read: {error}");
                break;
            }
        };
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Control>(&line) {
            Ok(control) => {
                if inputs.send(Input::Control(control)).is_err() {
                    return;
                }
            }
            Err(error) => {
                let id = serde_json::from_str::<serde_json::Value>(&line)
                    .ok()
                    .and_then(|v| v.get("id")?.as_u64());
                let _ = lines.send(Line::Refused {
                    id,
                    message: error.to_string(),
                });
            }
        }
    }
    let _ = inputs.send(Input::Stop);
}
