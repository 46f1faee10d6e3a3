//! Enrolling by the steps of the how-to: from nothing, again, after an interruption, and where it must not go on.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use provisioning::central::GroupType;
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::certificate::make::{CertificateAuthority, KeyType, Made, Validity, self_signed};
use provisioning::enroll::{
    Attest, CaInSlot, EnrollError, EnrollmentGroupSpec, GroupCa, Outcome, OwnCertificates, enroll_group,
    enroll_individual, put_ca, put_individual, remove_ca, set_device_enabled,
};
use provisioning::identities::Slot;
use serde_json::{Value, json};

use crate::script::{Script, Step, error, step};

const GET_GROUP: &str = "GET /enrollmentGroups/thermostats";
const CODE: &str = "/enrollmentGroups/thermostats/certificates/primary/generateVerificationCode";
const VERIFY: &str = "POST /enrollmentGroups/thermostats/certificates/primary/verify";

fn now() -> Timestamp {
    "2026-11-23T15:00:00Z".parse().unwrap()
}

fn root() -> CertificateAuthority {
    CertificateAuthority::root("thermostats root", KeyType::P256, Validity::root(now())).unwrap()
}

fn slot(sha1: &str, verified: bool) -> Value {
    json!({"verified": verified, "info": {"sha1Thumbprint": sha1}})
}

fn group(certificates: &Value) -> Value {
    json!({"id": "thermostats", "displayName": "Thermostats", "enabled": true, "type": "iot",
        "attestation": {"type": "x509", "x509": {"signingCertificates": certificates}}})
}

fn wanted(ca: &CertificateAuthority) -> EnrollmentGroupSpec<'_> {
    EnrollmentGroupSpec::new("thermostats", "Thermostats", ca)
}

async fn enroll(script: &Script, ca: &CertificateAuthority) -> (Result<Outcome, EnrollError>, Vec<String>) {
    enroll_as(script, &wanted(ca)).await
}

async fn enroll_as(script: &Script, wanted: &EnrollmentGroupSpec<'_>) -> (Result<Outcome, EnrollError>, Vec<String>) {
    let story = Mutex::new(Vec::new());
    let reporter = |step: provisioning::enroll::Step| story.lock().unwrap().push(step.to_string());
    let outcome = enroll_group(&script.central(), wanted, now(), &reporter).await;
    (outcome, story.into_inner().unwrap())
}

#[tokio::test]
async fn a_group_is_enrolled_from_nothing() {
    let root = root();
    let ours = root.facts().sha1.clone();
    let script = Script::play(|_| {
        vec![
            step(GET_GROUP, 404, error("NotFound", "No such group.")),
            step("PUT /enrollmentGroups/thermostats", 200, group(&json!({}))),
            step(
                "PUT /enrollmentGroups/thermostats/certificates/primary",
                200,
                slot(&ours, false),
            ),
            step(&format!("POST {CODE}"), 200, json!({"verificationCode": "1A2B3C"})),
            step(VERIFY, 204, ""),
            step(GET_GROUP, 200, group(&json!({"primary": slot(&ours, true)}))),
        ]
    })
    .await;
    let (outcome, story) = enroll(&script, &root).await;
    assert_eq!(outcome.unwrap(), Outcome::Changed);
    assert_eq!(
        story,
        [
            "enrollment group thermostats created".to_owned(),
            format!("CA `thermostats root` uploaded as primary certificate of group thermostats, thumbprint {ours}"),
            "verification code 1A2B3C received for group thermostats".to_owned(),
            "verification certificate signed by `thermostats root` shown for group thermostats".to_owned(),
            format!("group thermostats is enrolled: {ours} verified"),
        ]
    );

    let seen = script.finish();
    let sent = |index: usize| {
        String::from_utf8(
            BASE64
                .decode(seen[index].body["certificate"].as_str().unwrap())
                .unwrap(),
        )
        .unwrap()
    };
    assert_eq!(sent(2), root.cert_pem());
    let proof = CertificateFacts::from_pem(sent(4).as_bytes(), "proof").unwrap();
    assert_eq!(proof.common_name.as_deref(), Some("1A2B3C"));
    assert_eq!(proof.issuer_common_name.as_deref(), Some("thermostats root"));
}

