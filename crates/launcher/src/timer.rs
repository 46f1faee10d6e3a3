//! Instants that may not be there, for what waits for several things at once.

use tokio::time::{Instant, sleep_until};

/// Waits for an instant; without one, for ever.
pub(crate) async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
