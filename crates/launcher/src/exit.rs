//! How the program ends: documented numbers that scripts may rely on.

use std::process::ExitCode;

use anyhow::Context;
use device_sim::console;
pub(crate) use fleet_report::exit::{FAILED, INTERRUPTED, PASSED, REFUSED, THRESHOLDS};

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing was started.
    #[error("{0:#}")]
    Refused(anyhow::Error),
    /// The manifest is not one.
    #[error(transparent)]
    Manifest(#[from] crate::manifest::ManifestError),
    /// It failed on the way.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// It was asked to leave before it was done.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// Nothing was started, because of `reason`.
    pub fn refused(reason: impl Into<anyhow::Error>) -> Self {
        Self::Refused(reason.into())
    }

    /// The number with which the process ends.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Manifest(_) => REFUSED,
            Self::Failed(_) => FAILED,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// Reports it on stderr and returns the code with which the process ends.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Manifest(error) => {
                let look = crate::manifest::problem::Look::of_stderr();
                console::drawn(error.render(look).trim_end_matches('\n'));
            }
            other => console::note(format_args!("error: {other}")),
        }
        if let Self::Refused(error) | Self::Failed(error) = self
            && let Some(advice) = crate::advice::on_error(error)
        {
            console::note(format_args!("likely cause: {}\nhint: {}", advice.cause, advice.remedy));
        }
        ExitCode::from(self.code())
    }
}

/// Prints the data that a command was asked for.
///
/// # Errors
///
/// It can't be written. A reader that has gone is none: it has read what it wanted.
pub(crate) fn print(text: impl std::fmt::Display) -> anyhow::Result<()> {
    console::data(text).context("can't write to stdout")
}
