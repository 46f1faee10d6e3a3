//! The transparent gateway: which devices it lets through, by which certificates, and for how long.

use std::path::Path;

use iot_emulator::{Config, DisconnectReason, Emulator, Event, Service, StartError};
use reqwest::{Method, StatusCode};
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use serde_json::json;

use testing::device::{Device, Hello};
use testing::emulator::{config, event};
use testing::party::Party;
use testing::rest::Rest;
use testing::tls;

const NAME: &str = "gw.local";

fn with_gateway() -> Config {
    Config {
        gateways: vec![format!("{NAME}=127.0.0.1:0").parse().unwrap()],
        ..config()
    }
}

/// An emulator with the gateway of the Edge device `gw`, which its application has.
async fn emulator() -> (Emulator, Rest) {
    let emulator = Emulator::start(with_gateway()).await.unwrap();
    let rest = Rest::new(&emulator);
    create(&rest, "gw").await;
    (emulator, rest)
}

async fn create(rest: &Rest, id: &str) {
    let (status, answer) = rest.put(&format!("devices/{id}"), json!({"displayName": id})).await;
    assert_eq!(status, 200, "{answer}");
}

async fn make_child(rest: &Rest, child: &str) {
    let body = json!({"source": "gw", "target": child});
    let (status, answer) = rest.put(&format!("devices/gw/relationships/of-{child}"), body).await;
    assert_eq!(status, 200, "{answer}");
}

/// Sends CONNECT through the gateway.
async fn greet(emulator: &Emulator, party: Option<&Party>, hello: Hello) -> (Device, u8) {
    let way = (NAME, emulator.gateways()[0].mqtt);
    let line = tls::connect(emulator, way, party, rustls::DEFAULT_VERSIONS)
        .await
        .unwrap();
    let (_, connection) = line.get_ref();
    let shown = connection.peer_certificates().unwrap().len();
    assert_eq!(shown, 2, "the server's certificate and that of its Edge CA");
    let mut device = Device::over(line);
    let answer = device.hello(hello).await;
    (device, answer.code as u8)
}

async fn connect(emulator: &Emulator, party: &Party, hello: Hello) -> Device {
    let (device, code) = greet(emulator, Some(party), hello).await;
    assert_eq!(
        code,
        ConnectReturnCode::Success as u8,
        "{:#?}",
        emulator.journal().since(0)
    );
    device
}

async fn refused(emulator: &Emulator, party: Option<&Party>, hello: Hello, words: &str) {
    let since = emulator.journal().last();
    let (mut device, code) = greet(emulator, party, hello).await;
    assert_eq!(code, ConnectReturnCode::NotAuthorized as u8, "{words}");
    device.is_closed().await;
    let is_it =
        |entry: &iot_emulator::Entry| matches!(&entry.event, Event::Refused { reason, .. } if reason.contains(words));
    let found = emulator.journal().since(since).iter().any(is_it);
    assert!(found, "no `{words}` in {:#?}", emulator.journal().since(since));
}

fn orphaned(event: &Event) -> bool {
    matches!(event, Event::Disconnected { service: Service::Hub, reason } if *reason == DisconnectReason::NoChild)
}

#[tokio::test]
async fn a_registered_child_lives_behind_the_gateway_as_at_the_hub() {
    let (emulator, rest) = emulator().await;
    let root = Party::root("Contoso Root");
    rest.enroll_group("fleet", &root).await;
    let party = root.leaf("t-1");
    assert_eq!(Device::register(&emulator, &party, "t-1").await["status"], "assigned");
    refused(&emulator, Some(&party), Hello::hub("t-1"), "no child of `gw`").await;
    make_child(&rest, "t-1").await;

    let mut device = connect(&emulator, &party, Hello::hub("t-1")).await;
    event(&emulator, "t-1", |event| {
        *event == Event::ThroughGateway { gateway: "gw".into() }
    })
    .await;
    device
        .publish("devices/t-1/messages/events/", json!({"temperature": 21.5}).to_string())
        .await;
    assert_eq!(rest.get("devices/t-1/telemetry/temperature").await.1["value"], 21.5);
    device.subscribe("devices/t-1/messages/devicebound/#").await;
    let message = Some(json!({"body": "hello"}));
    rest.raw(Method::POST, "/emulator/devices/t-1/messages", message).await;
    assert_eq!(device.message().await.1, "hello");
    device.goodbye().await;

    // What it names as its hub may as well be the gateway; and the way to the hub stays open.
    connect(
        &emulator,
        &party,
        Hello::new("t-1", "gw.local/t-1/?api-version=2021-04-12"),
    )
    .await;
    Device::connect(&emulator, &party, Hello::hub("t-1")).await;
}

