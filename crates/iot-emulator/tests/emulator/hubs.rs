//! Several hubs: how devices are spread over them, and how one gets from hub to hub. The words are those of
//! [Reprovisioning concepts](https://learn.microsoft.com/azure/iot-dps/concepts-device-reprovision); that a device which
//! registers again at its hub gets `reprovisionedToInitialAssignment` is seen in the live tests of
//! [Azure's CLI](https://github.com/Azure/azure-iot-cli-extension/tree/dev/azext_iot/tests/dps).

use std::path::Path;
use std::sync::Arc;

use iot_emulator::{Config, DisconnectReason, Emulator, Event, Reprovision, StartError};
use iot_protocol::id::HubHost;
use reqwest::Method;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::ConnectReturnCode::{NotAuthorized, Success};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::emulator::{config, event};
use testing::party::Party;
use testing::rest::Rest;

const A: &str = "hub-a.localhost";
const B: &str = "hub-b.localhost";
const TWIN_RESPONSES: &str = "$iothub/twin/res/#";

fn names(hubs: &[&str]) -> Vec<HubHost> {
    hubs.iter().map(|name| HubHost::new(name).unwrap()).collect()
}

async fn with_hubs(hubs: &[&str], reprovision: Reprovision, state: Option<&Path>) -> Emulator {
    let config = Config {
        hubs: names(hubs),
        reprovision,
        state: state.map(Into::into),
        ..config()
    };
    Emulator::start(config).await.unwrap()
}

fn hello(hub: &str, id: &str) -> Hello {
    Hello::new(id, &format!("{hub}/{id}/?api-version=2021-04-12"))
}

/// Where a registration leads, and the substatus of its response.
async fn register(emulator: &Emulator, leaf: &Party, id: &str) -> (String, String) {
    let answer = Device::register(emulator, leaf, id).await;
    let state = &answer["registrationState"];
    let text = |key: &str| {
        state[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key} in {answer}"))
            .to_owned()
    };
    (text("assignedHub"), text("substatus"))
}

fn placed(hub: &str, substatus: &str) -> (String, String) {
    (hub.into(), substatus.into())
}

/// The hub refuses, for this reason.
async fn is_refused(emulator: &Emulator, leaf: &Party, hub: &str, words: &str) {
    let since = emulator.journal().last();
    let (mut device, answer) = Device::greet(emulator, Some(leaf), hello(hub, "t-1")).await;
    assert_eq!(answer.code, NotAuthorized, "{words}");
    device.is_closed().await;
    let refused = |event: &Event| matches!(event, Event::Refused { reason, .. } if reason.contains(words));
    emulator.journal().wait_for(since, |entry| refused(&entry.event)).await;
}

async fn report(device: &mut Device, body: Value) {
    device.subscribe(TWIN_RESPONSES).await;
    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    device.send_publish(topic, QoS::AtMostOnce, body.to_string()).await;
    assert!(device.message().await.0.contains("/204/"));
}

async fn view(rest: &Rest) -> Value {
    rest.raw(Method::GET, "/emulator/devices/t-1", None).await.1
}

async fn reassign(rest: &Rest, body: Option<Value>) -> (u16, Value) {
    let (status, answer) = rest.raw(Method::POST, "/emulator/devices/t-1/reassign", body).await;
    (status.as_u16(), answer)
}

/// A device that has reported something and has a message waiting, at hub A.
async fn settled(emulator: &Emulator) -> (Rest, Party, Device) {
    let (rest, root) = (Rest::new(emulator), Party::root("root"));
    rest.enroll_group("g", &root).await;
    let leaf = root.leaf("t-1");
    assert_eq!(register(emulator, &leaf, "t-1").await, placed(A, "initialAssignment"));
    let mut device = Device::connect(emulator, &leaf, hello(A, "t-1").keep_session()).await;
    report(&mut device, json!({"a": 1})).await;
    let message = Some(json!({"body": "x"}));
    let (status, _) = rest.raw(Method::POST, "/emulator/devices/t-1/messages", message).await;
    assert_eq!(status, 202);
    (rest, leaf, device)
}

#[tokio::test]
async fn devices_are_spread_evenly_and_a_hub_takes_only_its_own() {
    let emulator = with_hubs(&[A, B], Reprovision::Migrate, None).await;
    let root = Party::root("root");
    Rest::new(&emulator).enroll_group("g", &root).await;
    for (id, own, other) in [("t-1", A, B), ("t-2", B, A), ("t-3", A, B), ("t-4", B, A)] {
        let leaf = root.leaf(id);
        assert_eq!(register(&emulator, &leaf, id).await, placed(own, "initialAssignment"));
        let (_, answer) = Device::greet(&emulator, Some(&leaf), hello(other, id)).await;
        assert_eq!(answer.code, NotAuthorized, "{id} at {other}");
        let (_, answer) = Device::greet(&emulator, Some(&leaf), hello(&own.to_uppercase(), id)).await;
        assert_eq!(answer.code, Success, "{id} at {own}");
        let again = register(&emulator, &leaf, id).await;
        assert_eq!(again, placed(own, "reprovisionedToInitialAssignment"));
    }
}

