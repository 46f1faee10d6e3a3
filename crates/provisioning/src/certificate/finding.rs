//! What there is to report of a certificate.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// It will stop working, or works only where it is not checked closely.
    Warning,
    /// Azure refuses it.
    Error,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is in a word that does not change, such as `path-length`.
    pub code: &'static str,
    /// What it is, in a sentence without its full stop.
    pub text: String,
}

impl Finding {
    /// Whether it depends on the time or on what is enrolled, and not on the certificates alone.
    #[must_use]
    pub(crate) fn may_pass(&self) -> bool {
        ["expired", "not-yet-valid", "issuer-missing", "another-of-the-name"].contains(&self.code)
    }
}
