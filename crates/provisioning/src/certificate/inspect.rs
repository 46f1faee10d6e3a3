//! The few facts of a certificate that people and services talk about.

use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::make::KeyType;
use super::{CertificateError, pem};

/// What stands in one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject's common name; of a leaf this is the registration id.
    pub common_name: Option<String>,
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
    /// The facts of the first certificate in a PEM file.
    pub fn load(path: &Path) -> Result<Self, CertificateError> {
        Self::from_pem(&super::load::read(path)?, &super::load::named(path))
    }

    /// The facts of the first certificate in `pem`; `file` names it in messages.
    pub fn from_pem(pem: &[u8], file: &str) -> Result<Self, CertificateError> {
        let certificates = pem::certificates(pem, file)?;
        Self::from_der(certificates.first().expect("the PEM reader returns at least one"), file)
    }

    /// The facts of a certificate; `file` names it in messages.
    pub fn from_der(der: &CertificateDer<'_>, file: &str) -> Result<Self, CertificateError> {
        Ok(Self::of(&parse(der, file)?, der))
    }

    pub(crate) fn of(certificate: &X509Certificate<'_>, der: &[u8]) -> Self {
        // 9999-12-31 stands for "no end" (RFC 5280, 4.1.2.5) and lies a little beyond what a timestamp can hold.
        let timestamp = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        Self {
            common_name: common_name(certificate.subject()),
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
                not_after: self.not_after,
            });
        }
        if now < self.not_before {
            return Err(CertificateError::NotYetValid {
                file: file.to_owned(),
                not_before: self.not_before,
            });
        }
        Ok(())
    }
}

/// Parses one certificate and nothing after it.
pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>, file: &str) -> Result<X509Certificate<'a>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(reason) => Err(CertificateError::Malformed {
            file: file.to_owned(),
            reason: reason.to_string(),
        }),
    }
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().next()?.as_str().ok().map(str::to_owned)
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
    Ok(child.issuer().as_raw() == parent.subject().as_raw()
        && child.verify_signature(Some(parent.public_key())).is_ok())
}
