//! How a run is shown, ended and reported, whatever carries its shards.

use std::path::PathBuf;
use std::time::Duration;

use super::start::Start;
use crate::control::state_lock::StateLock;
use crate::exit::Failure;
use crate::keep::{self, Format};
use crate::metrics;
use crate::paths::absolute;
use crate::progress::ProgressLog;
use crate::terminal::Ui;
use crate::terminal::ui::Form;
use crate::web;

/// How a run is shown, ended and reported.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// Where the report goes.
    pub report: Option<PathBuf>,
    /// What is written there besides the usual files.
    pub formats: Vec<Format>,
    /// Where a page shows the run while it lasts; unless given, it is there where the target is the emulator.
    pub(crate) web: Option<web::Place>,
    /// Run the whole plan, even where all devices fail for a reason that only a person can mend.
    pub keep_going: bool,
    /// Where its figures are served.
    pub(crate) metrics: metrics::Options,
    /// How the progress is shown.
    pub ui: Ui,
    /// How long the end may take.
    pub stop_within: Duration,
}

impl Conduct {
    /// Makes sure that the report can be written, and that the state folder is free. Returns the latter.
    ///
    /// # Errors
    ///
    /// One of them is not so.
    pub(super) fn try_places(&self, start: &Start) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.report {
            keep::try_folder("--report", folder)?;
        }
        let state = absolute(&start.manifest.fleet.state)?;
        StateLock::check(&state)?;
        Ok(state)
    }

    /// The progress on stderr, which begins now.
    pub(super) fn progress(&self, form: Form) -> ProgressLog {
        match form {
            Form::Nothing => ProgressLog::begin().quiet(),
            Form::Lines | Form::View => ProgressLog::begin(),
        }
    }
}