#[tokio::test]
async fn a_child_that_never_registered_is_known_by_its_enrollment() {
    let (emulator, rest) = emulator().await;
    let root = Party::root("Contoso Root");
    rest.enroll_group("fleet", &root).await;
    let (primary, secondary) = (Party::self_signed("lab-1"), Party::self_signed("lab-1"));
    rest.enroll_individual("lab-1", &primary).await;
    assert_eq!(rest.attest("lab-1", &primary, Some(&secondary)).await.0, 200);
    create(&rest, "t-1").await;
    let leaf = root.intermediate("Factory").leaf("t-1");
    let lab = || Hello::hub("lab-1");
    refused(&emulator, Some(&primary), lab(), "the hub has no such device").await;
    make_child(&rest, "lab-1").await;
    make_child(&rest, "t-1").await;
    assert_eq!(
        rest.get("devices/t-1").await.1["provisioned"],
        true,
        "the hub has it now"
    );

    for (party, id) in [(&primary, "lab-1"), (&secondary, "lab-1"), (&leaf, "t-1")] {
        let mut device = connect(&emulator, party, Hello::hub(id)).await;
        device.publish(&format!("devices/{id}/messages/events/"), "{}").await;
        device.goodbye().await;
    }
    for (party, hello, words) in [
        (None, lab(), "no client certificate"),
        (Some(&Party::self_signed("lab-1")), lab(), "with another certificate"),
        (Some(&leaf), lab(), "common name"),
        (Some(&root.leaf("T-1")), Hello::hub("t-1"), "common name"),
        (Some(&root.expired_leaf("t-1")), Hello::hub("t-1"), "expired"),
        (
            Some(&Party::root("Contoso Root").leaf("t-1")),
            Hello::hub("t-1"),
            "another certificate of that name",
        ),
        (
            Some(&leaf),
            Hello::new("t-1", "other.local/t-1/?api-version=2021-04-12"),
            "no hub `other.local`",
        ),
    ] {
        refused(&emulator, party, hello, words).await;
    }
    // Only the gateway vouches for a device that DPS has never seen.
    let (_, answer) = Device::greet(&emulator, Some(&leaf), Hello::hub("t-1")).await;
    assert_eq!(answer.code, ConnectReturnCode::NotAuthorized);
    assert_eq!(Device::register(&emulator, &leaf, "t-1").await["status"], "assigned");
    Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;

    rest.patch("enrollmentGroups/fleet", json!({"enabled": false})).await;
    refused(
        &emulator,
        Some(&root.leaf("t-1")),
        Hello::hub("t-1"),
        "enrollment group `fleet` is disabled",
    )
    .await;
    rest.patch("devices/lab-1", json!({"enabled": false})).await;
    refused(&emulator, Some(&primary), lab(), "the device is disabled").await;
}

#[tokio::test]
async fn no_device_registers_through_the_gateway() {
    let (emulator, rest) = emulator().await;
    let root = Party::root("Contoso Root");
    rest.enroll_group("fleet", &root).await;
    let party = root.leaf("t-1");
    refused(
        &emulator,
        Some(&party),
        Hello::dps("t-1"),
        "no registration through a gateway",
    )
    .await;
    Device::connect(&emulator, &party, Hello::dps("t-1")).await;
}

#[tokio::test]
async fn the_end_of_a_relationship_is_the_end_of_the_connection() {
    let (emulator, rest) = emulator().await;
    let root = Party::root("Contoso Root");
    rest.enroll_group("fleet", &root).await;
    for id in ["t-1", "t-2", "t-3", "t-4"] {
        create(&rest, id).await;
    }
    let parties = ["t-1", "t-2", "t-3"].map(|id| (id, root.leaf(id)));
    let mut devices = Vec::new();
    for (id, party) in &parties {
        make_child(&rest, id).await;
        devices.push(connect(&emulator, party, Hello::hub(id)).await);
    }
    assert_eq!(rest.delete("devices/gw/relationships/of-t-1").await, 204);
    let moved = json!({"target": "t-4"});
    assert_eq!(rest.patch("devices/gw/relationships/of-t-2", moved).await.0, 200);
    assert_eq!(rest.delete("devices/gw").await, 204);
    for ((id, party), mut device) in parties.iter().zip(devices) {
        device.is_closed().await;
        event(&emulator, id, orphaned).await;
        refused(&emulator, Some(party), Hello::hub(id), "no child of `gw`").await;
    }

    // A device that came by the other way stays connected.
    let party = root.leaf("t-1");
    let mut direct = Device::online(&emulator, &party, "t-1").await;
    create(&rest, "gw").await;
    make_child(&rest, "t-1").await;
    assert_eq!(rest.delete("devices/gw/relationships/of-t-1").await, 204);
    direct.publish("devices/t-1/messages/events/", "{}").await;
}

