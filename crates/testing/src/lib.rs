//! What the tests of several crates share: one patience, an emulator, and clients of it that have no code of ours in them.
//!
//! Only tests depend on this crate. Everything here panics when a test has failed.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a broken expectation is reported"
)]
#![expect(missing_docs, reason = "most names are words of the protocols")]

pub mod device;
pub mod emulator;
pub mod party;
#[cfg(target_os = "linux")]
pub mod process;
pub mod rest;
pub mod tls;

use std::future::Future;
use std::time::Duration;

/// Longer than anything takes on a busy machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Prints that a test, or a part of it, is skipped because a program is missing here.
///
/// # Panics
///
/// `FLEET_REQUIRE_REFEREES` is set, as in CI: there, what is missing is a failure.
#[track_caller]
pub fn skip(missing: &str) {
    assert!(std::env::var_os("FLEET_REQUIRE_REFEREES").is_none(), "{missing}");
    eprintln!("skipped: {missing}");
}

/// Waits, not for ever, for what has to come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
