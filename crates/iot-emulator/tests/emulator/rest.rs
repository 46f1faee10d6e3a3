//! The REST interface as a person or a script would use it.

use iot_emulator::{Config, Emulator, StartError};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use testing::device::{Device, Hello};
use testing::emulator::emulator;
use testing::party::Party;
use testing::rest::{Rest, encode};

#[tokio::test]
async fn a_group_is_made_verified_and_lets_its_devices_in() {
    let emulator = emulator().await;
    let rest = Rest::with_tls(&emulator);
    let (root, other) = (Party::root("root"), Party::root("root"));
    let body = json!({"displayName": "Fleet", "type": "iot", "enabled": true, "attestation": {"type": "x509"}});
    let (status, group) = rest.put("enrollmentGroups/eg-x509", body.clone()).await;
    assert_eq!(status, 200);
    assert_eq!(
        group["attestation"],
        json!({"type": "x509", "x509": {"signingCertificates": {}}})
    );
    assert_eq!(
        (&group["id"], &group["displayName"], &group["type"]),
        (&json!("eg-x509"), &json!("Fleet"), &json!("iot"))
    );

    let primary = "enrollmentGroups/eg-x509/certificates/primary";
    let upload = json!({"certificate": encode(&root.pem), "verified": false});
    let (status, certificate) = rest.put(primary, upload).await;
    assert_eq!((status.as_u16(), &certificate["verified"]), (200, &json!(false)));
    let thumbprint = certificate["info"]["sha1Thumbprint"].as_str().unwrap();
    assert!(
        thumbprint.len() == 40
            && thumbprint
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
    );
    assert!(
        certificate.get("certificate").is_none(),
        "a certificate is never given back"
    );

    // Not verified yet: no device gets in.
    let leaf = root.leaf("t-1");
    let (_, refused) = Device::greet(&emulator, Some(&leaf), Hello::dps("t-1")).await;
    assert_eq!(refused.code as u8, 5);

    let verify = format!("{primary}/verify");
    let proof = |party: &Party| json!({"certificate": encode(&party.pem)});
    assert_eq!(
        rest.post(&verify, proof(&root.leaf("any"))).await.0,
        422,
        "no code was asked for"
    );
    let (status, answer) = rest
        .post(&format!("{primary}/generateVerificationCode"), Value::Null)
        .await;
    assert_eq!(status, 200);
    let code = answer["verificationCode"].as_str().unwrap();
    assert_eq!(code.len(), 48);
    for (wrong, reason) in [
        (root.leaf("another-code"), "another common name"),
        (other.leaf(code), "another authority"),
        (Party::self_signed(code), "self-signed"),
        (root.expired_leaf(code), "expired"),
    ] {
        let (status, error) = rest.post(&verify, proof(&wrong)).await;
        assert_eq!(
            (status.as_u16(), error["error"]["code"].is_string()),
            (422, true),
            "{reason}"
        );
        assert_eq!(rest.get(primary).await.1["verified"], json!(false), "{reason}");
    }
    assert_eq!(rest.post(&verify, proof(&root.leaf(code))).await.0, 204);
    assert_eq!(rest.get(primary).await.1["verified"], json!(true));
    assert_eq!(
        rest.post(&verify, proof(&root.leaf(code))).await.0,
        422,
        "a code is good for one time"
    );

    let answer = Device::register(&emulator, &leaf, "t-1").await;
    assert_eq!(answer["status"], "assigned");
    let (_, device) = rest.get("devices/t-1").await;
    for (key, value) in [
        ("provisioned", json!(true)),
        ("enabled", json!(true)),
        ("simulated", json!(false)),
        ("template", json!("dtmi:com:example:Thermostat;1")),
    ] {
        assert_eq!(device[key], value, "{key}");
    }
    assert_eq!(
        rest.get("deviceTemplates").await.1["value"][0]["@id"],
        "dtmi:com:example:Thermostat;1"
    );

    // Writing the group again leaves its certificate alone.
    assert_eq!(rest.put("enrollmentGroups/eg-x509", body).await.0, 200);
    assert_eq!(rest.get(primary).await.1["verified"], json!(true));
    assert_eq!(rest.delete(primary).await, 204);
    assert_eq!(rest.get(primary).await.0, 404);
    assert_eq!(rest.delete("enrollmentGroups/eg-x509").await, 204);
    assert_eq!(rest.get("enrollmentGroups").await.1, json!({"value": []}));
}

