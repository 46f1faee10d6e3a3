//! Everything a file of certificates and keys shows, and what Azure would object to.
//!
//! Nothing here trusts or uses what it reads; it tells people what they have, before a service refuses it with fewer words.

mod detail;
mod lint;
pub mod name;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::pfx::{self, Pfx};
use super::{CertificateError, Password, pem};

pub use detail::{Detail, Extension};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// It will stop working, or works only as long as nobody looks closely.
    Warning,
    /// Azure refuses it.
    Error,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is, in a sentence without its full stop.
    pub text: String,
}

/// What to compare with.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// When.
    pub now: Timestamp,
    /// A certificate that ends within this time is warned of.
    pub soon: SignedDuration,
    /// The registration id that the leaf is for.
    pub registration_id: Option<&'a str>,
    /// The CA that is, or will be, enrolled.
    pub enrolled: Option<&'a CertificateDer<'a>>,
    /// What opens a PFX file or an encrypted key.
    pub password: Option<&'a Password>,
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
    /// What there is to say, the worst first.
    pub findings: Vec<Finding>,
}

/// A private key, of which nothing but this is ever shown.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Such as `EC P-256` or `RSA 2048`.
    pub kind: String,
    /// The certificate over this key, among all that were looked at: its common name and file.
    pub belongs_to: Option<String>,
    #[serde(skip)]
    public_key: Vec<u8>,
}

/// What stands in the file whose content is `bytes`; `file` names it.
///
/// # Errors
///
/// It is no file of certificates or keys, or it can't be opened.
pub fn examine(bytes: &[u8], file: &str, question: &Question<'_>) -> Result<Examined, CertificateError> {
    let (form, certificates, keys) = read(bytes, file, question.password)?;
    let details = certificates
        .iter()
        .map(|der| Detail::of(der, file))
        .collect::<Result<Vec<_>, _>>()?;
    let mut findings = lint::chain(&certificates, &details, question, file)?;
    if form == "PEM" && ends_in_null(bytes) {
        findings.push(Finding {
            level: Level::Note,
            text: "ends in a literal `null`, as create_test_cert.js leaves it; not every reader skips that".into(),
        });
    }
    let keys = keys
        .iter()
        .map(|key| key_of(key, file))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Examined {
        file: file.to_owned(),
        form,
        certificates: details,
        keys,
        findings,
    })
}

/// Finds the certificate of each key among all that were looked at, and sorts what there is to say.
pub fn conclude(files: &mut [Examined]) {
    let owners: Vec<(Vec<u8>, String)> = files
        .iter()
        .flat_map(|file| {
            file.certificates.iter().map(|detail| {
                (
                    detail.public_key.clone(),
                    format!("`{}` in {}", detail.name(), file.file),
                )
            })
        })
        .collect();
    for file in &mut *files {
        for key in &mut file.keys {
            key.belongs_to = owners
                .iter()
                .find(|(public_key, _)| *public_key == key.public_key)
                .map(|(_, owner)| owner.clone());
            // A key alone may be anybody's.
            if key.belongs_to.is_none() && !owners.is_empty() {
                file.findings.push(Finding {
                    level: Level::Error,
                    text: "the key belongs to none of the certificates".into(),
                });
            }
        }
        file.findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        let mut said = BTreeSet::new();
        file.findings.retain(|finding| said.insert(finding.text.clone()));
    }
}

type Content = (&'static str, Vec<CertificateDer<'static>>, Vec<PrivateKeyDer<'static>>);

fn read(bytes: &[u8], file: &str, password: Option<&Password>) -> Result<Content, CertificateError> {
    if pfx::is_binary(bytes) {
        if let Ok((rest, _)) = X509Certificate::from_der(bytes) {
            let length = bytes.len() - rest.len();
            let der = CertificateDer::from(bytes.get(..length).unwrap_or(bytes).to_vec());
            return Ok(("DER", vec![der], Vec::new()));
        }
        let pfx = Pfx::open(bytes, password, file)?;
        let keys = pfx.keys().iter().map(|key| key.clone_key()).collect();
        return Ok(("PFX", pfx.certificates().to_vec(), keys));
    }
    let has_certificate = CertificateDer::pem_slice_iter(bytes).next().is_some();
    let certificates = if has_certificate {
        pem::certificates(bytes, file)?
    } else {
        Vec::new()
    };
    let keys = match pem::private_key(bytes, file, password) {
        Ok(key) => vec![key],
        Err(CertificateError::NoKey { .. }) if has_certificate => Vec::new(),
        Err(CertificateError::NoKey { .. }) => {
            return Err(CertificateError::NoCertificate { file: file.to_owned() });
        }
        Err(error) => return Err(error),
    };
    Ok(("PEM", certificates, keys))
}

fn key_of(key: &PrivateKeyDer<'static>, file: &str) -> Result<Key, CertificateError> {
    let malformed = || CertificateError::Malformed {
        file: file.to_owned(),
        reason: "not an RSA, EC or Ed25519 private key".to_owned(),
    };
    let public_key = any_supported_type(key)
        .ok()
        .and_then(|key| key.public_key().map(|public_key| public_key.to_vec()))
        .ok_or_else(malformed)?;
    Ok(Key {
        kind: detail::key_kind_of_der(&public_key).ok_or_else(malformed)?,
        belongs_to: None,
        public_key,
    })
}

fn ends_in_null(bytes: &[u8]) -> bool {
    bytes.trim_ascii_end().ends_with(b"null")
}

/// Whether `bytes` hold a PEM section of a certificate or a key, or are binary.
#[must_use]
pub fn may_be_examined(bytes: &[u8]) -> bool {
    pfx::is_binary(bytes)
        || <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes)
            .next()
            .is_some_and(|first| first.is_ok())
}

#[cfg(test)]
mod tests;
