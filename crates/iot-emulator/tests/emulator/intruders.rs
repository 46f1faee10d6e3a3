//! Who must not get in, and what must not get out. That every route wants a token is tried in the crate itself.

use iot_emulator::Event;
use reqwest::Method;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet, Subscribe, SubscribeReasonCode};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use testing::device::{DPS_FILTER, Device, Hello, REGISTER};
use testing::emulator::{Place, emulator, event};
use testing::party::Party;
use testing::rest::{Rest, encode};

const PRIMARY: &str = "enrollmentGroups/g/certificates/primary";

/// Whether DPS would talk to the device at all.
async fn is_let_in(emulator: &impl Place, party: &Party, id: &str) -> bool {
    let (_, answer) = Device::greet(emulator, Some(party), Hello::dps(id)).await;
    answer.code == ConnectReturnCode::Success
}

async fn verify(rest: &Rest, by: impl FnOnce(&str) -> Party) -> u16 {
    let (_, answer) = rest
        .post(&format!("{PRIMARY}/generateVerificationCode"), json!({}))
        .await;
    let proof = by(answer["verificationCode"].as_str().unwrap());
    let body = json!({"certificate": encode(&proof.pem)});
    rest.post(&format!("{PRIMARY}/verify"), body).await.0.as_u16()
}

#[tokio::test]
async fn an_authority_lets_no_device_in_before_its_owner_has_proved_to_have_its_key() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let (root, mallory) = (Party::root("root"), Party::root("root"));
    let leaf = root.leaf("t-1");
    let group = json!({"displayName": "g", "type": "iot", "attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": encode(&root.pem)}}}}});
    assert_eq!(rest.put("enrollmentGroups/g", group).await.0, 200);
    assert!(!is_let_in(&emulator, &leaf, "t-1").await, "it is not verified");

    // A claim that it is verified, without the certificate, proves nothing.
    assert_eq!(rest.put(PRIMARY, json!({"verified": true})).await.0, 422);
    let patch =
        json!({"attestation": {"type": "x509", "x509": {"signingCertificates": {"primary": {"verified": true}}}}});
    assert_eq!(rest.patch("enrollmentGroups/g", patch).await.0, 200);
    assert_eq!(rest.get(PRIMARY).await.1["verified"], false);

    assert_eq!(
        verify(&rest, |code| mallory.leaf(code)).await,
        422,
        "an authority of the same name"
    );
    assert_eq!(verify(&rest, Party::self_signed).await, 422, "self-signed");
    assert_eq!(
        verify(&rest, |code| root.leaf("x").leaf(code)).await,
        422,
        "a device below it"
    );
    assert_eq!(
        verify(&rest, |code| root.intermediate("i").leaf(code)).await,
        422,
        "not by it itself"
    );
    assert_eq!(
        verify(&rest, |_| root.leaf("t-1")).await,
        422,
        "a device's own certificate"
    );
    assert!(!is_let_in(&emulator, &leaf, "t-1").await);
    assert_eq!(verify(&rest, |code| root.leaf(code)).await, 204);
    assert!(is_let_in(&emulator, &leaf, "t-1").await);

    // The others stay out: of another authority, or below a device.
    for (stranger, reason) in [
        (mallory.leaf("t-1"), "another authority of the same name"),
        (
            mallory.intermediate("root").leaf("t-1"),
            "an intermediate that calls itself like the authority",
        ),
        (root.leaf("t-9").leaf("t-1"), "signed by a device"),
        (Party::self_signed("t-1"), "signed by itself"),
    ] {
        assert!(!is_let_in(&emulator, &stranger, "t-1").await, "{reason}");
    }
}

