//! What can be added to the base: each is a kustomize component in a folder of its own.

mod prometheus;

use crate::exit::Failure;
use crate::export::model::{Export, ExportFile};

/// A component.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) name: &'static str,
    /// What it adds, for a person who chooses.
    pub(super) about: &'static str,
    /// Whether it is added unless a person takes it away.
    pub(super) applied: bool,
    pub(super) files: Vec<ExportFile>,
}

pub(super) fn render(export: &Export) -> Result<Vec<Overlay>, Failure> {
    Ok(vec![prometheus::overlay(export)?])
}
