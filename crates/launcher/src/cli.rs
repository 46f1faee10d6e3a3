//! The command line of `fleet`.

use std::future::Future;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, Parser, Subcommand, ValueEnum};
use device_sim::shard::ShardChoice;
use device_sim::start_at::StartAt;
use device_sim::{command_line, console};
use fleet_report::compare::{Bounds, Show};
use iot_protocol::id::IdScope;
use iot_protocol::shown;
use settings::Span;
use tracing_subscriber::EnvFilter;

use crate::cert::{self, CertArgs};
use crate::collect::address::{CollectorAddress, Host};
use crate::collect::credentials;
use crate::demo::{self, DemoArgs};
use crate::enroll::unenroll;
use crate::exit::{Failure, PASSED, print};
use crate::export::{self, ExportArgs};
use crate::http::Address;
use crate::interrupts::Interrupts;
use crate::keep::{self, write_whole};
use crate::leaves::{self, LeavesArgs};
use crate::plan::preview;
use crate::prepare::budget::{self, Bound, MaxQuota};
use crate::prepare::edge_config;
use crate::process::orphan;
use crate::report::{self, Form};
use crate::roll::{self, RollArgs};
use crate::terminal::Ui;
use crate::{ctl, enroll, health, merge, metrics, plan, run, sim, web};

/// Simulates a fleet of X.509 thermostats for Azure IoT Central, from the test CA to the report.
#[derive(Debug, Parser)]
#[command(name = "fleet", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    passed
  1    failed while running: also when a device never came online
  2    nothing was started: wrong usage, an invalid manifest, or a check that refused it
  99   a threshold of the manifest did not hold, or had no data
  130  interrupted; the report is still written

Data goes to stdout, everything else to stderr. NO_COLOR is respected.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the fleet of a manifest: make certificates, enroll, simulate, report
    Run(RunArgs),
    /// Check a manifest, and compare what it asks for with the limits of its target; starts nothing
    Plan(PlanArgs),
    /// Enroll the groups and devices of a manifest, and print the id scope
    Enroll(EnrollArgs),
    /// Take back what `enroll` has enrolled
    Unenroll(UnenrollArgs),
    /// Make, inspect and renew test certificates
    Cert(CertArgs),
    /// Do what `run` does before its devices start, and write the plan for `sim`: make certificates, enroll
    Prepare(PrepareArgs),
    /// Register the devices of a manifest ahead of a run, so that its stages begin at once; connects none of them
    Register(RegisterArgs),
    /// Simulate a part of a plan, with other processes that share a folder with this one
    Sim(SimArgs),
    /// Write a fleet for an engine that runs containers on many machines: Kubernetes, Docker Swarm, Docker Compose
    Export(ExportArgs),
    /// Make the leaves of one shard's devices from its authority, as the containers of an export do before `sim`
    Leaves(LeavesArgs),
    /// Conduct a run whose devices are simulated by `sim` on other machines: wait for all shards, judge, report
    Collect(CollectArgs),
    /// Read reports: judge, print and merge them
    #[command(subcommand)]
    Report(ReportCommand),
    /// Check whether a part of a fleet is healthy, for a container's health check
    #[command(subcommand)]
    Health(HealthCommand),
    /// Write the config.toml of a real IoT Edge device that takes up an identity of the fleet
    EdgeConfig(EdgeConfigArgs),
    /// Roll certificates while the fleet runs: a group's CA or single devices, for an expiry or a breach
    Roll(RollArgs),
    /// Give an order to a live run: a storm, a pause, an end
    Ctl(CtlArgs),
    /// Show group enrollment step by step, with certificates, refusals and a breach, on an emulator of its own
    Demo(DemoArgs),
    /// Simulate the devices of a plan, as `run` does in each of its processes
    ///
    /// Without a plan, a single device is started from the flags and variables below, and logs on stderr what it does
    /// until it is stopped with Ctrl-C. A device that was refused tries again after some minutes; Enter (where stdin is
    /// a terminal) and SIGUSR1 have every device that waits try again now.
    DeviceSim(device_sim::cli::Args),
    /// Run DPS, IoT Hub and the IoT Central REST API on this machine
    Emulator(Box<emulator_page::cli::Args>),
}

