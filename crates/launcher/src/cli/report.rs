//! `fleet report`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleet_report::compare::{Bounds, Show};
use settings::Span;

use super::drive::in_runtime;
use super::shared::percent;
use crate::complete;
use crate::exit::Failure;
use crate::format::Format;
use crate::report::{self, Form};
use crate::{health, merge};

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Make one report of what the processes of `fleet sim` wrote, and name the shards that are missing
    #[command(
        after_help = "Examples:\n  fleet report merge results --report report\n  fleet report merge results-1 results-2"
    )]
    Merge(MergeArgs),
    /// Judge a run by other thresholds than those it was run with; ends with 99 where one is crossed
    #[command(
        after_help = "Examples:\n  fleet report check report fleet.toml\n  fleet report check report/report.json fleet.toml --report judged"
    )]
    Check(CheckArgs),
    /// Compare runs: what became slower or fails more often; ends with 99 where something did
    Compare(CompareArgs),
    /// Print a report as `run` prints its summary
    #[command(after_help = "Examples:\n  fleet report text report")]
    Text(ReportFile),
    /// Print a report as a page with charts, in one file
    #[command(after_help = "Examples:\n  fleet report html report")]
    Html(ReportFile),
    /// Print a report as Markdown, for the page that a pipeline shows of a job
    #[command(after_help = "Examples:\n  fleet report md report")]
    Md(ReportFile),
    /// Print a report as JUnit test results: a test for each threshold, and one for the run
    #[command(after_help = "Examples:\n  fleet report junit report")]
    Junit(ReportFile),
}

#[derive(Debug, Args)]
pub(super) struct ReportFile {
    /// report.json, or the folder that it is in
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = COMPARE)]
pub(super) struct CompareArgs {
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
compared by blocks of its time, several by how much they differ.

Examples:
  fleet report compare before after
  fleet report compare before-1 before-2 before-3 -- after-1 after-2 after-3";

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    file: ReportFile,
    /// The manifest whose thresholds the run is judged by
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// Override a key of the manifest
    #[arg(long, value_name = "PATH=VALUE", add = complete::paths())]
    set: Vec<String>,
    /// Write the report with this judgement into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
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
    /// Ask the running emulator that has this state folder how much of the run it has received; it counts from its start
    #[arg(long, value_name = "DIR")]
    emulator_state: Option<PathBuf>,
    /// Where the REST API of that emulator listens with TLS
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://localhost:8443",
        requires = "emulator_state"
    )]
    emulator_app: String,
}

impl MergeArgs {
    fn run(self) -> Result<u8, Failure> {
        let app = self.emulator_app;
        // A wrong folder is refused before anything is read; an emulator that does not answer is a note on the report.
        let emulator = self.emulator_state.map(|state| health::reach(&state, &app));
        let emulator = emulator.transpose().map_err(Failure::Refused)?;
        let received = emulator
            .map(|emulator| move |run: &str| in_runtime(async { Ok(health::received(&emulator, &app, run).await?) }));
        merge::run(&self.results, self.run.as_deref(), self.report.as_deref(), received)
    }
}

pub(super) fn run(command: ReportCommand) -> Result<u8, Failure> {
    match command {
        ReportCommand::Merge(args) => args.run(),
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
