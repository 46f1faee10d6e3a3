//! One connection to the emulator's MQTT port, after its TLS handshake: whatever comes, the session ends when the client
//! goes, every byte that it answers is MQTT, and it keeps no connection that is over.
//!
//! The first byte of an input says what is sent before the rest: nothing, CONNECT to DPS, or CONNECT to the hub with or
//! without a kept session; and whether it comes at once or in pieces. A second connection of the device, after the first,
//! finds everything in order.

use bytes::BytesMut;
use iot_emulator::fuzzing::Tenant;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Login, Packet};

const DPS_USER: &str = "0ne00EMULATOR/registrations/t-1/api-version=2019-03-31";
const HUB_USER: &str = "localhost/t-1/?api-version=2021-04-12&model-id=dtmi:com:example:Thermostat;1";
/// More than any packet.
const PACKET: usize = 1 << 20;

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut bytes = match how % 4 {
        0 => Vec::new(),
        1 => connect(DPS_USER, true),
        2 => connect(HUB_USER, true),
        _ => connect(HUB_USER, false),
    };
    bytes.extend_from_slice(rest);
    let at_a_time = match how / 4 % 4 {
        0 => bytes.len(),
        1 => 1,
        2 => 3,
        _ => 17,
    };
    let tenant = Tenant::new();
    super::runtime().block_on(async {
        let answers = packets(&tenant.converse(&bytes, at_a_time).await);
        if how % 4 != 0 {
            assert!(
                matches!(answers.first(), Some(Packet::ConnAck(answer)) if answer.code == ConnectReturnCode::Success),
                "{answers:?}"
            );
        }
        assert_eq!(tenant.stats().connected, 0, "the hub forgets who has gone");
        let entries = tenant.journal().len();
        assert!(entries > 0 || bytes.is_empty(), "each connection leaves a trace");

        // Whatever was said before, the device is served again.
        let mut hello = connect(HUB_USER, true);
        hello.extend_from_slice(b"\xC0\x00\xE0\x00");
        let answers = packets(&tenant.converse(&hello, hello.len()).await);
        assert!(
            matches!(answers[..], [Packet::ConnAck(_), Packet::PingResp]),
            "{answers:?}"
        );
        assert_eq!(tenant.stats().panics, 0);
    });
}

fn connect(user: &str, clean_session: bool) -> Vec<u8> {
    let mut connect = Connect::new("t-1");
    connect.clean_session = clean_session;
    connect.login = Some(Login::new(user, ""));
    let mut bytes = BytesMut::new();
    connect.write(&mut bytes).expect("the packet is short");
    bytes.into()
}

fn packets(bytes: &[u8]) -> Vec<Packet> {
    let (mut stream, mut packets) = (BytesMut::from(bytes), Vec::new());
    while !stream.is_empty() {
        packets.push(Packet::read(&mut stream, PACKET).expect("an answer is a whole packet"));
    }
    packets
}
