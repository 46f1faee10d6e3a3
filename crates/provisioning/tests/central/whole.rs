//! What belongs to an enrollment beside groups and devices: templates, the id scope, looking without touching, taking back.

use jiff::Timestamp;
use provisioning::central::{Central, Pace};
use provisioning::certificate::make::{CertificateAuthority, KeyType, Validity, self_signed};
use provisioning::enroll::{
    Claim, EnrollmentGroupSpec, IndividualNeeds, Outcome, OwnCertificates, Work, claim_device, claim_group,
    examine_group, examine_individual, find_id_scope, publish_template, remove_device, remove_group,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::script::{Script, Step, error, step};

const MODEL: &str = "dtmi:com:example:Thermostat;1";
const TEMPLATE: &str = "/deviceTemplates/dtmi:com:example:Thermostat;1";
const PROBE: &str = "/devices/fleet-id-scope-probe";
const CREDENTIALS: &str = r#"{"idScope":"0ne00123456","symmetricKey":{"primaryKey":"a2V5","secondaryKey":"a2V5"}}"#;

fn missing() -> Value {
    error("NotFound", "There is no such thing.")
}

fn device(id: &str, provisioned: bool) -> Value {
    json!({"id": id, "displayName": id, "enabled": true, "provisioned": provisioned, "simulated": false})
}

fn ca() -> CertificateAuthority {
    let now: Timestamp = "2026-11-23T15:00:00Z".parse().unwrap();
    CertificateAuthority::root("root", KeyType::P256, Validity::root(now)).unwrap()
}

async fn publish(steps: Vec<Step>) -> Outcome {
    let script = Script::play(|_| steps).await;
    let template = json!({"capabilityModel": {"@id": MODEL}});
    let outcome = publish_template(&script.central(), MODEL, &template, &|_| {})
        .await
        .unwrap();
    script.finish();
    outcome
}

#[tokio::test]
async fn a_template_is_published_where_none_of_the_model_is_there_under_any_id() {
    let other = json!({"value": [{"@id": "dtmi:contoso:mine;1", "capabilityModel": {"@id": "dtmi:contoso:Other;1"}}]});
    let same = json!({"value": [{"@id": "dtmi:contoso:mine;1", "capabilityModel": {"@id": MODEL}}]});
    let look = || step(&format!("GET {TEMPLATE}"), 404, missing());
    let list = |answer: Value| step("GET /deviceTemplates", 200, answer);
    let put = step(&format!("PUT {TEMPLATE}"), 200, json!({"@id": MODEL}));
    assert_eq!(publish(vec![look(), list(other), put]).await, Outcome::Changed);
    assert_eq!(publish(vec![look(), list(same)]).await, Outcome::Unchanged);
    let there = step(&format!("GET {TEMPLATE}"), 200, json!({"@id": MODEL}));
    assert_eq!(publish(vec![there]).await, Outcome::Unchanged);
}

#[tokio::test]
async fn the_id_scope_comes_from_a_group_a_device_or_a_probe() {
    let group = |id_scope: Value| {
        let mut group = json!({"id": "g", "displayName": "G", "type": "iot", "attestation": {"type": "x509"}});
        group["idScope"] = id_scope;
        step("GET preview:/enrollmentGroups/g", 200, group)
    };
    let withdrawn = || {
        step(
            "GET preview:/enrollmentGroups/g",
            400,
            error("BadRequest", "No such api-version."),
        )
    };
    let credentials = |path: &str| step(&format!("GET {path}/credentials"), 200, CREDENTIALS);
    let list = |devices: Value| {
        step(
            "GET /devices",
            200,
            json!({"value": devices, "nextLink": "https://elsewhere/"}),
        )
    };
    let probe = || {
        vec![
            step(&format!("PUT {PROBE}"), 200, device("fleet-id-scope-probe", false)),
            credentials(PROBE),
            step(&format!("DELETE {PROBE}"), 204, ""),
        ]
    };
    let cases: Vec<(&[&str], &[&str], Vec<Step>)> = vec![
        (&["g"], &["lab"], vec![group("0ne00123456".into())]),
        (&["g"], &["lab"], vec![group(Value::Null), credentials("/devices/lab")]),
        (&["g"], &["lab"], vec![withdrawn(), credentials("/devices/lab")]),
        // Any device will do, and not all of them are read.
        (
            &[],
            &[],
            vec![list(json!([device("other", true)])), credentials("/devices/other")],
        ),
        (&[], &[], std::iter::once(list(json!([]))).chain(probe()).collect()),
        // One that was left behind is used again, and goes.
        (
            &[],
            &[],
            std::iter::once(list(json!([device("fleet-id-scope-probe", false)])))
                .chain(probe())
                .collect(),
        ),
    ];
    for (groups, devices, steps) in cases {
        let script = Script::play(|_| steps).await;
        let found = find_id_scope(&script.central(), groups, devices).await.unwrap();
        assert_eq!(found, "0ne00123456");
        script.finish();
    }
}

#[tokio::test]
async fn the_probe_is_removed_also_when_it_was_of_no_use() {
    let script = Script::play(|_| {
        vec![
            step("GET /devices", 200, json!({"value": []})),
            step(&format!("PUT {PROBE}"), 200, device("fleet-id-scope-probe", false)),
            step(
                &format!("GET {PROBE}/credentials"),
                403,
                error("Forbidden", "Not with this token."),
            ),
            step(&format!("DELETE {PROBE}"), 204, ""),
        ]
    })
    .await;
    let error = find_id_scope(&script.central(), &[], &[])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("403 Forbidden: Not with this token."), "{error}");
    script.finish();
}

