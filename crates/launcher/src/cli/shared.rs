//! Arguments that several verbs have, and the words that they are written in.

use std::path::PathBuf;

use clap::Args;
use settings::Span;

use crate::complete;
use crate::prepare::budget::{Bound, MaxQuota};
use crate::terminal::Ui;
use crate::{keep, metrics, run, web};

#[derive(Debug, Args)]
pub(super) struct ManifestFile {
    /// The fleet manifest
    #[arg(value_name = "MANIFEST")]
    pub(super) manifest: PathBuf,
    /// Override a key of the manifest, e.g. `load.register_rate=5/s` or `group.thermostats.devices.count=10`
    #[arg(long, value_name = "PATH=VALUE", add = complete::paths())]
    pub(super) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    #[command(flatten)]
    pub(super) file: ManifestFile,
    /// Cut the stages short, or hold the fleet online longer, so that they take this time, e.g. `1m30s`. They begin
    /// when all devices have registered, which is not counted. Where devices still come online at the cut, its last seconds
    /// (5, or half) want no further ones
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    pub(super) duration: Option<Span>,
}

/// How a run is shown and reported.
#[derive(Debug, Args)]
pub(super) struct ConductArgs {
    /// Write the report into this folder: report.json, report.html, summary.txt, summary.md and junit.xml
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Write further files into the folder of the report
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "report")]
    pub(super) formats: Vec<keep::Format>,
    /// Show the run in a browser while it lasts. A port alone is one that only this machine reaches, port 0 means any free
    /// one, and `off` none. Unless given, the page is there where the target is the emulator
    #[arg(long, value_name = "ADDR")]
    pub(super) web: Option<web::Place>,
    /// Run the whole plan, even where all devices fail for a reason that only a person can mend; without it, such a run
    /// stops after half a minute
    #[arg(long)]
    pub(super) keep_going: bool,
    /// How the progress is shown on stderr
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub(super) ui: Ui,
    #[command(flatten)]
    pub(super) metrics: metrics::Options,
}

impl ConductArgs {
    pub(super) fn with(self, stop: &StopArgs) -> run::Conduct {
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
pub(super) struct StopArgs {
    /// How long the end may take, from Ctrl-C, SIGTERM, SIGHUP or the end of the stages on: what has not stopped or
    /// answered by then is killed or unknown. `docker stop` kills after 10 s and Kubernetes after 30: give less, e.g.
    /// `9s`
    #[arg(long, value_name = "TIME", default_value = "45s", value_parser = |text: &str| text.parse::<Span>())]
    pub(super) stop_within: Span,
}

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct BoundArgs {
    /// How much of a limit the plan may ask for, e.g. `80%`. Above that, nothing is started (exit code 2) where the limit is
    /// a fixed one or a daily quota; other limits warn
    #[arg(long, value_name = "PERCENT", default_value = "100%")]
    pub(super) max_quota: MaxQuota,
    /// Start all the same
    #[arg(long)]
    pub(super) force: bool,
}

impl From<BoundArgs> for Bound {
    fn from(BoundArgs { max_quota: max, force }: BoundArgs) -> Self {
        Self { max, force }
    }
}

/// `10%`, or `10`.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(percent / 100.0),
        _ => Err("accepted: a share in percent, such as 10%".to_owned()),
    }
}
