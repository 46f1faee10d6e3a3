//! What outlives the emulator, if it has a state folder.

use iot_emulator::{Config, Emulator, Event, StartError};
use reqwest::Method;
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::emulator::{emulator_in, event};
use testing::party::Party;
use testing::rest::{Rest, encode};

const MESSAGES: &str = "devices/t-1/messages/devicebound/#";
const TWIN: &str = "$iothub/twin/res/#";

/// Everything that can be read of the application and of one device in the hub.
async fn photograph(rest: &Rest) -> Vec<Value> {
    let mut photograph = Vec::new();
    for path in [
        "enrollmentGroups",
        "devices",
        "deviceTemplates",
        "devices/t-1/properties",
        "devices/lab/attestation",
    ] {
        let (status, body) = rest.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        photograph.push(body);
    }
    let (status, mut hub) = rest.raw(Method::GET, "/emulator/devices/t-1", None).await;
    assert_eq!(status, 200);
    for telemetry in ["telemetry_received", "last_message"] {
        hub.as_object_mut().unwrap().remove(telemetry).unwrap();
    }
    photograph.push(hub);
    photograph
}

async fn queue(rest: &Rest, body: Value) {
    let message = json!({"body": body, "properties": {"flag": null, "a": "b"}});
    let (status, answer) = rest
        .raw(Method::POST, "/emulator/devices/t-1/messages", Some(message))
        .await;
    assert_eq!(status, 202, "{answer}");
}

#[tokio::test]
async fn after_a_restart_everything_is_as_before_and_a_device_needs_no_dps() {
    let folder = tempfile::tempdir().unwrap();
    let root = Party::root("root");
    let waiting = Party::root("waiting");
    let lab = Party::self_signed("lab");
    let leaf = root.leaf("t-1");

    let emulator = emulator_in(folder.path()).await;
    let rest = Rest::new(&emulator);
    rest.enroll_group("g", &root).await;
    let group = json!({"displayName": "waiting", "type": "iotEdge", "enabled": false, "attestation": {"type": "x509"}});
    assert_eq!(rest.put("enrollmentGroups/waiting", group).await.0, 200);
    let certificate = json!({"certificate": encode(&waiting.pem)});
    let path = "enrollmentGroups/waiting/certificates/primary";
    assert_eq!(rest.put(path, certificate).await.0, 200);
    let (_, answer) = rest.post(&format!("{path}/generateVerificationCode"), json!({})).await;
    let code = answer["verificationCode"].as_str().unwrap().to_owned();
    rest.enroll_individual("lab", &lab).await;
    assert_eq!(rest.attest("lab", &lab, Some(&Party::self_signed("lab"))).await.0, 200);
    Device::register(&emulator, &lab, "lab").await;
    rest.patch("devices/lab", json!({"enabled": false})).await;

    let registered = Device::register(&emulator, &leaf, "t-1").await;
    let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session()).await;
    device.subscribe(TWIN).await;
    device.subscribe(MESSAGES).await;
    let report = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    // A number that comes back as another one if it is not read to the last bit.
    device
        .publish(report, r#"{"n":9007199254740.993,"t":{"__t":"c","x":0.1}}"#)
        .await;
    let (topic, _) = device.message().await;
    assert_eq!(topic, "$iothub/twin/res/204/?$rid=1&$version=2");
    device.goodbye().await;
    let desired = json!({"targetTemperature": 21.5, "t": {"y": 1}});
    assert_eq!(rest.patch("devices/t-1/properties", desired).await.0, 202);
    queue(&rest, json!("one")).await;
    queue(&rest, json!({"two": 2})).await;
    let before = photograph(&rest).await;
    emulator.shutdown().await;

    let emulator = emulator_in(folder.path()).await;
    let rest = Rest::new(&emulator);
    assert_eq!(photograph(&rest).await, before);

    let (mut device, hello) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1").keep_session()).await;
    assert!(hello.session_present, "and its subscription is kept");
    let (topic, body) = device.message().await;
    assert_eq!(body, "one");
    assert!(topic.ends_with("&a=b&flag"), "{topic}");
    assert_eq!(device.message().await.1, json!({"two": 2}));
    device.publish("$iothub/twin/GET/?$rid=2", "").await;
    let twin = device.message().await.1;
    assert_eq!(
        twin,
        json!({
            "desired": {"targetTemperature": 21.5, "t": {"__t": "c", "y": 1}, "$version": 2},
            "reported": {"n": 9_007_199_254_740.993, "t": {"__t": "c", "x": 0.1}, "$version": 2},
        })
    );
    let (_, blocked) = Device::greet(&emulator, Some(&lab), Hello::hub("lab")).await;
    assert_eq!(blocked.code, ConnectReturnCode::NotAuthorized);
    let (_, other) = Device::greet(&emulator, Some(&root.leaf("t-1")), Hello::hub("t-1")).await;
    assert_eq!(other.code, ConnectReturnCode::NotAuthorized);
    let proof = json!({"certificate": encode(&waiting.leaf(&code).pem)});
    let (status, answer) = rest.post(&format!("{path}/verify"), proof).await;
    assert_eq!(status, 204, "the code of before the restart: {answer}");

    let again = Device::register(&emulator, &leaf, "t-1").await;
    let (first, again) = (&registered["registrationState"], &again["registrationState"]);
    assert_eq!(first["createdDateTimeUtc"], again["createdDateTimeUtc"]);
    assert_ne!(first["etag"], again["etag"]);
}

