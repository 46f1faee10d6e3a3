//! Enrolling end to end, at an application that judges: our emulator of IoT Central, over TLS.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::time::Duration;

use iot_emulator::{Config, Emulator};
use jiff::Timestamp;
use mqtt_link::TrustRoots;
use provisioning::backoff::Backoff;
use provisioning::central::schema::response::GroupAttestation;
use provisioning::central::{ApiToken, Central, CentralError, GroupType, NewDevice, RetryPolicy};
use provisioning::certificate::load;
use provisioning::certificate::make::{CertificateAuthority, KeyType, Validity};
use provisioning::enroll::{EnrollError, EnrollmentGroupSpec, Outcome, enroll_group, enroll_individual};
use provisioning::identities::{GroupIdentities, IndividualIdentities, Issuer, Slot};

async fn start() -> Emulator {
    Emulator::start(Config::default()).await.unwrap()
}

fn url(emulator: &Emulator) -> String {
    format!("https://localhost:{}", emulator.https_addr().unwrap().port())
}

fn trusted(pem: &str) -> TrustRoots {
    TrustRoots::Certificates(load::certificates_in(pem.as_bytes(), "the CA").unwrap())
}

fn central(emulator: &Emulator) -> Central {
    let trusted = trusted(emulator.ca_pem());
    Central::new(&url(emulator), &ApiToken::new(emulator.api_token()), trusted).unwrap()
}

#[tokio::test]
async fn a_group_and_an_individual_are_enrolled_once() {
    let emulator = start().await;
    let central = central(&emulator);
    let certs = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let group = GroupIdentities::open_or_create(
        certs.path(),
        "thermostats",
        Issuer::Intermediate,
        ["thermo-1"],
        now,
        &|_, _| {},
    )
    .unwrap();
    let root = group.authority(Issuer::Root).unwrap();
    let lab = IndividualIdentities::open_or_create(certs.path(), "lab", true, now).unwrap();
    let (primary, secondary) = (lab.primary_pem(), lab.secondary_pem());

    for expected in [Outcome::Changed, Outcome::Unchanged] {
        let outcome = enroll_group(
            &central,
            &EnrollmentGroupSpec::new("thermostats", "Thermostats", root),
            now,
            &|_| {},
        )
        .await
        .unwrap();
        assert_eq!(outcome, expected);
        let outcome = enroll_individual(&central, "lab", "Lab", &primary, secondary.as_deref(), &|_| {})
            .await
            .unwrap();
        assert_eq!(outcome, expected);
    }

    let GroupAttestation::X509 { x509 } = central.enrollment_group("thermostats").await.unwrap().attestation else {
        panic!("a group of another kind");
    };
    let certificate = x509.signing_certificates.primary.unwrap();
    assert!(certificate.verified);
    assert_eq!(certificate.sha1().as_ref(), Some(&root.facts().sha1));
    assert_eq!(central.id_scope("lab").await.unwrap(), emulator.id_scope().to_string());
    assert!(
        central
            .devices()
            .await
            .unwrap()
            .iter()
            .any(|device| device.id == "lab" && device.enabled)
    );
    emulator.shutdown().await;
}

