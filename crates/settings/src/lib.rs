//! Files of settings, read so that a person can correct them: manifests, rules for faults, quotas.
//!
//! serde would stop at the first problem. Here a reader takes the keys of a [`Table`], one after the other, and notes
//! every problem on the way: with its position, the accepted form and a hint. Times and rates have the same form in all
//! these files. The crate is pure: it opens no file and prints nothing.
//!
//! | module | holds |
//! | --- | --- |
//! | [`document`] | the text and its `--set` overrides |
//! | [`table`] | a table that is being read, and the keys that no reader asked for |
//! | [`problem`], [`problems`] | one problem, and all of them with their texts |
//! | [`reading`] | the readers of plain values |
//! | [`span`], [`rate`] | times and rates with their units |
//! | [`written`] | such values in JSON and in a JSON Schema |

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
pub use table::{At, Item, Table, Unreadable, nearest};
pub use toml::de::DeValue;
