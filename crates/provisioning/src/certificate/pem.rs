//! Reading PEM as it is found in the wild.
//!
//! Text before, between and after the sections is skipped: comments, `openssl x509 -text` output, and the
//! literal `null` that `create_test_cert.js` of the Azure IoT SDK for Node.js leaves after the last certificate
//! of a fullchain without parent (<https://github.com/Azure/azure-iot-sdk-node>, `provisioning/tools`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{CertificateError, Password, encrypted_key};

/// Every certificate of `pem`, in the order of the file; at least one.
pub(crate) fn certificates(pem: &[u8], file: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|reason| CertificateError::Malformed {
            file: file.to_owned(),
            reason: reason.to_string(),
        })?;
    if certificates.is_empty() {
        return Err(CertificateError::NoCertificate { file: file.to_owned() });
    }
    Ok(certificates)
}

/// The first private key of `pem`: PKCS#8, PKCS#1 (RSA) or SEC1 (EC), or else PKCS#8 that `password` unlocks.
pub(crate) fn private_key(
    pem: &[u8],
    file: &str,
    password: Option<&Password>,
) -> Result<PrivateKeyDer<'static>, CertificateError> {
    // The older forms say so in a header that would only read as broken base64.
    if contains(pem, b"Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::UnsupportedEncryption {
            file: file.to_owned(),
            reason: "OpenSSL's traditional format".to_owned(),
        });
    }
    if let Some(key) = PrivateKeyDer::pem_slice_iter(pem).next() {
        // The reader's own words may quote the line it stumbled over, which can be key material.
        return key.map_err(|_| CertificateError::Malformed {
            file: file.to_owned(),
            reason: "not a PEM private key".to_owned(),
        });
    }
    let encrypted = encrypted_key::find(pem, file)?.ok_or_else(|| CertificateError::NoKey { file: file.to_owned() })?;
    let password = password.ok_or_else(|| CertificateError::EncryptedKey { file: file.to_owned() })?;
    encrypted_key::decrypt(&encrypted, password, file)
}

/// One certificate as a PEM section, line feeds only.
pub(crate) fn encode_certificate(der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECTION: &str = "-----BEGIN CERTIFICATE-----\nAAECAw==\n-----END CERTIFICATE-----\n";

    #[test]
    fn text_around_the_sections_is_skipped() {
        let text = format!(
            "# a comment\r\n{}\nsubject=CN = x\n{SECTION}null",
            SECTION.replace('\n', "\r\n")
        );
        assert_eq!(certificates(text.as_bytes(), "chain").unwrap().len(), 2);
    }

    #[test]
    fn null_on_the_line_of_the_end_marker_is_skipped() {
        let text = format!("{}null", SECTION.trim_end());
        assert_eq!(certificates(text.as_bytes(), "chain").unwrap().len(), 1);
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let error = certificates(b"null\n", "leaf.pem").unwrap_err();
        assert_eq!(error.to_string(), "no certificate in leaf.pem");
    }

    #[test]
    fn an_encrypted_key_is_told_from_a_missing_one() {
        let modern = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let traditional =
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert!(matches!(
            private_key(modern, "k", None),
            Err(CertificateError::EncryptedKey { .. })
        ));
        assert!(matches!(
            private_key(traditional, "k", Some(&Password::new("1234"))),
            Err(CertificateError::UnsupportedEncryption { .. })
        ));
        assert!(matches!(
            private_key(SECTION.as_bytes(), "k", None),
            Err(CertificateError::NoKey { .. })
        ));
    }

    #[test]
    fn a_broken_key_is_not_quoted() {
        let error = private_key(
            b"-----BEGIN PRIVATE KEY-----\ns3cr3t!\n-----END PRIVATE KEY-----\n",
            "k",
            None,
        )
        .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = certificates(&bytes, "x");
            let _ = private_key(&bytes, "x", Some(&Password::new("1234")));
        }

        #[test]
        fn arbitrary_sections_never_panic(
            label in "(CERTIFICATE|PRIVATE KEY|RSA PRIVATE KEY|ENCRYPTED PRIVATE KEY|[A-Z -]{0,20})",
            body in "[A-Za-z0-9+/=\r\n -]{0,400}",
            tail in "(null|\n|-----END CERTIFICATE-----)?",
        ) {
            let text = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----{tail}");
            let _ = certificates(text.as_bytes(), "x");
            let _ = private_key(text.as_bytes(), "x", Some(&Password::new("1234")));
            let _ = crate::certificate::load::Identity::from_pem(text.as_bytes(), "x", text.as_bytes(), "x");
        }
    }
}
