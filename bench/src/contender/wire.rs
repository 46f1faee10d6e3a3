//! The bytes that the floor writes and reads.

use anyhow::{anyhow, bail, ensure};
use bytes::BytesMut;
use iot_protocol::hub::{Subscription, TelemetryTopic, ToHub};
use iot_protocol::id::{DeviceId, RequestId};
use iot_protocol::properties::PropertyBag;
use rumqttc::mqttbytes::v4::{Connect, Login, Publish, Subscribe, SubscribeFilter};
use rumqttc::{QoS, mqttbytes};
use tokio::io::{AsyncRead, AsyncReadExt};

/// As long as the messages of a room.
pub(super) const BODY: &str = r#"{"temperature":21.4}"#;
/// What device-sim reports of a twin that nobody has written to.
pub(super) const REPORT: &str =
    r#"{"targetTemperature":{"value":21.0,"ac":203,"av":0,"ad":"initialized with the default value"}}"#;

pub(super) const CONNACK: u8 = 2;
pub(super) const PUBLISH: u8 = 3;
pub(super) const PUBACK: u8 = 4;
pub(super) const SUBACK: u8 = 9;
pub(super) const DISCONNECT: [u8; 2] = [0xE0, 0];
/// Bytes of a PUBACK.
const PUBACK_LENGTH: usize = 4;
/// Digits of a message's number. More messages than these can count begin again.
const DIGITS: usize = 4;

/// The bytes of what `write` encodes.
fn encode(write: impl FnOnce(&mut BytesMut) -> Result<usize, mqttbytes::Error>) -> anyhow::Result<Vec<u8>> {
    let mut bytes = BytesMut::new();
    write(&mut bytes)?;
    Ok(bytes.into())
}

pub(super) fn connect(client_id: &str, user_name: String, keep_alive: u16, clean: bool) -> anyhow::Result<Vec<u8>> {
    let connect = Connect {
        keep_alive,
        clean_session: clean,
        login: Some(Login::new(user_name, "")),
        ..Connect::new(client_id)
    };
    encode(|bytes| connect.write(bytes))
}

pub(super) fn subscribe(filters: impl IntoIterator<Item = SubscribeFilter>) -> anyhow::Result<Vec<u8>> {
    let mut subscribe = Subscribe::new_many(filters);
    subscribe.pkid = 1;
    encode(|bytes| subscribe.write(bytes))
}

pub(super) fn publish(topic: String, body: impl Into<Vec<u8>>, packet_id: Option<u16>) -> anyhow::Result<Vec<u8>> {
    let qos = packet_id.map_or(QoS::AtMostOnce, |_| QoS::AtLeastOnce);
    let mut publish = Publish::new(topic, qos, body);
    publish.pkid = packet_id.unwrap_or_default();
    encode(|bytes| publish.write(bytes))
}

pub(super) fn puback(packet_id: [u8; 2]) -> [u8; PUBACK_LENGTH] {
    [PUBACK << 4, 2, packet_id[0], packet_id[1]]
}

/// The filters that a device subscribes to at its hub.
pub(super) fn hub_filters(device_id: &DeviceId) -> [SubscribeFilter; 4] {
    let device_id = device_id.clone();
    let filter = |subscription: Subscription, qos| SubscribeFilter::new(subscription.to_string(), qos);
    [
        filter(Subscription::CloudToDevice { device_id }, QoS::AtLeastOnce),
        filter(Subscription::TwinResponses, QoS::AtMostOnce),
        filter(Subscription::DesiredChanges, QoS::AtMostOnce),
        filter(Subscription::Methods, QoS::AtMostOnce),
    ]
}

/// What a device asks of its twin: the whole of it, then to take a report.
pub(super) fn twin_requests() -> [ToHub; 2] {
    [
        ToHub::TwinGet {
            request_id: RequestId::from_number(1),
        },
        ToHub::TwinReport {
            request_id: RequestId::from_number(2),
        },
    ]
}

/// Where a device's messages go, up to the number of the message.
pub(super) fn telemetry_topic(device_id: &DeviceId, run_id: &str) -> String {
    TelemetryTopic::new(device_id, &PropertyBag::json(), &format!("{run_id}-"))
        .up_to_number()
        .to_owned()
}