#[tokio::test]
async fn relationships_are_made_read_changed_and_removed() {
    let (_emulator, rest) = emulator().await;
    for id in ["Child-1", "child-2", "other"] {
        create(&rest, id).await;
    }
    let path = "devices/gw/relationships/r-1";
    let whole = json!({"id": "r-1", "name": "Behind", "source": "gw", "target": "Child-1"});
    let given = json!({"id": "r-1", "name": "Behind", "source": "GW", "target": "child-1"});
    assert_eq!(rest.put(path, given).await, (StatusCode::OK, whole.clone()));
    assert_eq!(rest.get(path).await.1, whole);
    assert_eq!(rest.get("devices/gw/relationships").await.1, json!({"value": [whole]}));
    assert_eq!(rest.get("devices/Child-1/relationships").await.1, json!({"value": []}));

    let named = json!({"id": "r-1", "name": "New name", "source": "gw", "target": "Child-1"});
    assert_eq!(rest.patch(path, json!({"name": "New name"})).await.1, named);
    let moved = json!({"id": "r-1", "name": "New name", "source": "gw", "target": "child-2"});
    assert_eq!(rest.patch(path, json!({"target": "child-2"})).await.1, moved);
    let unnamed = json!({"id": "r-1", "source": "gw", "target": "child-2"});
    assert_eq!(
        rest.put(path, json!({"source": "gw", "target": "child-2"})).await.1,
        unnamed
    );

    let relation = |source: &str, target: &str| json!({"source": source, "target": target});
    for (path, body, status) in [
        ("devices/missing/relationships/r", relation("missing", "child-2"), 404),
        ("devices/gw/relationships/r", relation("gw", "missing"), 422),
        ("devices/gw/relationships/r", relation("other", "Child-1"), 422),
        ("devices/gw/relationships/r", relation("gw", "gw"), 422),
        ("devices/gw/relationships/r", json!({"source": "gw"}), 422),
        ("devices/gw/relationships/r", json!({"target": "Child-1"}), 422),
        (
            "devices/gw/relationships/r",
            json!({"id": "x", "source": "gw", "target": "Child-1"}),
            422,
        ),
        ("devices/gw/relationships/a%20b", relation("gw", "Child-1"), 400),
        // It has a parent already, by whatever name.
        ("devices/gw/relationships/r", relation("gw", "child-2"), 409),
        ("devices/other/relationships/r", relation("other", "child-2"), 409),
    ] {
        let (found, answer) = rest.put(path, body).await;
        assert_eq!(found, status, "{path}: {answer}");
    }
    assert_eq!(
        rest.patch("devices/gw/relationships/r", json!({"name": "x"})).await.0,
        404
    );
    assert_eq!(rest.get("devices/gw/relationships/r").await.0, 404);
    assert_eq!(rest.delete(path).await, 204);
    assert_eq!(rest.delete(path).await, 404);
    assert_eq!(
        rest.put("devices/other/relationships/r", relation("other", "child-2"))
            .await
            .0,
        200
    );
    assert_eq!(rest.delete("devices/child-2").await, 204);
    assert_eq!(rest.get("devices/other/relationships").await.1, json!({"value": []}));
}

#[tokio::test]
async fn children_are_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let state = Some(folder.path().into());
        Emulator::start(Config {
            state,
            ..with_gateway()
        })
        .await
        .unwrap()
    };
    let root = Party::root("Contoso Root");
    let party = root.leaf("t-1");
    let first = start().await;
    let rest = Rest::new(&first);
    rest.enroll_group("fleet", &root).await;
    for id in ["gw", "t-1", "t-2"] {
        create(&rest, id).await;
    }
    make_child(&rest, "t-1").await;
    make_child(&rest, "t-2").await;
    rest.delete("devices/gw/relationships/of-t-2").await;
    first.shutdown().await;

    let second = start().await;
    connect(&second, &party, Hello::hub("t-1")).await;
    refused(&second, Some(&root.leaf("t-2")), Hello::hub("t-2"), "no child of `gw`").await;
    second.shutdown().await;
}

