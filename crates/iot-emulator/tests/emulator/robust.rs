//! Clients with bad intentions, or with mistakes.

use bytes::BytesMut;
use iot_emulator::{Config, DisconnectReason, Emulator, Event};
use reqwest::Method;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Publish, Subscribe, SubscribeFilter};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use testing::device::{DPS_FILTER, Device, Hello, REGISTER};
use testing::emulator::{config, emulator, event};
use testing::party::Party;
use testing::rest::Rest;
use testing::soon;

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

/// What no client may take away: a device of the group registers, connects, and its message and its twin arrive. And
/// nothing that came before has made the emulator panic, which a task would do in silence.
async fn serves_a_healthy_device(emulator: &Emulator, root: &Party) {
    let mut device = Device::online(emulator, &root.leaf("healthy"), "healthy").await;
    device
        .publish("devices/healthy/messages/events/", r#"{"temperature":20}"#)
        .await;
    device.subscribe("$iothub/twin/res/#").await;
    device.publish("$iothub/twin/GET/?$rid=1", "").await;
    assert_eq!(device.message().await.0, "$iothub/twin/res/200/?$rid=1");
    device.goodbye().await;
    assert_eq!(emulator.stats().panics, 0);
}

/// An emulator with a group, and its root.
async fn grouped() -> (Emulator, Party) {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    (emulator, root)
}

/// The reason for which the last connection that never identified itself has ended.
async fn dropped(emulator: &Emulator, since: u64, word: &str) {
    let found = emulator
        .journal()
        .wait_for(since, |entry| matches!(entry.event, Event::Dropped { .. }));
    let entry = soon("the end in the journal", found).await;
    assert!(
        matches!(&entry.event, Event::Dropped { reason } if reason.contains(word)),
        "{entry:?}"
    );
}

/// A client that stops in the middle of whatever it is doing is given up, after ten seconds here. The three waits run
/// beside each other.
#[tokio::test]
async fn silence_before_tls_within_tls_and_before_connect_is_cut_off() {
    let (emulator, root) = grouped().await;
    let mut nothing = TcpStream::connect(emulator.mqtt_addr()).await.unwrap();
    let mut half = TcpStream::connect(emulator.mqtt_addr()).await.unwrap();
    // A handshake record of 512 bytes is announced; the head of a ClientHello comes.
    half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        .await
        .unwrap();
    let mut silent = Device::dial(&emulator, Some(&root.leaf("t-1"))).await;
    // Meanwhile, others are served.
    serves_a_healthy_device(&emulator, &root).await;
    let (mut some, mut more) = (Vec::new(), Vec::new());
    let ends = async {
        tokio::join!(
            nothing.read_to_end(&mut some),
            half.read_to_end(&mut more),
            silent.ends()
        )
    };
    let (_, _, silent) = soon("three ends", ends).await;
    assert!(silent);
    for word in ["TLS handshake took too long", "no CONNECT in time"] {
        let found = |event: &Event| matches!(event, Event::Dropped { reason } if reason.contains(word));
        emulator.journal().wait_for(0, |entry| found(&entry.event)).await;
    }
    serves_a_healthy_device(&emulator, &root).await;
}

#[tokio::test]
async fn a_packet_of_256_mb_is_refused_at_its_first_five_bytes() {
    let (emulator, root) = grouped().await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    // The largest length that MQTT can announce, for packets of three kinds, before and after CONNECT.
    for first in [0x10, 0x30, 0x82] {
        let announced = [first, 0xFF, 0xFF, 0xFF, 0x7F];
        let since = emulator.journal().last();
        let mut device = Device::dial(&emulator, Some(&leaf)).await;
        device.send_bytes(&announced).await;
        device.is_closed().await;
        dropped(&emulator, since, "malformed").await;
        for hello in [Hello::hub("t-1"), Hello::dps("t-1")] {
            let mut device = Device::connect(&emulator, &leaf, hello).await;
            device.send_bytes(&announced).await;
            device.is_closed().await;
        }
    }
    serves_a_healthy_device(&emulator, &root).await;
}

#[tokio::test]
async fn bytes_that_are_no_mqtt_end_the_connection_and_nothing_else() {
    let (emulator, root) = grouped().await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    let garbage: [&[u8]; 5] = [
        b"\x00\x00\x00\x00\x00\x00",
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        // A remaining length of five bytes, which MQTT does not have.
        b"\x30\x80\x80\x80\x80\x01",
        // A topic that is longer than its packet.
        b"\x30\x04\xFF\xFFab",
        // A SUBSCRIBE that holds no filter and no packet id.
        b"\x82\x01\x00",
    ];
    for bytes in garbage {
        let mut device = Device::dial(&emulator, Some(&leaf)).await;
        device.send_bytes(bytes).await;
        device.is_closed().await;
        for hello in [Hello::hub("t-1"), Hello::dps("t-1")] {
            let mut device = Device::connect(&emulator, &leaf, hello).await;
            device.send_bytes(bytes).await;
            device.is_closed().await;
        }
    }
    serves_a_healthy_device(&emulator, &root).await;
}

#[tokio::test]
async fn half_a_packet_and_a_sender_that_goes_byte_by_byte_are_only_slow() {
    let (emulator, root) = grouped().await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    let mut device = Device::dial(&emulator, Some(&leaf)).await;
    for packet in [
        Packet::Connect(Hello::hub("t-1").connect),
        telemetry("t-1", 1, r#"{"temperature":20}"#),
        Packet::PingReq,
    ] {
        for byte in bytes(&packet) {
            device.send_bytes(&[byte]).await;
        }
    }
    assert!(matches!(device.next().await, Packet::ConnAck(_)));
    assert!(matches!(device.next().await, Packet::PubAck(_)));
    assert!(matches!(device.next().await, Packet::PingResp));
    // Half a packet is nothing yet; its sender goes, and that is a lost connection as any other.
    let message = bytes(&telemetry("t-1", 2, "lost"));
    device.send_bytes(&message[..message.len() / 2]).await;
    drop(device);
    event(&emulator, "t-1", |event| {
        matches!(
            event,
            Event::Disconnected {
                reason: DisconnectReason::ConnectionLost,
                ..
            }
        )
    })
    .await;
    assert_eq!(emulator.stats().telemetry_received, 1);
    serves_a_healthy_device(&emulator, &root).await;
}

#[tokio::test]
async fn packets_that_mqtt_or_the_services_forbid_end_the_connection() {
    let (emulator, root) = grouped().await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    let many = Subscribe {
        pkid: 1,
        filters: (0..5_000)
            .map(|i| SubscribeFilter::new(format!("devices/t-1/modules/m{i}/#"), QoS::AtMostOnce))
            .collect(),
    };
    let cases: [(&str, Vec<u8>); 5] = [
        ("a topic that is not UTF-8", b"\x30\x04\x00\x02\xC3\x28".to_vec()),
        ("a topic without a character", b"\x32\x04\x00\x00\x00\x01".to_vec()),
        ("an unknown topic", b"\x30\x03\x00\x01a".to_vec()),
        ("a packet id of 0", {
            let mut message = bytes(&telemetry("t-1", 1, "x"));
            let id = message.len() - 3;
            message[id..id + 2].fill(0);
            message
        }),
        ("5,000 filters in one SUBSCRIBE", bytes(&Packet::Subscribe(many))),
    ];
    for (what, packet) in cases {
        for hello in [Hello::hub("t-1"), Hello::dps("t-1")] {
            let mut device = Device::connect(&emulator, &leaf, hello).await;
            device.send_bytes(&packet).await;
            assert!(device.ends().await, "{what} is let through");
        }
    }
    serves_a_healthy_device(&emulator, &root).await;
}

#[tokio::test]
async fn a_message_that_is_marked_as_a_duplicate_is_taken_and_acknowledged() {
    let (emulator, root) = grouped().await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    for _ in 0..2 {
        let mut message = bytes(&telemetry("t-1", 7, r#"{"temperature":20}"#));
        message[0] |= 0x08;
        device.send_bytes(&message).await;
        assert!(matches!(device.next().await, Packet::PubAck(ack) if ack.pkid == 7));
    }
    serves_a_healthy_device(&emulator, &root).await;
}

/// JSON that is nested some 10,000 levels deep overflows the stack of a reader that follows it, which ends the whole process.
#[tokio::test]
async fn deep_nesting_and_huge_numbers_are_refused_wherever_json_comes_in() {
    let (emulator, root) = grouped().await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device.subscribe("$iothub/twin/res/#").await;
    let deep = |open: &str, close: &str| format!("{{\"a\":{}1{}}}", open.repeat(15_000), close.repeat(15_000));
    let bodies = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        "[".repeat(60_000),
        format!("{{\"a\":{}}}", "9".repeat(60_000)),
        "{\"a\":1e999999}".to_owned(),
    ];
    let rest = Rest::new(&emulator);
    for body in bodies {
        device
            .publish("$iothub/twin/PATCH/properties/reported/?$rid=1", body.clone())
            .await;
        assert_eq!(device.message().await.0, "$iothub/twin/res/400/?$rid=1");
        // As telemetry it is a message that just can't be read.
        device.publish("devices/t-1/messages/events/", body.clone()).await;
        let path = |path: &str| format!("/api/{path}?api-version=2022-07-31");
        for (method, path) in [
            (Method::PATCH, path("devices/t-1/properties")),
            (Method::PUT, path("devices/t-2")),
            (Method::PUT, path("deviceTemplates/dtmi:a:b;1")),
            (Method::POST, path("devices/t-1/commands/reboot")),
            (Method::POST, "/emulator/devices/t-1/messages".into()),
        ] {
            let answer = rest.response(method, &path, Some(body.clone())).await;
            assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        }
        let mut newcomer = Device::connect(&emulator, &root.leaf("t-2"), Hello::dps("t-2")).await;
        newcomer.subscribe(DPS_FILTER).await;
        newcomer.publish(REGISTER, body).await;
        assert!(newcomer.message().await.0.starts_with("$dps/registrations/res/"));
    }
    serves_a_healthy_device(&emulator, &root).await;
}

/// What the emulator owes a client that does not read waits in the sockets and in one small buffer. Then nothing more is
/// read from it, and in the end it is given up.
#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_cut_off() {
    let (emulator, root) = grouped().await;
    let leaf = root.leaf("t-1");
    Device::register(&emulator, &leaf, "t-1").await;
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    device.subscribe("$iothub/twin/res/#").await;
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        let body = json!({ name: "x".repeat(4_000) }).to_string();
        device
            .publish("$iothub/twin/PATCH/properties/reported/?$rid=1", body)
            .await;
        device.message().await;
    }
    // Twins of 28 KB, 2,000 times: far more than sockets hold.
    let get = bytes(&Packet::Publish(Publish::new(
        "$iothub/twin/GET/?$rid=2",
        QoS::AtMostOnce,
        "",
    )));
    device.send_bytes(&get.repeat(2_000)).await;
    let cut_off = emulator.journal().wait_for(0, |entry| {
        matches!(
            entry.event,
            Event::Disconnected {
                reason: DisconnectReason::TooSlow,
                ..
            }
        )
    });
    let entry = soon("the end of the session", cut_off).await;
    assert_eq!(entry.device.as_deref(), Some("t-1"));
    serves_a_healthy_device(&emulator, &root).await;
}

/// The same with what the solution sends: the queue holds 50 messages, and no more than that is kept for the client.
#[tokio::test]
async fn messages_for_a_client_that_never_reads_stay_fifty() {
    let (emulator, root) = grouped().await;
    let mut device = Device::online(&emulator, &root.leaf("t-1"), "t-1").await;
    device.subscribe("devices/t-1/messages/devicebound/#").await;
    let rest = Rest::new(&emulator);
    let body = json!({"body": "x".repeat(60_000)});
    for i in 0..60 {
        let (status, answer) = rest
            .raw(Method::POST, "/emulator/devices/t-1/messages", Some(body.clone()))
            .await;
        assert_eq!(status.is_success(), i < 50, "{i}: {status} {answer}");
    }
    serves_a_healthy_device(&emulator, &root).await;
}

fn telemetry(device: &str, packet_id: u16, body: &str) -> Packet {
    let mut publish = Publish::new(format!("devices/{device}/messages/events/"), QoS::AtLeastOnce, body);
    publish.pkid = packet_id;
    Packet::Publish(publish)
}

fn bytes(packet: &Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, 1 << 20).unwrap();
    bytes.into()
}
