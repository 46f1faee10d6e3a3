//! Why a connection could not be opened.

use std::time::Duration;
use std::{fmt, io};

use rumqttc::mqttbytes::v4::ConnectReturnCode;

use super::{ProtocolError, ProxyFailure, TlsFailure, UpgradeFailure};
use crate::phase::Phase;

/// Why a connection could not be opened: in which phase, and what the cause was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "its messages show what each field is")]
pub enum ConnectError {
    /// The host name has no address.
    #[error("address of `{host}` could not be looked up")]
    Dns {
        host: String,
        #[source]
        source: io::Error,
    },
    /// No address of the host accepted a TCP connection; this is the error of the last one.
    #[error("tcp connection to `{host}` port {port} failed")]
    Tcp {
        host: String,
        port: u16,
        #[source]
        source: io::Error,
    },
    /// The proxy accepted a TCP connection and did not open a tunnel to the server.
    #[error("proxy `{proxy}` did not connect")]
    Proxy {
        proxy: String,
        #[source]
        source: ProxyFailure,
    },
    /// The TLS handshake failed. In TLS 1.3 a server judges the client's certificate after the client considers the
    /// handshake done; its alert counts as this, too.
    #[error("tls handshake with `{server_name}` failed")]
    Tls {
        /// The name in SNI, which the certificate had to contain.
        server_name: String,
        /// The alert, the objection to the certificate, or the failed socket.
        #[source]
        source: TlsFailure,
    },
    /// The server did not change from HTTP to MQTT over WebSocket.
    #[error("websocket to `{server_name}` did not open")]
    Upgrade {
        /// The name in SNI.
        server_name: String,
        #[source]
        source: UpgradeFailure,
    },
    /// The server answered CONNECT with a refusal.
    #[error("connection of `{client_id}` was refused: {refusal}")]
    Refused { client_id: String, refusal: ConnectRefusal },
    /// The server closed the connection instead of answering CONNECT.
    #[error("connection of `{client_id}` was closed before it was acknowledged")]
    Closed { client_id: String },
    /// The socket failed before CONNACK.
    #[error("connection of `{client_id}` failed before it was acknowledged")]
    Io {
        client_id: String,
        #[source]
        source: io::Error,
    },
    /// The server answered CONNECT with a packet other than CONNACK, or with broken frames.
    #[error("server broke the protocol before the connection was acknowledged")]
    Protocol(#[source] ProtocolError),
    /// The time limit was reached in this phase.
    #[error("connecting timed out after {limit:?} ({phase})")]
    TimedOut {
        phase: Phase,
        /// The time limit for all phases together.
        limit: Duration,
    },
    /// MQTT can't carry these options. Nothing was sent.
    #[error("connect options can't be sent: {0}")]
    Options(&'static str),
}

impl ConnectError {
    /// In which phase it happened.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Dns { .. } => Phase::Dns,
            Self::Tcp { .. } | Self::Proxy { .. } => Phase::Tcp,
            Self::Tls { .. } => Phase::Tls,
            Self::Upgrade { .. }
            | Self::Refused { .. }
            | Self::Closed { .. }
            | Self::Io { .. }
            | Self::Protocol(_)
            | Self::Options(_) => Phase::Mqtt,
            Self::TimedOut { phase, .. } => *phase,
        }
    }

    /// The server's refusal, if that is what happened.
    pub fn refusal(&self) -> Option<ConnectRefusal> {
        match self {
            Self::Refused { refusal, .. } => Some(*refusal),
            _ => None,
        }
    }

    /// The HTTP status with which a proxy or a server refused, if that is what happened.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Proxy {
                source: ProxyFailure::Refused { status },
                ..
            }
            | Self::Upgrade {
                source: UpgradeFailure::Refused { status },
                ..
            } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same attempt may succeed later without a person acting: network trouble and a busy server pass, a
    /// refused identity, an untrusted server, a proxy that requires other credentials and invalid options do not.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => *refusal == ConnectRefusal::ServerUnavailable,
            Self::Proxy { source, .. } => source.is_retryable(),
            Self::Tls { source, .. } => source.is_retryable(),
            Self::Upgrade { source, .. } => source.is_retryable(),
            Self::Options(_) => false,
            _ => true,
        }
    }

    /// A stable snake_case word for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dns { .. } => "dns",
            Self::Tcp { source, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused => "tcp_refused",
                io::ErrorKind::ConnectionReset => "tcp_reset",
                io::ErrorKind::TimedOut => "timeout_tcp",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "tcp_unreachable",
                io::ErrorKind::AddrNotAvailable => "tcp_no_local_port",
                _ => "tcp",
            },
            Self::Proxy { source, .. } => source.reason(),
            Self::Tls { source, .. } => source.reason(),
            Self::Upgrade { source, .. } => source.reason(),
            Self::Refused { refusal, .. } => refusal.reason(),
            Self::Closed { .. } => "mqtt_closed",
            Self::Io { .. } => "mqtt_io",
            Self::Protocol(_) => "mqtt_protocol",
            Self::TimedOut { phase, .. } => match phase {
                Phase::Dns => "timeout_dns",
                Phase::Tcp => "timeout_tcp",
                Phase::Tls => "timeout_tls",
                Phase::Mqtt => "timeout_mqtt",
            },
            Self::Options(_) => "mqtt_options",
        }
    }
}

/// The return codes of CONNACK that refuse a connection
/// ([MQTT 3.1.1, table 3.1](https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc385349256)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectRefusal {
    /// 1: the server does not support MQTT 3.1.1.
    ProtocolVersion,
    /// 2: the server does not allow the client id.
    ClientId,
    /// 3: the server is there, but MQTT is not.
    ServerUnavailable,
    /// 4: user name or password are malformed.
    BadCredentials,
    /// 5: the client may not connect. Azure returns this for a certificate that is not enrolled.
    NotAuthorized,
}

impl ConnectRefusal {
    /// MQTT's number.
    pub fn code(self) -> u8 {
        match self {
            Self::ProtocolVersion => 1,
            Self::ClientId => 2,
            Self::ServerUnavailable => 3,
            Self::BadCredentials => 4,
            Self::NotAuthorized => 5,
        }
    }

    /// A stable snake_case word for counting.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::ProtocolVersion => "mqtt_protocol_version",
            Self::ClientId => "mqtt_client_id",
            Self::ServerUnavailable => "mqtt_server_unavailable",
            Self::BadCredentials => "mqtt_bad_credentials",
            Self::NotAuthorized => "mqtt_not_authorized",
        }
    }

    /// `None` is success.
    pub(crate) fn from_code(code: ConnectReturnCode) -> Option<Self> {
        match code {
            ConnectReturnCode::Success => None,
            ConnectReturnCode::RefusedProtocolVersion => Some(Self::ProtocolVersion),
            ConnectReturnCode::BadClientId => Some(Self::ClientId),
            ConnectReturnCode::ServiceUnavailable => Some(Self::ServerUnavailable),
            ConnectReturnCode::BadUserNamePassword => Some(Self::BadCredentials),
            ConnectReturnCode::NotAuthorized => Some(Self::NotAuthorized),
        }
    }
}

impl fmt::Display for ConnectRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self {
            Self::ProtocolVersion => "unacceptable protocol version",
            Self::ClientId => "client id rejected",
            Self::ServerUnavailable => "server unavailable",
            Self::BadCredentials => "bad user name or password",
            Self::NotAuthorized => "not authorized",
        };
        write!(f, "{meaning} (code {})", self.code())
    }
}
