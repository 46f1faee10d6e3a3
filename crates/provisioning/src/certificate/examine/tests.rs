use super::*;
use crate::certificate::make::{CertificateAuthority, KeyType, Made, PfxCipher, Validity, self_signed, to_pfx};
use crate::certificate::pem;

fn now() -> Timestamp {
    "2026-11-23T15:00:00Z".parse().unwrap()
}

fn request() -> ExamineRequest<'static> {
    ExamineRequest {
        now: now(),
        soon: SignedDuration::from_hours(30 * 24),
        registration_id: None,
        enrolled: Enrolled::Unknown,
        password: None,
    }
}

fn root() -> CertificateAuthority {
    CertificateAuthority::root("root", KeyType::P256, Validity::root(now())).unwrap()
}

fn leaf(id: &str) -> Made {
    self_signed(id, KeyType::P256, Validity::leaf(now())).unwrap()
}

fn reported(examined: &Examined) -> Vec<(Level, &str)> {
    let findings = examined.findings.iter();
    findings.map(|finding| (finding.level, finding.text.as_str())).collect()
}

/// What is wrong with `pem`, apart from notes.
fn objections(pem: &str, request: &ExamineRequest<'_>) -> Vec<String> {
    let mut files = [examine(pem.as_bytes(), "f", request).unwrap()];
    conclude(&mut files);
    let [file] = files;
    let serious = file.findings.into_iter().filter(|finding| finding.level > Level::Note);
    serious.map(|finding| finding.text).collect()
}

#[test]
fn what_we_make_is_what_azure_takes() {
    let root = root();
    let middle = root
        .intermediate("middle", KeyType::P384, Validity::intermediate(now()))
        .unwrap();
    for key_type in [KeyType::P256, KeyType::P384, KeyType::Rsa2048] {
        let made = middle.leaf("thermo-1", key_type, Validity::leaf(now())).unwrap();
        let pem = made.fullchain_pem();
        assert_eq!(objections(&pem, &request()), [""; 0], "{key_type:?}");
    }
    assert_eq!(objections(root.cert_pem(), &request()), [""; 0]);
    assert_eq!(objections(leaf("lab").cert_pem(), &request()), [""; 0]);
}

#[test]
fn a_certificate_is_shown_in_full() {
    let root = root();
    let made = root.leaf("thermo-1", KeyType::Rsa2048, Validity::leaf(now())).unwrap();
    let examined = examine(made.cert_pem().as_bytes(), "f", &request()).unwrap();
    let detail = &examined.certificates[0];
    assert_eq!(
        (detail.subject.as_str(), detail.issuer.as_str()),
        ("CN=thermo-1", "CN=root")
    );
    assert_eq!(
        (detail.key.as_str(), detail.signature.as_str()),
        ("RSA 2048", "ecdsa-with-SHA256")
    );
    assert_eq!(
        (&detail.sha1, &detail.sha256),
        (&made.facts().sha1, &made.facts().sha256)
    );
    let extension = |name| {
        let found = detail.extensions.iter().find(|extension| extension.name == name);
        found.map(|extension| extension.value.as_str())
    };
    assert_eq!(extension("keyUsage"), Some("digitalSignature"));
    assert_eq!(extension("extKeyUsage"), Some("clientAuth"));
    assert_eq!(extension("basicConstraints"), Some("no CA"));
    assert!(extension("authorityKeyIdentifier").is_some());
}

#[test]
fn dates_are_judged() {
    let at = |time: &str| ExamineRequest {
        now: time.parse().unwrap(),
        ..request()
    };
    let made = leaf("lab");
    let judge = |time| objections(made.cert_pem(), &at(time));
    assert_eq!(judge("2027-11-23T15:00:01Z"), ["`lab` expired on 2027-11-23T15:00:00Z"]);
    assert_eq!(
        judge("2027-11-01T15:00:00Z"),
        ["`lab` expires on 2027-11-23T15:00:00Z, in 22 days"]
    );
    assert_eq!(
        judge("2026-11-23T14:00:00Z"),
        ["`lab` is not valid before 2026-11-23T14:55:00Z"]
    );
}

#[test]
fn the_common_name_is_compared_with_the_registration_id() {
    let asked = |id| ExamineRequest {
        registration_id: Some(id),
        ..request()
    };
    let made = leaf("thermo-1");
    assert_eq!(objections(made.cert_pem(), &asked("thermo-1")), [""; 0]);
    assert_eq!(
        objections(made.cert_pem(), &asked("thermo-2")),
        ["the common name is `thermo-1`, the registration id is `thermo-2`"]
    );
    let objections_to = objections(made.cert_pem(), &asked("Thermo-1"));
    assert!(
        objections_to[0].contains("the hub's device ids don't"),
        "{objections_to:?}"
    );
}