#[tokio::test]
async fn an_authority_that_is_replaced_removed_or_expired_lets_no_device_in() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let (old, new) = (Party::root("root"), Party::root("root"));
    rest.enroll_group("g", &old).await;
    assert!(is_let_in(&emulator, &old.leaf("t-1"), "t-1").await);

    // What was verified was the old one: its successor must be verified again.
    assert_eq!(rest.put(PRIMARY, json!({"certificate": encode(&new.pem)})).await.0, 200);
    assert!(!is_let_in(&emulator, &old.leaf("t-1"), "t-1").await);
    assert!(!is_let_in(&emulator, &new.leaf("t-1"), "t-1").await);
    assert_eq!(
        verify(&rest, |code| old.leaf(code)).await,
        422,
        "the old one's word for the new one"
    );
    assert_eq!(verify(&rest, |code| new.leaf(code)).await, 204);
    assert!(is_let_in(&emulator, &new.leaf("t-1"), "t-1").await);
    assert!(!is_let_in(&emulator, &old.leaf("t-1"), "t-1").await);

    assert_eq!(rest.delete(PRIMARY).await, 204);
    assert!(!is_let_in(&emulator, &new.leaf("t-1"), "t-1").await);

    let expired = Party::expired_root("root");
    let upload = json!({"certificate": encode(&expired.pem), "verified": true});
    assert_eq!(rest.put(PRIMARY, upload).await.0, 200);
    assert!(!is_let_in(&emulator, &expired.leaf("t-1"), "t-1").await);

    let upload = json!({"certificate": encode(&new.pem), "verified": true});
    assert_eq!(rest.put(PRIMARY, upload).await.0, 200);
    assert!(is_let_in(&emulator, &new.leaf("t-1"), "t-1").await);
    assert_eq!(rest.delete("enrollmentGroups/g").await, 204);
    assert!(!is_let_in(&emulator, &new.leaf("t-1"), "t-1").await);
}

#[tokio::test]
async fn a_device_can_not_be_another_whatever_it_calls_itself() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    let (leaf, other) = (root.leaf("t-1"), root.leaf("t-2"));
    for (party, id) in [(&leaf, "t-1"), (&other, "t-2")] {
        Device::register(&emulator, party, id).await;
    }

    // DPS: by the user name, by the client id, and by the body.
    assert!(!is_let_in(&emulator, &leaf, "t-2").await);
    for (client_id, user_name) in [
        ("t-2", "0ne00EMULATOR/registrations/t-1/api-version=2019-03-31"),
        ("t-1", "0ne00EMULATOR/registrations/t-2/api-version=2019-03-31"),
        ("t-2", "localhost/t-1/?api-version=2021-04-12"),
        ("t-1", "localhost/t-2/?api-version=2021-04-12"),
        ("t-2", "localhost/t-2/?api-version=2021-04-12"),
    ] {
        let (_, answer) = Device::greet(&emulator, Some(&leaf), Hello::new(client_id, user_name)).await;
        assert_ne!(answer.code, ConnectReturnCode::Success, "{client_id} {user_name}");
    }
    let mut device = Device::connect(&emulator, &leaf, Hello::dps("t-1")).await;
    device.subscribe(DPS_FILTER).await;
    device
        .publish(REGISTER, json!({"registrationId": "t-2"}).to_string())
        .await;
    assert!(device.message().await.0.contains("/400/"));

    // Hub: no publish to, and no message from, the topics of the other.
    let mut victim = Device::connect(&emulator, &other, Hello::hub("t-2")).await;
    victim.subscribe("devices/t-2/messages/devicebound/#").await;
    for topic in [
        "devices/t-2/messages/events/",
        "devices/t-1/../t-2/messages/events/",
        "devices/+/messages/events/",
    ] {
        let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
        device.send_publish(topic, QoS::AtLeastOnce, "{}").await;
        device.is_closed().await;
    }
    for filter in [
        "devices/t-2/messages/devicebound/#",
        "devices/+/messages/devicebound/#",
        "devices/#",
        "$iothub/#",
    ] {
        let mut device = Device::connect(&emulator, &leaf, Hello::hub("t-1")).await;
        let mut subscribe = Subscribe::new(filter, QoS::AtLeastOnce);
        subscribe.pkid = 1;
        match device.ask(Packet::Subscribe(subscribe)).await {
            None => {}
            Some(Packet::SubAck(ack)) => assert_eq!(ack.return_codes, [SubscribeReasonCode::Failure], "{filter}"),
            Some(packet) => panic!("{filter}: {packet:?}"),
        }
    }
    let will = Hello::hub("t-1").will("devices/t-2/messages/events/", "{}");
    let (_, answer) = Device::greet(&emulator, Some(&leaf), will).await;
    assert_ne!(answer.code, ConnectReturnCode::Success);
    let (_, seen) = rest.raw(Method::GET, "/emulator/devices/t-2", None).await;
    assert_eq!(
        (&seen["telemetry_received"], &seen["connected"]),
        (&json!(0), &json!(true))
    );
    event(&emulator, "t-2", |event| matches!(event, Event::Connected { .. })).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_state_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/state");
    let emulator = testing::emulator::emulator_in(&state).await;
    Rest::new(&emulator).enroll_group("g", &Party::root("root")).await;
    emulator.shutdown().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let expected = if name == "ca_cert.pem" { 0o644 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["api_token", "ca_cert.pem", "ca_key.pem", "emulator.redb"]);
}

