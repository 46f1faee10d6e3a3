//! The command line of `fleet`.

use std::future::Future;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::cert::{self, CertArgs};
use crate::exit::{Failure, PASSED};
use crate::interrupts::Interrupts;
use crate::manifest::values::Span;
use crate::{plan_command, preview, run};

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
  2    nothing was started: wrong usage, an invalid manifest, or a check that said no
  99   thresholds crossed
  130  interrupted; the report is still written

Data goes to stdout, everything else to stderr. NO_COLOR is respected.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the fleet of a manifest: make certificates, enroll, simulate, report
    Run(RunArgs),
    /// Check a manifest and tell what it asks for; starts nothing
    Plan(PlanArgs),
    /// Make, inspect and renew test certificates
    Cert(CertArgs),
    /// Simulate the devices of a plan, as `run` does in each of its processes
    DeviceSim(device_sim::cli::Args),
    /// Run DPS, IoT Hub and the IoT Central REST API on this machine
    Emulator(Box<iot_emulator::cli::Args>),
}

#[derive(Debug, Args)]
struct ManifestArgs {
    /// The fleet manifest
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// Override a key of the manifest, e.g. `load.register_rate=5/s` or `group.thermostats.devices.count=10`
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Cut the stages short, or hold the fleet online longer, so that they take this time, e.g. `1m30s`
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    duration: Option<Span>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    /// Write the report into this folder: report.json
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PlanArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    /// Print the plan that `device-sim` reads, as JSON
    #[arg(long)]
    json: bool,
    /// Draw a simulated day of this device
    #[arg(long, value_name = "DEVICE", conflicts_with = "json")]
    preview: Option<String>,
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => code(in_runtime(fleet_run(args))),
        Command::Plan(args) => code(plan(&args)),
        Command::Cert(args) => code(cert::run(&args)),
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
                iot_emulator::cli::run(*args, iot_emulator::cli::stop_signal())
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
    let RunArgs { manifest, report } = args;
    let executable = std::env::current_exe().context("can't find out where this program is")?;
    let options = run::Options {
        manifest: manifest.manifest,
        set: manifest.set,
        duration: manifest.duration,
        report,
        executable,
    };
    run::run(options, interrupts).await
}

fn plan(args: &PlanArgs) -> Result<u8, Failure> {
    let ManifestArgs {
        manifest,
        set,
        duration,
    } = &args.manifest;
    let manifest = run::resolve(manifest, set, *duration)?;
    let text = match &args.preview {
        Some(device) => preview::preview(&manifest, device).map_err(Failure::Refused)?,
        None if args.json => plan_command::to_json(&manifest, jiff::Timestamp::now())?,
        None => plan_command::describe(&manifest)?,
    };
    print!("{text}");
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

/// Logs of the two programs that `fleet` carries; `RUST_LOG` says which, otherwise `usually`.
fn log_to_stderr(usually: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usually));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
}
