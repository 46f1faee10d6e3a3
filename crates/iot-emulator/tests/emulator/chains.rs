//! The golden chains of `crates/launcher/tests/chains`, shown to DPS as devices show theirs. See the README there.

use std::path::Path;

use rumqttc::mqttbytes::v4::ConnectReturnCode;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use testing::device::{Device, Hello};
use testing::emulator::emulator;
use testing::rest::{Rest, encode};

const ID: &str = "thermo-1";

#[tokio::test]
async fn golden_chains_get_the_verdict_that_is_written_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../launcher/tests/chains");
    let (mut tried, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let case = entry.unwrap().path();
        if !case.is_dir() {
            continue;
        }
        let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap();
        let expected: toml::Table = read("case.toml").parse().unwrap();
        if expected.get("tls").is_some() {
            continue;
        }
        let word = |key: &str| expected.get(key).map(|value| value.as_str().unwrap());
        let answer = answer(&case).await;
        let is_right = match (&answer, word("verdict")) {
            (Outcome::LetIn, verdict) => verdict != Some("refuse"),
            // The REST interface gives its reason to the caller that enrolls.
            (Outcome::NotEnrolled(_), verdict) => verdict == Some("refuse"),
            (Outcome::Refused(journal), verdict) => {
                let words = [word("emulator"), word("subject")];
                verdict == Some("refuse") && words.into_iter().flatten().all(|words| journal.contains(words))
            }
            (Outcome::NoHandshake(_), _) => false,
        };
        if !is_right {
            wrong.push(format!("{}: {answer:?}", case.file_name().unwrap().display()));
        }
        tried += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried >= 50, "{tried} chains were shown");
}

#[derive(Debug)]
#[expect(dead_code, reason = "read in the words of a failed test")]
enum Outcome {
    LetIn,
    NotEnrolled(u16),
    NoHandshake(std::io::Error),
    Refused(String),
}

async fn answer(case: &Path) -> Outcome {
    let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap();
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let status = if case.join("ca.pem").exists() {
        let primary = json!({"certificate": encode(&read("ca.pem")), "verified": true});
        let attestation = json!({"type": "x509", "x509": {"signingCertificates": {"primary": primary}}});
        let group = json!({"displayName": "g", "type": "iot", "attestation": attestation});
        rest.put("enrollmentGroups/g", group).await.0
    } else {
        let status = rest.put(&format!("devices/{ID}"), json!({"displayName": ID})).await.0;
        assert_eq!(status, 200);
        let primary = json!({"certificate": encode(&read("chain.pem"))});
        let attestation = json!({"type": "x509", "x509": {"clientCertificates": {"primary": primary}}});
        rest.put(&format!("devices/{ID}/attestation"), attestation).await.0
    };
    if status != 200 {
        return Outcome::NotEnrolled(status.as_u16());
    }
    let chain = read("chain.pem");
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(read("key.pem").as_bytes()).unwrap();
    let stream = match Device::handshake(&emulator, chain, key, &rustls::version::TLS12).await {
        Ok(stream) => stream,
        Err(error) => return Outcome::NoHandshake(error),
    };
    match Device::over(stream).hello(Hello::dps(ID)).await.code {
        ConnectReturnCode::Success => Outcome::LetIn,
        _ => Outcome::Refused(format!("{:?}", emulator.journal().since(0))),
    }
}