#[tokio::test]
async fn a_second_run_only_looks() {
    let root = root();
    let enrolled = group(&json!({"primary": slot(&root.facts().sha1, true)}));
    let script = Script::play(|_| vec![step(GET_GROUP, 200, &enrolled)]).await;
    assert_eq!(enroll(&script, &root).await.0.unwrap(), Outcome::Unchanged);
    script.finish();
}

#[tokio::test]
async fn an_enrollment_interrupted_before_the_proof_goes_on_there() {
    let root = root();
    let at = |verified| group(&json!({"primary": slot(&root.facts().sha1, verified)}));
    let script = Script::play(|_| {
        vec![
            step(GET_GROUP, 200, at(false)),
            step(&format!("POST {CODE}"), 200, json!({"verificationCode": "1A2B3C"})),
            step(VERIFY, 204, ""),
            step(GET_GROUP, 200, at(true)),
        ]
    })
    .await;
    assert_eq!(enroll(&script, &root).await.0.unwrap(), Outcome::Changed);
    script.finish();
}

#[tokio::test]
async fn a_ca_that_is_the_secondary_after_a_roll_is_enrolled() {
    let root = root();
    let rolled = group(&json!({"primary": slot("AB12", true), "secondary": slot(&root.facts().sha1, true)}));
    let script = Script::play(|_| vec![step(GET_GROUP, 200, &rolled)]).await;
    assert_eq!(enroll(&script, &root).await.0.unwrap(), Outcome::Unchanged);
    script.finish();
}

#[tokio::test]
async fn a_lost_answer_to_the_proof_is_no_failure_if_the_proof_arrived() {
    let root = root();
    let at = |verified| group(&json!({"primary": slot(&root.facts().sha1, verified)}));
    let until_the_proof = |last: bool| -> Vec<Step> {
        vec![
            step(GET_GROUP, 200, at(false)),
            step(&format!("POST {CODE}"), 200, json!({"verificationCode": "1A2B3C"})),
            step(VERIFY, 503, error("Unavailable", "Who knows.")),
            step(GET_GROUP, 200, at(last)),
        ]
    };
    let arrived = Script::play(|_| {
        until_the_proof(true)
            .into_iter()
            .chain([step(GET_GROUP, 200, at(true))])
            .collect()
    })
    .await;
    assert_eq!(enroll(&arrived, &root).await.0.unwrap(), Outcome::Changed);
    arrived.finish();

    let lost = Script::play(|_| until_the_proof(false)).await;
    let text = enroll(&lost, &root).await.0.unwrap_err().to_string();
    assert!(
        text.starts_with("primary certificate of enrollment group thermostats: 503 Unavailable"),
        "{text}"
    );
    lost.finish();
}

#[tokio::test]
async fn a_group_that_is_not_ours_is_left_alone() {
    let root = root();
    let cases = [
        (
            group(&json!({"primary": slot("AB12", true)})),
            "IoT Central holds AB12, ours is",
        ),
        (
            json!({"id": "thermostats", "displayName": "T", "enabled": false, "attestation": {"type": "x509"}}),
            "is disabled in IoT Central",
        ),
        (
            json!({"id": "thermostats", "displayName": "T", "attestation": {"type": "symmetricKey", "symmetricKey": {}}}),
            "does not use X.509 certificates",
        ),
        (
            json!({"id": "thermostats", "displayName": "T", "type": "iotEdge", "attestation": {"type": "x509"}}),
            "exists already with type `iotEdge`, but has to be of type `iot`",
        ),
    ];
    for (found, words) in cases {
        let script = Script::play(|_| vec![step(GET_GROUP, 200, found)]).await;
        let text = enroll(&script, &root).await.0.unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
        // Nothing but the first look was asked.
        script.finish();
    }
}

#[tokio::test]
async fn a_service_that_does_not_show_what_it_accepted_is_not_believed() {
    let root = root();
    let at = group(&json!({"primary": slot(&root.facts().sha1, false)}));
    let script = Script::play(|_| {
        vec![
            step(GET_GROUP, 200, &at),
            step(&format!("POST {CODE}"), 200, json!({"verificationCode": "1A2B3C"})),
            step(VERIFY, 204, ""),
            step(GET_GROUP, 200, &at),
        ]
    })
    .await;
    let (outcome, story) = enroll(&script, &root).await;
    assert!(matches!(outcome, Err(EnrollError::NotTakenOver { .. })), "{outcome:?}");
    assert!(!story.iter().any(|line| line.contains("is enrolled")), "{story:?}");
    script.finish();
}

