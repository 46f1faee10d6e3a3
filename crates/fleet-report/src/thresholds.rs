//! What a run must reach, and whether it did.
//!
//! ```toml
//! [thresholds]
//! publish_duration = ["p(95) < 500ms", "p(99.9) < 2s"]
//! connect_duration = [{ threshold = "p(99) < 5s", over = "1m" }]
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`expression`], [`selector`] | what must hold, and of what |
//! | [`aggregation`], [`operator`], [`bound`] | the three parts of an expression |
//! | [`error`] | why one of them can't be read |

pub mod aggregation;
pub mod bound;
pub mod error;
pub mod expression;
pub mod operator;
pub mod selector;

pub use error::ThresholdError;
pub use expression::Expression;
pub use selector::Selector;
