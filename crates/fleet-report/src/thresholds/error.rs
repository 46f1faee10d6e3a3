//! Why an expression or a selector can't be read.

use std::ops::Range;

/// Something in an expression or a selector that can't be read.
///
/// Shown in one line: ``at byte 8: `500` has no unit; accepted: a time such as …; k6 takes …: write 500ms``.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {}: {message}; accepted: {accepted}{}", .at.start, .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct ThresholdError {
    /// Where it stands, in bytes from the beginning of the text; empty where something is missing.
    pub at: Range<usize>,
    /// What was found there.
    pub message: String,
    /// What is accepted there.
    pub accepted: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl ThresholdError {
    pub(crate) fn new(at: Range<usize>, message: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            accepted: accepted.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The lines below a problem: what is accepted, and what was probably meant.
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        let mut help = vec![format!("accepted: {}", self.accepted)];
        help.extend(self.hint.clone());
        help
    }
}
