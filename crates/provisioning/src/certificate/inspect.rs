//! The few facts of a certificate that people and services talk about.

use jiff::{SignedDuration, Timestamp, civil};
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::error::X509Error;
use x509_parser::nom;
use x509_parser::nom::error::ErrorKind;
use x509_parser::prelude::{ASN1Time, FromDer, SubjectPublicKeyInfo, X509Certificate, X509Name};

use super::CertificateError;
use super::key_type::KeyType;

/// What stands in one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The only common name of the subject; of a leaf this is the registration id. A subject with several names nothing.
    pub common_name: Option<String>,
    /// How many common names the subject has.
    pub common_names: usize,
    /// The issuer's common name.
    pub issuer_common_name: Option<String>,
    /// The serial number, upper-case hex.
    pub serial: String,
    /// The first second it is valid.
    pub not_before: Timestamp,
    /// The last second it is valid.
    pub not_after: Timestamp,
    /// SHA-1 over the DER, upper-case hex: how IoT Central names a certificate.
    pub sha1: String,
    /// SHA-256 over the DER, upper-case hex.
    pub sha256: String,
    /// Whether the basic constraints allow it to sign other certificates.
    pub is_ca: bool,
    /// The kind of its key; `None` for one that is not made here.
    pub key_type: Option<KeyType>,
}

impl CertificateFacts {
    /// The facts of a certificate; `file` names it in messages.
    pub fn from_der(der: &CertificateDer<'_>, file: &str) -> Result<Self, CertificateError> {
        Ok(Self::of(&parse(der, file)?, der))
    }

    pub(crate) fn of(certificate: &X509Certificate<'_>, der: &[u8]) -> Self {
        // 9999-12-31 stands for "no end" (RFC 5280, 4.1.2.5) and lies a little beyond what a timestamp can hold.
        let timestamp = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        Self {
            common_name: common_name(certificate.subject()),
            common_names: certificate.subject().iter_common_name().count(),
            issuer_common_name: common_name(certificate.issuer()),
            serial: hex(certificate.raw_serial()),
            not_before: timestamp(certificate.validity().not_before.timestamp()),
            not_after: timestamp(certificate.validity().not_after.timestamp()),
            sha1: hex(&Sha1::digest(der)),
            sha256: hex(&Sha256::digest(der)),
            is_ca: certificate.is_ca(),
            key_type: KeyType::of(certificate.public_key()),
        }
    }

    /// Refuses a certificate that is not valid at `now`; `file` names it in messages.
    pub fn check_validity(&self, now: Timestamp, file: &str) -> Result<(), CertificateError> {
        if now > self.not_after {
            return Err(CertificateError::Expired {
                file: file.to_owned(),
                now,
                not_before: self.not_before,
                not_after: self.not_after,
            });
        }
        if now < self.not_before {
            return Err(CertificateError::NotYetValid {
                file: file.to_owned(),
                now,
                not_before: self.not_before,
                not_after: self.not_after,
            });
        }
        Ok(())
    }
}

/// A date as a certificate has it, also where it lies beyond what a [`Timestamp`] can hold.
pub(crate) fn date(date: ASN1Time) -> String {
    let since_1970 = civil::date(1970, 1, 1)
        .at(0, 0, 0, 0)
        .saturating_add(SignedDuration::from_secs(date.timestamp()));
    format!("{since_1970}Z")
}

/// The end of a certificate in words: where a [`Timestamp`] can't hold it, the end of all dates, as the certificate has it.
pub fn end(not_after: Timestamp) -> String {
    if not_after == Timestamp::MAX {
        "9999-12-31T23:59:59Z".to_owned()
    } else {
        not_after.to_string()
    }
}

/// The first byte of a certificate: a SEQUENCE, constructed.
const SEQUENCE: u8 = 0x30;