/// A packet of the wanted kind: its type, and what follows the fixed header.
pub(super) async fn packet(stream: &mut (impl AsyncRead + Unpin), wanted: u8) -> anyhow::Result<Vec<u8>> {
    let first = stream.read_u8().await?;
    let (mut length, mut shift) = (0usize, 0);
    loop {
        let byte = stream.read_u8().await?;
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
        ensure!(shift < 28, "malformed length of a packet");
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    match first >> 4 {
        kind if kind == wanted => {}
        kind => bail!("packet of type {kind} instead of {wanted}"),
    }
    ensure!(
        wanted != CONNACK || body.get(1) == Some(&0),
        "CONNECT was refused: {body:?}"
    );
    Ok(body)
}

/// The topic of a PUBLISH, and the rest.
pub(super) fn topic(body: &[u8]) -> anyhow::Result<(&str, &[u8])> {
    let short = || anyhow!("PUBLISH is too short");
    let (length, rest) = body.split_first_chunk().ok_or_else(short)?;
    let (topic, rest) = rest
        .split_at_checked(u16::from_be_bytes(*length).into())
        .ok_or_else(short)?;
    Ok((std::str::from_utf8(topic)?, rest))
}

/// A device's message, encoded once: only its packet id and its number change.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    packet_id_at: usize,
    number: u16,
}

impl Message {
    pub(super) fn new(device_id: &DeviceId, run_id: &str) -> anyhow::Result<Self> {
        let topic = format!("{}{:0DIGITS$}", telemetry_topic(device_id, run_id), 0);
        let mut bytes = publish(topic, BODY, Some(1))?;
        bytes.shrink_to_fit();
        Ok(Self {
            packet_id_at: bytes.len() - BODY.len() - 2,
            bytes,
            number: 0,
        })
    }

    /// The next one.
    pub(super) fn next(&mut self) -> &[u8] {
        self.number = self.number.checked_add(1).unwrap_or(1);
        let at = self.packet_id_at;
        self.bytes[at..at + 2].copy_from_slice(&self.number.to_be_bytes());
        let mut rest = self.number;
        for digit in self.bytes[at - DIGITS..at].iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        &self.bytes
    }
}

/// Counts PUBACKs, which are all that a hub sends to a device that is left alone.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    /// Bytes of a PUBACK whose rest has not come.
    begun: usize,
}

impl Acknowledgements {
    /// How many are complete with these bytes.
    pub(super) fn count(&mut self, bytes: &[u8]) -> anyhow::Result<u64> {
        ensure!(!bytes.is_empty(), "the hub closed the connection");
        let first = (PUBACK_LENGTH - self.begun) % PUBACK_LENGTH;
        let mut kinds = bytes.iter().skip(first).step_by(PUBACK_LENGTH);
        ensure!(
            kinds.all(|kind| kind >> 4 == PUBACK),
            "the hub sent something but PUBACK"
        );
        let all = self.begun + bytes.len();
        self.begun = all % PUBACK_LENGTH;
        Ok((all / PUBACK_LENGTH) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_changes_only_its_packet_id_and_its_number() {
        let device_id = "bench-00001".parse().unwrap();
        let mut message = Message::new(&device_id, "r1").unwrap();
        for number in [1u16, 2, 3] {
            let topic = format!("{}{number:04}", telemetry_topic(&device_id, "r1"));
            assert_eq!(message.next(), publish(topic, BODY, Some(number)).unwrap());
        }
    }

    #[test]
    fn acknowledgements_are_counted_however_they_are_cut() {
        let bytes: Vec<u8> = (0..10u8).flat_map(|id| puback([0, id])).collect();
        for cut in 1..bytes.len() {
            let mut acknowledgements = Acknowledgements::default();
            let count: u64 = bytes
                .chunks(cut)
                .map(|part| acknowledgements.count(part).unwrap())
                .sum();
            assert_eq!(count, 10, "pieces of {cut}");
        }
        assert!(Acknowledgements::default().count(&[0x30, 2, 0, 0]).is_err());
        assert!(Acknowledgements::default().count(&[]).is_err());
    }
}
