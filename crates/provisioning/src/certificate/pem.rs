//! Reading PEM as it is found in the wild: the only place where certificates and keys are taken out of text.
//!
//! Text before, between and after the sections is skipped: comments, `openssl x509 -text` output, and the
//! literal `null` that `create_test_cert.js` of the Azure IoT SDK for Node.js leaves after the last certificate
//! of a fullchain without parent (<https://github.com/Azure/azure-iot-sdk-node>, `provisioning/tools`). So is the mark that
//! Windows programs put before UTF-8. Lines that are spoilt are refused rather than skipped, see [`armour`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::armour::{self, Flaw};
use super::error::Found;
use super::{CertificateError, Password, encrypted_key};

/// What Windows programs put before UTF-8 (U+FEFF). Where files were joined, it also stands in the middle.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// A PEM text whose lines stand as they should.
pub(super) struct Pem<'a> {
    text: Text<'a>,
    file: String,
    found: Vec<Found>,
}

/// The text, without the marks of Windows programs.
enum Text<'a> {
    Given(&'a [u8]),
    Cleaned(Zeroizing<Vec<u8>>),
}

impl<'a> Pem<'a> {
    /// Looks at the lines of a text; `file` names it in messages.
    pub(super) fn open(text: &'a [u8], file: &str) -> Result<Self, CertificateError> {
        let text = Text::of(text);
        let labels = armour::labels(text.bytes()).map_err(|flaw| not_pem(file, flaw))?;
        let found = labels.into_iter().map(Found::of).collect();
        Ok(Self {
            text,
            file: file.to_owned(),
            found,
        })
    }

    /// Every certificate, in the order of the file; may be empty.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        CertificateDer::pem_slice_iter(self.text.bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| not_pem(&self.file, Flaw::NotBase64))
    }

    /// The first private key: PKCS#8, PKCS#1 (RSA) or SEC1 (EC), or else PKCS#8 that `password` unlocks.
    pub(super) fn private_key(&self, password: Option<&Password>) -> Result<PrivateKeyDer<'static>, CertificateError> {
        let file = || self.file.clone();
        // The older forms have it in a header that would only read as broken base64.
        if contains(self.text.bytes(), b"Proc-Type: 4,ENCRYPTED") {
            return Err(CertificateError::UnsupportedEncryption {
                file: file(),
                reason: "OpenSSL's traditional format".to_owned(),
            });
        }
        if let Some(key) = PrivateKeyDer::pem_slice_iter(self.text.bytes()).next() {
            return key.map_err(|_| not_pem(&self.file, Flaw::NotBase64));
        }
        let encrypted = encrypted_key::find(self.text.bytes(), &self.file)?.ok_or_else(|| CertificateError::NoKey {
            file: file(),
            found: self.found.first().copied(),
        })?;
        let password = password.ok_or_else(|| CertificateError::EncryptedKey { file: file() })?;
        encrypted_key::decrypt(&encrypted, password, &self.file)
    }

    /// Why there is no certificate.
    pub(super) fn no_certificate(&self) -> CertificateError {
        CertificateError::NoCertificate {
            file: self.file.clone(),
            found: self.found.first().copied(),
        }
    }
}

impl<'a> Text<'a> {
    fn of(text: &'a [u8]) -> Self {
        let text = text.strip_prefix(MARK).unwrap_or(text);
        if !contains(text, MARK) {
            return Self::Given(text);
        }
        let mut cleaned = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut rest = text;
        while let Some((byte, behind)) = rest.split_first() {
            if let Some(unmarked) = rest.strip_prefix(MARK) {
                rest = unmarked;
            } else {
                cleaned.push(*byte);
                rest = behind;
            }
        }
        Self::Cleaned(cleaned)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Given(text) => text,
            Self::Cleaned(text) => text,
        }
    }
}

/// Every certificate of `pem`, in the order of the file; at least one.
pub(crate) fn certificates(pem: &[u8], file: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let pem = Pem::open(pem, file)?;
    let certificates = pem.certificates()?;
    if certificates.is_empty() {
        return Err(pem.no_certificate());
    }
    Ok(certificates)
}

/// The first private key of `pem`, see [`Pem::private_key`].
pub(crate) fn private_key(
    pem: &[u8],
    file: &str,
    password: Option<&Password>,
) -> Result<PrivateKeyDer<'static>, CertificateError> {
    Pem::open(pem, file)?.private_key(password)
}

fn not_pem(file: &str, flaw: Flaw) -> CertificateError {
    CertificateError::NotPem {
        file: file.to_owned(),
        flaw,
    }
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
    let starts = |byte: &u8| Some(byte) == needle.first();
    haystack.iter().any(starts) && haystack.windows(needle.len()).any(|window| window == needle)
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
    fn the_mark_of_windows_programs_hides_no_certificate() {
        let marked = format!("\u{feff}{SECTION}");
        for text in [
            marked.clone(),
            format!("{marked}{marked}"),
            format!("{SECTION}{marked}"),
        ] {
            let expected = text.matches("BEGIN").count();
            assert_eq!(certificates(text.as_bytes(), "x").unwrap().len(), expected, "{text:?}");
        }
        let key = format!("\u{feff}{}", SECTION.replace("CERTIFICATE", "PRIVATE KEY"));
        assert!(private_key(key.as_bytes(), "x", None).is_ok());
    }

    #[test]
    fn lines_that_end_as_on_old_systems_are_read() {
        let text = SECTION.repeat(2).replace('\n', "\r");
        assert_eq!(certificates(text.as_bytes(), "x").unwrap().len(), 2);
    }

    #[test]
    fn a_file_without_a_certificate_is_named_with_what_is_in_it() {
        let error = |text: &str| certificates(text.as_bytes(), "leaf.pem").unwrap_err().to_string();
        assert_eq!(error("null\n"), "no certificate in leaf.pem");
        let labelled = |label: &str| SECTION.replace("CERTIFICATE", label);
        assert_eq!(
            error(&labelled("RSA PRIVATE KEY")),
            "no certificate in leaf.pem, but a private key"
        );
        assert_eq!(
            error(&labelled("CERTIFICATE REQUEST")),
            "no certificate in leaf.pem, but a certificate request (CSR), which a CA has yet to sign"
        );
        assert!(error(&labelled("PKCS7")).contains("`openssl pkcs7 -in … -print_certs -out …`"));
        // A label is text of the file as well.
        assert_eq!(error(&labelled("s3cr3t")), "no certificate in leaf.pem");
        let key = private_key(SECTION.as_bytes(), "leaf.pem", None).unwrap_err();
        assert_eq!(key.to_string(), "no private key in leaf.pem, but a certificate");
    }

    #[test]
    fn an_encrypted_key_differs_from_a_missing_one() {
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
