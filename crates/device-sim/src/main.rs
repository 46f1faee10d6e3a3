//! `device-sim`: simulates the thermostats of a plan until they are done or asked to stop.
#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "either may be closed or full, and these panic then; use `console`"
)]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use device_sim::{command_line, console, logs};

/// Simulates X.509 thermostats for Azure IoT Central
#[derive(Debug, Parser)]
#[command(version)]
struct Command {
    #[command(flatten)]
    args: device_sim::cli::Args,
}

/// Stderr may have no reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let Command { args } = match command_line::parse() {
        Ok(command) => command,
        Err(code) => return code,
    };
    logs::to_stderr(args.log_filter());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            console::note(format_args!("error: can't start the runtime: {error}"));
            console::flush(LAST_WORDS);
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(device_sim::cli::run(args, device_sim::shutdown_signal()));
    // A read of stdin that is still under way must not keep the process from ending.
    runtime.shutdown_background();
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            console::note(format_args!("error: {:#}", anyhow::Error::from(error)));
            ExitCode::from(code)
        }
    };
    console::flush(LAST_WORDS);
    code
}
