//! Paths, as other processes can use them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use iot_protocol::shown;

/// Processes that read the plan may have another current folder.
pub(crate) fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("can't find out where `{}` is", shown::path(path)))
}
