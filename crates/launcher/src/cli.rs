//! The command line of `fleet`: a room for each verb.

mod collect;
mod completions;
mod ctl;
mod doctor;
mod drive;
mod edge_config;
mod enroll;
mod explain;
mod health;
mod init;
mod man;
mod plan;
mod prepare;
mod programs;
mod register;
mod report;
mod run;
mod shared;
mod sim;
mod unenroll;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use device_sim::command_line;
use device_sim::console::{self, NoteFormat};

use self::drive::{executable, interruptible};
use crate::cert::{self, CertArgs};
use crate::demo::{self, DemoArgs};
use crate::exit::Failure;
use crate::export::{self, ExportArgs};
use crate::format::Format;
use crate::leaves::{self, LeavesArgs};
use crate::process::orphan;
use crate::roll::{self, RollArgs};

/// Simulates a fleet of X.509 thermostats for Azure IoT Central, from the test CA to the report.
#[derive(Debug, Parser)]
#[command(name = "fleet", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    /// How notes and logs are written on stderr: text, or json
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t = Format::Text,
        hide_possible_values = true,
        global = true,
        env = "FLEET_LOG_FORMAT",
        display_order = 900
    )]
    log_format: Format,
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
    Run(run::RunArgs),
    /// Check a manifest, and compare what it asks for with the limits of its target; starts nothing
    Plan(plan::PlanArgs),
    /// Write a first manifest, with comments: from flags, and from questions on a terminal
    Init(init::InitArgs),
    /// Look for what would keep a run from working: this machine, the target, the token, certificates, limits
    Doctor(doctor::DoctorArgs),
    /// Enroll the groups and devices of a manifest, and print the id scope
    Enroll(enroll::EnrollArgs),
    /// Take back what `enroll` has enrolled
    Unenroll(unenroll::UnenrollArgs),
    /// Make, inspect and renew test certificates
    Cert(CertArgs),
    /// Do what `run` does before its devices start, and write the plan for `sim`: make certificates, enroll
    Prepare(prepare::PrepareArgs),
    /// Register the devices of a manifest ahead of a run, so that its stages begin at once; connects none of them
    Register(register::RegisterArgs),
    /// Simulate a part of a plan, with other processes that share a folder with this one
    Sim(sim::SimArgs),
    /// Write a fleet for an engine that runs containers on many machines: Kubernetes, Docker Swarm, Docker Compose
    Export(ExportArgs),
    /// Make the leaves of one shard's devices from its authority, as the containers of an export do before `sim`
    Leaves(LeavesArgs),
    /// Conduct a run whose devices are simulated by `sim` on other machines: wait for all shards, judge, report
    Collect(collect::CollectArgs),
    /// Read reports: judge, print and merge them
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Check whether a part of a fleet is healthy, for a container's health check
    #[command(subcommand)]
    Health(health::HealthCommand),
    /// Write the config.toml of a real IoT Edge device that takes up an identity of the fleet
    EdgeConfig(edge_config::EdgeConfigArgs),
    /// Roll certificates while the fleet runs: a group's CA or single devices, for an expiry or a breach
    Roll(RollArgs),
    /// Explain a word or a number that is printed: a state, a metric, a reason, a code of DPS, an exit code
    Explain(explain::ExplainArgs),
    /// Give an order to a live run: a storm, a pause, an end
    Ctl(ctl::CtlArgs),
    /// Show group enrollment step by step, with certificates, refusals and a breach, on an emulator of its own
    Demo(DemoArgs),
    /// Print the script by which a shell completes verbs, flags, groups, devices and paths
    Completions(completions::CompletionsArgs),
    /// Print the manual page of a verb, or write those of all
    Man(man::ManArgs),
    /// Simulate the devices of a plan, as `run` does in each of its processes
    ///
    /// Without a plan, a single device is started from the flags and variables below, and logs on stderr what it does
    /// until it is stopped with Ctrl-C. A device that was refused tries again after some minutes; Enter (where stdin is
    /// a terminal) and SIGUSR1 have every device that waits try again now.
    #[command(
        after_help = "Examples:\n  fleet device-sim --id-scope 0ne00ABCDEF --cert thermo_fullchain.pem --key thermo_key.pem\n  fleet device-sim --plan plan.json --shard 0/2"
    )]
    DeviceSim(device_sim::cli::Args),
    /// Run DPS, IoT Hub and the IoT Central REST API on this machine
    #[command(
        after_help = "Examples:\n  fleet emulator\n  fleet emulator --state state/emulator --http 127.0.0.1:8080 --quota iot-central --faults slow-network"
    )]
    Emulator(Box<emulator_page::cli::Args>),
}

/// Reads the command line and does what it asks for.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = completions::answer(Cli::command) {
        return code;
    }
    let cli: Cli = match command_line::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    console::set_format(match cli.log_format {
        Format::Text => NoteFormat::Text,
        Format::Json => NoteFormat::Json,
    });
    orphan::watch();
    let code = match obey(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => failure.report(),
    };
    console::flush(LAST_WORDS);
    code
}

/// Stderr may have no reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn obey(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Plan(args) => plan::run(&args),
        Command::Init(args) => init::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Enroll(args) => enroll::run(args),
        Command::Unenroll(args) => unenroll::run(args),
        Command::Cert(args) => cert::run(&args),
        Command::Prepare(args) => prepare::run(args),
        Command::Register(args) => register::run(args),
        Command::Sim(args) => sim::run(args),
        Command::Export(args) => interruptible(async |interrupts| export::run(args, executable()?, interrupts).await),
        Command::Leaves(args) => interruptible(async |interrupts| leaves::run(args, interrupts).await),
        Command::Collect(args) => collect::run(args),
        Command::Report(command) => report::run(command),
        Command::Health(command) => health::run(command),
        Command::Explain(args) => explain::run(&args),
        Command::EdgeConfig(args) => edge_config::run(args),
        Command::Roll(args) => interruptible(async |interrupts| roll::run(args.into(), interrupts).await),
        Command::Ctl(args) => ctl::run(args),
        Command::Demo(args) => interruptible(async |interrupts| demo::run(args, executable()?, interrupts).await),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, Cli::command()),
        Command::DeviceSim(args) => programs::device_sim(args),
        Command::Emulator(args) => programs::emulator(*args),
    }
}
