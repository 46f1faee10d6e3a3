//! The phases of connecting.

use std::fmt;

/// The phases of connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Looking up the host, or the proxy's if there is one.
    Dns,
    /// Opening the socket and, through a proxy, the tunnel.
    Tcp,
    /// The handshake, with both sides' certificates.
    Tls,
    /// The upgrade to WebSocket, if MQTT goes over that, and CONNECT, until CONNACK.
    Mqtt,
}

impl Phase {
    /// The phase's stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Mqtt => "mqtt",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
