//! A message on its way out. rumqttc's packet owns topic and payload, so each message would be copied once only to be
//! written; this one is written from where they are.

use bytes::{BufMut, BytesMut};
use tokio_util::codec::Encoder;

use crate::packet_ids::PacketId;
use crate::wire::{Qos, Wire, WireError};

/// The type of the packet in the upper half of its first byte.
const PUBLISH: u8 = 3 << 4;
const DUPLICATE: u8 = 1 << 3;
const AT_LEAST_ONCE: u8 = 1 << 1;

/// PUBLISH (MQTT 3.1.1, section 3.3). Its topic has at most 65,535 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// Of a message with QoS 1.
    pub(crate) packet_id: Option<PacketId>,
    /// An earlier connection may have delivered it.
    pub(crate) duplicate: bool,
}

/// How many bytes the packet of such a message takes.
pub(crate) fn size(topic: &str, payload: &[u8], qos: Qos) -> usize {
    let rest = rest_size(topic, payload, qos);
    1 + length_size(rest) + rest
}

/// The same of what follows the length.
fn rest_size(topic: &str, payload: &[u8], qos: Qos) -> usize {
    let id = match qos {
        Qos::AtMostOnce => 0,
        Qos::AtLeastOnce => size_of::<u16>(),
    };
    size_of::<u16>() + topic.len() + id + payload.len()
}

/// How many bytes a length takes: seven bits to each.
fn length_size(length: usize) -> usize {
    (1..).find(|size| length >> (7 * size) == 0).unwrap_or(4)
}

impl Publish<'_> {
    /// Appends the packet to `to`.
    pub(crate) fn write(&self, to: &mut BytesMut) {
        let (qos, mut first) = match self.packet_id {
            None => (Qos::AtMostOnce, PUBLISH),
            Some(_) => (Qos::AtLeastOnce, PUBLISH | AT_LEAST_ONCE),
        };
        if self.duplicate {
            first |= DUPLICATE;
        }
        let rest = rest_size(self.topic, self.payload, qos);
        // Once, and not with each part.
        to.reserve(1 + length_size(rest) + rest);
        to.put_u8(first);
        put_length(to, rest);
        to.put_u16(u16::try_from(self.topic.len()).unwrap_or(u16::MAX));
        to.put_slice(self.topic.as_bytes());
        if let Some(id) = self.packet_id {
            to.put_u16(id.get());
        }
        to.put_slice(self.payload);
    }
}

impl Encoder<Publish<'_>> for Wire {
    type Error = WireError;

    fn encode(&mut self, publish: Publish<'_>, to: &mut BytesMut) -> Result<(), WireError> {
        publish.write(to);
        Ok(())
    }
}

fn put_length(to: &mut BytesMut, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            return to.put_u8(low);
        }
        to.put_u8(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rumqttc::mqttbytes;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_packet_that_rumqttc_writes(
            topic in "[a-zß/$=%]{1,100}",
            payload in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                prop::collection::vec(any::<u8>(), 16_300..16_500),
            ],
            id in prop::option::of(1..=u16::MAX),
            duplicate: bool,
        ) {
            let qos = if id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
            let mut reference = mqttbytes::v4::Publish::new(&topic, qos.into(), payload.clone());
            (reference.pkid, reference.dup) = (id.unwrap_or(0), duplicate);
            let mut expected = BytesMut::new();
            reference.write(&mut expected).unwrap();

            let packet_id = id.and_then(PacketId::new);
            let mut written = BytesMut::new();
            Publish { topic: &topic, payload: &payload, packet_id, duplicate }.write(&mut written);
            prop_assert_eq!(written.len(), size(&topic, &payload, qos));
            prop_assert_eq!(written, expected);
        }
    }
}
