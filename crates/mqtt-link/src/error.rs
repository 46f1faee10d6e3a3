//! What can go wrong. Every error has a short stable word, `reason()`, for counting.

mod connect;
mod tls;
mod upgrade;

use std::io;
use std::time::Duration;

pub use connect::{ConnectError, ConnectRefusal};
pub use tls::{OutOfDate, TlsFailure};
pub use upgrade::{ProxyFailure, UpgradeFailure};

use crate::WebSocketFault;
use crate::limits::MAX_PACKET;
use crate::wire::{MalformedPacket, WireError};

/// Why an open connection has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "its messages show what each field is")]
pub enum LinkError {
    /// The server closed the connection.
    #[error("connection was closed by the server")]
    Closed,
    /// The socket failed.
    #[error("connection failed")]
    Io(#[source] io::Error),
    /// TLS failed, or the server sent an alert: in TLS 1.3 that is how a refused client certificate shows.
    #[error("tls of the connection failed")]
    Tls(#[source] rustls::Error),
    /// The server did not answer a PINGREQ.
    #[error("server did not answer a ping within {waited:?}")]
    PingTimeout { waited: Duration },
    /// The server sent nothing at all while a PUBACK or the answer to a PINGREQ was outstanding, for
    /// [`ConnectOptions::answer_within`](crate::ConnectOptions::answer_within).
    #[error("server was silent for {waited:?} while an answer was outstanding")]
    PeerSilent { waited: Duration },
    /// The network accepted no more bytes for [`ConnectOptions::answer_within`](crate::ConnectOptions::answer_within),
    /// or for half of it at the end of such a silence.
    #[error("server did not read for {waited:?}")]
    PeerNotReading { waited: Duration },
    /// The server sent what MQTT 3.1.1 does not allow.
    #[error("server broke the protocol")]
    Protocol(#[from] ProtocolError),
}

impl LinkError {
    /// A stable snake_case word for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Io(error) if error.kind() == io::ErrorKind::ConnectionReset => "reset",
            Self::Io(_) => "io",
            Self::Tls(error) => tls::reason(error),
            Self::PingTimeout { .. } => "ping_timeout",
            Self::PeerSilent { .. } => "peer_silent",
            Self::PeerNotReading { .. } => "peer_not_reading",
            Self::Protocol(_) => "protocol",
        }
    }

    /// Whether the server refused our certificate: with TLS 1.3 it may do so after the handshake.
    pub fn refuses_our_certificate(&self) -> bool {
        matches!(self, Self::Tls(error) if tls::refuses_our_certificate(error))
    }
}

impl From<WireError> for LinkError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Malformed(error) => Self::Protocol(ProtocolError::Malformed(error)),
            WireError::WebSocket(fault) => Self::Protocol(ProtocolError::WebSocket(fault)),
            // Many servers close without TLS's close_notify, which rustls reports in this upgrade.
            WireError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            WireError::Io(error) => match TlsFailure::from(error) {
                TlsFailure::Tls(error) | TlsFailure::Dates { error, .. } => Self::Tls(error),
                TlsFailure::Io(error) => Self::Io(error),
            },
        }
    }
}

/// How the server broke MQTT 3.1.1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "its messages show what each field is")]
pub enum ProtocolError {
    /// A packet can't be parsed or is over [`MAX_PACKET`].
    #[error("packet is malformed")]
    Malformed(#[source] MalformedPacket),
    /// The frames around the packets are broken, too large, or text.
    #[error("websocket is broken")]
    WebSocket(#[source] WebSocketFault),
    /// A packet that only a client may send, or one that has no place here.
    #[error("packet {packet} was not expected")]
    Unexpected { packet: &'static str },
    /// A message arrived with QoS 2, which was never subscribed to.
    #[error("message came with qos 2, which was not granted")]
    QosNotGranted,
    /// A SUBACK does not have one answer per filter.
    #[error("suback has {received} answers for {asked} filters")]
    SubackLength { asked: usize, received: usize },
    /// Too many messages arrived before the answer to SUBSCRIBE or UNSUBSCRIBE.
    #[error("server sent more than {limit} messages before it answered")]
    Flooded { limit: usize },
}

/// Why a message was not accepted for sending. Nothing was sent in that case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "its messages show what each field is")]
pub enum PublishError {
    /// As many QoS 1 messages are unacknowledged as [`ConnectOptions::window`](crate::ConnectOptions::window) allows.
    #[error("message would exceed the window of {window} unacknowledged messages")]
    WindowFull { window: u16 },
    /// The network accepts bytes more slowly than they are published.
    #[error("message would exceed the buffer of {limit} unsent bytes")]
    BufferFull { limit: usize },
    /// The packet would be over [`MAX_PACKET`].
    #[error("packet of {size} bytes is over the limit of {MAX_PACKET}")]
    TooLarge { size: usize },
    /// A topic is empty, over 65,535 bytes, or has a wildcard or a NUL.
    #[error("topic `{topic}` can't be published to")]
    InvalidTopic { topic: String },
    /// The connection has ended; [`Link::next`](crate::Link::next) returned the reason.
    #[error("connection has ended")]
    Ended,
}

impl PublishError {
    /// Whether the same message may be accepted a little later on this connection.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::WindowFull { .. } | Self::BufferFull { .. })
    }

    /// A stable snake_case word for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::WindowFull { .. } => "window_full",
            Self::BufferFull { .. } => "buffer_full",
            Self::TooLarge { .. } => "too_large",
            Self::InvalidTopic { .. } => "invalid_topic",
            Self::Ended => "ended",
        }
    }
}

/// Why a subscription, or its end, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "its messages show what each field is")]
pub enum SubscribeError {
    /// The server refused these filters; it may have granted others of the same request.
    #[error("subscription to {} was refused", .filters.join(", "))]
    Refused { filters: Vec<String> },
    /// A filter is empty, too long, or has a wildcard where none is allowed; or there was no filter at all.
    #[error("topic filter `{filter}` is not valid")]
    InvalidFilter { filter: String },
    /// The packet would be over [`MAX_PACKET`].
    #[error("subscription of {size} bytes is over the limit of {MAX_PACKET}")]
    TooLarge { size: usize },
    /// All 65,535 packet ids are in use.
    #[error("subscription found every packet id in use")]
    NoPacketId,
    /// The answer did not come in time. The connection is still open, but the server may or may not have subscribed.
    #[error("subscription was not answered within {limit:?}")]
    TimedOut { limit: Duration },
    /// The connection ended first.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl SubscribeError {
    /// A stable snake_case word for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "subscribe_refused",
            Self::InvalidFilter { .. } => "invalid_filter",
            Self::TooLarge { .. } => "too_large",
            Self::NoPacketId => "no_packet_id",
            Self::TimedOut { .. } => "timeout_subscribe",
            Self::Link(error) => error.reason(),
        }
    }
}