#[tokio::test]
async fn looking_asks_only_with_get() {
    let ca = ca();
    let now: Timestamp = "2026-11-23T15:00:00Z".parse().unwrap();
    let own = self_signed("lab", KeyType::P256, Validity::leaf(now)).unwrap();
    let script = Script::play(|_| {
        vec![
            step("GET /enrollmentGroups/g", 404, missing()),
            step("GET /devices/lab", 200, device("lab", false)),
            step("GET /devices/lab/attestation", 404, missing()),
        ]
    })
    .await;
    let central = script.central();
    let (create, needs) = examine_group(&central, &EnrollmentGroupSpec::new("g", "G", &ca))
        .await
        .unwrap();
    assert!(create);
    assert_eq!(needs[0].work, Work::UploadAndVerification);
    let certificates = OwnCertificates {
        primary: Some(own.cert_pem()),
        secondary: None,
    };
    assert_eq!(
        examine_individual(&central, "lab", &certificates).await.unwrap(),
        IndividualNeeds {
            device: false,
            certificates: true
        }
    );
    script.finish();
}

#[tokio::test]
async fn only_what_holds_our_certificates_and_no_others_is_ours() {
    let group = |name: &str, certificates: Value| json!({"id": "g", "displayName": name, "attestation": {"type": "x509", "x509": {"signingCertificates": certificates}}});
    let slot = |sha1: &str| json!({"verified": true, "info": {"sha1Thumbprint": sha1}});
    let ours = [String::from("AA"), String::from("BB")];
    let cases = [
        (group("G", json!({"primary": slot("AA")})), None),
        (
            group("Other", json!({"primary": slot("bb"), "secondary": slot("AA")})),
            None,
        ),
        (group("G", json!({})), None),
        (group("Other", json!({})), Some("its name is `Other` instead of `G`")),
        (
            group("G", json!({"primary": slot("AA"), "secondary": slot("CC")})),
            Some("its secondary certificate CC is not one of ours"),
        ),
        (
            json!({"id": "g", "displayName": "G", "attestation": {"type": "symmetricKey"}}),
            Some("does not use X.509"),
        ),
    ];
    for (found, expected) in cases {
        let script = Script::play(|_| vec![step("GET /enrollmentGroups/g", 200, &found)]).await;
        match (claim_group(&script.central(), "g", "G", &ours).await.unwrap(), expected) {
            (Claim::Ours, None) => {}
            (Claim::NotOurs { reason }, Some(words)) => assert!(reason.contains(words), "{reason}"),
            (claim, expected) => panic!("{claim:?} instead of {expected:?} for {found}"),
        }
        script.finish();
    }

    // A device that was created and got no certificate yet is the beginning of an enrollment; one that has registered is more.
    for (provisioned, expected) in [(false, true), (true, false)] {
        let script = Script::play(|_| {
            vec![
                step("GET /devices/lab", 200, device("lab", provisioned)),
                step("GET /devices/lab/attestation", 404, missing()),
            ]
        })
        .await;
        let claim = claim_device(&script.central(), "lab", &ours).await.unwrap();
        assert_eq!(claim == Claim::Ours, expected, "{claim:?}");
        script.finish();
    }
}

#[tokio::test]
async fn what_is_gone_already_is_removed() {
    let script = Script::play(|_| {
        vec![
            step("DELETE /enrollmentGroups/g", 204, ""),
            step("DELETE /enrollmentGroups/g", 404, missing()),
            step("DELETE /devices/lab", 404, missing()),
        ]
    })
    .await;
    let central = script.central();
    assert_eq!(remove_group(&central, "g", &|_| {}).await.unwrap(), Outcome::Changed);
    assert_eq!(remove_group(&central, "g", &|_| {}).await.unwrap(), Outcome::Unchanged);
    assert_eq!(
        remove_device(&central, "lab", &|_| {}).await.unwrap(),
        Outcome::Unchanged
    );
    script.finish();
}

#[tokio::test]
async fn clones_of_a_client_keep_one_pace() {
    let script = Script::play(|_| {
        (0..5)
            .map(|_| step("GET /devices/lab", 200, device("lab", true)))
            .collect()
    })
    .await;
    let pace = Pace {
        per_second: 20,
        burst: 1,
    };
    let central: Central = script.central().with_pace(pace);
    let begin = Instant::now();
    for _ in 0..5 {
        central.clone().device("lab").await.unwrap();
    }
    // The first goes at once, and four wait 50 ms each, for however many clients they come from.
    assert!(begin.elapsed().as_millis() >= 200, "{:?}", begin.elapsed());
    script.finish();
}
