//! The export for Docker Compose: a fleet on one machine, a service for each shard.

use super::model::{Export, ExportFile};
use crate::exit::Failure;

/// The files for Docker Compose.
///
/// # Errors
///
/// None yet.
pub(super) fn render(_: &Export) -> Result<Vec<ExportFile>, Failure> {
    Err(Failure::refused(anyhow::anyhow!("not there yet")))
}
