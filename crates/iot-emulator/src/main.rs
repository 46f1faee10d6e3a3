//! The `iot-emulator` program.

use std::process::ExitCode;

use clap::Parser;
use iot_emulator::StartError;
use iot_emulator::cli::{Args, run, stop_signal};
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
        .init();
    match run(cli.args, stop_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<StartError>() { 2 } else { 1 })
        }
    }
}