#[tokio::test]
async fn two_cas_take_the_two_slots_of_an_edge_group_by_word_alone() {
    let (root, next) = (root(), root());
    let (first, second) = (&root.facts().sha1, &next.facts().sha1);
    let mut wanted = wanted(&root);
    wanted.group_type = GroupType::IotEdge;
    wanted.secondary = Some(GroupCa::without_key(next.cert_pem(), "next").unwrap());
    wanted.attest = Attest::SelfAttest;
    let mut edge = group(&json!({"primary": slot(first, true), "secondary": slot(second, true)}));
    edge["type"] = "iotEdge".into();
    let mut empty = group(&json!({}));
    empty["type"] = "iotEdge".into();
    let script = Script::play(|_| {
        vec![
            step(GET_GROUP, 404, error("NotFound", "No such group.")),
            step("PUT /enrollmentGroups/thermostats", 200, empty),
            step(
                "PUT /enrollmentGroups/thermostats/certificates/primary",
                200,
                slot(first, true),
            ),
            step(
                "PUT /enrollmentGroups/thermostats/certificates/secondary",
                200,
                slot(second, true),
            ),
            step(GET_GROUP, 200, edge),
        ]
    })
    .await;
    let (outcome, story) = enroll_as(&script, &wanted).await;
    assert_eq!(outcome.unwrap(), Outcome::Changed);
    assert_eq!(
        story.last().unwrap(),
        &format!("group thermostats is enrolled: {first} and {second} verified")
    );
    let seen = script.finish();
    assert_eq!(seen[1].body["type"], "iotEdge");
    assert_eq!(seen[2].body["verified"], true);
    assert_eq!(seen[3].body["verified"], true);
}

#[tokio::test]
async fn a_ca_without_its_key_is_uploaded_and_waits_for_its_owner() {
    let root = root();
    let ours = &root.facts().sha1;
    let mut wanted = wanted(&root);
    wanted.primary = GroupCa::without_key(root.cert_pem(), "root").unwrap();
    let script = Script::play(|_| {
        vec![
            step(GET_GROUP, 200, group(&json!({}))),
            step(
                "PUT /enrollmentGroups/thermostats/certificates/primary",
                200,
                slot(ours, false),
            ),
        ]
    })
    .await;
    let text = enroll_as(&script, &wanted).await.0.unwrap_err().to_string();
    assert!(text.contains("is not verified, and its key is not here"), "{text}");
    script.finish();

    // Verified by another client in the meantime, it is as good as one with a key.
    let script = Script::play(|_| vec![step(GET_GROUP, 200, group(&json!({"primary": slot(ours, true)})))]).await;
    assert_eq!(enroll_as(&script, &wanted).await.0.unwrap(), Outcome::Unchanged);
    script.finish();
}

#[tokio::test]
async fn a_ca_is_put_into_the_slot_that_was_chosen_and_replaces_only_what_it_may() {
    let (old, new) = (root(), root());
    let (gone, ours) = (&old.facts().sha1, &new.facts().sha1);
    let with = |sha1: &str, verified| group(&json!({"secondary": slot(sha1, verified)}));
    let path = "/enrollmentGroups/thermostats/certificates/secondary";
    let put = async |script: &Script, instead_of: &[String]| {
        let wanted = CaInSlot {
            slot: Slot::Secondary,
            ca: GroupCa::with_key(&new),
            attest: Attest::Prove,
            instead_of,
        };
        put_ca(&script.central(), "thermostats", &wanted, now(), &|_| {}).await
    };

    let refused = Script::play(|_| vec![step(GET_GROUP, 200, with(gone, true))]).await;
    let error = put(&refused, &[]).await.unwrap_err();
    assert!(
        matches!(
            error,
            EnrollError::AnotherCertificate {
                slot: Slot::Secondary,
                ..
            }
        ),
        "{error}"
    );
    refused.finish();

    let replaced = Script::play(|_| {
        vec![
            step(GET_GROUP, 200, with(gone, true)),
            step(&format!("PUT {path}"), 200, slot(ours, false)),
            step(
                &format!("POST {path}/generateVerificationCode"),
                200,
                json!({"verificationCode": "1A2B"}),
            ),
            step(&format!("POST {path}/verify"), 204, ""),
            step(GET_GROUP, 200, with(ours, true)),
        ]
    })
    .await;
    let outcome = put(&replaced, std::slice::from_ref(gone)).await.unwrap();
    assert_eq!(outcome, Outcome::Changed);
    replaced.finish();

    let again = Script::play(|_| vec![step(GET_GROUP, 200, with(ours, true))]).await;
    assert_eq!(put(&again, &[]).await.unwrap(), Outcome::Unchanged);
    again.finish();
}

