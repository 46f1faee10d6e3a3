//! The `iot-emulator` program.
#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "either may be closed or full, and these panic then; use `terminal`"
)]

use std::process::ExitCode;

use clap::Parser;
use emulator_page::cli::{Args, run, stop_signal};
use emulator_page::terminal;
use iot_emulator::StartError;
use iot_protocol::shown;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// DPS, IoT Hub and the IoT Central REST API on this machine.
#[derive(Parser)]
#[command(name = "iot-emulator", version)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// The command line, of which nothing is repeated that looks like a key.
fn parse() -> Result<Cli, ExitCode> {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(place) = shown::content_among(words.iter().map(String::as_str)) {
        terminal::note(format_args!("error: {}", shown::content_refused(&place)));
        return Err(ExitCode::from(2));
    }
    Cli::try_parse().map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        // It repeats what was given, which could forge a line. The same mistake, in tame words, is the same error.
        let tame = words.iter().map(|word| shown::text(word).to_string());
        let error = Cli::try_parse_from(tame).err().unwrap_or(error);
        terminal::note(error.to_string().trim_end());
        ExitCode::from(2)
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // What can't be written is dropped; otherwise a complaint about it would panic.
        .log_internal_errors(false);
    let selected = std::env::var("RUST_LOG").ok().and_then(|words| words.parse().ok());
    let selected = selected.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    tracing_subscriber::registry().with(lines).with(selected).init();
    match run(cli.args, stop_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(format_args!("error: {error:#}"));
            ExitCode::from(if error.is::<StartError>() { 2 } else { 1 })
        }
    }
}