#[tokio::test]
async fn an_authority_without_room_for_an_edge_ca_is_not_made_to_look_as_if_it_had() {
    let folder = tempfile::tempdir().unwrap();
    write_old_authority(folder.path());
    let state = Some(folder.path().into());
    let error = Emulator::start(Config {
        state: state.clone(),
        ..with_gateway()
    })
    .await
    .unwrap_err();
    assert!(matches!(error, StartError::NoRoomForEdgeCa(_)), "{error}");
    let without = Emulator::start(Config { state, ..config() }).await.unwrap();
    without.shutdown().await;
}

#[tokio::test]
async fn an_edge_ca_that_can_not_be_one_is_refused_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |device: &str| {
        let edge_ca = format!("{device}={}", folder.path().display());
        let config = Config {
            edge_cas: vec![edge_ca.parse().unwrap()],
            ..with_gateway()
        };
        match Emulator::start(config).await {
            Ok(_) => panic!("it started"),
            Err(error) => error.to_string(),
        }
    };
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    assert_eq!(
        start("other").await,
        "`--edge-ca` names `other`, and no `--gateway` stands for that device"
    );
    let error = start("gw").await;
    assert!(error.contains("edge_ca_fullchain.pem can't be used"), "{error}");
    write("edge_ca_fullchain.pem", &Party::root("Edge CA").pem);
    write("edge_ca_key.pem", "nothing");
    let error = start("gw").await;
    assert!(
        error.ends_with("edge_ca_key.pem can't be used: it has no BEGIN line, which begins each part of PEM"),
        "{error}"
    );
    write("edge_ca_key.pem", &rcgen::KeyPair::generate().unwrap().serialize_pem());
    let error = start("gw").await;
    assert!(error.ends_with("it is not the key of the CA beside it"), "{error}");
    write("edge_ca_fullchain.pem", &Party::self_signed("gw").pem);
    let error = start("gw").await;
    assert!(error.ends_with("its first certificate is not that of a CA"), "{error}");
}

#[tokio::test]
async fn a_child_that_never_registered_belongs_to_the_hub_of_its_parent() {
    let emulator = Emulator::start(Config {
        hubs: ["hub-a.localhost", "hub-b.localhost"]
            .map(|hub| hub.parse().unwrap())
            .into(),
        ..with_gateway()
    })
    .await
    .unwrap();
    let rest = Rest::new(&emulator);
    let root = Party::root("Contoso Root");
    rest.enroll_group("fleet", &root).await;
    let answer = Device::register(&emulator, &root.leaf("gw"), "gw").await;
    assert_eq!(answer["registrationState"]["assignedHub"], "hub-a.localhost");
    // Spread evenly, the first of them would be at the other hub.
    for id in ["t-1", "t-2"] {
        create(&rest, id).await;
        make_child(&rest, id).await;
        let hello = Hello::new(id, &format!("hub-a.localhost/{id}/?api-version=2021-04-12"));
        connect(&emulator, &root.leaf(id), hello).await;
    }
}

/// An authority as emulators without gateways made it.
fn write_old_authority(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
    let name = "IoT emulator test CA";
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.join("ca_cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("ca_key.pem"), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn a_client_that_names_no_server_is_noted_and_refused_only_where_that_is_asked_for() {
    for require_sni in [false, true] {
        let emulator = Emulator::start(Config {
            require_sni,
            ..config()
        })
        .await
        .unwrap();
        let root = Party::root("Contoso Root");
        Rest::new(&emulator).enroll_group("fleet", &root).await;
        let party = root.leaf("t-1");
        // There is no SNI for an address.
        let way = ("127.0.0.1", emulator.mqtt_addr());
        let line = tls::connect(&emulator, way, Some(&party), rustls::DEFAULT_VERSIONS)
            .await
            .unwrap();
        let mut device = Device::over(line);
        if require_sni {
            device.is_closed().await;
        } else {
            assert_eq!(device.hello(Hello::dps("t-1")).await.code, ConnectReturnCode::Success);
        }
        let events = emulator.journal().since(0);
        assert!(
            events.iter().any(|entry| entry.event == Event::NoServerName),
            "{events:#?}"
        );
        Device::connect(&emulator, &party, Hello::dps("t-1")).await;
    }
}
