//! The plan's file, which the launcher writes and every shard reads.

use std::path::Path;

use anyhow::Context;
use fleet_protocol::plan::Plan;
use iot_protocol::shown;

/// Reads and checks a plan.
///
/// # Errors
///
/// The file can't be read, is not a plan of this version, or holds a value that no fleet can have.
pub fn read(path: &Path) -> anyhow::Result<Plan> {
    let text = std::fs::read(path).with_context(|| format!("can't read the plan `{}`", shown::path(path)))?;
    Ok(Plan::parse(path, &text)?)
}