#[derive(Debug, Args)]
struct ManifestFile {
    /// The fleet manifest
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// Override a key of the manifest, e.g. `load.register_rate=5/s` or `group.thermostats.devices.count=10`
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Args)]
struct ManifestArgs {
    #[command(flatten)]
    file: ManifestFile,
    /// Cut the stages short, or hold the fleet online longer, so that they take this time, e.g. `1m30s`. They begin
    /// when all devices have registered, which is not counted
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    duration: Option<Span>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    #[command(flatten)]
    conduct: ConductArgs,
    #[command(flatten)]
    bound: BoundArgs,
    #[command(flatten)]
    stop: StopArgs,
}

/// How a run is shown and reported.
#[derive(Debug, Args)]
struct ConductArgs {
    /// Write the report into this folder: report.json, report.html, summary.txt, summary.md and junit.xml
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Write further files into the folder of the report
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "report")]
    formats: Vec<keep::Format>,
    /// Show the run in a browser while it lasts. A port alone is one that only this machine reaches, port 0 means any free
    /// one, and `off` none. Unless given, the page is there where the target is the emulator
    #[arg(long, value_name = "ADDR")]
    web: Option<web::Place>,
    /// Run the whole plan, even where all devices fail for a reason that only a person can mend; without it, such a run
    /// stops after half a minute
    #[arg(long)]
    keep_going: bool,
    /// How the progress is shown on stderr
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    ui: Ui,
    #[command(flatten)]
    metrics: metrics::Options,
}

impl ConductArgs {
    fn with(self, stop: &StopArgs) -> run::Conduct {
        run::Conduct {
            report: self.report,
            formats: self.formats,
            web: self.web,
            keep_going: self.keep_going,
            metrics: self.metrics,
            ui: self.ui,
            stop_within: stop.stop_within.0,
        }
    }
}

#[derive(Debug, Args)]
struct StopArgs {
    /// How long the end may take, from Ctrl-C, SIGTERM, SIGHUP or the end of the stages on: what has not stopped or
    /// answered by then is killed or unknown. `docker stop` kills after 10 s and Kubernetes after 30: give less, e.g.
    /// `9s`
    #[arg(long, value_name = "TIME", default_value = "45s", value_parser = |text: &str| text.parse::<Span>())]
    stop_within: Span,
}

#[derive(Debug, Clone, Copy, Args)]
struct BoundArgs {
    /// How much of a limit the plan may ask for, e.g. `80%`. Above that, nothing is started (exit code 2) where the limit is
    /// a fixed one or a daily quota; other limits warn
    #[arg(long, value_name = "PERCENT", default_value = "100%")]
    max_quota: MaxQuota,
    /// Start all the same
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct PlanArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    /// How the plan is printed: `text`, or `json` as report.json has it
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print the plan that `device-sim` reads, as JSON
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Judge by these limits instead of `target.quota`: iot-central, dps, hub-f1, hub-s1, hub-s2, hub-s3, or a file
    #[arg(long, value_name = "QUOTA")]
    quota: Option<String>,
    /// Show what a month of it costs, by the prices in this file; docs/quotas.md has one to fill in
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    bound: BoundArgs,
    /// Draw a simulated day of this device
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["json", "format"])]
    preview: Option<String>,
}

impl From<BoundArgs> for Bound {
    fn from(BoundArgs { max_quota: max, force }: BoundArgs) -> Self {
        Self { max, force }
    }
}

#[derive(Debug, Args)]
struct PrepareArgs {
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

#[derive(Debug, Args)]
#[command(after_help = REGISTER)]
struct RegisterArgs {
    #[command(flatten)]
    manifest: ManifestFile,
    /// How the summary is printed on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Try all devices, even where all that were tried failed for a reason that only a person can mend; without it, it
    /// stops after half a minute
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    stop: StopArgs,
}

const REGISTER: &str = "\
Makes certificates and enrolls as `run` does, then registers each device that has no assignment in the state folder, at \
`load.register_rate`, which is the quota's when left out. What is registered stays registered: after Ctrl-C, a kill or a \
failure, the same command goes on with the rest. A run then takes the assignments from the state folder and asks DPS \
nothing, as long as the certificates, the id scope and the DPS host are the same.

Exit codes: 0 all devices are registered, 1 some are not, 2 nothing was started, 130 interrupted.";

#[derive(Debug, Args)]
struct SimArgs {
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

#[derive(Debug, Args)]
#[command(after_help = COLLECT)]
struct CollectArgs {
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