#[tokio::test]
async fn what_was_taken_back_is_not_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let root = Party::root("root");
    let (leaf, second) = (root.leaf("t-1"), root.leaf("t-2"));
    let lab = Party::self_signed("lab");

    let emulator = emulator_in(folder.path()).await;
    let rest = Rest::new(&emulator);
    rest.enroll_group("g", &root).await;
    rest.enroll_individual("lab", &lab).await;
    let mut device = Device::online(&emulator, &leaf, "t-1").await;
    device.subscribe(MESSAGES).await;
    queue(&rest, json!("done with")).await;
    device.message().await;
    event(&emulator, "t-1", |event| *event == Event::MessageCompleted).await;
    // A connection that keeps a session, and one that ends it.
    Device::connect(&emulator, &leaf, Hello::hub("t-1").keep_session())
        .await
        .goodbye()
        .await;
    queue(&rest, json!("dropped")).await;
    Device::connect(&emulator, &leaf, Hello::hub("t-1"))
        .await
        .goodbye()
        .await;
    let mut gone = Device::online(&emulator, &second, "t-2").await;
    gone.subscribe(TWIN).await;
    let report = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    gone.publish(report, r#"{"n":1}"#).await;
    gone.message().await;
    for path in [
        "devices/t-2",
        "devices/lab/attestation",
        "enrollmentGroups/g",
        "deviceTemplates/dtmi:com:example:Thermostat;1",
    ] {
        assert_eq!(rest.delete(path).await, 204, "{path}");
    }
    emulator.shutdown().await;

    let emulator = emulator_in(folder.path()).await;
    let rest = Rest::new(&emulator);
    for list in ["enrollmentGroups", "deviceTemplates"] {
        assert_eq!(rest.get(list).await.1, json!({"value": []}), "{list}");
    }
    for path in ["devices/t-2", "devices/lab/attestation"] {
        assert_eq!(rest.get(path).await.0, 404, "{path}");
    }
    let (_, view) = rest.raw(Method::GET, "/emulator/devices/t-1", None).await;
    assert_eq!(view["messages_waiting"], 0);
    let (_, hello) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1").keep_session()).await;
    assert_eq!((hello.code, hello.session_present), (ConnectReturnCode::Success, false));
    rest.enroll_group("g", &root).await;
    Device::register(&emulator, &second, "t-2").await;
    let (_, view) = rest.raw(Method::GET, "/emulator/devices/t-2", None).await;
    assert_eq!(view["twin"]["reported"], json!({"$version": 1}), "a new device");
}

#[tokio::test]
async fn a_device_that_comes_back_and_sends_telemetry_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = emulator_in(folder.path()).await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    let hello = || Hello::hub("t-1").keep_session();
    Device::register(&emulator, &leaf, "t-1").await;
    let mut device = Device::connect(&emulator, &leaf, hello()).await;
    device.subscribe(MESSAGES).await;
    device.subscribe(TWIN).await;
    device.goodbye().await;

    let database = folder.path().join("emulator.redb");
    let before = std::fs::read(&database).unwrap();
    let mut device = Device::connect(&emulator, &leaf, hello()).await;
    device.subscribe(MESSAGES).await;
    device.subscribe(TWIN).await;
    device.publish("$iothub/twin/GET/?$rid=1", "").await;
    device.message().await;
    for _ in 0..5 {
        device
            .publish("devices/t-1/messages/events/", r#"{"temperature":21}"#)
            .await;
    }
    device.goodbye().await;
    assert!(std::fs::read(&database).unwrap() == before);
}

#[tokio::test]
async fn two_emulators_do_not_share_a_state_folder_and_a_spoilt_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        state: Some(folder.path().into()),
        ..Config::default()
    };
    let first = emulator_in(folder.path()).await;
    let token = first.api_token().to_owned();
    let refused = Emulator::start(config.clone()).await.err().unwrap();
    assert!(matches!(refused, StartError::StateInUse(_)), "{refused}");
    first.shutdown().await;
    let again = emulator_in(folder.path()).await;
    assert_eq!(again.api_token(), token);
    again.shutdown().await;

    let database = folder.path().join("emulator.redb");
    std::fs::write(&database, "nonsense").unwrap();
    let refused = Emulator::start(config).await.err().unwrap();
    assert!(
        matches!(&refused, StartError::BadState { path, .. } if *path == database),
        "{refused}"
    );
}