#[tokio::test]
async fn an_intermediate_can_be_the_ca_that_is_enrolled() {
    let emulator = start().await;
    let now = Timestamp::now();
    let root = CertificateAuthority::root("root", KeyType::P256, Validity::root(now)).unwrap();
    let intermediate = root
        .intermediate("between", KeyType::P256, Validity::intermediate(now))
        .unwrap();
    let outcome = enroll_group(
        &central(&emulator),
        &EnrollmentGroupSpec::new("g", "G", &intermediate),
        now,
        &|_| {},
    )
    .await
    .unwrap();
    assert_eq!(outcome, Outcome::Changed);
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_proof_signed_by_another_ca_is_refused() {
    let emulator = start().await;
    let central = central(&emulator);
    let now = Timestamp::now();
    let ca = |name| CertificateAuthority::root(name, KeyType::P256, Validity::root(now)).unwrap();
    let (ours, stranger) = (ca("ours"), ca("ours"));
    central.put_enrollment_group("g", "G", GroupType::Iot).await.unwrap();
    central
        .put_group_certificate("g", Slot::Primary, ours.cert_pem(), false)
        .await
        .unwrap();
    let code = central.generate_verification_code("g", Slot::Primary).await.unwrap();
    let proof = stranger
        .verification(&code, KeyType::P256, Validity::verification(now))
        .unwrap();
    let refused = central
        .verify_group_certificate("g", Slot::Primary, proof.cert_pem())
        .await
        .unwrap_err();
    assert!(!refused.is_retryable() && refused.status().is_some(), "{refused}");
    assert!(!central.group_certificate("g", Slot::Primary).await.unwrap().verified);

    // And a group that holds another CA is not taken over.
    let taken = enroll_group(&central, &EnrollmentGroupSpec::new("g", "G", &stranger), now, &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(taken, EnrollError::AnotherCertificate { .. }), "{taken}");
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_list_longer_than_a_page_is_whole() {
    let emulator = start().await;
    let central = central(&emulator);
    let device = NewDevice {
        display_name: "a device",
        template: None,
        enabled: true,
    };
    for n in 0..130 {
        central.put_device(&format!("thermo-{n:03}"), &device).await.unwrap();
    }
    let mut ids: Vec<_> = central
        .devices()
        .await
        .unwrap()
        .into_iter()
        .map(|device| device.id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 130);
    central.delete_device("thermo-000").await.unwrap();
    assert!(central.device("thermo-000").await.unwrap_err().is_not_found());
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_server_under_an_unknown_ca_is_not_trusted_and_not_asked_again() {
    let emulator = start().await;
    let stranger = CertificateAuthority::root("stranger", KeyType::P256, Validity::root(Timestamp::now())).unwrap();
    for ca in [trusted(stranger.cert_pem()), TrustRoots::WebPki] {
        // A repetition would come after an hour, long after the time-out below.
        let hour = Duration::from_secs(3_600);
        let patient = RetryPolicy {
            attempts: 2,
            backoff: Backoff::new(hour, hour),
            overall: 2 * hour,
        };
        let token = ApiToken::new(emulator.api_token());
        let central = Central::new(&url(&emulator), &token, ca).unwrap();
        let central = central.with_retry(patient);
        let error = tokio::time::timeout(Duration::from_secs(30), central.devices())
            .await
            .unwrap()
            .unwrap_err();
        assert!(matches!(error, CentralError::Untrusted { .. }), "{error}");
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let emulator = start().await;
    let trusted = trusted(emulator.ca_pem());
    let token = ApiToken::new("SharedAccessSignature sr=x");
    let central = Central::new(&url(&emulator), &token, trusted).unwrap();
    assert_eq!(central.devices().await.unwrap_err().status(), Some(401));
    emulator.shutdown().await;
}

#[tokio::test]
async fn an_emulator_reports_its_counts_and_a_link_to_its_page() {
    let emulator = start().await;
    let central = central(&emulator);
    assert!(central.emulator_stats().await.unwrap().is_object());
    let run = central.emulator_run("a run that was never begun").await.unwrap();
    assert_eq!((run.telemetry_received, run.telemetry_received_unique), (0, 0));
    let (path, other) = (
        central.emulator_sign_in().await.unwrap(),
        central.emulator_sign_in().await.unwrap(),
    );
    assert!(
        path.starts_with('/') && path != other,
        "each link is good for one person"
    );
    let stranger = Central::new(
        &url(&emulator),
        &ApiToken::new("SharedAccessSignature sr=x"),
        trusted(emulator.ca_pem()),
    );
    let error = stranger.unwrap().emulator_stats().await.unwrap_err().to_string();
    assert!(error.starts_with("stats of the emulator: 401"), "{error}");
}