  fleet prepare fleet.toml --plan plan.json --collector collector.example.net --shards 8
  fleet collect fleet.toml --plan plan.json --shards 8 --listen 0.0.0.0:9470 --report report
  fleet sim --plan plan.json --results results --shard 0/8 --collector collector.example.net:9470";

/// Into how many shards a fleet can be cut for a collector.
fn shards(text: &str) -> Result<NonZeroU32, String> {
    let shards = text.parse().ok().filter(|shards: &NonZeroU32| shards.get() <= 256);
    shards.ok_or_else(|| "accepted: a number from 1 to 256".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = CTL)]
struct CtlArgs {
    #[command(flatten)]
    file: ManifestFile,
    /// The order
    #[arg(value_name = "ORDER", value_enum)]
    order: ctl::Order,
    /// For the devices of this group only
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// For a share of the devices: by seed and device id, so the same every time
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    share: Option<f64>,
    /// For this device; may be given several times
    #[arg(long, value_name = "ID", conflicts_with_all = ["group", "share"])]
    device: Vec<String>,
    /// Spread over this time; all at once, when left out
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    over: Option<Span>,
    /// Of a churn: the share of the devices that leaves in each minute
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    share_per_minute: Option<f64>,
    /// Of a churn: for how long devices leave, e.g. 5m. Of a disconnect and a reboot: how long each device stays offline
    #[arg(long = "for", value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    lasts: Option<Span>,
    /// Of a churn: how long a device stays away; 30s when left out
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    away: Option<Span>,
}

const CTL: &str = "\
The run is found by its manifest, whose state folder has its control socket. Each order is a mark in the report.

  fleet ctl configs/demo.toml storm
  fleet ctl configs/demo.toml disconnect --group thermostats --share 10%
  fleet ctl configs/demo.toml reconnect --over 30s
  fleet ctl configs/demo.toml churn --share-per-minute 10% --for 5m --away 30s
  fleet ctl configs/demo.toml retry --device thermo-0001";

impl From<CtlArgs> for ctl::Options {
    fn from(args: CtlArgs) -> Self {
        Self {
            manifest: args.file.manifest,
            set: args.file.set,
            order: args.order,
            device: args.device,
            group: args.group,
            share: args.share,
            over: args.over,
            share_per_minute: args.share_per_minute,
            lasts: args.lasts,
            away: args.away,
        }
    }
}

/// A share of devices: `10%`.
fn share(text: &str) -> Result<f64, String> {
    percent(text).and_then(|share| match share <= 1.0 {
        true => Ok(share),
        false => Err("accepted: from 0% to 100%".to_owned()),
    })
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// Make one report of what the processes of `fleet sim` wrote, and name the shards that are missing
    Merge(MergeArgs),
    /// Judge a run by other thresholds than those it was run with; ends with 99 where one is crossed
    Check(CheckArgs),
    /// Compare runs: what became slower or fails more often; ends with 99 where something did
    Compare(CompareArgs),
    /// Print a report as `run` prints its summary
    Text(ReportFile),
    /// Print a report as a page with charts, in one file
    Html(ReportFile),
    /// Print a report as Markdown, for the page that a pipeline shows of a job
    Md(ReportFile),
    /// Print a report as JUnit test results: a test for each threshold, and one for the run
    Junit(ReportFile),
}

#[derive(Debug, Args)]
struct ReportFile {
    /// report.json, or the folder that it is in
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = COMPARE)]
struct CompareArgs {
    /// Reports, or the folders that they are in: the base and the new run, or several runs of the base
    #[arg(value_name = "BASE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Several new runs
    #[arg(value_name = "NEW", last = true)]
    new: Vec<PathBuf>,
    /// A figure has to differ by more than this share of the base
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    bound: f64,
    /// A time has to differ by more than this
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = |text: &str| text.parse::<Span>())]
    min_difference: Span,
    /// Show everything that was compared
    #[arg(long)]
    all: bool,
    /// How the comparison is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

const COMPARE: &str = "\
A time is slower where the intervals of both sides are apart, the ratio is beyond --bound, and the difference beyond \
--min-difference; otherwise there is no difference. A quantile needs a hundred values beyond it. One run of each side is \
compared by blocks of its time, several by how much they differ:

  fleet report compare before after
  fleet report compare before-1 before-2 before-3 -- after-1 after-2 after-3";

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    Text,
    /// For a program
    Json,
}

/// `10%`, or `10`.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(percent / 100.0),
        _ => Err("accepted: a share in percent, such as 10%".to_owned()),
    }
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    file: ReportFile,
    /// The manifest whose thresholds the run is judged by
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// Override a key of the manifest
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Write the report with this judgement into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct MergeArgs {
    /// Folders that `fleet sim --results` wrote to; - takes the records that `fleet sim` wrote to stdout from stdin,
    /// among other lines of a log
    #[arg(value_name = "DIR", required = true)]
    results: Vec<PathBuf>,
    /// The run, where there are several; the newest when left out
    #[arg(long, value_name = "RUN_ID")]
    run: Option<String>,
    /// Write the report into this folder: report.json, report.html, summary.txt, summary.md and junit.xml
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum HealthCommand {
    /// Ask a running emulator for its figures and print them; fails if it does not answer
    Emulator {
        /// The emulator's state folder, with its CA and its API token
        #[arg(long, value_name = "DIR", default_value = "state/emulator")]
        state: PathBuf,
        /// Where its REST API listens with TLS
        #[arg(long, value_name = "URL", default_value = "https://localhost:8443")]
        app: String,
    },
    /// Check whether a `fleet sim` on this host holds a shard and writes figures
    Sim {
        /// Its folder of results
        #[arg(long, value_name = "DIR")]
        results: PathBuf,
        /// Its process; in a container it is the first
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        pid: u32,
    },
}

#[derive(Debug, Args)]
#[command(after_help = ENROLL)]
struct EnrollArgs {
    #[command(flatten)]
    manifest: ManifestFile,
    /// Only look, and print what would be done; makes no certificates either
    #[arg(long)]
    dry_run: bool,
    /// Upload CA certificates as verified: give your word that they are yours, instead of a proof
    #[arg(long)]
    verified: bool,
    /// Write the files to upload into DIR, and print what to do with them in IoT Central's pages [default:
    /// NAME-enrollment]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    manual: Option<Option<PathBuf>>,
}

const ENROLL: &str = "\
Publishes missing device templates, creates enrollment groups, uploads and verifies their CA certificates, creates \
individually enrolled devices, and reads everything back. What is there already stays as it is, so a second run changes \
nothing and an interrupted one is completed. The id scope goes to stdout.

With target kind \"emulator\", the emulator that `fleet run` would start is started on its state folder, and stopped again: \
the next run finds everything enrolled. With kind \"dps\", a script for the Azure CLI goes to stdout.";

#[derive(Debug, Args)]
struct UnenrollArgs {
    #[command(flatten)]
    manifest: ManifestFile,
    /// Remove the devices of the manifest's groups as well, with what the application has of them: as fast as it accepts
    /// requests, 20 a second with IoT Central
    #[arg(long)]
    devices: bool,
    /// Only look, and print what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct EdgeConfigArgs {
    /// The fleet manifest
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// Override a key of the manifest, e.g. `group.gateways.hostname=gw.local`
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The IoT Edge device
    #[arg(long, value_name = "ID")]
    device: String,
    /// Write into this file instead of stdout; one that exists is left alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Folder on the device into which you copy its files, e.g. /var/aziot: certificates into `certs`, keys into
    /// `secrets`; they are named where they are here when left out
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// The id scope, instead of the one that the manifest or the application has
    #[arg(long, value_name = "ID")]
    id_scope: Option<IdScope>,
    /// Leave the registration id out: IoT Edge then takes the common name of the certificate
    #[arg(long)]
    no_registration_id: bool,
}

/// Reads the command line and does what it asks for.
#[must_use]
pub fn main() -> ExitCode {
    let cli: Cli = match command_line::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    orphan::watch();
    let code = obey(cli.command);
    console::flush(LAST_WORDS);
    code
}

/// Stderr may have no reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn obey(command: Command) -> ExitCode {
    match command {
        Command::Run(args) => code(in_runtime(fleet_run(args))),
        Command::Plan(args) => code(plan(&args)),
        Command::Enroll(args) => code(in_runtime(fleet_enroll(args))),
        Command::Unenroll(args) => code(in_runtime(fleet_unenroll(args))),
        Command::Cert(args) => code(cert::run(&args)),
        Command::Prepare(args) => code(in_runtime(fleet_prepare(args))),
        Command::Register(args) => code(in_runtime(fleet_register(args))),
        Command::Sim(args) => code(in_runtime(fleet_sim(args))),
        Command::Export(args) => code(in_runtime(fleet_export(args))),
        Command::Leaves(args) => code(in_runtime(fleet_leaves(args))),
        Command::Collect(args) => code(in_runtime(fleet_collect(args))),
        Command::Report(command) => code(fleet_report(command)),
        Command::Health(HealthCommand::Emulator { state, app }) => {
            code(in_runtime(async move { health::emulator(&state, &app).await }))
        }
        Command::Health(HealthCommand::Sim { results, pid }) => code(health::sim(&results, pid)),
        Command::EdgeConfig(args) => code(in_runtime(edge_config(args))),
        Command::Roll(args) => code(in_runtime(fleet_roll(args))),
        Command::Ctl(args) => code(in_runtime(ctl::run(args.into()))),
        Command::Demo(args) => code(in_runtime(fleet_demo(args))),
        Command::DeviceSim(args) => {
            log_to_stderr(args.log_filter());
            let done = in_runtime(async {
                use device_sim::cli::RunError;
                let done = device_sim::cli::run(args, device_sim::shutdown_signal()).await;
                done.map_err(|error| match error {
                    RunError::NotStarted(error) => Failure::refused(error),
                    error @ RunError::Output(_) => Failure::Failed(error.into()),
                })
            });
            code(done.map(|()| PASSED))
        }
        Command::Emulator(args) => {
            log_to_stderr("warn");
            let done = in_runtime(async {
                emulator_page::cli::run(*args, emulator_page::cli::stop_signal())
                    .await
                    .map_err(|error| match error.downcast::<iot_emulator::StartError>() {
                        Ok(not_started) => Failure::refused(not_started),
                        Err(error) => Failure::Failed(error),
                    })
            });
            code(done.map(|()| PASSED))
        }
    }
}

