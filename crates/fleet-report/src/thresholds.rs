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
//! | [`threshold`], [`mod@read`] | a threshold, and the reader of the table `[thresholds]` |
//! | [`evaluator`] | judges second by second |
//! | [`result`], [`mod@lines`] | what a report keeps of it, and the lines of a summary |

pub mod aggregation;
mod amount;
pub mod bound;
pub mod error;
pub mod evaluator;
pub mod expression;
pub mod lines;
pub mod operator;
pub mod read;
pub mod result;
pub mod selector;
pub mod threshold;
mod window;

pub use error::ThresholdError;
pub use evaluator::{Evaluator, Second, Stage};
pub use expression::Expression;
pub use lines::{Marks, ThresholdRow, headline, lines};
pub use read::read;
pub use result::{ThresholdResult, Verdict};
pub use selector::Selector;
pub use threshold::Threshold;
