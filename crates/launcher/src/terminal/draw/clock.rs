//! The clock of a run.

use std::time::Duration;

use fleet_report::words;

/// `00:02:41`, of seconds since a run began.
pub(super) fn clock(at_s: f64) -> String {
    let at = Duration::try_from_secs_f64(at_s).unwrap_or_default();
    words::clock(at.as_secs())
}
