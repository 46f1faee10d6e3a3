//! An entry point for the fuzz targets in `fuzz/` and for tests: the packets of a hostile server, without a socket. Not
//! part of the API.

use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::Packet;
use tokio::time::Instant;
use tokio_util::codec::Decoder;

use crate::Qos;
use crate::session::Session;
use crate::wire::Wire;

/// The client's end of a connection on which everything is sent immediately.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    buffer: BytesMut,
    session: Session,
    now: Instant,
    /// What was received, one line per packet, and at the end why the connection ended, if it did.
    pub received: Vec<String>,
    ended: bool,
}

impl Client {
    /// A client that waits for the answers to a SUBSCRIBE, an UNSUBSCRIBE and a message. It is always `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let mut session = Session::new(Duration::from_secs(60), Duration::from_secs(30), 4, now);
        session.subscribe(&[("a/#", Qos::AtLeastOnce), ("b", Qos::AtMostOnce)], now);
        session.unsubscribe(&["b"], now);
        // With so little in flight, neither ids nor the window run out.
        let _ = session.publish("a", b"x", Qos::AtLeastOnce, false, now);
        Self {
            wire: Wire::new(),
            buffer: BytesMut::new(),
            session,
            now,
            received: Vec::new(),
            ended: false,
        }
    }

    /// The server sends these bytes. Returns whether the connection goes on.
    pub fn receive(&mut self, bytes: &[u8]) -> bool {
        if self.ended {
            return false;
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            let packet: Packet = match self.wire.decode(&mut self.buffer) {
                Ok(Some(packet)) => packet,
                Ok(None) => return true,
                Err(error) => return self.end(format!("{error:?}")),
            };
            match self.session.receive(packet, self.now) {
                Ok(incoming) => self.received.push(format!("{incoming:?}")),
                Err(error) => return self.end(format!("{error:?}")),
            }
        }
    }

    /// How many messages wait for their acknowledgement.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.session.in_flight()
    }

    /// How many bytes wait for the rest of their packet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    fn end(&mut self, reason: String) -> bool {
        self.received.push(reason);
        self.ended = true;
        false
    }
}
