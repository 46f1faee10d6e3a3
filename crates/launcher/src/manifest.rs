//! The fleet manifest: what a person writes, checked and turned into types in which nothing is wrong any more.
//!
//! | module | holds |
//! | --- | --- |
//! | [`types`] | the manifest itself; the JSON Schema and the resolved manifest of a report are generated from it |
//! | [`values`] | validities and stages, written as people write them |
//! | [`events`], [`when`] | what happens during a run, and when |
//! | [`operator`] | what is sent to devices while it lasts |
//! | [`models`] | models of a user's own, and how their capabilities behave |
//! | [`profile`] | how the devices of a group differ |
//! | [`negative`] | devices that must be refused |
//! | [`fault`] | what is wrong with devices on purpose |
//! | [`edge`] | gateways, and who is behind them |
//! | [`thresholds`] | what a run must reach, and which values labels can have |
//! | `forms`, `event_forms`, `profile_forms`, `fault_forms` | each kind of value and the form in which it is written |
//! | `read` | the walk over the document, with the readers of [`settings`] |
//! | [`problem`] | why there is no manifest: all that is wrong with it, drawn with its places |
//! | [`schema`] | the JSON Schema |

pub mod addresses;
pub mod allowance;
pub mod case;
pub mod edge;
mod event_forms;
pub mod events;
pub mod fault;
pub mod fault_forms;
mod forms;
mod labels;
pub mod models;
pub mod negative;
pub mod operator;
pub mod problem;
pub mod profile;
mod profile_forms;
mod read;
pub mod roll;
pub mod schema;
pub mod scope;
pub mod thresholds;
pub mod types;
pub mod values;
pub mod when;

use std::path::Path;

pub use problem::ManifestError;
pub use types::Manifest;

use settings::Document;

/// Reads the manifest at `path`, with each of `overrides` (`path=value`) put over it.
///
/// # Errors
///
/// The file can't be read, or something in it is wrong; then all that is wrong is reported.
pub fn load(path: &Path, overrides: &[String]) -> Result<Manifest, ManifestError> {
    let text = std::fs::read_to_string(path).map_err(|source| ManifestError::Unreadable {
        path: path.into(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&path.display().to_string(), &text, folder, overrides)
}

/// The same for a text that is already in memory. `name` stands for the file in problems; relative paths in the manifest
/// are meant from `folder`.
///
/// # Errors
///
/// Something in the text is wrong; then all that is wrong is reported.
pub fn parse(name: &str, text: &str, folder: &Path, overrides: &[String]) -> Result<Manifest, ManifestError> {
    Document::parse("a manifest", name, text, overrides)
        .and_then(|document| read::manifest(&document, folder))
        .map_err(ManifestError::Invalid)
}
