//! Packets as a script writes them. A client counts its packet ids from 1, so they can be written as numbers.

use rumqttc::mqttbytes::QoS;
pub use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, Publish, SubAck, Subscribe, SubscribeFilter,
    SubscribeReasonCode, UnsubAck, Unsubscribe,
};

use crate::Qos;

/// CONNACK that accepts; no session was kept.
pub fn accepted() -> Packet {
    Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false))
}

/// CONNACK that refuses.
pub fn refused(code: ConnectReturnCode) -> Packet {
    Packet::ConnAck(ConnAck::new(code, false))
}

/// SUBSCRIBE.
pub fn subscribe(packet_id: u16, filters: &[(&str, Qos)]) -> Packet {
    let mut subscribe = Subscribe::new_many(
        filters
            .iter()
            .map(|(filter, qos)| SubscribeFilter::new((*filter).to_owned(), (*qos).into())),
    );
    subscribe.pkid = packet_id;
    Packet::Subscribe(subscribe)
}

/// SUBACK that grants QoS 1 (true) or refuses (false), filter by filter.
pub fn subscribed(packet_id: u16, granted: &[bool]) -> Packet {
    let code = |granted: &bool| match granted {
        true => SubscribeReasonCode::Success(QoS::AtLeastOnce),
        false => SubscribeReasonCode::Failure,
    };
    Packet::SubAck(SubAck::new(packet_id, granted.iter().map(code).collect()))
}

/// PUBLISH with QoS 0.
pub fn publish(topic: &str, payload: &str) -> Packet {
    Packet::Publish(Publish::new(topic, QoS::AtMostOnce, payload))
}

/// PUBLISH with QoS 1.
pub fn publish_at_least_once(packet_id: u16, topic: &str, payload: &str) -> Packet {
    let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
    publish.pkid = packet_id;
    Packet::Publish(publish)
}

/// PUBACK.
pub fn acknowledged(packet_id: u16) -> Packet {
    Packet::PubAck(PubAck::new(packet_id))
}