#[tokio::test]
async fn a_slot_is_emptied_only_of_the_certificate_that_was_named() {
    let root = root();
    let ours = &root.facts().sha1;
    let full = group(&json!({"primary": slot(ours, true)}));
    let script = Script::play(|_| {
        vec![
            step(GET_GROUP, 200, &full),
            step("DELETE /enrollmentGroups/thermostats/certificates/primary", 204, ""),
            step(GET_GROUP, 200, group(&json!({}))),
            step(GET_GROUP, 200, group(&json!({}))),
            step(GET_GROUP, 200, group(&json!({"primary": slot("AB12", true)}))),
        ]
    })
    .await;
    let central = script.central();
    let remove = || remove_ca(&central, "thermostats", Slot::Primary, ours, &|_| {});
    assert_eq!(remove().await.unwrap(), Outcome::Changed);
    assert_eq!(remove().await.unwrap(), Outcome::Unchanged);
    let error = remove().await.unwrap_err();
    assert!(matches!(error, EnrollError::AnotherCertificate { .. }), "{error}");
    script.finish();
}

#[tokio::test]
async fn a_devices_certificates_are_put_where_they_are_to_be_whatever_was_there() {
    let (old, new) = (own(), own());
    let after = attestation(Some(&new), Some(&old));
    let script = Script::play(|_| {
        vec![
            step(&format!("GET {ATTESTATION}"), 200, attestation(Some(&old), None)),
            step(&format!("PUT {ATTESTATION}"), 200, &after),
            step(&format!("GET {ATTESTATION}"), 200, &after),
            step(&format!("GET {ATTESTATION}"), 200, &after),
        ]
    })
    .await;
    let certificates = OwnCertificates {
        primary: Some(new.cert_pem()),
        secondary: Some(old.cert_pem()),
    };
    let central = script.central();
    for expected in [Outcome::Changed, Outcome::Unchanged] {
        let outcome = put_individual(&central, "lab", &certificates, &|_| {}).await.unwrap();
        assert_eq!(outcome, expected);
    }
    script.finish();
}

#[tokio::test]
async fn a_device_is_blocked_once() {
    let blocked = DEVICE.replace("\"enabled\":true", "\"enabled\":false");
    let script = Script::play(|_| {
        vec![
            step("GET /devices/lab", 200, DEVICE),
            step("PATCH /devices/lab", 200, blocked.clone()),
            step("GET /devices/lab", 200, blocked),
        ]
    })
    .await;
    let central = script.central();
    for expected in [Outcome::Changed, Outcome::Unchanged] {
        let outcome = set_device_enabled(&central, "lab", false, &|_| {}).await.unwrap();
        assert_eq!(outcome, expected);
    }
    assert_eq!(script.finish()[1].body, json!({"enabled": false}));
}

const DEVICE: &str = r#"{"id":"lab","displayName":"Lab","enabled":true,"provisioned":false,"simulated":false}"#;
const ATTESTATION: &str = "/devices/lab/attestation";

fn own() -> Made {
    self_signed("lab", KeyType::P256, Validity::leaf(now())).unwrap()
}

fn attestation(primary: Option<&Made>, secondary: Option<&Made>) -> Value {
    let mut certificates = json!({});
    for (name, made) in [("primary", primary), ("secondary", secondary)] {
        if let Some(made) = made {
            certificates[name] = json!({"info": {"sha1Thumbprint": made.facts().sha1}});
        }
    }
    json!({"type": "x509", "x509": {"clientCertificates": certificates}})
}

