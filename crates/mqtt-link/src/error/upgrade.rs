//! What can fail between TCP and MQTT: a proxy, and the upgrade to WebSocket.

use std::io;

use crate::WebSocketFault;

/// Why a proxy did not open a tunnel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyFailure {
    /// It answered CONNECT with another status than 200; with 407 it requires credentials, or other ones.
    #[error("request was refused with status {status}{}", hint(*.status))]
    Refused {
        /// HTTP's number.
        status: u16,
    },
    /// It closed the connection instead of answering.
    #[error("connection was closed before an answer came")]
    Closed,
    /// Its answer was not HTTP, or was far too long.
    #[error("answer is malformed: {0}")]
    Malformed(&'static str),
    /// The socket failed.
    #[error(transparent)]
    Io(io::Error),
}

fn hint(status: u16) -> &'static str {
    match status {
        407 => " (proxy authentication required)",
        _ => "",
    }
}

impl ProxyFailure {
    /// Whether the proxy may accept the same connection later.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { status } => is_passing(*status),
            _ => true,
        }
    }

    /// A stable snake_case word for counting.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Refused { status: 407 } => "proxy_authentication",
            Self::Refused { .. } => "proxy_refused",
            Self::Closed => "proxy_closed",
            Self::Malformed(_) => "proxy_malformed",
            Self::Io(_) => "proxy_io",
        }
    }
}

/// Why a server did not change from HTTP to MQTT over WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeFailure {
    /// It answered with another status than 101.
    #[error("upgrade was refused with status {status}")]
    Refused {
        /// HTTP's number.
        status: u16,
    },
    /// It supports WebSocket, but did not confirm the subprotocol `mqtt`.
    #[error("subprotocol mqtt was not confirmed")]
    Subprotocol,
    /// Its answer is not a valid upgrade.
    #[error(transparent)]
    Protocol(WebSocketFault),
}

impl UpgradeFailure {
    /// Whether the server may accept the same upgrade later.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { status } => is_passing(*status),
            Self::Subprotocol => false,
            Self::Protocol(_) => true,
        }
    }

    /// A stable snake_case word for counting.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "ws_refused",
            Self::Subprotocol => "ws_subprotocol",
            Self::Protocol(_) => "ws_protocol",
        }
    }
}

/// Whether a status is temporary rather than about the request.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}
