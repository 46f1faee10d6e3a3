//! Everything a file of certificates and keys shows, and what Azure would object to.
//!
//! Nothing here trusts or uses what it reads; it shows people what they have, before a service refuses it with fewer
//! words.

mod detail;
mod lint;
pub mod name;
mod path;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;

use super::source::Source;
use super::{CertificateError, Password, inspect, key_kind};

pub use super::finding::{Finding, Level};
pub use detail::{Detail, Extension};

/// What to compare with.
#[derive(Debug, Clone, Copy)]
pub struct ExamineRequest<'a> {
    /// When.
    pub now: Timestamp,
    /// A certificate that ends within this time is warned of.
    pub soon: SignedDuration,
    /// The registration id that the leaf is for.
    pub registration_id: Option<&'a str>,
    /// What is, or will be, enrolled.
    pub enrolled: Enrolled<'a>,
    /// What opens a PFX file or an encrypted key.
    pub password: Option<&'a Password>,
}

impl ExamineRequest<'_> {
    /// Nothing but when.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self {
            now,
            soon: SignedDuration::ZERO,
            registration_id: None,
            enrolled: Enrolled::Unknown,
            password: None,
        }
    }
}

/// What lets a device in.
#[derive(Debug, Clone, Copy)]
pub enum Enrolled<'a> {
    /// That is not known.
    Unknown,
    /// Its own certificate.
    Individually,
    /// One of these CAs, of its group.
    Below(&'a [CertificateDer<'a>]),
}

/// What Azure would object to in `chain`, which a device sends with its leaf first; `file` names it.
///
/// # Errors
///
/// A certificate can't be read.
pub fn findings(
    chain: &[CertificateDer<'_>],
    file: &str,
    request: &ExamineRequest<'_>,
) -> Result<Vec<Finding>, CertificateError> {
    lint::chain(chain, request, true, file)
}

/// What one file shows.
#[derive(Debug, Serialize)]
pub struct Examined {
    /// The file, as the caller named it.
    pub file: String,
    /// What kind of file it is: `PEM`, `DER` or `PFX`.
    pub form: &'static str,
    /// Its certificates, in the order of the file.
    pub certificates: Vec<Detail>,
    /// Its keys.
    pub keys: Vec<Key>,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
}

/// A private key, of which nothing but this is ever shown.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Such as `EC P-256` or `RSA 2048`.
    pub kind: String,
    /// The certificate over this key, among all that were looked at: its common name and file.
    pub belongs_to: Option<String>,
    /// `None` where the key is of a kind that can't be used, and does not hold its public half.
    #[serde(skip)]
    public_bits: Option<Vec<u8>>,
}

/// What stands in the file whose content is `bytes`; `file` names it.
///
/// # Errors
///
/// It is no file of certificates or keys, or it can't be opened.
pub fn examine(bytes: &[u8], file: &str, request: &ExamineRequest<'_>) -> Result<Examined, CertificateError> {
    let source = Source::open(bytes, file.to_owned(), request.password)?;
    let certificates = source.certificates()?;
    let details = certificates
        .iter()
        .map(|der| Detail::of(der, file))
        .collect::<Result<Vec<_>, _>>()?;
    let mut findings = lint::chain(&certificates, request, source.form() != "PFX", file)?;
    if source.form() == "PEM" && ends_in_null(bytes) {
        findings.push(Finding {
            level: Level::Note,
            code: "null",
            text: "ends in a literal `null`, as create_test_cert.js leaves it; not every reader skips that".into(),
        });
    }
    let keys = match source.keys(request.password) {
        Ok(keys) => keys.iter().map(|key| Key::of(key, file)).collect::<Result<_, _>>()?,
        Err(CertificateError::NoKey { .. }) if !certificates.is_empty() => Vec::new(),
        Err(CertificateError::NoKey { file, found }) => return Err(CertificateError::NoCertificate { file, found }),
        Err(error) => return Err(error),
    };
    Ok(Examined {
        file: file.to_owned(),
        form: source.form(),
        certificates: details,
        keys,
        findings,
    })
}

/// Finds the certificate of each key among all that were looked at, and sorts the findings.
pub fn conclude(files: &mut [Examined]) {
    let owners: Vec<(Vec<u8>, String)> = files
        .iter()
        .flat_map(|file| {
            file.certificates.iter().map(|detail| {
                (
                    detail.public_bits.clone(),
                    format!("`{}` in {}", detail.name(), file.file),
                )
            })
        })
        .collect();
    for file in &mut *files {
        for key in &mut file.keys {
            key.belongs_to = owners
                .iter()
                .find(|(public_bits, _)| Some(public_bits) == key.public_bits.as_ref())
                .map(|(_, owner)| owner.clone());
            // A key alone may belong to any certificate, and so may one whose public half is not known.
            if key.belongs_to.is_none() && key.public_bits.is_some() && !owners.is_empty() {
                file.findings.push(Finding {
                    level: Level::Error,
                    code: "key-mismatch",
                    text: "the key belongs to none of the certificates".into(),
                });
            }
        }
        file.findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        let mut reported = BTreeSet::new();
        file.findings.retain(|finding| reported.insert(finding.text.clone()));
    }
}

impl Key {
    /// A key that can't be used is named as well as one that can.
    fn of(key: &PrivateKeyDer<'static>, file: &str) -> Result<Self, CertificateError> {
        let described = key_kind::of_private(key).ok_or_else(|| CertificateError::Malformed {
            file: file.to_owned(),
            reason: "not a private key".to_owned(),
        })?;
        // A key may leave its public half out, which can be computed again.
        let found_again = || {
            let key = any_supported_type(key).ok()?;
            inspect::public_bits(&key.public_key()?)
        };
        Ok(Self {
            kind: described.kind,
            belongs_to: None,
            public_bits: described.public_bits.or_else(found_again),
        })
    }
}

fn ends_in_null(bytes: &[u8]) -> bool {
    bytes.trim_ascii_end().ends_with(b"null")
}

#[cfg(test)]
mod tests;