async fn enroll_lab(
    script: &Script,
    primary: &Made,
    secondary: Option<&Made>,
) -> (Result<Outcome, EnrollError>, Vec<String>) {
    let story = Mutex::new(Vec::new());
    let reporter = |step: provisioning::enroll::Step| story.lock().unwrap().push(step.to_string());
    let secondary = secondary.map(Made::cert_pem);
    let outcome = enroll_individual(
        &script.central(),
        "lab",
        "Lab",
        primary.cert_pem(),
        secondary,
        &reporter,
    )
    .await;
    (outcome, story.into_inner().unwrap())
}

#[tokio::test]
async fn a_device_is_enrolled_from_nothing_with_both_certificates() {
    let (primary, secondary) = (own(), own());
    let script = Script::play(|_| {
        vec![
            step("GET /devices/lab", 404, error("NotFound", "No such device.")),
            step("PUT /devices/lab", 200, DEVICE),
            step(&format!("GET {ATTESTATION}"), 404, error("NotFound", "None.")),
            step(
                &format!("PUT {ATTESTATION}"),
                200,
                attestation(Some(&primary), Some(&secondary)),
            ),
            step(
                &format!("GET {ATTESTATION}"),
                200,
                attestation(Some(&primary), Some(&secondary)),
            ),
        ]
    })
    .await;
    let (outcome, story) = enroll_lab(&script, &primary, Some(&secondary)).await;
    assert_eq!(outcome.unwrap(), Outcome::Changed);
    assert_eq!(
        story,
        [
            "device lab created".to_owned(),
            "2 certificates of device lab uploaded".to_owned(),
            format!(
                "device lab is enrolled individually with {} and {}",
                primary.facts().sha1,
                secondary.facts().sha1
            ),
        ]
    );
    let seen = script.finish();
    let sent = &seen[3].body["x509"]["clientCertificates"];
    assert_eq!(sent["primary"]["certificate"], BASE64.encode(primary.cert_pem()));
    assert_eq!(sent["secondary"]["certificate"], BASE64.encode(secondary.cert_pem()));
}

#[tokio::test]
async fn a_device_that_is_enrolled_is_only_looked_at() {
    let primary = own();
    let script = Script::play(|_| {
        vec![
            step("GET /devices/lab", 200, DEVICE),
            step(&format!("GET {ATTESTATION}"), 200, attestation(Some(&primary), None)),
        ]
    })
    .await;
    assert_eq!(enroll_lab(&script, &primary, None).await.0.unwrap(), Outcome::Unchanged);
    script.finish();
}

#[tokio::test]
async fn a_secondary_is_added_to_a_primary_that_is_there() {
    let (primary, secondary) = (own(), own());
    let both = attestation(Some(&primary), Some(&secondary));
    let script = Script::play(|_| {
        vec![
            step("GET /devices/lab", 200, DEVICE),
            step(&format!("GET {ATTESTATION}"), 200, attestation(Some(&primary), None)),
            step(&format!("PUT {ATTESTATION}"), 200, &both),
            step(&format!("GET {ATTESTATION}"), 200, &both),
        ]
    })
    .await;
    assert_eq!(
        enroll_lab(&script, &primary, Some(&secondary)).await.0.unwrap(),
        Outcome::Changed
    );
    script.finish();
}

#[tokio::test]
async fn certificates_that_are_not_ours_are_left_alone() {
    let (ours, other) = (own(), own());
    let cases = [
        (
            attestation(Some(&other), None),
            "the primary certificate of device lab is another one already",
        ),
        (
            attestation(Some(&ours), Some(&other)),
            "the secondary certificate of device lab is another one already",
        ),
        (
            json!({"type": "symmetricKey", "symmetricKey": {"primaryKey": "a2V5"}}),
            "does not use X.509 certificates",
        ),
    ];
    for (found, words) in cases {
        let script = Script::play(|_| {
            vec![
                step("GET /devices/lab", 200, DEVICE),
                step(&format!("GET {ATTESTATION}"), 200, found),
            ]
        })
        .await;
        let text = enroll_lab(&script, &ours, None).await.0.unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
        script.finish();
    }
}
