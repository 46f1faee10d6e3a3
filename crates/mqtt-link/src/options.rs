//! The content of CONNECT.

use std::time::Duration;

use bytes::Bytes;

use crate::Qos;

/// A longer time counts as never; no clock overflows on this one.
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Two bytes hold it on the wire.
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(u16::MAX as u64);

/// What a connection sends about itself, and how long it waits.
///
/// Start from [`ConnectOptions::new`] and change what differs:
/// `ConnectOptions { user_name: Some(name), ..ConnectOptions::new("thermo-0001") }`.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// MQTT client id: the registration id at DPS, the device id at a hub.
    pub client_id: String,
    /// MQTT user name. A password (see [`Credentials::Sas`](crate::Credentials::Sas)) can't be sent without one.
    pub user_name: Option<String>,
    /// Whether the server is to discard subscriptions and queued messages of an earlier connection.
    pub clean_session: bool,
    /// The longest silence in either direction before a PINGREQ is sent. The server gets it in whole seconds,
    /// rounded up and at most 65,535. Zero turns keepalive off.
    pub keep_alive: Duration,
    /// Published by the server when the connection ends without a DISCONNECT.
    pub will: Option<Will>,
    /// Time limit from the DNS look-up to CONNACK. An answer to SUBSCRIBE or UNSUBSCRIBE may take as long.
    pub timeout: Duration,
    /// How long a server may be silent while it owes a PUBACK or the answer to a PINGREQ, and how long bytes may wait
    /// that the network does not accept. Half-way through the silence a PINGREQ is sent; a server that sends anything
    /// at all is only slow. Zero leaves it to keepalive.
    pub answer_within: Duration,
    /// How many QoS 1 messages may be unacknowledged at the same time.
    pub window: u16,
}

impl ConnectOptions {
    /// A clean session, keepalive after 60 s, no user name, no will, 30 s to connect and as long to answer, 64 messages
    /// in flight.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            user_name: None,
            clean_session: true,
            keep_alive: Duration::from_secs(60),
            will: None,
            timeout: Duration::from_secs(30),
            answer_within: Duration::from_secs(30),
            window: 64,
        }
    }

    pub(crate) fn bounded_timeout(&self) -> Duration {
        self.timeout.min(LONGEST_TIMEOUT)
    }

    pub(crate) fn bounded_answer_within(&self) -> Duration {
        self.answer_within.min(LONGEST_TIMEOUT)
    }

    pub(crate) fn bounded_keep_alive(&self) -> Duration {
        self.keep_alive.min(LONGEST_KEEP_ALIVE)
    }
}

/// A message that the server publishes for a client that vanished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where it is published.
    pub topic: String,
    /// Its body.
    pub payload: Bytes,
    /// How it is delivered.
    pub qos: Qos,
    /// Whether the server keeps it for later subscribers.
    pub retain: bool,
}
