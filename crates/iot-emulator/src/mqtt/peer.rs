//! Who is at the other end of a connection, and how long it may be silent.

use std::sync::Arc;
use std::time::Duration;

use crate::certificate::Certificate;
use crate::gateway::Gateway;

/// What the connection shows of its other end.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The certificates that it showed in the handshake.
    pub(crate) chain: Vec<Certificate>,
    /// The gateway that it came through.
    pub(crate) gateway: Option<Arc<Gateway>>,
}

/// How long a client may be silent: 1.5 times its keepalive, but no longer than the service's own limit.
pub(crate) fn patience(keep_alive: u16, limit: Duration) -> Duration {
    match keep_alive {
        0 => limit,
        seconds => (Duration::from_secs(seconds.into()) * 3 / 2).min(limit),
    }
}
