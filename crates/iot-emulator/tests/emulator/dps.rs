//! Registration, packet by packet. The expected topics and bodies are those of
//! [Communicate with DPS using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-dps) and of the SDKs.

use iot_emulator::{Config, DisconnectReason, Emulator, Event, Service};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet};
use serde_json::json;
use testing::device::{DPS_FILTER, Device, Hello, REGISTER};
use testing::emulator::{config, emulator, event};
use testing::party::Party;
use testing::rest::Rest;
use testing::tls;

fn is_refused(event: &Event, code: u8, words: &str) -> bool {
    matches!(event, Event::Refused { code: given, reason, .. } if *given == code && reason.contains(words))
}

#[tokio::test]
async fn a_group_device_registers_with_the_documented_topics_and_bodies() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("thermostats", &root).await;
    let leaf = root.intermediate("middle").leaf("thermo-1");

    let (mut device, hello) = Device::greet(&emulator, Some(&leaf), Hello::dps("thermo-1")).await;
    assert_eq!((hello.code, hello.session_present), (ConnectReturnCode::Success, false));
    device.subscribe(DPS_FILTER).await;
    device
        .publish(
            REGISTER,
            r#"{"registrationId":"thermo-1","payload":{"modelId":"dtmi:com:example:Thermostat;1"}}"#,
        )
        .await;
    let (topic, body) = device.message().await;
    assert_eq!(topic, "$dps/registrations/res/202/?$rid=1&retry-after=3");
    assert_eq!(body["status"], "assigning");
    let operation = body["operationId"].as_str().unwrap().to_owned();

    let poll = format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId={operation}");
    device.publish(&poll, " ").await;
    let (topic, body) = device.message().await;
    assert_eq!(
        topic, "$dps/registrations/res/202/?$rid=2&retry-after=3",
        "it was asked to wait and did not"
    );
    assert_eq!(body["status"], "assigning");
    // The wait that the service asked for is the event here.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    device.publish(&poll, " ").await;
    let (topic, body) = device.message().await;
    assert_eq!(topic, "$dps/registrations/res/200/?$rid=2");
    assert_eq!(
        (&body["operationId"], &body["status"]),
        (&json!(operation), &json!("assigned"))
    );
    let state = &body["registrationState"];
    for (key, value) in [
        ("x509", json!({})),
        ("registrationId", json!("thermo-1")),
        ("assignedHub", json!("localhost")),
        ("deviceId", json!("thermo-1")),
        ("status", json!("assigned")),
        ("substatus", json!("initialAssignment")),
    ] {
        assert_eq!(state[key], value, "{key} in {state}");
    }
    let created = state["createdDateTimeUtc"].as_str().unwrap();
    assert_eq!(
        (created.len(), created.ends_with('Z')),
        ("2026-11-23T15:00:00.1234567Z".len(), true),
        "{created}"
    );
    device.goodbye().await;

    let registered = event(&emulator, "thermo-1", |event| matches!(event, Event::Registered { .. }))
        .await
        .event;
    assert_eq!(
        registered,
        Event::Registered {
            group: Some("thermostats".into()),
            device_id: "thermo-1".into(),
            hub: "localhost".into(),
        }
    );
    let gone = |event: &Event| {
        *event
            == Event::Disconnected {
                service: Service::Dps,
                reason: DisconnectReason::Disconnect,
            }
    };
    event(&emulator, "thermo-1", gone).await;
    assert_eq!(emulator.stats().registrations, 1);
    emulator.shutdown().await;
}

#[tokio::test]
async fn an_individual_registers_by_its_self_signed_certificate() {
    let emulator = emulator().await;
    let lab = Party::self_signed("lab");
    Rest::new(&emulator).enroll_individual("lab", &lab).await;
    let answer = Device::register(&emulator, &lab, "lab").await;
    assert_eq!(answer["registrationState"]["deviceId"], "lab");
    let registered = event(&emulator, "lab", |event| matches!(event, Event::Registered { .. }))
        .await
        .event;
    assert_eq!(
        registered,
        Event::Registered {
            group: None,
            device_id: "lab".into(),
            hub: "localhost".into(),
        }
    );
}

#[tokio::test]
async fn tls_is_1_2_and_1_3_by_a_switch() {
    let usual = emulator().await;
    let only_13 = &[&rustls::version::TLS13];
    let refused = tls::connect(&usual, ("localhost", usual.mqtt_addr()), None, only_13).await;
    assert!(refused.is_err(), "a client that supports TLS 1.3 only");
    let config = Config {
        tls13: true,
        ..config()
    };
    let emulator = Emulator::start(config).await.unwrap();
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut device = Device::dial_with(&emulator, Some(&leaf), &[version]).await;
        device.send(Packet::Connect(Hello::dps("t-1").connect)).await;
        let Packet::ConnAck(answer) = device.next().await else {
            panic!("CONNACK comes")
        };
        assert_eq!(answer.code, ConnectReturnCode::Success, "{version:?}");
    }
}