#[tokio::test]
async fn without_token_or_version_there_is_an_error_in_the_services_shape() {
    let emulator = emulator().await;
    let path = "/api/devices?api-version=2022-07-31";
    for token in ["", "SharedAccessSignature sr=x&sig=y&skn=z&se=1"] {
        for path in [path, "/emulator/stats", "/emulator/journal", "/nowhere"] {
            let response = Rest::new(&emulator)
                .with_token(token)
                .response(Method::GET, path, None)
                .await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    let rest = Rest::new(&emulator);
    assert_eq!(rest.raw(Method::GET, path, None).await.0, 200);
    let bearer = Rest::new(&emulator).with_token(&format!("Bearer {}", emulator.api_token()));
    assert_eq!(bearer.raw(Method::GET, path, None).await.0, 200);
    for (path, status) in [
        ("/api/devices", 400),
        ("/api/devices?api-version=1999-01-01", 400),
        ("/api/devices?api-version=2022-10-31-preview", 200),
        ("/api/devices/none?api-version=2022-07-31", 404),
        ("/api/nothing?api-version=2022-07-31", 404),
        ("/nowhere", 404),
    ] {
        let response = rest.response(Method::GET, path, None).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        if status != 200 {
            let code = response.headers()["x-ms-error-code"].to_str().unwrap().to_owned();
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["error"]["code"], code, "{path}");
            for key in ["message", "requestId", "time"] {
                assert!(body["error"][key].is_string(), "{key} of {path}");
            }
            assert!(body["error"]["time"].as_str().unwrap().ends_with(" GMT"));
        }
    }
    assert_eq!(rest.call(Method::POST, "devices", None).await.0, 405);
}

#[tokio::test]
async fn bad_bodies_are_400_unusable_ones_422_and_stale_ones_412() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let group = "enrollmentGroups/g";
    let path = format!("/api/{group}?api-version=2022-07-31");
    assert_eq!(rest.response(Method::PUT, &path, Some("{".into())).await.status(), 400);
    let x509 = json!({"type": "x509"});
    for body in [
        json!({"type": "iot", "attestation": x509}),
        json!({"displayName": "g", "attestation": x509}),
        json!({"displayName": "g", "type": "other", "attestation": x509}),
        json!({"displayName": "g", "type": "iot", "attestation": {"type": "symmetricKey"}}),
    ] {
        assert_eq!(rest.put(group, body.clone()).await.0, 422, "{body}");
    }
    let good = json!({"displayName": "g", "type": "iot", "attestation": x509});
    assert_eq!(rest.put("enrollmentGroups/a_b", good.clone()).await.0, 400);
    let (_, made) = rest.put(group, good).await;
    let etag = made["etag"].as_str().unwrap();
    assert_eq!(
        rest.patch(group, json!({"displayName": "new", "etag": "old"})).await.0,
        412
    );
    let (status, changed) = rest.patch(group, json!({"displayName": "new", "etag": etag})).await;
    assert_eq!((status.as_u16(), &changed["displayName"]), (200, &json!("new")));

    let primary = "enrollmentGroups/g/certificates/primary";
    assert_eq!(rest.put(primary, json!({"certificate": "nonsense"})).await.0, 422);
    let leaf = Party::self_signed("no-authority");
    assert_eq!(
        rest.put(primary, json!({"certificate": encode(&leaf.pem)})).await.0,
        422
    );
    assert_eq!(rest.get("enrollmentGroups/g/certificates/tertiary").await.0, 404);
    assert_eq!(rest.patch("enrollmentGroups/none", json!({})).await.0, 404);
    assert_eq!(rest.put("devices/a b", json!({})).await.0, 400);
    assert_eq!(rest.put("devices/a", json!({"template": "dtmi:none;1"})).await.0, 422);
}

#[tokio::test]
async fn one_certificate_belongs_to_one_enrollment() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let (root, lab) = (Party::root("root"), Party::self_signed("lab"));
    rest.enroll_group("a", &root).await;
    rest.put(
        "enrollmentGroups/b",
        json!({"displayName": "b", "type": "iot", "attestation": {"type": "x509"}}),
    )
    .await;
    let upload = json!({"certificate": encode(&root.pem)});
    for other in [
        "enrollmentGroups/b/certificates/primary",
        "enrollmentGroups/a/certificates/secondary",
    ] {
        assert_eq!(rest.put(other, upload.clone()).await.0, 409, "{other}");
    }
    assert_eq!(
        rest.put("enrollmentGroups/a/certificates/primary", upload).await.0,
        200,
        "the same place"
    );

    rest.enroll_individual("lab", &lab).await;
    rest.put("devices/other", json!({})).await;
    assert_eq!(rest.attest("other", &lab, None).await.0, 409);
    assert_eq!(rest.attest("lab", &lab, None).await.0, 200);
}