/// Parses one certificate and nothing after it.
pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>, file: &str) -> Result<X509Certificate<'a>, CertificateError> {
    let malformed = |reason: String| CertificateError::Malformed {
        file: file.to_owned(),
        reason,
    };
    // The parser takes a SEQUENCE that is tagged as primitive too, which is no DER (X.690, 8.9.1).
    if der.first().is_some_and(|first| *first != SEQUENCE) {
        return Err(malformed("it does not begin with a SEQUENCE".to_owned()));
    }
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok((rest, _)) => Err(malformed(format!("it is followed by {} bytes more", rest.len()))),
        Err(nom::Err::Incomplete(_) | nom::Err::Error(X509Error::NomError(ErrorKind::Eof))) => {
            Err(malformed("it ends too early".to_owned()))
        }
        // The parser's own text is the structure of its error.
        Err(nom::Err::Error(reason) | nom::Err::Failure(reason)) => Err(malformed(reason.to_string())),
    }
}

/// The only common name; `None` if there are several, since services differ in which they take.
fn common_name(name: &X509Name<'_>) -> Option<String> {
    let mut names = name.iter_common_name();
    match (names.next(), names.next()) {
        (Some(only), None) => only.as_str().ok().map(str::to_owned),
        _ => None,
    }
}

/// Whether a certificate is over a public key, by the bits of it: what stands around them can be written in several ways.
pub(crate) fn is_over(der: &CertificateDer<'_>, public_bits: &[u8], file: &str) -> Result<bool, CertificateError> {
    Ok(*parse(der, file)?.public_key().subject_public_key.data == *public_bits)
}

/// The bits of a public key in DER.
pub(crate) fn public_bits(subject_public_key_info: &[u8]) -> Option<Vec<u8>> {
    let (_, info) = SubjectPublicKeyInfo::from_der(subject_public_key_info).ok()?;
    Some(info.subject_public_key.data.into_owned())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02X}");
            text
        })
}

/// Whether `parent` signed `child`, by name and by signature.
pub(crate) fn issued_by(
    child: &CertificateDer<'_>,
    parent: &CertificateDer<'_>,
    file: &str,
) -> Result<bool, CertificateError> {
    let child = parse(child, file)?;
    let parent = parse(parent, file)?;
    Ok(child.issuer().as_raw() == parent.subject().as_raw() && is_signed(&child, parent.public_key()))
}

/// Whether the key has signed the certificate.
pub(crate) fn is_signed(certificate: &X509Certificate<'_>, key: &SubjectPublicKeyInfo<'_>) -> bool {
    if certificate.verify_signature(Some(key)).is_ok() {
        return true;
    }
    // The pairs of a curve and a hash that x509-parser does not have, P-521 among them.
    let Some(Ok(curve)) = key.algorithm.parameters.as_ref().map(|curve| curve.as_oid()) else {
        return false;
    };
    let signed_with = certificate.signature_algorithm.algorithm.as_bytes();
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    // DER without the SEQUENCE around it: two OIDs for a key on a curve, and one, after two bytes, for a signature.
    let mut fitting = algorithms.iter().filter(|algorithm| {
        algorithm.public_key_alg_id().as_ref().ends_with(curve.as_bytes())
            && algorithm.signature_alg_id().as_ref().get(2..) == Some(signed_with)
    });
    fitting.any(|algorithm| {
        let (bits, signed) = (&key.subject_public_key.data, certificate.tbs_certificate.as_ref());
        algorithm
            .verify_signature(bits, signed, &certificate.signature_value.data)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_and_webpki_take_for_no_certificate_is_none_here() {
        let whole = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert;
        let whole = whole.der().to_vec();
        let mut primitive = whole.clone();
        primitive[0] = 0x10;
        let longer = [whole.as_slice(), b"\r\n"].concat();
        for (der, expected) in [
            (&[][..], "x can't be decoded: it ends too early"),
            (&primitive, "x can't be decoded: it does not begin with a SEQUENCE"),
            (&longer, "x can't be decoded: it is followed by 2 bytes more"),
            (&whole[..whole.len() - 1], "x can't be decoded: it ends too early"),
        ] {
            let refusal = parse(&CertificateDer::from(der), "x").map(drop).unwrap_err();
            assert_eq!(refusal.to_string(), expected);
        }
        parse(&CertificateDer::from(whole), "x").unwrap();
    }
}