#[tokio::test]
async fn every_hub_is_in_the_server_certificate() {
    let emulator = with_hubs(&[A, B], Reprovision::Migrate, None).await;
    let tls = testing::tls::client(&emulator, None, rustls::DEFAULT_VERSIONS);
    let tls = tokio_rustls::TlsConnector::from(Arc::new(tls));
    for (name, fits) in [(A, true), (B, true), ("localhost", true), ("hub-c.localhost", false)] {
        let tcp = tokio::net::TcpStream::connect(emulator.mqtt_addr()).await.unwrap();
        let connected = tls.connect(ServerName::try_from(name).unwrap(), tcp).await;
        assert_eq!(connected.is_ok(), fits, "{name}: {:?}", connected.err());
    }
}

#[tokio::test]
async fn a_reassigned_device_is_dropped_and_refused_and_finds_its_data_at_the_other_hub() {
    let emulator = with_hubs(&[A, B], Reprovision::Migrate, None).await;
    let (rest, leaf, mut device) = settled(&emulator).await;

    assert_eq!(reassign(&rest, None).await, (202, json!({ "hub": B })));
    device.is_closed().await;
    let moved = |event: &Event| {
        matches!(
            event,
            Event::Disconnected {
                reason: DisconnectReason::Moved,
                ..
            }
        )
    };
    event(&emulator, "t-1", moved).await;
    is_refused(&emulator, &leaf, A, "was moved").await;
    is_refused(&emulator, &leaf, B, "was moved").await;
    let seen = view(&rest).await;
    assert_eq!((&seen["hub"], &seen["next_hub"]), (&json!(A), &json!(B)));

    assert_eq!(register(&emulator, &leaf, "t-1").await, placed(B, "deviceDataMigrated"));
    is_refused(&emulator, &leaf, A, "belongs to hub `hub-b.localhost`").await;
    let (mut device, answer) = Device::greet(&emulator, Some(&leaf), hello(B, "t-1").keep_session()).await;
    assert_eq!((answer.code, answer.session_present), (Success, false));
    let seen = view(&rest).await;
    assert_eq!((&seen["hub"], &seen["next_hub"]), (&json!(B), &Value::Null));
    assert_eq!(seen["twin"]["reported"]["a"], 1);
    device.subscribe("devices/t-1/messages/devicebound/#").await;
    assert_eq!(device.message().await.1, "x");

    let again = register(&emulator, &leaf, "t-1").await;
    assert_eq!(again, placed(B, "reprovisionedToInitialAssignment"));
    // The hub that it has left has room again.
    let other = Party::root("other");
    rest.enroll_group("h", &other).await;
    assert_eq!(register(&emulator, &other.leaf("t-2"), "t-2").await.0, A);
}

#[tokio::test]
async fn a_reset_forgets_what_the_hub_had_of_the_device() {
    let emulator = with_hubs(&[A, B], Reprovision::Reset, None).await;
    let (rest, leaf, mut device) = settled(&emulator).await;
    assert_eq!(reassign(&rest, Some(json!({ "hub": B }))).await.0, 202);
    device.is_closed().await;
    assert_eq!(register(&emulator, &leaf, "t-1").await, placed(B, "deviceDataReset"));
    let empty = json!({"desired": {"$version": 1}, "reported": {"$version": 1}});
    let seen = view(&rest).await;
    assert_eq!((&seen["twin"], &seen["messages_waiting"]), (&empty, &json!(0)));

    // It need not move for that.
    let mut device = Device::connect(&emulator, &leaf, hello(B, "t-1")).await;
    report(&mut device, json!({"a": 1})).await;
    assert_eq!(register(&emulator, &leaf, "t-1").await.0, B);
    device.is_closed().await;
    assert_eq!(view(&rest).await["twin"], empty);
}

#[tokio::test]
async fn who_is_never_provisioned_again_stays() {
    let emulator = with_hubs(&[A, B], Reprovision::Never, None).await;
    let (rest, leaf, mut device) = settled(&emulator).await;
    let (status, error) = reassign(&rest, None).await;
    assert_eq!(status, 409, "{error}");
    device.publish("devices/t-1/messages/events/", "{}").await;
    assert_eq!(register(&emulator, &leaf, "t-1").await.0, A);
}