#[tokio::test]
async fn an_individual_enrollment_shows_its_thumbprints_and_the_credentials_the_id_scope() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let (primary, secondary) = (Party::self_signed("lab"), Party::self_signed("lab"));
    assert_eq!(
        rest.attest("lab", &primary, None).await.0,
        404,
        "there is no such device yet"
    );
    rest.put("devices/lab", json!({"displayName": "Lab"})).await;
    assert_eq!(rest.get("devices/lab/attestation").await.0, 404);
    let (status, answer) = rest.attest("lab", &primary, Some(&secondary)).await;
    assert_eq!(status, 200);
    let certificates = &answer["x509"]["clientCertificates"];
    let thumbprint = |which: &str| {
        certificates[which]["info"]["sha1Thumbprint"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(thumbprint("primary").len() == 40 && thumbprint("primary") != thumbprint("secondary"));
    assert_eq!(rest.get("devices/lab/attestation").await.1, answer);
    let (_, credentials) = rest.get("devices/lab/credentials").await;
    assert_eq!(credentials["idScope"], "0ne00EMULATOR");
    let named = |which: &str, party: &Party| json!({"type": "x509", "x509": {"clientCertificates": {which: {"certificate": encode(&party.pem)}}}});
    let next = Party::self_signed("lab");
    let (_, changed) = rest.patch("devices/lab/attestation", named("secondary", &next)).await;
    let after = &changed["x509"]["clientCertificates"];
    assert_eq!(
        after["primary"], certificates["primary"],
        "what a PATCH does not name stays"
    );
    assert_ne!(after["secondary"], certificates["secondary"]);
    let (_, changed) = rest.put("devices/lab/attestation", named("primary", &next)).await;
    assert!(
        changed["x509"]["clientCertificates"].get("secondary").is_none(),
        "what a PUT does not name goes"
    );
    let missing = json!({"type": "x509", "x509": {"clientCertificates": {}}});
    assert_eq!(rest.put("devices/lab/attestation", missing).await.0, 422);
    assert_eq!(rest.delete("devices/lab/attestation").await, 204);
    assert_eq!(rest.delete("devices/lab/attestation").await, 404);
}

#[tokio::test]
async fn the_list_of_devices_comes_in_pages() {
    let emulator = emulator().await;
    let rest = Rest::with_tls(&emulator);
    for i in 0..30 {
        rest.put(&format!("devices/t-{i:02}"), json!({})).await;
    }
    let (_, page) = rest.get("devices").await;
    assert_eq!(page["value"].as_array().unwrap().len(), 25);
    let mut seen = Vec::new();
    let mut next = "/api/devices?api-version=2022-07-31&$top=12".to_owned();
    let mut sizes = Vec::new();
    loop {
        let (status, page) = rest.raw(Method::GET, &next, None).await;
        assert_eq!(status, 200);
        let ids = page["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["id"].as_str().unwrap().to_owned());
        let before = seen.len();
        seen.extend(ids);
        sizes.push(seen.len() - before);
        match page["nextLink"].as_str() {
            Some(link) => link.clone_into(&mut next),
            None => break,
        }
    }
    assert_eq!(sizes, [12, 12, 6]);
    assert_eq!(seen, (0..30).map(|i| format!("t-{i:02}")).collect::<Vec<_>>());
    for bad in ["0", "101", "x"] {
        let path = format!("devices?$top={bad}");
        assert_eq!(rest.get(&path).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_template_of_the_application_is_assigned_to_the_devices_of_its_model() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    let body = json!({"@type": ["ModelDefinition", "DeviceModel"], "displayName": "Mine",
        "capabilityModel": {"@id": "dtmi:com:example:Thermostat;1", "@type": "Interface", "contents": []}});
    let path = "deviceTemplates/dtmi:contoso:mine;1";
    let (status, template) = rest.put(path, body).await;
    assert_eq!(
        (status.as_u16(), &template["@id"]),
        (200, &json!("dtmi:contoso:mine;1"))
    );
    Device::register(&emulator, &root.leaf("t-1"), "t-1").await;
    assert_eq!(rest.get("devices/t-1").await.1["template"], "dtmi:contoso:mine;1");
    assert_eq!(rest.delete(path).await, 204);
    assert_eq!(rest.get(path).await.0, 404);
}

#[tokio::test]
async fn the_operator_sees_totals_and_the_journal() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("root");
    rest.enroll_group("g", &root).await;
    Device::online(&emulator, &root.leaf("t-1"), "t-1")
        .await
        .goodbye()
        .await;
    let (_, stats) = rest.raw(Method::GET, "/emulator/stats", None).await;
    assert_eq!((&stats["registrations"], &stats["connects"]), (&json!(1), &json!(1)));
    let (_, journal) = rest.raw(Method::GET, "/emulator/journal", None).await;
    let events: Vec<_> = journal
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event"].as_str().unwrap())
        .collect();
    assert!(
        events.contains(&"registered") && events.contains(&"connected"),
        "{events:?}"
    );
    let since = journal[1]["seq"].as_u64().unwrap();
    let (_, later) = rest
        .raw(Method::GET, &format!("/emulator/journal?since={since}"), None)
        .await;
    assert_eq!(later[0], journal[2]);
    assert_eq!(rest.raw(Method::GET, "/emulator/journal?since=x", None).await.0, 400);
    assert_eq!(rest.raw(Method::GET, "/emulator/devices/none", None).await.0, 404);
}

#[tokio::test]
async fn plain_http_is_for_this_machine_only() {
    let config = Config {
        http: Some("0.0.0.0:0".parse().unwrap()),
        ..Config::default()
    };
    assert!(matches!(
        Emulator::start(config).await,
        Err(StartError::HttpNotLoopback(_))
    ));
}
