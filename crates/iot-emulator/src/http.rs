//! The bounds of the head of an HTTP request, whichever port it comes to.

use std::time::Duration;

/// How long the head of a request may take to arrive, and a connection be idle.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
pub(crate) const MAX_HEAD: usize = 64 * 1024;