#[tokio::test]
async fn who_is_not_enrolled_gets_through_the_handshake_and_is_refused_at_connect() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    let stranger = Party::root("root").leaf("t-1");
    let expired = root.expired_leaf("t-1");
    for (party, hello, code, words) in [
        (None, Hello::dps("t-1"), 5, "no client certificate"),
        (
            Some(&stranger),
            Hello::dps("t-1"),
            5,
            "another certificate of that name",
        ),
        (Some(&expired), Hello::dps("t-1"), 5, "expired"),
        (Some(&leaf), Hello::dps("t-2"), 5, "common name"),
        (
            Some(&leaf),
            Hello::new("t-1", "0neOTHER/registrations/t-1/api-version=2019-03-31"),
            5,
            "id scope",
        ),
        (
            Some(&leaf),
            Hello::new("t-1", "0ne00EMULATOR/registrations/t-1/api-version=1999-01-01"),
            4,
            "api-version",
        ),
        (
            Some(&leaf),
            Hello::new("t-1", "0ne00EMULATOR/registrations/t-1"),
            4,
            "user name",
        ),
        (
            Some(&leaf),
            Hello::new("x", "0ne00EMULATOR/registrations/t-1/api-version=2019-03-31"),
            2,
            "client id",
        ),
    ] {
        let since = emulator.journal().last();
        let (mut device, answer) = Device::greet(&emulator, party, hello).await;
        assert_eq!(answer.code as u8, code, "{words}");
        device.is_closed().await;
        emulator
            .journal()
            .wait_for(since, |entry| is_refused(&entry.event, code, words))
            .await;
    }
    assert_eq!(emulator.stats().refused, 8);
}

#[tokio::test]
async fn a_disabled_enrollment_and_a_blocked_device_are_refused_in_different_words() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let (root, lab) = (Party::root("root"), Party::self_signed("lab"));
    rest.enroll_group("g", &root).await;
    rest.enroll_individual("lab", &lab).await;
    let disable = json!({"enabled": false});

    rest.patch("devices/lab", disable.clone()).await;
    let answer = Device::register(&emulator, &lab, "lab").await;
    let disabled = json!({"operationId": "", "status": "disabled",
        "registrationState": {"registrationId": "lab", "status": "disabled"}});
    assert_eq!(answer, disabled);

    let blocked = root.leaf("t-1");
    rest.put("devices/t-1", json!({"enabled": false})).await;
    let answer = Device::register(&emulator, &blocked, "t-1").await;
    assert_eq!(
        (&answer["status"], &answer["registrationState"]["errorCode"]),
        (&json!("failed"), &json!(400_209))
    );

    rest.patch("enrollmentGroups/g", disable).await;
    let answer = Device::register(&emulator, &root.leaf("t-2"), "t-2").await;
    assert_eq!(answer["status"], "disabled");
    assert_eq!(emulator.stats().registrations_refused, 3);
}

#[tokio::test]
async fn an_enrollment_that_is_removed_during_the_conversation_is_401002() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    let mut device = Device::connect(&emulator, &root.leaf("t-1"), Hello::dps("t-1")).await;
    device.subscribe(DPS_FILTER).await;
    rest.delete("enrollmentGroups/g").await;
    device.publish(REGISTER, "").await;
    let (topic, body) = device.message().await;
    assert_eq!(topic, "$dps/registrations/res/401/?$rid=1");
    assert_eq!(body["errorCode"], 401_002);
    assert!(body["trackingId"].is_string() && body["message"].is_string() && body["timestampUtc"].is_string());
}

#[tokio::test]
async fn a_sixth_poll_in_ten_seconds_is_throttled_and_a_foreign_operation_is_not_found() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let mut device = Device::connect(&emulator, &root.leaf("t-1"), Hello::dps("t-1")).await;
    device.subscribe(DPS_FILTER).await;
    device.publish(REGISTER, r#"{"payload":{}}"#).await;
    let operation = device.message().await.1["operationId"].as_str().unwrap().to_owned();
    let poll =
        |operation: &str| format!("$dps/registrations/GET/iotdps-get-operationstatus/?$rid=p&operationId={operation}");
    device.publish(&poll("4.other"), "").await;
    assert_eq!(device.message().await.0, "$dps/registrations/res/404/?$rid=p");
    for _ in 0..5 {
        device.publish(&poll(&operation), "").await;
        assert_eq!(device.message().await.0, "$dps/registrations/res/200/?$rid=p");
    }
    device.publish(&poll(&operation), "").await;
    let (topic, body) = device.message().await;
    assert_eq!(topic, "$dps/registrations/res/429/?$rid=p&retry-after=0");
    assert_eq!(body["errorCode"].as_u64().unwrap() / 1000, 429);
}

#[tokio::test]
async fn a_body_that_is_not_json_or_names_another_device_is_a_bad_request() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let mut device = Device::connect(&emulator, &root.leaf("t-1"), Hello::dps("t-1")).await;
    device.subscribe(DPS_FILTER).await;
    for body in ["{", r#"{"registrationId":"t-2"}"#] {
        device.publish(REGISTER, body).await;
        assert_eq!(device.message().await.0, "$dps/registrations/res/400/?$rid=1", "{body}");
    }
}

#[tokio::test]
async fn what_dps_does_not_support_ends_the_connection() {
    let emulator = emulator().await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    for (topic, qos) in [
        ("devices/t-1/messages/events/", QoS::AtLeastOnce),
        ("$dps/registrations/PUT/iotdps-register/", QoS::AtLeastOnce),
        (REGISTER, QoS::ExactlyOnce),
    ] {
        let since = emulator.journal().last();
        let mut device = Device::connect(&emulator, &leaf, Hello::dps("t-1")).await;
        device.send_publish(topic, qos, "").await;
        device.is_closed().await;
        let violation = |event: &Event| {
            matches!(
                event,
                Event::Disconnected {
                    reason: DisconnectReason::Violation(_),
                    ..
                }
            )
        };
        emulator
            .journal()
            .wait_for(since, |entry| violation(&entry.event))
            .await;
    }
    let mut device = Device::connect(&emulator, &leaf, Hello::dps("t-1")).await;
    let mut subscribe = rumqttc::mqttbytes::v4::Subscribe::new("#", QoS::AtMostOnce);
    subscribe.pkid = 1;
    device.send(Packet::Subscribe(subscribe)).await;
    device.is_closed().await;
}