#[tokio::test]
async fn a_token_that_was_handed_out_outlives_a_restart_and_one_that_was_taken_back_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = testing::emulator::emulator_in(folder.path()).await;
    let rest = Rest::new(&emulator);
    let mut tokens = Vec::new();
    for id in ["kept", "gone"] {
        let role = json!({"roles": [{"role": "ae2c9854-393b-4f97-8c42-479d70ce626e"}]});
        let (_, made) = rest.put(&format!("apiTokens/{id}"), role).await;
        tokens.push(made["token"].as_str().unwrap().to_owned());
    }
    assert_eq!(rest.delete("apiTokens/gone").await, 204);
    emulator.shutdown().await;
    let emulator = testing::emulator::emulator_in(folder.path()).await;
    for (token, status) in tokens.iter().zip([200, 401]) {
        let rest = Rest::new(&emulator).with_token(token);
        assert_eq!(rest.get("devices").await.0, status);
        assert_ne!(rest.get("apiTokens").await.0, 200, "an operator does not see tokens");
    }
}

#[tokio::test]
async fn a_leaf_of_a_group_does_not_take_over_a_device_that_is_enrolled_with_its_own_certificate() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let (root, own) = (Party::root("root"), Party::self_signed("lab-1"));
    rest.enroll_group("g", &root).await;
    rest.put("devices/lab-1", json!({})).await;
    let attestation = json!({"type": "x509", "x509": {"clientCertificates": {
        "primary": {"certificate": encode(&own.pem)}}}});
    assert_eq!(rest.put("devices/lab-1/attestation", attestation.clone()).await.0, 200);
    let mut owner = Device::online(&emulator, &own, "lab-1").await;

    let mallory = root.leaf("lab-1");
    for _ in 0..2 {
        assert!(!is_let_in(&emulator, &mallory, "lab-1").await);
        let (_, answer) = Device::greet(&emulator, Some(&mallory), Hello::hub("lab-1")).await;
        assert_eq!(answer.code, ConnectReturnCode::NotAuthorized);
        // Blocked, the device stays out by either certificate.
        rest.patch("devices/lab-1", json!({"enabled": false})).await;
    }
    let journal = emulator.journal().since(0);
    let refused = "the device is enrolled individually, with another certificate";
    assert!(format!("{journal:?}").contains(refused), "{journal:?}");
    rest.patch("devices/lab-1", json!({"enabled": true})).await;
    drop(owner);

    // Without the individual enrollment, the device is one of the group's.
    assert_eq!(rest.delete("devices/lab-1/attestation").await, 204);
    Device::register(&emulator, &mallory, "lab-1").await;
    owner = Device::connect(&emulator, &mallory, Hello::hub("lab-1")).await;
    owner.goodbye().await;
}

#[tokio::test]
async fn a_certificate_of_version_1_gets_its_answer_at_connect_and_its_key_must_be_proved() {
    let data = |name: &str| {
        let path = format!("{}/tests/data/version-1/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    };
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = String::from_utf8(data("root_cert.pem")).unwrap();
    let group = json!({"displayName": "g", "type": "iot", "attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": encode(&root), "verified": true}}}}});
    assert_eq!(rest.put("enrollmentGroups/g", group).await.0, 200);
    let chain = || vec![CertificateDer::from_pem_slice(&data("leaf_cert.pem")).unwrap()];
    let key = || PrivateKeyDer::from_pem_slice(&data("leaf_key.pem")).unwrap();
    let stream = Device::handshake(&emulator, chain(), key(), &rustls::version::TLS12).await;
    let answer = Device::over(stream.unwrap()).hello(Hello::dps("t-1")).await;
    assert_eq!(answer.code, ConnectReturnCode::NotAuthorized);
    let journal = format!("{:?}", emulator.journal().since(0));
    assert!(
        journal.contains("the certificate `CN=t-1` is of X.509 version 1"),
        "{journal}"
    );

    let thief = Party::self_signed("t-1").key();
    let stolen = Device::handshake(&emulator, chain(), thief, &rustls::version::TLS12).await;
    assert!(stolen.is_err());
}