#[test]
fn names_that_dps_or_central_refuse_are_distinguished() {
    let about = |id: &str| objections(leaf(id).cert_pem(), &request());
    assert!(about("a b")[0].contains("can't be a registration id"));
    assert!(about("thermo.")[0].contains("can't be a registration id"));
    assert!(about("thermo_1")[0].contains("IoT Central takes only"));
    assert!(about("Thermo-1")[0].contains("has capital letters"));
}

#[test]
fn a_ca_is_no_device() {
    let asked = ExamineRequest {
        registration_id: Some("root"),
        ..request()
    };
    assert!(objections(root().cert_pem(), &asked)[0].contains("is a CA certificate"));
}

#[test]
fn a_missing_intermediate_is_named() {
    let root = root();
    let middle = root
        .intermediate("middle", KeyType::P256, Validity::intermediate(now()))
        .unwrap();
    let made = middle.leaf("thermo-1", KeyType::P256, Validity::leaf(now())).unwrap();
    let enrolled = pem::certificates(root.cert_pem().as_bytes(), "root").unwrap().remove(0);
    let asked = ExamineRequest {
        enrolled: Enrolled::Below(std::slice::from_ref(&enrolled)),
        ..request()
    };
    assert_eq!(objections(&made.fullchain_pem(), &asked), [""; 0]);
    assert_eq!(
        objections(made.cert_pem(), &asked),
        [
            "the chain does not lead to the enrolled CA `root`: after `thermo-1` the certificate of `CN=middle` is missing"
        ]
    );
    // Without the root to compare with, it may be right.
    let alone = examine(made.cert_pem().as_bytes(), "f", &request()).unwrap();
    assert_eq!(
        reported(&alone),
        [(
            Level::Note,
            "the chain ends below `CN=middle`: right if that certificate is the enrolled one"
        )]
    );
}

#[test]
fn a_chain_in_the_wrong_order_is_broken() {
    let root = root();
    let made = root.leaf("thermo-1", KeyType::P256, Validity::leaf(now())).unwrap();
    let stranger = leaf("stranger");
    let wrong = format!("{}{}", made.cert_pem(), stranger.cert_pem());
    assert_eq!(
        objections(&wrong, &request()),
        ["the chain is broken: `thermo-1` was issued by `CN=root`, but `stranger` follows it"]
    );
}

#[test]
fn keys_find_their_certificates_and_strangers_are_named() {
    let (one, other) = (leaf("one"), leaf("other"));
    let look = |pem: &str, name: &str| examine(pem.as_bytes(), name, &request()).unwrap();
    let mut files = [
        look(one.cert_pem(), "`one_cert.pem`"),
        look(one.key_pem(), "`one_key.pem`"),
        look(other.key_pem(), "`other_key.pem`"),
    ];
    conclude(&mut files);
    assert_eq!(files[1].keys[0].belongs_to.as_deref(), Some("`one` in `one_cert.pem`"));
    assert_eq!(
        reported(&files[2]),
        [(Level::Error, "the key belongs to none of the certificates")]
    );

    let mut alone = [look(other.key_pem(), "`other_key.pem`")];
    conclude(&mut alone);
    assert!(alone[0].findings.is_empty());
    assert_eq!(alone[0].keys[0].kind, "EC P-256");
}

#[test]
fn der_and_pfx_are_read_and_junk_is_refused() {
    let made = leaf("lab");
    let der = pem::certificates(made.cert_pem().as_bytes(), "x").unwrap().remove(0);
    assert_eq!(examine(&der, "f", &request()).unwrap().form, "DER");
    let password = Password::new("1234");
    let pfx = to_pfx(made.cert_pem(), made.key_pem(), &password, PfxCipher::Modern, "lab").unwrap();
    let asked = ExamineRequest {
        password: Some(&password),
        ..request()
    };
    let mut files = [examine(&pfx, "f", &asked).unwrap()];
    conclude(&mut files);
    assert_eq!(
        (files[0].form, files[0].keys.len(), files[0].findings.len()),
        ("PFX", 1, 0)
    );
    assert!(matches!(
        examine(b"hello", "f", &request()),
        Err(CertificateError::NoCertificate { .. })
    ));
}

#[test]
fn a_trailing_null_is_noted() {
    let made = leaf("lab");
    let examined = examine(format!("{}null", made.cert_pem()).as_bytes(), "f", &request()).unwrap();
    assert!(examined.findings[0].text.contains("literal `null`"));
}
