//! A certificate as the services look at it: names, dates, thumbprints, and who signed it.

use std::fmt;
use std::sync::OnceLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha1::Digest;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use self::usage::Usage;
use crate::pem;

pub(crate) mod signature;
pub(crate) mod usage;

/// How PEM calls a certificate.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";

/// The first byte of a certificate: a SEQUENCE, constructed.
const SEQUENCE: u8 = 0x30;

/// SHA-256 over the DER, the emulator's own way to recognize a certificate.
pub(crate) type Thumbprint = [u8; 32];

/// A parsed certificate with what is asked of it more than once. It is stored as base64 of its DER.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Certificate {
    der: Vec<u8>,
    /// The only common name of the subject; a subject with several has none.
    pub(crate) common_name: Option<String>,
    /// What its version and its extensions let it be used for.
    pub(crate) usage: Usage,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    not_before: i64,
    not_after: i64,
    /// Who has been found to have signed it. DPS asks twice in a row, and a signature takes more to check than all the
    /// rest.
    signer: OnceLock<Thumbprint>,
}

/// A text or a body holds no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub(crate) struct NotACertificate;

impl Certificate {
    /// Whether its common name is the device's id, as DPS asks when the device registers: without case. IoT Central takes
    /// any certificate for an individual enrollment.
    pub(crate) fn is_named(&self, device_id: &str) -> bool {
        let name = self.common_name.as_deref();
        name.is_some_and(|name| name.eq_ignore_ascii_case(device_id))
    }

    pub(crate) fn from_der(der: &[u8]) -> Result<Self, NotACertificate> {
        // The parser takes a SEQUENCE that is tagged as primitive too, which is no DER (X.690, 8.9.1).
        if der.first() != Some(&SEQUENCE) {
            return Err(NotACertificate);
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| NotACertificate)?;
        if !rest.is_empty() {
            return Err(NotACertificate);
        }
        let mut names = parsed.subject().iter_common_name();
        let common_name = match (names.next(), names.next()) {
            (Some(name), None) => name.as_str().ok().map(Into::into),
            _ => None,
        };
        Ok(Self {
            der: der.to_vec(),
            common_name,
            usage: Usage::of(&parsed),
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            signer: OnceLock::new(),
        })
    }

    /// Reads a certificate as REST clients send it: the how-to encodes the whole PEM file in base64, armour lines
    /// included; plain PEM and base64 of the DER are understood too.
    ///
    /// Source: [Manage devices with the REST API](https://learn.microsoft.com/azure/iot-central/core/howto-manage-devices-with-rest-api).
    pub(crate) fn from_text(text: &str) -> Result<Self, NotACertificate> {
        let bytes = if text.contains("-----BEGIN") {
            text.as_bytes().to_vec()
        } else {
            let packed: String = text.split_whitespace().collect();
            BASE64_STANDARD.decode(packed).map_err(|_| NotACertificate)?
        };
        if bytes.first() == Some(&SEQUENCE) {
            return Self::from_der(&bytes);
        }
        let sections = pem::sections(&bytes).map_err(|_| NotACertificate)?;
        let first = sections.iter().find(|section| section.label == CERTIFICATE);
        Self::from_der(&first.ok_or(NotACertificate)?.der)
    }

    pub(crate) fn is_for(&self, public_key: &[u8]) -> bool {
        let parsed = X509Certificate::from_der(&self.der);
        parsed.is_ok_and(|(_, parsed)| *parsed.public_key().subject_public_key.data == *public_key)
    }

    /// Whether the date is within the certificate's validity.
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_second())
    }

    /// The first moment of its validity.
    pub(crate) fn not_before(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.not_before).ok()
    }

    /// The last moment of its validity.
    pub(crate) fn not_after(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.not_after).ok()
    }

    /// Whether subject and issuer are the same name.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// All of it, for what is asked seldom.
    pub(crate) fn parsed(&self) -> Option<X509Certificate<'_>> {
        X509Certificate::from_der(&self.der).ok().map(|(_, parsed)| parsed)
    }

    pub(crate) fn subject(&self) -> String {
        in_words(&self.subject)
    }

    pub(crate) fn issuer(&self) -> String {
        in_words(&self.issuer)
    }

    /// Whether `other` names this one as its issuer, which any certificate can.
    pub(crate) fn is_named_as_issuer_of(&self, other: &Self) -> bool {
        self != other && other.issuer == self.subject
    }

    /// Whether `authority` did sign this one, by name and by signature; whether it may, [`Usage`] decides.
    pub(crate) fn is_signed_by(&self, authority: &Self) -> bool {
        if self.issuer != authority.subject {
            return false;
        }
        let signer = authority.thumbprint();
        if self.signer.get() == Some(&signer) {
            return true;
        }
        let (Ok((_, this)), Ok((_, by))) = (
            X509Certificate::from_der(&self.der),
            X509Certificate::from_der(&authority.der),
        ) else {
            return false;
        };
        let is_signed = signature::is_by(&this, by.public_key());
        if is_signed {
            // Another signer may stand here already, one with the same key; either will do.
            let _ = self.signer.set(signer);
        }
        is_signed
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        sha2::Sha256::digest(&self.der).into()
    }

    /// SHA-1 over the DER.
    pub(crate) fn sha1(&self) -> [u8; 20] {
        sha1::Sha1::digest(&self.der).into()
    }

    /// SHA-1 over the DER in upper-case hex, as the REST interface shows it.
    pub(crate) fn sha1_thumbprint(&self) -> String {
        hex_upper(&self.sha1())
    }
}

/// Two are the same if their bytes are.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl From<Certificate> for String {
    fn from(certificate: Certificate) -> Self {
        BASE64_STANDARD.encode(certificate.der)
    }
}

impl TryFrom<String> for Certificate {
    type Error = NotACertificate;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_text(&text)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("common_name", &self.common_name)
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}

fn in_words(name: &[u8]) -> String {
    X509Name::from_der(name).map_or_else(|_| String::new(), |(_, name)| name.to_string())
}

/// Bytes as thumbprints are written.
pub(crate) fn hex_upper(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 0xF].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)]));
    bytes.iter().flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_three_forms_of_the_rest_interface_are_the_same_certificate() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, "thermo-1");
        let certificate = parameters.self_signed(&key).unwrap();
        let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap().cert;
        let expected = Certificate::from_der(certificate.der()).unwrap();
        let pem = certificate.pem();
        let junk_after_it = format!("{pem}\nnull");
        for text in [
            pem.clone(),
            junk_after_it,
            format!("\u{feff}{pem}\u{feff}{}", other.pem()),
            pem.replace('\n', "\r"),
            BASE64_STANDARD.encode(format!("\u{feff}{pem}")),
            BASE64_STANDARD.encode(&pem),
            BASE64_STANDARD.encode(certificate.der()),
        ] {
            assert_eq!(Certificate::from_text(&text).unwrap(), expected, "{text}");
        }
        let mut primitive = certificate.der().to_vec();
        primitive[0] = 0x10;
        assert!(Certificate::from_der(&primitive).is_err());
        // Of two certificates the second is not taken for the first when that can't be read.
        for text in [pem[..pem.len() / 2].to_owned(), format!(" {pem}{}", other.pem())] {
            assert!(Certificate::from_text(&text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_and_no_bytes_make_the_parser_panic(bytes: Vec<u8>, text: String) {
            prop_assert!(Certificate::from_der(&bytes).is_err());
            prop_assert!(Certificate::from_text(&text).is_err());
        }
    }
}
