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
