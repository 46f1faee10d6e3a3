use jiff::{SignedDuration, Timestamp};

use super::*;

fn now() -> Timestamp {
    "2026-11-23T15:00:00Z".parse().unwrap()
}

fn root() -> CertificateAuthority {
    CertificateAuthority::root("root", KeyType::P256, Validity::root(now())).unwrap()
}

#[test]
fn a_leaf_never_outlives_its_issuer() {
    let root = root();
    let late = root.facts().not_after - SignedDuration::from_hours(48);
    let leaf = root.leaf("thermo-1", KeyType::P256, Validity::leaf(late)).unwrap();
    assert_eq!(leaf.facts().not_after, root.facts().not_after);

    let too_late = root.facts().not_after + SignedDuration::from_hours(1);
    let error = root
        .leaf("thermo-1", KeyType::P256, Validity::leaf(too_late))
        .unwrap_err();
    assert!(matches!(error, CertificateError::OutsideIssuer { .. }), "{error}");
}

#[test]
fn a_leaf_carries_every_intermediate_but_not_the_root() {
    let root = root();
    assert_eq!(
        root.leaf("a", KeyType::P256, Validity::leaf(now()))
            .unwrap()
            .fullchain_pem()
            .matches("BEGIN")
            .count(),
        1
    );

    let intermediate = root
        .intermediate("intermediate", KeyType::P256, Validity::intermediate(now()))
        .unwrap();
    let leaf = intermediate.leaf("a", KeyType::P256, Validity::leaf(now())).unwrap();
    assert_eq!(
        leaf.fullchain_pem(),
        format!("{}{}", leaf.cert_pem(), intermediate.cert_pem())
    );
}

#[test]
fn an_intermediate_signs_no_further_ca() {
    let intermediate = root()
        .intermediate("one", KeyType::P256, Validity::intermediate(now()))
        .unwrap();
    let error = intermediate
        .intermediate("two", KeyType::P256, Validity::intermediate(now()))
        .unwrap_err();
    assert_eq!(error.to_string(), "`one` may sign leaves, but no further CAs");
}

#[test]
fn a_ca_read_back_signs_what_the_original_would() {
    let root = root();
    let again =
        CertificateAuthority::from_pem(root.cert_pem().as_bytes(), "c", root.key_pem().as_bytes(), "k").unwrap();
    assert_eq!(again.facts(), root.facts());
    let leaf = again.leaf("a", KeyType::P256, Validity::leaf(now())).unwrap();
    assert_eq!(leaf.facts().issuer_common_name.as_deref(), Some("root"));
}

#[test]
fn a_leaf_is_not_taken_for_a_ca() {
    let leaf = root().leaf("a", KeyType::P256, Validity::leaf(now())).unwrap();
    let error = CertificateAuthority::from_pem(leaf.cert_pem().as_bytes(), "`a.pem`", leaf.key_pem().as_bytes(), "k")
        .unwrap_err();
    assert_eq!(error.to_string(), "the certificate in `a.pem` is not a CA certificate");
}

#[test]
fn a_common_name_has_1_to_64_characters() {
    for name in ["", &"x".repeat(65)] {
        let error = root().leaf(name, KeyType::P256, Validity::leaf(now())).unwrap_err();
        assert!(matches!(error, CertificateError::BadCommonName { .. }), "{error}");
    }
    root()
        .leaf(&"x".repeat(64), KeyType::P256, Validity::leaf(now()))
        .unwrap();
}

#[test]
fn two_certificates_over_one_key_have_different_serials() {
    let key = KeyType::P256.generate("a").unwrap();
    let root = root();
    let serial = || {
        root.leaf_over(&key, "a", Validity::leaf(now()))
            .unwrap()
            .facts()
            .serial
            .clone()
    };
    assert_ne!(serial(), serial());
}

#[test]
fn no_key_is_ever_printed() {
    let root = root();
    let leaf = root.leaf("a", KeyType::P256, Validity::leaf(now())).unwrap();
    assert!(!format!("{root:?}{leaf:?}").contains("PRIVATE"));
}

#[test]
fn a_servers_certificate_is_for_its_names_and_addresses_and_for_servers_only() {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let server = root()
        .server("a server", &names, KeyType::P256, Validity::leaf(now()))
        .unwrap();
    let der = certificates_of(&server);
    let parsed = inspect::parse(&der, "it").unwrap();
    let held = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
    let held: Vec<_> = held.iter().map(ToString::to_string).collect();
    assert_eq!(held.len(), 3, "{held:?}");
    assert!(
        held[0].contains("localhost") && held[1].contains("7f:00:00:01"),
        "{held:?}"
    );
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth);
    let error = root()
        .server("a server", &["ümlaut".to_owned()], KeyType::P256, Validity::leaf(now()))
        .unwrap_err();
    assert!(matches!(error, CertificateError::Make { .. }), "{error}");
}

fn certificates_of(made: &Made) -> CertificateDer<'static> {
    pem::certificates(made.cert_pem().as_bytes(), "it")
        .unwrap()
        .swap_remove(0)
}
