//! Devices at their hub, packet by packet. The expected topics and bodies are those of
//! [Communicate with an IoT hub using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub).

use iot_emulator::{DisconnectReason, Emulator, Event, Service};
use reqwest::Method;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet, PubAck, Publish, Subscribe};
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::emulator::{emulator, event};
use testing::party::Party;
use testing::rest::Rest;

const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const METHODS: &str = "$iothub/methods/POST/#";
const MESSAGES: &str = "devices/t-1/messages/devicebound/#";

/// An emulator with a group, and a leaf of it.
async fn with_group() -> (Emulator, Rest, Party, Party) {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    (emulator, rest, root, leaf)
}

fn ended(reason: &DisconnectReason) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Disconnected { service: Service::Hub, reason: given } if given == reason)
}

fn violated(words: &str) -> impl Fn(&Event) -> bool {
    move |event| {
        matches!(event, Event::Disconnected { service: Service::Hub, reason: DisconnectReason::Violation(detail) }
            if detail.contains(words))
    }
}

#[tokio::test]
async fn telemetry_is_acknowledged_counted_and_shown_by_its_last_value() {
    let (emulator, rest, _, leaf) = with_group().await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    let topic = |n: u32| format!("devices/t-1/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8&%24.mid=run-{n}");
    device.publish(&topic(1), r#"{"temperature":20.5}"#).await;
    device.publish(&topic(2), r#"{"temperature":21.5}"#).await;
    device.publish(&topic(2), r#"{"temperature":21.5}"#).await;
    device
        .send_publish(
            "devices/t-1/messages/events/$.sub=thermostat1",
            QoS::AtMostOnce,
            r#"{"temperature":9}"#,
        )
        .await;
    device.goodbye().await;

    let stats = emulator.stats();
    assert_eq!(
        (
            stats.telemetry_received,
            stats.telemetry_received_unique,
            stats.connects
        ),
        (4, 3, 1)
    );
    // The message without an id belongs to no run.
    let (_, of_run) = rest.raw(Method::GET, "/emulator/stats?run=run", None).await;
    let run = json!({ "id": "run", "telemetry_received": 3, "telemetry_received_unique": 2 });
    assert_eq!((&of_run["telemetry_received"], &of_run["run"]), (&json!(4), &run));
    let (_, of_other) = rest.raw(Method::GET, "/emulator/stats?run=other", None).await;
    assert_eq!(of_other["run"]["telemetry_received"], 0);
    let (_, of_none) = rest.raw(Method::GET, "/emulator/stats", None).await;
    assert_eq!(of_none["run"], Value::Null);
    let (status, last) = rest.get("devices/t-1/telemetry/temperature").await;
    assert_eq!((status.as_u16(), &last["value"]), (200, &json!(21.5)));
    assert!(last["timestamp"].as_str().unwrap().ends_with('Z'), "{last}");
    let (_, of_component) = rest
        .get("devices/t-1/components/thermostat1/telemetry/temperature")
        .await;
    assert_eq!(of_component["value"], json!(9));
    assert_eq!(rest.get("devices/t-1/telemetry/humidity").await.0, 404);
}

#[tokio::test]
async fn a_retained_message_is_not_retained_but_marked() {
    let (emulator, rest, _, leaf) = with_group().await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    let mut publish = Publish::new("devices/t-1/messages/events/a=b", QoS::AtLeastOnce, "{}");
    (publish.retain, publish.pkid) = (true, 9);
    device.send(Packet::Publish(publish)).await;
    assert_eq!(device.next().await, Packet::PubAck(PubAck::new(9)));
    let (_, view) = rest.raw(Method::GET, "/emulator/devices/t-1", None).await;
    assert_eq!(
        view["last_message"]["properties"],
        json!({"a": "b", "mqtt-retain": "true"})
    );
}

#[tokio::test]
async fn a_twin_is_fetched_reported_and_shown_with_what_the_device_acknowledged() {
    let (emulator, rest, _, leaf) = with_group().await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device.subscribe(TWIN_RESPONSES).await;
    device.subscribe(DESIRED).await;
    device
        .send_publish("$iothub/twin/GET/?$rid=a1", QoS::AtMostOnce, "")
        .await;
    let empty = json!({"desired": {"$version": 1}, "reported": {"$version": 1}});
    assert_eq!(device.message().await, ("$iothub/twin/res/200/?$rid=a1".into(), empty));

    let (status, answer) = rest
        .patch("devices/t-1/properties", json!({"targetTemperature": 65.5}))
        .await;
    assert_eq!(
        (status.as_u16(), answer),
        (202, json!({"$metadata": {"targetTemperature": {"desiredValue": 65.5}}}))
    );
    let (topic, body) = device.message().await;
    assert_eq!(topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    assert_eq!(body, json!({"targetTemperature": 65.5, "$version": 2}));

    let (_, waiting) = rest.get("devices/t-1/properties").await;
    let metadata = json!({"desiredValue": 65.5, "desiredVersion": 2});
    assert_eq!(
        waiting,
        json!({"targetTemperature": 65.5, "$metadata": {"targetTemperature": metadata}})
    );

    let report = json!({"targetTemperature": {"value": 65.5, "ac": 200, "av": 2, "ad": "done"}}).to_string();
    device
        .send_publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=b2",
            QoS::AtMostOnce,
            report,
        )
        .await;
    assert_eq!(
        device.message().await,
        ("$iothub/twin/res/204/?$rid=b2&$version=2".into(), Value::Null)
    );
    let (_, mut shown) = rest.get("devices/t-1/properties").await;
    let about = shown["$metadata"]["targetTemperature"].as_object_mut().unwrap();
    assert!(about.remove("lastUpdateTime").is_some_and(|at| at.is_string()));
    let metadata =
        json!({"desiredValue": 65.5, "desiredVersion": 2, "ackVersion": 2, "ackCode": 200, "ackDescription": "done"});
    assert_eq!(
        shown,
        json!({"targetTemperature": 65.5, "$metadata": {"targetTemperature": metadata}})
    );

    device
        .send_publish("$iothub/twin/PATCH/properties/reported/?$rid=c3", QoS::AtMostOnce, "{")
        .await;
    let (topic, body) = device.message().await;
    assert_eq!(topic, "$iothub/twin/res/400/?$rid=c3");
    assert_eq!(body["errorCode"].as_u64().unwrap() / 1000, 400);
}

#[tokio::test]
async fn a_change_while_the_device_is_away_waits_in_its_twin_and_a_component_is_marked() {
    let (emulator, rest, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let path = "devices/t-1/components/thermostat2/properties";
    assert_eq!(rest.patch(path, json!({"targetTemperature": 57})).await.0, 202);
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    device.subscribe(TWIN_RESPONSES).await;
    device
        .send_publish("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce, "")
        .await;
    // The order counts: samples take the first member for the component, and the version is the last.
    let desired = r#"{"thermostat2":{"__t":"c","targetTemperature":57},"$version":2}"#;
    assert_eq!(device.message().await.1["desired"].to_string(), desired);

    device.subscribe(DESIRED).await;
    let both = json!({"thermostat2": {"b": 1, "a": 2}, "zeta": 1, "alpha": {"y": 1, "x": 2}});
    assert_eq!(rest.patch("devices/t-1/properties", both).await.0, 202);
    assert_eq!(
        device.message().await.1.to_string(),
        r#"{"thermostat2":{"__t":"c","b":1,"a":2},"zeta":1,"alpha":{"y":1,"x":2},"$version":3}"#
    );

    // Another property replaces the first: what a PUT does not name goes.
    assert_eq!(rest.put(path, json!({"other": 1})).await.0, 202);
    let (_, shown) = rest.get("devices/t-1/properties").await;
    let metadata = json!({"other": {"desiredValue": 1, "desiredVersion": 4}});
    assert_eq!(shown["thermostat2"], json!({"other": 1, "$metadata": metadata}));
}

#[tokio::test]
async fn a_command_is_a_direct_method_and_its_answer_comes_back() {
    let (emulator, rest, _, leaf) = with_group().await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device.subscribe(METHODS).await;
    let path = "devices/t-1/components/thermostat1/commands/getMaxMinReport";
    let command = rest.post(path, json!({"request": "2026-11-23T15:00:00Z"}));
    let answer = async {
        let (topic, body) = device.message().await;
        let request_id = topic
            .strip_prefix("$iothub/methods/POST/thermostat1*getMaxMinReport/?$rid=")
            .unwrap();
        assert_eq!(body, json!("2026-11-23T15:00:00Z"));
        let topic = format!("$iothub/methods/res/200/?$rid={request_id}");
        device.send_publish(&topic, QoS::AtMostOnce, r#"{"maxTemp":30}"#).await;
    };
    let ((status, record), ()) = tokio::join!(command, answer);
    assert_eq!(status, 201, "{record}");
    assert_eq!(
        (&record["responseCode"], &record["response"]),
        (&json!(200), &json!({"maxTemp": 30}))
    );
    assert_eq!(rest.get(path).await.1["value"], json!([record]));
    let invoked = Event::MethodInvoked {
        name: "thermostat1*getMaxMinReport".into(),
        status: Some(200),
    };
    event(&emulator, "t-1", |event| *event == invoked).await;
}

#[tokio::test]
async fn a_command_waits_for_the_device_as_long_as_it_is_asked_to() {
    let (emulator, rest, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let (status, error) = rest.post("devices/t-1/commands/reboot", json!({})).await;
    assert_eq!(
        (status.as_u16(), &error["error"]["code"]),
        (404, &json!("DeviceNotOnline"))
    );

    let command = rest.post("devices/t-1/commands/reboot", json!({"connectionTimeout": 30}));
    let device = async {
        let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
        device.subscribe(METHODS).await;
        let (topic, body) = device.message().await;
        assert_eq!(
            (topic.as_str(), body),
            ("$iothub/methods/POST/reboot/?$rid=1", Value::Null)
        );
        device
            .send_publish("$iothub/methods/res/200/?$rid=1", QoS::AtMostOnce, "")
            .await;
        device
    };
    let ((status, _), _device) = tokio::join!(command, device);
    assert_eq!(status, 201);
}

#[tokio::test]
async fn cloud_to_device_messages_wait_for_the_device_and_for_its_acknowledgement() {
    let (emulator, rest, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let message = json!({"body": {"on": true}, "properties": {"$.mid": "m 1", "flag": null}});
    let (status, _) = rest
        .raw(Method::POST, "/emulator/devices/t-1/messages", Some(message))
        .await;
    assert_eq!(status, 202);

    // The first connection takes the message but does not acknowledge it.
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session()).await;
    device.subscribe(MESSAGES).await;
    let Packet::Publish(first) = device.next().await else {
        panic!("the message comes")
    };
    assert!(
        first.topic.starts_with("devices/t-1/messages/devicebound/"),
        "{}",
        first.topic
    );
    for part in [
        "%24.to=%2Fdevices%2Ft-1%2Fmessages%2Fdevicebound",
        "%24.mid=m%201",
        "&flag",
    ] {
        assert!(first.topic.contains(part), "{part} in {}", first.topic);
    }
    assert_eq!(
        (&first.payload[..], first.qos),
        (&br#"{"on":true}"#[..], QoS::AtLeastOnce)
    );
    device.goodbye().await;

    // The session is kept, so it comes again without a subscription.
    let (mut device, hello) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1").keep_session()).await;
    assert!(hello.session_present);
    assert_eq!(device.message().await.1, json!({"on": true}));
    event(&emulator, "t-1", |event| *event == Event::MessageCompleted).await;
    let (_, view) = rest.raw(Method::GET, "/emulator/devices/t-1", None).await;
    assert_eq!(view["messages_waiting"], 0);
}

/// The SDK for Python subscribes once and relies on the session from then on.
#[tokio::test]
async fn a_kept_session_needs_no_new_subscription_for_twin_and_methods() {
    let (emulator, rest, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session()).await;
    for filter in [TWIN_RESPONSES, DESIRED, METHODS] {
        device.subscribe(filter).await;
    }
    device.goodbye().await;

    let (mut device, hello) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1").keep_session()).await;
    assert!(hello.session_present);
    device.publish("$iothub/twin/GET/?$rid=1", "").await;
    assert_eq!(device.message().await.0, "$iothub/twin/res/200/?$rid=1");
    let patch = json!({"targetTemperature": 21.5});
    assert_eq!(rest.patch("devices/t-1/properties", patch).await.0, 202);
    let (topic, _) = device.message().await;
    assert!(topic.starts_with("$iothub/twin/PATCH/properties/desired/"), "{topic}");
    let (answer, ()) = tokio::join!(rest.post("devices/t-1/commands/reboot", json!({})), async {
        let (topic, _) = device.message().await;
        let (_, request_id) = topic.split_once('?').unwrap();
        device
            .publish(&format!("$iothub/methods/res/200/?{request_id}"), "{}")
            .await;
    });
    assert_eq!(answer.0, 201);

    // A clean session drops them.
    device.goodbye().await;
    let device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    assert_eq!(rest.post("devices/t-1/commands/reboot", json!({})).await.0, 404);
    device.goodbye().await;
    let (_, hello) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1").keep_session()).await;
    assert!(!hello.session_present);
}

#[tokio::test]
async fn the_fifty_first_waiting_message_is_refused_and_a_clean_session_drops_them_all() {
    let (emulator, rest, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let send = || {
        rest.raw(
            Method::POST,
            "/emulator/devices/t-1/messages",
            Some(json!({"body": "x"})),
        )
    };
    for _ in 0..50 {
        assert_eq!(send().await.0, 202);
    }
    assert_eq!(send().await.0, 403);
    let _device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    let (_, view) = rest.raw(Method::GET, "/emulator/devices/t-1", None).await;
    assert_eq!(view["messages_waiting"], 0);
}

#[tokio::test]
async fn of_two_connections_of_one_device_the_newer_wins() {
    let (emulator, rest, _, leaf) = with_group().await;
    let mut old = Device::online(&emulator, &leaf, "t-1").await;
    let mut new = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    old.is_closed().await;
    event(&emulator, "t-1", ended(&DisconnectReason::Replaced)).await;
    new.publish("devices/t-1/messages/events/", "{}").await;
    let (_, view) = rest.raw(Method::GET, "/emulator/devices/t-1", None).await;
    assert_eq!((&view["connected"], emulator.stats().connected), (&json!(true), 1));
}

#[tokio::test]
async fn a_device_that_vanishes_leaves_its_will_and_one_that_disconnects_does_not() {
    let (emulator, rest, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let hello = || Hello::hub("t-1").will("devices/t-1/messages/events/a=b", r#"{"gone":1}"#);
    Device::connect(&emulator, &leaf, hello()).await.goodbye().await;
    event(&emulator, "t-1", ended(&DisconnectReason::Disconnect)).await;
    assert_eq!(emulator.stats().telemetry_received, 0);

    drop(Device::connect(&emulator, &leaf, hello()).await);
    event(&emulator, "t-1", ended(&DisconnectReason::ConnectionLost)).await;
    assert_eq!(emulator.stats().telemetry_received, 1);
    let (_, view) = rest.raw(Method::GET, "/emulator/devices/t-1", None).await;
    assert_eq!(
        view["last_message"]["properties"],
        json!({"a": "b", "iothub-MessageType": "Will"})
    );
}

#[tokio::test]
async fn silence_beyond_the_keepalive_ends_the_connection_and_pings_keep_it() {
    let (emulator, _, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_alive(1)).await;
    device.send(Packet::PingReq).await;
    assert_eq!(device.next().await, Packet::PingResp);
    let started = std::time::Duration::from_millis(1400);
    let closed = tokio::time::timeout(started, device.is_closed()).await;
    assert!(closed.is_err(), "1.5 times the keepalive are not over yet");
    device.is_closed().await;
    event(&emulator, "t-1", ended(&DisconnectReason::KeepAliveExpired)).await;
}

#[tokio::test]
async fn what_a_hub_does_not_allow_ends_the_connection() {
    let (emulator, _, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let large = "x".repeat(256 * 1024 + 1);
    for (topic, qos, body, words) in [
        ("devices/t-1/messages/events/", QoS::ExactlyOnce, "{}", "QoS 2"),
        ("devices/t-2/messages/events/", QoS::AtLeastOnce, "{}", "another device"),
        ("devices/T-1/messages/events/", QoS::AtLeastOnce, "{}", "another device"),
        ("some/topic", QoS::AtLeastOnce, "{}", "some/topic"),
        ("$iothub/twin/GET/", QoS::AtMostOnce, "", "twin/GET"),
        (
            "devices/t-1/messages/events/",
            QoS::AtLeastOnce,
            large.as_str(),
            "bytes",
        ),
    ] {
        let since = emulator.journal().last();
        let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
        device.send_publish(topic, qos, body).await;
        device.is_closed().await;
        emulator
            .journal()
            .wait_for(since, |entry| violated(words)(&entry.event))
            .await;
    }
    for filter in [
        "devices/#",
        "devices/t-2/messages/devicebound/#",
        "devices/t-1/messages/events/#",
    ] {
        let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
        let mut subscribe = Subscribe::new(filter, QoS::AtMostOnce);
        subscribe.pkid = 1;
        device.send(Packet::Subscribe(subscribe)).await;
        device.is_closed().await;
        event(&emulator, "t-1", violated(&format!("`{filter}`"))).await;
    }
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    for filter in [TWIN_RESPONSES, DESIRED, METHODS, MESSAGES, "devices/t-1/modules/a/#"] {
        device.subscribe(filter).await;
    }
    let mut subscribe = Subscribe::new("devices/t-1/modules/b/#", QoS::AtMostOnce);
    subscribe.pkid = 99;
    device.send(Packet::Subscribe(subscribe)).await;
    device.is_closed().await;
    event(&emulator, "t-1", violated("5 subscriptions")).await;
    assert_eq!(emulator.stats().telemetry_received, 0);
}

#[tokio::test]
async fn a_body_of_exactly_256_kb_is_taken() {
    let (emulator, _, _, leaf) = with_group().await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device
        .publish("devices/t-1/messages/events/", "x".repeat(256 * 1024))
        .await;
    assert_eq!(emulator.stats().telemetry_bytes, 256 * 1024);
}

#[tokio::test]
async fn who_is_not_the_device_is_refused_at_connect() {
    let (emulator, rest, root, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    let lab = Party::self_signed("lab");
    rest.enroll_individual("lab", &lab).await;
    Device::register(&emulator, &lab, "lab").await;
    let stranger = Party::root("root").leaf("t-1");
    let other_lab = Party::self_signed("lab");
    for (party, hello, code, words) in [
        (None, Hello::hub("t-1"), 5, "no client certificate"),
        (
            Some(&stranger),
            Hello::hub("t-1"),
            5,
            "not the one that the device registered with",
        ),
        (Some(&root.expired_leaf("t-1")), Hello::hub("t-1"), 5, "expired"),
        (
            Some(&root.leaf("t-2")),
            Hello::hub("t-1"),
            5,
            "not the one that the device registered with",
        ),
        (
            Some(&other_lab),
            Hello::hub("lab"),
            5,
            "not the one that the device registered with",
        ),
        (Some(&root.leaf("t-2")), Hello::hub("t-2"), 5, "has no such device"),
        (Some(&leaf), Hello::hub("T-1"), 5, "has no such device"),
        (
            Some(&leaf),
            Hello::new("t-1", "other.azure-devices.net/t-1/?api-version=2021-04-12"),
            5,
            "no hub",
        ),
        (
            Some(&leaf),
            Hello::new("x", "localhost/t-1/?api-version=2021-04-12"),
            2,
            "client id",
        ),
        (
            Some(&leaf),
            Hello::hub("t-1").will("devices/t-2/messages/events/", ""),
            4,
            "will",
        ),
    ] {
        let since = emulator.journal().last();
        let (mut device, answer) = Device::greet(&emulator, party, hello).await;
        assert_eq!(answer.code as u8, code, "{words}");
        device.is_closed().await;
        let refused = |event: &Event| matches!(event, Event::Refused { reason, .. } if reason.contains(words));
        emulator.journal().wait_for(since, |entry| refused(&entry.event)).await;
    }
}

#[tokio::test]
async fn a_group_device_with_a_new_leaf_must_register_again() {
    let (emulator, _, root, old) = with_group().await;
    Device::online(&emulator, &old, "t-1").await.goodbye().await;
    let new = root.leaf("t-1");
    let (_, refused) = Device::greet(&emulator, Some(&new), Hello::hub("t-1")).await;
    assert_eq!(refused.code, ConnectReturnCode::NotAuthorized);
    Device::online(&emulator, &new, "t-1").await.goodbye().await;
    let (_, refused) = Device::greet(&emulator, Some(&old), Hello::hub("t-1")).await;
    assert_eq!(
        refused.code,
        ConnectReturnCode::NotAuthorized,
        "the hub accepts one certificate, the last"
    );
}

#[tokio::test]
async fn a_changed_enrollment_reaches_the_hub_only_by_a_new_registration() {
    let (emulator, rest, _, _) = with_group().await;
    let (first, second) = (Party::self_signed("lab"), Party::self_signed("lab"));
    rest.enroll_individual("lab", &first).await;
    Device::register(&emulator, &first, "lab").await;
    assert_eq!(rest.attest("lab", &first, Some(&second)).await.0, 200);
    let (_, refused) = Device::greet(&emulator, Some(&second), Hello::hub("lab")).await;
    assert_eq!(refused.code, ConnectReturnCode::NotAuthorized);
    Device::online(&emulator, &second, "lab").await.goodbye().await;

    rest.delete("devices/lab/attestation").await;
    Device::connect(&emulator, &second, Hello::hub("lab"))
        .await
        .goodbye()
        .await;
    let (_, refused) = Device::greet(&emulator, Some(&second), Hello::dps("lab")).await;
    assert_eq!(refused.code, ConnectReturnCode::NotAuthorized);
}

#[tokio::test]
async fn a_blocked_or_deleted_device_loses_its_connection() {
    let (emulator, rest, _, leaf) = with_group().await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    rest.patch("devices/t-1", json!({"enabled": false})).await;
    device.is_closed().await;
    event(&emulator, "t-1", ended(&DisconnectReason::Disabled)).await;
    let (_, refused) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1")).await;
    assert_eq!(refused.code, ConnectReturnCode::NotAuthorized);

    rest.patch("devices/t-1", json!({"enabled": true})).await;
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
    assert_eq!(rest.delete("devices/t-1").await, 204);
    device.is_closed().await;
    event(&emulator, "t-1", ended(&DisconnectReason::Deleted)).await;
}

#[tokio::test]
async fn a_shutdown_closes_every_session() {
    let (emulator, _, _, leaf) = with_group().await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    tokio::join!(emulator.shutdown(), device.is_closed());
}

#[tokio::test]
async fn a_client_of_plain_mqtt_may_leave_the_api_version_out_and_subscribe_to_everything() {
    let (emulator, rest, _, leaf) = with_group().await;
    Device::register(&emulator, &leaf, "t-1").await;
    for name in ["localhost/t-1", "localhost/t-1/", "localhost/t-1/?DeviceClientType=x"] {
        let mut device = Device::connect(&emulator, &leaf, Hello::new("t-1", name)).await;
        device.subscribe("#").await;
        let path = "/emulator/devices/t-1/messages";
        let message = json!({"body": name});
        assert_eq!(rest.raw(Method::POST, path, Some(message)).await.0, 202);
        let (topic, body) = device.message().await;
        assert!(topic.starts_with("devices/t-1/messages/devicebound/"), "{topic}");
        assert_eq!(body, name);
        // What begins with `$` is not part of `#` (MQTT 3.1.1, 4.7.2).
        let change = json!({"targetTemperature": 21});
        assert_eq!(rest.patch("devices/t-1/properties", change).await.0, 202);
        device.publish("devices/t-1/messages/events/", "{}").await;
        device.goodbye().await;
    }
}

#[tokio::test]
async fn another_version_of_mqtt_is_refused_by_its_name() {
    let (emulator, _, _, leaf) = with_group().await;
    for (name, level, version) in [("MQTT", 5, "MQTT 5"), ("MQIsdp", 3, "MQTT 3.1")] {
        let mut device = Device::dial(&emulator, Some(&leaf)).await;
        let mut body = vec![0, u8::try_from(name.len()).unwrap()];
        body.extend(name.as_bytes());
        body.extend([level, 2, 0, 60, 0, 0, 3]);
        body.extend(b"t-1");
        let mut connect = vec![0x10, u8::try_from(body.len()).unwrap()];
        connect.extend(body);
        device.send_bytes(&connect).await;
        let Packet::ConnAck(answer) = device.next().await else {
            panic!("the answer to CONNECT is CONNACK")
        };
        assert_eq!(answer.code, ConnectReturnCode::RefusedProtocolVersion);
        assert!(device.ends().await);
        let reason = format!("{version}; this hub speaks 3.1.1");
        let is_it = |event: &Event| matches!(event, Event::Refused { code: 1, reason: given, .. } if *given == reason);
        emulator.journal().wait_for(0, |entry| is_it(&entry.event)).await;
    }
}