async fn fleet_run(args: RunArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
    let RunArgs {
        manifest,
        conduct,
        bound,
        stop,
    } = args;
    let options = run::Options {
        manifest: manifest.file.manifest,
        set: manifest.file.set,
        duration: manifest.duration,
        conduct: conduct.with(&stop),
        bound: bound.into(),
        executable: executable()?,
    };
    run::run(options, interrupts).await
}

fn fleet_report(command: ReportCommand) -> Result<u8, Failure> {
    match command {
        ReportCommand::Merge(args) => merge::run(&args.results, args.run.as_deref(), args.report.as_deref()),
        ReportCommand::Check(args) => report::check(&args.file.file, &args.manifest, &args.set, args.report.as_deref()),
        ReportCommand::Compare(args) => {
            let (base, new) = report::sides(args.files, args.new)?;
            let bounds = Bounds {
                ratio: args.bound,
                min_difference_s: args.min_difference.0.as_secs_f64(),
            };
            let show = if args.all { Show::Everything } else { Show::Changes };
            report::compare(&base, &new, bounds, show, args.format == Format::Json)
        }
        ReportCommand::Text(args) => report::show(&args.file, Form::Text),
        ReportCommand::Html(args) => report::show(&args.file, Form::Html),
        ReportCommand::Md(args) => report::show(&args.file, Form::Markdown),
        ReportCommand::Junit(args) => report::show(&args.file, Form::Junit),
    }
}

async fn fleet_roll(args: RollArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
    roll::run(args.into(), interrupts).await
}

async fn fleet_demo(args: DemoArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
    demo::run(args, executable()?, interrupts).await
}

async fn fleet_prepare(args: PrepareArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
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
}

