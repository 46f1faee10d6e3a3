//! Measures what a simulated device costs: `device-sim` beside a floor and rumqttc's event loop.
//!
//! Run it with `scripts/bench`. What the figures mean, and what is and isn't equal between the contenders, stands in
//! `docs/performance.md`.
//!
//! # Map
//!
//! | module | is |
//! | --- | --- |
//! | `bench` | the order of the runs, and what is computed from them |
//! | `world` | what all runs share: a folder, an emulator, an enrolled group with its leaves |
//! | `case` | one run: which contender, how many devices, how much traffic; and the plan that says so |
//! | `run` | a run under way, with readings of the contender and of the emulator |
//! | `process` | a process under measurement: its lines, its CPU clock, its resident memory |
//! | `spread` | what several rounds say together |
//! | `report` | the Markdown, and its place in a document |
//! | `emulator` | the emulator beside a bare acceptor |
//! | `instructions` | instructions per message, which callgrind counts |
//! | `contender` | the programs that are compared with ours, each in a process of its own |

mod bench;
mod case;
mod contender;
mod emulator;
mod instructions;
mod process;
mod report;
mod run;
mod spread;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

/// Measure what a simulated device costs. The table goes to stdout, progress to stderr
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    bench: BenchArgs,
    #[command(subcommand)]
    contender: Option<Contender>,
}

/// What to measure.
#[derive(Debug, Clone, Args)]
struct BenchArgs {
    /// The `fleet` program, which carries device-sim and the emulator
    #[arg(long, value_name = "FILE", required = true)]
    fleet: Option<PathBuf>,
    /// How many devices to hold online
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(2..))]
    devices: u32,
    /// How long the traffic of one message per device in 5 s is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    paced_seconds: u64,
    /// How many messages each device sends, on average, before its memory is looked at again
    #[arg(long, value_name = "N", default_value_t = 300)]
    messages_each: u64,
    /// How many messages are sent as fast as it goes
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    flat_out_messages: u64,
    /// How many times ours and the floor are measured, in turns; ratios are those of the same turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure only one of the three
    #[arg(long, value_name = "WHAT")]
    only: Option<Subject>,
    /// Keep callgrind's profiles there
    #[arg(long, value_name = "FOLDER")]
    keep_profiles: Option<PathBuf>,
    /// What was measured, for the words above the table
    #[arg(long, value_name = "NAME", default_value = "an unnamed commit")]
    commit: String,
    /// Also put the table between the two markers of this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What can be measured on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// What a simulated device costs
    Device,
    /// What a connection costs the emulator
    Emulator,
    /// How many instructions a message takes on either side; needs valgrind
    Instructions,
}

/// The processes that the bench starts from this very program.
#[derive(Debug, Subcommand)]
enum Contender {
    /// The fewest lines that open the same connections and write the same packets
    #[command(hide = true)]
    Floor(contender::Args),
    /// rumqttc's event loop, tuned for many small connections
    #[command(hide = true)]
    RumqttcTuned(contender::Args),
    /// rumqttc's event loop as its documentation starts it
    #[command(hide = true)]
    RumqttcDefaults(contender::Args),
    /// The fewest lines that take the same connections and answer the same packets
    #[command(hide = true)]
    Acceptor(contender::acceptor::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { bench, contender } = Cli::parse();
    let done = match contender {
        None => tokio::select! {
            // Whatever is dropped here kills its process and removes its files.
            signal = interrupted() => match signal {
                Ok(()) => {
                    eprintln!("interrupted");
                    return ExitCode::from(130);
                }
                Err(error) => Err(error.into()),
            },
            done = measure(&bench) => done,
        },
        Some(Contender::Floor(args)) => contender::run(&args, contender::floor::live).await,
        Some(Contender::RumqttcTuned(args)) => contender::run(&args, contender::rumqttc::tuned).await,
        Some(Contender::RumqttcDefaults(args)) => contender::run(&args, contender::rumqttc::defaults).await,
        Some(Contender::Acceptor(args)) => contender::acceptor::run(&args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(args: &BenchArgs) -> anyhow::Result<()> {
    let wants = |subject| args.only.is_none_or(|only| only == subject);
    if wants(Subject::Device) {
        bench::run(args).await?;
    }
    if wants(Subject::Emulator) {
        emulator::run(args).await?;
    }
    if args.only == Some(Subject::Instructions) || wants(Subject::Instructions) && instructions::can_be_counted().await
    {
        instructions::run(args).await?;
    }
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
