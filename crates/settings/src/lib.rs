//! Files of settings, taken apart so that a person can put them right: manifests, rules for faults, quotas.
//!
//! serde would stop at the first thing that is wrong. Here a reader asks a [`Table`] for its keys, one after the other, and
//! everything that is wrong is noted on the way: with its place, the accepted form and a hint. Times and rates are written
//! alike in all these files. The crate is pure: it opens no file and draws nothing.
//!
//! | module | holds |
//! | --- | --- |
//! | [`document`] | the text and its `--set` overrides |
//! | [`table`] | a table that is being read, and the keys that no reader asked for |
//! | [`problem`], [`problems`] | one thing that is wrong, and all of them with their texts |
//! | [`reading`] | the readers of plain values |
//! | [`span`], [`rate`] | times and rates with their units |
//! | [`written`] | how such values stand in JSON and in a JSON Schema |

pub mod document;
pub mod problem;
pub mod problems;
pub mod rate;
pub mod reading;
pub mod span;
pub mod table;
pub mod written;

pub use document::Document;
pub use problem::{Invalid, Problem};
pub use problems::Problems;
pub use rate::Rate;
pub use span::Span;
pub use table::{At, Table, Unreadable};
pub use toml::de::DeValue;
