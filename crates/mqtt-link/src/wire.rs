//! The codec: rumqttc's MQTT 3.1.1 packets within our limits.

use std::io;

use bytes::BytesMut;
use rumqttc::mqttbytes;
use rumqttc::mqttbytes::v4::{Codec, Packet};
use tokio_util::codec::{Decoder, Encoder};

use crate::WebSocketFault;
use crate::limits::{MAX_PACKET, READ_BUFFER};

/// How a message is delivered. QoS 2 is missing because Azure closes a connection that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qos {
    /// Sent once, never acknowledged.
    AtMostOnce,
    /// Acknowledged with PUBACK.
    AtLeastOnce,
}

impl From<Qos> for mqttbytes::QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}

/// Why the packet parser refused a packet.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct MalformedPacket(mqttbytes::Error);

/// Why no packet could be read from, or written to, the stream.
#[derive(Debug)]
pub(crate) enum WireError {
    Io(io::Error),
    Malformed(MalformedPacket),
    WebSocket(WebSocketFault),
}

impl From<io::Error> for WireError {
    /// An error of the frames travels inside an [`io::Error`]; it is taken out again.
    fn from(error: io::Error) -> Self {
        match error.downcast::<WebSocketFault>() {
            Ok(fault) => Self::WebSocket(fault),
            Err(error) => Self::Io(error),
        }
    }
}

impl From<mqttbytes::Error> for WireError {
    fn from(error: mqttbytes::Error) -> Self {
        match error {
            mqttbytes::Error::Io(error) => error.into(),
            error => Self::Malformed(MalformedPacket(error)),
        }
    }
}

/// rumqttc's codec, which also notices when a packet made the read buffer grow.
#[derive(Debug)]
pub(crate) struct Wire {
    codec: Codec,
    read_buffer_grew: bool,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let codec = Codec {
            max_incoming_size: MAX_PACKET,
            max_outgoing_size: MAX_PACKET,
        };
        Self {
            codec,
            read_buffer_grew: false,
        }
    }

    /// Whether a packet larger than the idle buffer has arrived since the last call.
    ///
    /// The buffer's capacity does not show it: it counts from the read position, not what is really allocated.
    pub(crate) fn take_read_buffer_grew(&mut self) -> bool {
        std::mem::take(&mut self.read_buffer_grew)
    }
}

impl Decoder for Wire {
    type Item = Packet;
    type Error = WireError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Packet>, WireError> {
        let before = src.len();
        let packet = self.codec.decode(src)?;
        if packet.is_some() && before - src.len() > READ_BUFFER {
            self.read_buffer_grew = true;
        }
        Ok(packet)
    }

    /// A server that closes in the middle of a packet has closed: that is not another kind of error.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Packet>, WireError> {
        self.decode(src)
    }
}

impl Encoder<Packet> for Wire {
    type Error = WireError;

    fn encode(&mut self, packet: Packet, dst: &mut BytesMut) -> Result<(), WireError> {
        self.codec.encode(packet, dst).map_err(WireError::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes until the bytes are used up, more are needed, or the parser refuses a packet.
    fn decode_all(bytes: &[u8]) -> Vec<Packet> {
        let (mut wire, mut buffer, mut packets) = (Wire::new(), BytesMut::from(bytes), Vec::new());
        while let Ok(Some(packet)) = wire.decode(&mut buffer) {
            packets.push(packet);
        }
        packets
    }

    fn with_header(first: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        let mut rest = body.len();
        loop {
            let more = if rest > 127 { 0x80 } else { 0 };
            bytes.push((rest % 128) as u8 | more);
            rest /= 128;
            if rest == 0 {
                break;
            }
        }
        bytes.extend_from_slice(body);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            decode_all(&bytes);
        }

        /// Well-framed packets of every type and flag reach the parsers behind the frame.
        #[test]
        fn arbitrary_bodies_never_panic(first in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..300)) {
            decode_all(&with_header(first, &body));
        }

        #[test]
        fn split_anywhere_decodes_the_same(topic in "[a-z/]{1,20}", payload in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
            let mut bytes = BytesMut::new();
            let publish = mqttbytes::v4::Publish::new(topic, mqttbytes::QoS::AtMostOnce, payload);
            Wire::new().encode(Packet::Publish(publish.clone()), &mut bytes).unwrap();
            let cut = cut.index(bytes.len());
            let (mut wire, mut buffer) = (Wire::new(), BytesMut::from(&bytes[..cut]));
            prop_assert!(wire.decode(&mut buffer).unwrap().is_none());
            buffer.extend_from_slice(&bytes[cut..]);
            prop_assert_eq!(wire.decode(&mut buffer).unwrap(), Some(Packet::Publish(publish)));
        }
    }

    #[test]
    fn packet_over_the_limit_is_refused_from_its_header_alone() {
        // 0x15_00_00 = 344,064 bytes announced, none of them sent.
        let mut buffer = BytesMut::from(&[0x30, 0x80, 0x80, 0x15][..]);
        assert!(matches!(Wire::new().decode(&mut buffer), Err(WireError::Malformed(_))));
    }

    #[test]
    fn only_a_large_packet_is_reported_to_have_grown_the_buffer() {
        let mut wire = Wire::new();
        for (size, grew) in [(10, false), (READ_BUFFER, true), (10, false)] {
            let mut body = vec![0, 1, b't'];
            body.resize(3 + size, 0);
            let mut buffer = BytesMut::from(&with_header(0x30, &body)[..]);
            assert!(wire.decode(&mut buffer).unwrap().is_some());
            assert_eq!(wire.take_read_buffer_grew(), grew, "payload of {size}");
        }
    }
}