#[tokio::test]
async fn a_device_can_be_given_only_to_another_hub_that_is_there() {
    let emulator = with_hubs(&[A], Reprovision::Migrate, None).await;
    let (rest, _, _device) = settled(&emulator).await;
    for (body, words) in [
        (None, "no other hub"),
        (Some(json!({ "hub": A })), "already"),
        (Some(json!({ "hub": B })), "no hub"),
    ] {
        let (status, error) = reassign(&rest, body).await;
        let message = error["error"]["message"].as_str().unwrap();
        assert!(status == 409 && message.contains(words), "{status} {message}");
    }
    let (status, _) = rest.raw(Method::POST, "/emulator/devices/t-2/reassign", None).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_restart_keeps_every_hub_and_where_a_device_is_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = with_hubs(&[A, B], Reprovision::Migrate, Some(folder.path())).await;
    let (rest, leaf, device) = settled(&emulator).await;
    assert_eq!(reassign(&rest, None).await.0, 202);
    drop(device);
    emulator.shutdown().await;

    let emulator = with_hubs(&[A, B], Reprovision::Migrate, Some(folder.path())).await;
    is_refused(&emulator, &leaf, A, "was moved").await;
    assert_eq!(register(&emulator, &leaf, "t-1").await, placed(B, "deviceDataMigrated"));
    emulator.shutdown().await;

    // Without its hub, the device goes where there is one.
    let emulator = with_hubs(&[A], Reprovision::Migrate, Some(folder.path())).await;
    is_refused(&emulator, &leaf, A, "belongs to").await;
    assert_eq!(register(&emulator, &leaf, "t-1").await, placed(A, "deviceDataMigrated"));
    assert_eq!(view(&Rest::new(&emulator)).await["twin"]["reported"]["a"], 1);
}

#[tokio::test]
async fn a_hub_that_is_named_twice_is_refused() {
    let config = Config {
        hubs: names(&["hub-a", "HUB-A"]),
        ..config()
    };
    let refused = Emulator::start(config).await;
    assert!(matches!(refused, Err(StartError::HubTwice(_))), "{refused:?}");
}

#[tokio::test]
async fn a_failback_before_the_device_has_moved_leaves_it_where_it_is() {
    // Of three hubs, the one before in the list would be a third.
    let emulator = with_hubs(&[A, B, "hub-c.localhost"], Reprovision::Migrate, None).await;
    let (rest, leaf, mut device) = settled(&emulator).await;
    for (what, hub) in [("failover", B), ("failback", A)] {
        let path = format!("/system/iothub/devices/t-1/manual-{what}");
        let (status, answer) = rest.raw(Method::POST, &path, None).await;
        assert_eq!((status.as_u16(), answer), (200, json!({ "hubIdentifier": hub })));
    }
    device.is_closed().await;
    assert_eq!(
        register(&emulator, &leaf, "t-1").await,
        placed(A, "reprovisionedToInitialAssignment")
    );
}

#[tokio::test]
async fn a_manual_failover_moves_a_device_and_the_failback_brings_it_home() {
    let emulator = with_hubs(&[A, B], Reprovision::Migrate, None).await;
    let (rest, leaf, mut device) = settled(&emulator).await;
    let order = async |what: &str| {
        let path = format!("/system/iothub/devices/t-1/manual-{what}");
        let (status, answer) = rest.raw(Method::POST, &path, Some(json!({"ttl": 30}))).await;
        (status.as_u16(), answer)
    };
    assert_eq!(order("failover").await, (200, json!({"hubIdentifier": B})));
    device.is_closed().await;
    assert_eq!(register(&emulator, &leaf, "t-1").await, placed(B, "deviceDataMigrated"));
    assert_eq!(order("failback").await, (200, json!({"hubIdentifier": A})));
    assert_eq!(register(&emulator, &leaf, "t-1").await, placed(A, "deviceDataMigrated"));
    let (status, answer) = order("failback").await;
    assert_eq!(
        (status, &answer["error"]["message"]),
        (409, &json!("no failover has moved the device"))
    );
}

#[tokio::test]
async fn a_failback_leads_home_after_two_failovers_and_a_restart() {
    const C: &str = "hub-c.localhost";
    let folder = tempfile::tempdir().unwrap();
    let emulator = with_hubs(&[A, B, C], Reprovision::Migrate, Some(folder.path())).await;
    let (rest, leaf, _device) = settled(&emulator).await;
    let path = |what: &str| format!("/system/iothub/devices/t-1/manual-{what}");
    for hub in [B, C] {
        let (_, answer) = rest.raw(Method::POST, &path("failover"), None).await;
        assert_eq!(answer, json!({"hubIdentifier": hub}));
        assert_eq!(
            register(&emulator, &leaf, "t-1").await,
            placed(hub, "deviceDataMigrated")
        );
    }
    emulator.shutdown().await;
    let emulator = with_hubs(&[A, B, C], Reprovision::Migrate, Some(folder.path())).await;
    let (_, answer) = Rest::new(&emulator).raw(Method::POST, &path("failback"), None).await;
    assert_eq!(answer, json!({"hubIdentifier": A}));
    assert_eq!(register(&emulator, &leaf, "t-1").await, placed(A, "deviceDataMigrated"));
}
