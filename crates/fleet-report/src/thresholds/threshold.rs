//! A threshold as a manifest has it.

use std::time::Duration;

use super::expression::Expression;
use super::selector::Selector;

/// What a run must reach, and what happens when it does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What it is about.
    pub selector: Selector,
    /// What must hold.
    pub expression: Expression,
    /// It must hold in every window of so many seconds; over the whole run where there is none.
    pub over_s: Option<u64>,
    /// Whether the run ends when it does not hold.
    pub abort_on_fail: bool,
    /// How long after the start of the first stage it may end the run at the earliest.
    pub delay_abort_eval: Duration,
    /// Whether it passes without a sample.
    pub allow_empty: bool,
}

impl Threshold {
    /// Over the whole run, without consequences before its end.
    #[must_use]
    pub const fn new(selector: Selector, expression: Expression) -> Self {
        Self {
            selector,
            expression,
            over_s: None,
            abort_on_fail: false,
            delay_abort_eval: Duration::ZERO,
            allow_empty: false,
        }
    }
}
