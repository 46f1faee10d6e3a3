//! What to do about an error, on a line of its own below it.

use std::fmt::Display;

/// An error with a hint. Its text is that of the error and all its causes, so it has no source.
#[derive(Debug, thiserror::Error)]
#[error("{error:#}\nhint: {hint}")]
pub struct Hinted {
    error: anyhow::Error,
    hint: String,
}

impl Hinted {
    /// The error without the hint.
    #[must_use]
    pub fn error(&self) -> &anyhow::Error {
        &self.error
    }
}

/// Gives an error a hint.
pub trait Hint {
    /// The same with a hint.
    type Hinted;

    /// Adds what to do about it: a sentence without a full stop.
    fn hint(self, hint: impl Display) -> Self::Hinted;
}

impl Hint for anyhow::Error {
    type Hinted = Self;

    fn hint(self, hint: impl Display) -> Self {
        let hint = hint.to_string();
        Hinted { error: self, hint }.into()
    }
}

impl<T> Hint for anyhow::Result<T> {
    type Hinted = Self;

    fn hint(self, hint: impl Display) -> Self {
        self.map_err(|error| error.hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_hint_stands_below_the_error_and_all_its_causes() {
        let refused: anyhow::Result<()> = Err(anyhow!("no answer"));
        let error = refused
            .context("the id scope can't be found out")
            .hint("give it as `target.id_scope`")
            .context("the plan is not written")
            .unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "the plan is not written: the id scope can't be found out: no answer\nhint: give it as `target.id_scope`"
        );
        let hinted: &Hinted = error.chain().find_map(|cause| cause.downcast_ref()).unwrap();
        assert_eq!(hinted.error().root_cause().to_string(), "no answer");
    }
}
