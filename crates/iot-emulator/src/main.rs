//! The `iot-emulator` program.
#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "either may be closed or full, and these panic then; use `terminal`"
)]

use std::process::ExitCode;

use clap::Parser;
use iot_emulator::cli::{Args, run, stop_signal};
use iot_emulator::{StartError, terminal};
use tracing_subscriber::EnvFilter;

/// DPS, IoT Hub and the IoT Central REST API on this machine.
#[derive(Parser)]
#[command(name = "iot-emulator", version)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // What can't be written is dropped; otherwise a complaint about it would panic.
        .log_internal_errors(false)
        .init();
    match run(cli.args, stop_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(format_args!("error: {error:#}"));
            ExitCode::from(if error.is::<StartError>() { 2 } else { 1 })
        }
    }
}
