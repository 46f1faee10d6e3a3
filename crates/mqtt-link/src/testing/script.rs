//! What happens on one connection, from the server's side.

use std::fmt;

use super::packets::Packet;

type Matches = Box<dyn Fn(&Packet) -> bool + Send>;

/// One connection of a script: steps in their order.
///
/// After the last step the server waits for the client to close; a further packet is a mistake.
#[derive(Debug, Default)]
pub struct Connection {
    pub(super) steps: Vec<Step>,
    pub(super) shakes_hands: Hands,
    pub(super) upgrades: Option<Upgrade>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Upgrade {
    /// To a WebSocket with this subprotocol.
    Confirmed(Option<&'static str>),
    /// With this status.
    Refused(u16),
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(super) enum Hands {
    #[default]
    Shaken,
    /// TCP is accepted, and then the server stays silent.
    Withheld,
    /// The server expects the handshake to fail.
    Refused,
}

pub(super) enum Step {
    Receives(Packet),
    ReceivesWhere(&'static str, Matches),
    Sends(Vec<Packet>),
    SendsBytes(Vec<u8>),
    StopsReading,
    Closes,
}

impl Connection {
    /// A connection with a TLS handshake and then, so far, no packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection with any CONNECT, answered with an accepting CONNACK.
    pub fn accepted() -> Self {
        Self::new()
            .receives_where("a CONNECT", |packet| matches!(packet, Packet::Connect(_)))
            .sends(super::packets::accepted())
    }

    /// A server that accepts TCP and then sends nothing, until the client disconnects.
    pub fn without_handshake() -> Self {
        Self {
            shakes_hands: Hands::Withheld,
            ..Self::default()
        }
    }

    /// A client whose handshake fails.
    pub fn with_failing_handshake() -> Self {
        Self {
            shakes_hands: Hands::Refused,
            ..Self::default()
        }
    }

    /// All packets of this connection travel in WebSocket frames.
    #[must_use]
    pub fn over_websocket(self) -> Self {
        self.over_websocket_with(Some("mqtt"))
    }

    /// The same; the server confirms this subprotocol, or none.
    #[must_use]
    pub fn over_websocket_with(self, subprotocol: Option<&'static str>) -> Self {
        Self {
            upgrades: Some(Upgrade::Confirmed(subprotocol)),
            ..self
        }
    }

    /// A server that answers the upgrade to a WebSocket with this status.
    pub fn without_websocket(status: u16) -> Self {
        Self {
            upgrades: Some(Upgrade::Refused(status)),
            ..Self::default()
        }
    }

    /// The server receives exactly this packet.
    #[must_use]
    pub fn receives(self, packet: Packet) -> Self {
        self.with(Step::Receives(packet))
    }

    /// The server receives a packet for which `matches` holds; `what` describes what is expected.
    #[must_use]
    pub fn receives_where(self, what: &'static str, matches: impl Fn(&Packet) -> bool + Send + 'static) -> Self {
        self.with(Step::ReceivesWhere(what, Box::new(matches)))
    }

    /// The server sends this packet.
    #[must_use]
    pub fn sends(self, packet: Packet) -> Self {
        self.sends_together([packet])
    }

    /// The server sends these packets in one write.
    #[must_use]
    pub fn sends_together(self, packets: impl IntoIterator<Item = Packet>) -> Self {
        self.with(Step::Sends(packets.into_iter().collect()))
    }

    /// The server sends these bytes, which need not be a packet.
    #[must_use]
    pub fn sends_bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(Step::SendsBytes(bytes.into()))
    }

    /// The server reads nothing more, and leaves the connection open until it is finished. This is the last step.
    #[must_use]
    pub fn stops_reading(self) -> Self {
        self.with(Step::StopsReading)
    }

    /// The server closes the connection. This is the last step.
    #[must_use]
    pub fn closes(self) -> Self {
        self.with(Step::Closes)
    }

    fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receives(packet) => write!(f, "receives {packet:?}"),
            Self::ReceivesWhere(what, _) => write!(f, "receives {what}"),
            Self::Sends(packets) => write!(f, "sends {packets:?}"),
            Self::SendsBytes(bytes) => write!(f, "sends {} bytes", bytes.len()),
            Self::StopsReading => f.write_str("stops reading"),
            Self::Closes => f.write_str("closes"),
        }
    }
}
