//! The client of IoT Central's REST API, word by word, over real sockets.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use mqtt_link::TrustRoots;
use provisioning::central::schema::response::{DeviceAttestation, GroupAttestation};
use provisioning::central::{ApiToken, Central, CentralError, GroupType, NewDevice, RetryPolicy};
use provisioning::identities::Slot;
use serde_json::{Value, json};

use tokio::time::Instant;

use crate::script::{Script, error, step};

const GROUP: &str = r#"{"id":"eg-x509","displayName":"Fleet","enabled":true,"type":"iot","attestation":{"type":"x509","x509":
    {"signingCertificates":{"primary":{"verified":false,"info":{"sha1Thumbprint":"AB12"},"etag":"\"x\""}}}},"etag":"\"y\""}"#;
const DEVICE: &str = r#"{"id":"lab","etag":"\"z\"","displayName":"Lab","template":"dtmi:contoso:t;1","enabled":true,
    "provisioned":false,"simulated":false,"organizations":[]}"#;

fn is<T>(result: Result<T, CentralError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn groups_are_asked_for_as_documented() {
    let certificates = "/enrollmentGroups/eg-x509/certificates";
    let script = Script::play(|_| {
        vec![
            step("GET /enrollmentGroups/eg-x509", 200, GROUP),
            step("PUT /enrollmentGroups/eg-x509", 200, r#"{"id":"eg-x509","displayName":"Fleet","attestation":{"type":"x509","x509":{"signingCertificates":{}}}}"#),
            step(&format!("PUT {certificates}/primary"), 200, r#"{"verified":false,"info":{"sha1Thumbprint":"AB12"}}"#),
            step(&format!("GET {certificates}/secondary"), 200, r#"{"verified":true,"info":{"sha1Thumbprint":"ab12"}}"#),
            step(&format!("POST {certificates}/primary/generateVerificationCode"), 200, r#"{"verificationCode":"1A2B"}"#),
            step(&format!("POST {certificates}/primary/verify"), 204, ""),
            step(&format!("DELETE {certificates}/primary"), 204, ""),
            step("DELETE /enrollmentGroups/eg-x509", 204, ""),
        ]
    })
    .await;
    let central = script.central();
    let group = central.enrollment_group("eg-x509").await.unwrap();
    let GroupAttestation::X509 { x509 } = group.attestation else {
        panic!("{group:?}")
    };
    assert_eq!(
        x509.signing_certificates.primary.unwrap().sha1().as_deref(),
        Some("AB12")
    );
    assert!(x509.signing_certificates.secondary.is_none());
    central
        .put_enrollment_group("eg-x509", "Fleet", GroupType::Iot)
        .await
        .unwrap();
    central
        .put_group_certificate("eg-x509", Slot::Primary, "-----BEGIN A-----\n", false)
        .await
        .unwrap();
    let secondary = central.group_certificate("eg-x509", Slot::Secondary).await.unwrap();
    assert!(secondary.verified);
    assert_eq!(secondary.sha1().as_deref(), Some("AB12"));
    assert_eq!(
        central
            .generate_verification_code("eg-x509", Slot::Primary)
            .await
            .unwrap(),
        "1A2B"
    );
    central
        .verify_group_certificate("eg-x509", Slot::Primary, "-----BEGIN B-----\n")
        .await
        .unwrap();
    central
        .delete_group_certificate("eg-x509", Slot::Primary)
        .await
        .unwrap();
    central.delete_enrollment_group("eg-x509").await.unwrap();

    let seen = script.finish();
    assert_eq!(
        seen[1].body,
        json!({"displayName": "Fleet", "enabled": true, "type": "iot", "attestation": {"type": "x509"}})
    );
    // The whole PEM file is encoded, armour and all, although it is base64 already.
    assert_eq!(
        seen[2].body,
        json!({"certificate": BASE64.encode("-----BEGIN A-----\n"), "verified": false})
    );
    assert_eq!(seen[4].body, Value::Null);
    assert_eq!(
        seen[5].body,
        json!({"certificate": BASE64.encode("-----BEGIN B-----\n")})
    );
}

#[tokio::test]
async fn devices_are_asked_for_as_documented() {
    let x509 = r#"{"type":"x509","x509":{"clientCertificates":{"primary":{"info":{"sha1Thumbprint":"AB"}}}}}"#;
    let script = Script::play(|_| {
        vec![
            step("GET /devices/lab", 200, DEVICE),
            step("PUT /devices/lab", 200, DEVICE),
            step(
                "GET /devices/lab/credentials",
                200,
                r#"{"idScope":"0ne00000000","symmetricKey":{"primaryKey":"a2V5"}}"#,
            ),
            step(
                "GET /devices/lab/attestation",
                200,
                r#"{"type":"symmetricKey","symmetricKey":{"primaryKey":"a2V5"}}"#,
            ),
            step("PUT /devices/lab/attestation", 200, x509),
            step("DELETE /devices/lab/attestation", 204, ""),
            step(
                "GET /devices/lab/properties",
                200,
                r#"{"serialNumber":"1","$metadata":{}}"#,
            ),
            step(
                "PATCH /devices/lab/components/thermostat1/properties",
                202,
                r#"{"$metadata":{}}"#,
            ),
            step(
                "GET /devices/lab/telemetry/temperature",
                200,
                r#"{"timestamp":"2026-11-23T15:00:00.123Z","value":21.4}"#,
            ),
            step(
                "POST /devices/lab/components/thermostat1/commands/getMaxMinReport",
                201,
                r#"{"id":"1","response":{"maxTemp":3},"responseCode":200}"#,
            ),
            step("DELETE /devices/lab", 204, ""),
            step("PUT /deviceTemplates/dtmi:contoso:t;1", 200, "{}"),
            step(
                "GET /deviceTemplates/dtmi:contoso:t;1",
                200,
                r#"{"@id":"dtmi:contoso:t;1"}"#,
            ),
        ]
    })
    .await;
    let central = script.central();
    let device = central.device("lab").await.unwrap();
    assert!(device.enabled && !device.provisioned);
    central
        .put_device(
            "lab",
            &NewDevice {
                display_name: "Lab",
                template: None,
                enabled: true,
            },
        )
        .await
        .unwrap();
    assert_eq!(central.id_scope("lab").await.unwrap(), "0ne00000000");
    assert_eq!(
        central.attestation("lab").await.unwrap(),
        DeviceAttestation::SymmetricKey
    );
    central.put_x509_attestation("lab", Some("P"), Some("S")).await.unwrap();
    central.delete_attestation("lab").await.unwrap();
    assert_eq!(central.properties("lab", None).await.unwrap()["serialNumber"], "1");
    central
        .patch_properties("lab", Some("thermostat1"), &json!({"targetTemperature": null}))
        .await
        .unwrap();
    assert_eq!(central.telemetry("lab", None, "temperature").await.unwrap().value, 21.4);
    let since = json!("2026-11-23T00:00:00Z");
    let answer = central
        .command("lab", Some("thermostat1"), "getMaxMinReport", Some(&since))
        .await
        .unwrap();
    assert_eq!(
        (answer.response_code, answer.response),
        (Some(200), Some(json!({"maxTemp": 3})))
    );
    central.delete_device("lab").await.unwrap();
    central
        .put_device_template("dtmi:contoso:t;1", &json!({}))
        .await
        .unwrap();
    assert_eq!(
        central.device_template("dtmi:contoso:t;1").await.unwrap()["@id"],
        "dtmi:contoso:t;1"
    );

    let seen = script.finish();
    assert_eq!(seen[1].body, json!({"displayName": "Lab", "enabled": true}));
    let certificate = |text: &str| json!({"certificate": BASE64.encode(text)});
    assert_eq!(
        seen[4].body,
        json!({"type": "x509", "x509": {"clientCertificates": {"primary": certificate("P"), "secondary": certificate("S")}}})
    );
    assert_eq!(seen[7].content_type.as_deref(), Some("application/merge-patch+json"));
    assert_eq!(seen[7].body, json!({"targetTemperature": null}));
    assert_eq!(
        seen[9].body,
        json!({"request": since, "connectionTimeout": 0, "responseTimeout": 30})
    );
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let script = Script::play(|url| {
        let page =
            |next: &str| format!(r#"{{"value":[{DEVICE}],"nextLink":"{url}/api{next}&api-version=2022-07-31"}}"#);
        vec![
            step("GET /devices", 200, page("/devices?$skiptoken=a")),
            step("GET /devices?$skiptoken=a", 200, page("/devices?$skiptoken=b")),
            step("GET /devices?$skiptoken=b", 200, format!(r#"{{"value":[{DEVICE}]}}"#)),
        ]
    })
    .await;
    assert_eq!(script.central().devices().await.unwrap().len(), 3);
    script.finish();
}

#[tokio::test]
async fn the_token_does_not_follow_a_next_link_to_another_server() {
    let stranger = Script::play(|_| Vec::new()).await;
    let script = Script::play(|_| {
        vec![step(
            "GET /devices",
            200,
            json!({"value": [], "nextLink": format!("{}/api/devices", stranger.url)}),
        )]
    })
    .await;
    let text = is(script.central().devices().await);
    assert!(
        text.starts_with("devices: unexpected answer: the link to the next page leads to another server"),
        "{text}"
    );
    script.finish();
    stranger.finish();
}

#[tokio::test]
async fn a_refusal_carries_the_words_of_the_service_and_is_not_repeated() {
    let script = Script::play(|_| {
        vec![step(
            "GET /enrollmentGroups/thermostats",
            404,
            error("NotFound", "No such group."),
        )]
    })
    .await;
    let refused = script.central().enrollment_group("thermostats").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "enrollment group thermostats: 404 NotFound: No such group. (request 0a1b)"
    );
    assert!(refused.is_not_found() && !refused.is_retryable());
    script.finish();
}

#[tokio::test]
async fn an_answer_that_is_not_the_services_own_is_shown_shortened() {
    let page = format!("<html>\n  <h1>Bad\tGateway</h1>{}</html>", "x".repeat(1_000));
    let script = Script::play(|_| (0..4).map(|_| step("GET /devices/a", 502, page.as_str())).collect()).await;
    let text = is(script.central().device("a").await);
    assert!(
        text.starts_with("device a: 502 Bad Gateway: <html> <h1>Bad Gateway</h1>xxx") && text.ends_with("x…"),
        "{text}"
    );
    assert!(text.len() < 260, "{}", text.len());
    script.finish();

    let script = Script::play(|_| vec![step("GET /devices/a", 200, "<html>")]).await;
    let text = is(script.central().device("a").await);
    assert!(
        text.starts_with("device a: unexpected answer: expected value"),
        "{text}"
    );
    script.finish();

    let script = Script::play(|_| vec![step("GET /devices/a", 200, "x".repeat((16 << 20) + 1))]).await;
    let text = is(script.central().device("a").await);
    assert_eq!(text, "device a: unexpected answer: it is longer than 16 MB");
    script.finish();
}

#[tokio::test]
async fn a_throttled_request_waits_as_long_as_the_service_asks_for() {
    let script = Script::play(|_| {
        vec![
            step("GET /devices/lab", 429, error("TooManyRequests", "Slow down.")).retry_after(1),
            step("GET /devices/lab", 200, DEVICE),
        ]
    })
    .await;
    let begin = Instant::now();
    script.central().device("lab").await.unwrap();
    // The client's own pause would have been 2 ms at most.
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    script.finish();
}

#[tokio::test]
async fn throttling_that_outlasts_the_bound_ends_at_once() {
    let script = Script::play(|_| {
        vec![step("GET /devices/lab", 429, error("TooManyRequests", "Slow down.")).retry_after(3_600)]
    })
    .await;
    let refused = script.central().device("lab").await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(3_600)));
    assert!(refused.is_retryable());
    script.finish();
}

#[tokio::test]
async fn a_failing_service_is_asked_again_and_then_believed() {
    let failing = |count| (0..count).map(|_| step("GET /devices/lab", 503, error("Unavailable", "Later.")));
    let script = Script::play(|_| failing(3).chain([step("GET /devices/lab", 200, DEVICE)]).collect()).await;
    script.central().device("lab").await.unwrap();
    script.finish();

    let script = Script::play(|_| failing(4).collect()).await;
    assert_eq!(script.central().device("lab").await.unwrap_err().status(), Some(503));
    script.finish();
}

#[tokio::test]
async fn a_command_is_sent_again_only_if_it_was_certainly_not_executed() {
    let path = "POST /devices/lab/commands/reboot";
    let script = Script::play(|_| vec![step(path, 503, error("Unavailable", "Maybe done."))]).await;
    assert_eq!(
        script
            .central()
            .command("lab", None, "reboot", None)
            .await
            .unwrap_err()
            .status(),
        Some(503)
    );
    script.finish();

    let script = Script::play(|_| {
        vec![
            step(path, 429, error("TooManyRequests", "Not done.")).retry_after(0),
            step(path, 201, json!({"responseCode": 200})),
        ]
    })
    .await;
    script.central().command("lab", None, "reboot", None).await.unwrap();
    let seen = script.finish();
    assert_eq!(seen[1].body, json!({"connectionTimeout": 0, "responseTimeout": 30}));
}

#[tokio::test]
async fn an_unreachable_service_is_named_without_the_token() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let impatient = RetryPolicy {
        attempts: 1,
        ..RetryPolicy::default()
    };
    let central = Central::new(&url, &ApiToken::new("secret"), TrustRoots::WebPki)
        .unwrap()
        .with_retry(impatient);
    let unreachable = central.device("lab").await.unwrap_err();
    let text = unreachable.to_string();
    assert!(text.starts_with("device lab: no answer from 127.0.0.1: "), "{text}");
    assert!(text.to_lowercase().contains("refused"), "{text}");
    assert!(unreachable.is_retryable());
    assert!(!format!("{unreachable:?}").contains("secret"));
}