async fn fleet_register(args: RegisterArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
    let options = run::register::Options {
        manifest: args.manifest.manifest,
        set: args.manifest.set,
        json: args.format == Format::Json,
        keep_going: args.keep_going,
        stop_within: args.stop.stop_within.0,
        executable: executable()?,
    };
    run::register::register(options, interrupts).await
}

async fn fleet_sim(args: SimArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
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
}

async fn fleet_export(args: ExportArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
    export::run(args, executable()?, interrupts).await
}

async fn fleet_leaves(args: LeavesArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
    leaves::run(args, interrupts).await
}

async fn fleet_collect(args: CollectArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
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
}

async fn fleet_enroll(args: EnrollArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
    let options = enroll::Options {
        manifest: args.manifest.manifest,
        set: args.manifest.set,
        dry_run: args.dry_run,
        verified: args.verified,
        manual: args.manual.map(Option::unwrap_or_default),
        executable: executable()?,
    };
    enroll::run(options, interrupts).await
}

async fn fleet_unenroll(args: UnenrollArgs) -> Result<u8, Failure> {
    let interrupts = Interrupts::listen().context("can't listen to signals")?;
    let options = unenroll::Options {
        manifest: args.manifest.manifest,
        set: args.manifest.set,
        devices: args.devices,
        dry_run: args.dry_run,
        yes: args.yes,
        executable: executable()?,
    };
    unenroll::run(options, interrupts).await
}

fn executable() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("can't find out where this program is")
}

async fn edge_config(args: EdgeConfigArgs) -> Result<u8, Failure> {
    let manifest = run::resolve(&args.manifest, &args.set, None)?;
    let options = edge_config::Options {
        device: args.device,
        prefix: args.prefix,
        id_scope: args.id_scope,
        registration_id: !args.no_registration_id,
    };
    if let Some(out) = args.out.as_deref().filter(|out| out.exists()) {
        return Err(Failure::refused(anyhow!("`{}` exists already", shown::path(out))));
    }
    if let Some(out) = &args.out {
        keep::try_file("--out", out)?;
    }
    let variables = |name: &str| std::env::var(name).ok();
    let config = edge_config::write(&manifest, &options, jiff::Timestamp::now(), variables).await?;
    match &args.out {
        Some(out) => write_whole(out, config.text.as_bytes())?,
        None => print(&config.text)?,
    }
    for note in &config.notes {
        console::note(format_args!("note: {note}"));
    }
    if options.prefix.is_some() {
        console::note("copy these files to the device:");
        for (here, there) in &config.files {
            console::note(format_args!("  {} -> {}", shown::path(here), shown::path(there)));
        }
    }
    Ok(PASSED)
}

fn plan(args: &PlanArgs) -> Result<u8, Failure> {
    let ManifestArgs { file, duration } = &args.manifest;
    let mut set = file.set.clone();
    set.extend(args.quota.as_deref().map(plan::named_quota));
    let manifest = run::resolve(&file.manifest, &set, *duration)?;
    if let Some(device) = &args.preview {
        print(preview::preview(&manifest, device).map_err(Failure::Refused)?)?;
        return Ok(PASSED);
    }
    if args.json {
        print(plan::to_json(&manifest, jiff::Timestamp::now())?)?;
        return Ok(PASSED);
    }
    let mut summary = budget::plan(&manifest)?;
    if let Some(prices) = &args.prices {
        summary.cost = Some(plan::prices(prices)?.cost(&summary));
    }
    print(match args.format {
        Format::Text => plan::describe(&manifest, &summary)?,
        Format::Json => plan::summary_json(&summary)?,
    })?;
    budget::refuse_above(&summary, args.bound.into())?;
    Ok(PASSED)
}

fn in_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    let done = runtime.block_on(work);
    // A read of stdin, or the making of certificates after Ctrl-C, must not keep the process from ending.
    runtime.shutdown_background();
    done
}

fn code(done: Result<u8, Failure>) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(),
    }
}

/// Logs of the two programs that `fleet` carries; `RUST_LOG` selects them, otherwise `usually`.
fn log_to_stderr(usually: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usually));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(|| console::Log)
        .with_ansi(console::has_colours(&std::io::stderr()))
        .init();
}
