//! Clients that mean no good, or know no better.

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Subscribe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::device::{Device, Hello};
use crate::common::people::Party;
use crate::common::rest::Rest;
use crate::common::{config, emulator};
use iot_emulator::{Config, Emulator, Event};

#[tokio::test]
async fn nonsense_before_tls_and_before_connect_ends_the_connection_and_nothing_else() {
    let emulator = emulator().await;
    let mut plain = TcpStream::connect(emulator.mqtt_addr()).await.unwrap();
    plain
        .write_all(b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x03t-1")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // A TLS alert, or a reset; in any case an end.
    let _ = plain.read_to_end(&mut answer).await;
    let dropped = |event: &Event| matches!(event, Event::Dropped { reason } if reason.contains("TLS"));
    emulator.journal().wait_for(0, |entry| dropped(&entry.event)).await;

    let mut device = Device::dial(&emulator, None).await;
    let mut subscribe = Subscribe::new("#", QoS::AtMostOnce);
    subscribe.pkid = 1;
    device.send(Packet::Subscribe(subscribe)).await;
    device.is_closed().await;
    let dropped = |event: &Event| matches!(event, Event::Dropped { reason } if reason.contains("CONNECT"));
    emulator.journal().wait_for(0, |entry| dropped(&entry.event)).await;
    assert_eq!(emulator.stats().accepted, 2);
}

#[tokio::test]
async fn a_second_connect_and_packets_of_servers_end_the_connection() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    for packet in [Packet::Connect(Hello::hub("t-1").connect), Packet::PingResp] {
        let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
        device.send(packet.clone()).await;
        device.is_closed().await;
        let mut device = Device::connect(&emulator, &leaf, Hello::dps("t-1")).await;
        device.send(packet).await;
        device.is_closed().await;
    }
}

#[tokio::test]
async fn many_messages_in_one_write_are_all_acknowledged() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    for _ in 0..500 {
        device
            .send_publish(
                "devices/t-1/messages/events/",
                QoS::AtLeastOnce,
                r#"{"temperature":20}"#,
            )
            .await;
    }
    for expected in 1..=500 {
        let Packet::PubAck(ack) = device.next().await else {
            panic!("PUBACK comes")
        };
        assert_eq!(ack.pkid, expected);
    }
    assert_eq!(emulator.stats().telemetry_received, 500);
}

#[tokio::test]
async fn a_certificate_without_its_key_does_not_get_through_the_handshake() {
    let config = Config {
        tls13: true,
        ..config()
    };
    let emulator = Emulator::start(config).await.unwrap();
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let (leaf, thief) = (root.leaf("t-1"), Party::self_signed("thief"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let since = emulator.journal().last();
        Device::dial_with_key_of(&emulator, &leaf, &thief, version).await;
        let dropped = |event: &Event| matches!(event, Event::Dropped { reason } if reason.contains("TLS handshake"));
        let entry = emulator.journal().wait_for(since, |_| true).await;
        assert!(dropped(&entry.event), "{entry:?}");
    }
}
