//! One certificate in words.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::prelude::{X509Certificate, X509Extension};

use crate::certificate::inspect::{self, CertificateFacts, hex};
use crate::certificate::{CertificateError, key_kind};

/// The content of one certificate.
#[derive(Debug, Clone, Serialize)]
pub struct Detail {
    /// The version of X.509: 3, or 1 of a certificate without extensions.
    pub version: u32,
    /// The whole subject.
    pub subject: String,
    /// The whole issuer.
    pub issuer: String,
    /// The only common name of the subject.
    pub common_name: Option<String>,
    #[serde(skip)]
    pub(super) common_names: usize,
    /// Upper-case hex.
    pub serial: String,
    /// The first second it is valid, as it is written.
    #[serde(rename = "not_before")]
    pub valid_from: String,
    /// The last second it is valid, as it is written.
    #[serde(rename = "not_after")]
    pub valid_to: String,
    #[serde(skip)]
    pub(super) not_before: Timestamp,
    #[serde(skip)]
    pub(super) not_after: Timestamp,
    /// Such as `EC P-256` or `RSA 2048`.
    pub key: String,
    /// Such as `ecdsa-with-SHA256`.
    pub signature: String,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Whether it has signed itself.
    pub self_signed: bool,
    /// Its extensions, in its own order.
    pub extensions: Vec<Extension>,
    /// SHA-1 over the DER, upper-case hex: how IoT Central names a certificate.
    pub sha1: String,
    /// SHA-256 over the DER, upper-case hex.
    pub sha256: String,
    #[serde(skip)]
    pub(super) public_bits: Vec<u8>,
}

/// One extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extension {
    /// Its name as in RFC 5280, or its OID.
    pub name: String,
    /// Its content.
    pub value: String,
    /// Whether a reader that does not support it must refuse the certificate.
    pub critical: bool,
}

impl Detail {
    pub(super) fn of(der: &CertificateDer<'_>, file: &str) -> Result<Self, CertificateError> {
        let parsed = inspect::parse(der, file)?;
        let facts = CertificateFacts::of(&parsed, der);
        Ok(Self {
            version: parsed.version().0 + 1,
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            common_name: facts.common_name,
            common_names: facts.common_names,
            valid_from: inspect::date(parsed.validity().not_before),
            valid_to: inspect::date(parsed.validity().not_after),
            serial: facts.serial,
            not_before: facts.not_before,
            not_after: facts.not_after,
            key: key_kind::of_public(parsed.public_key()),
            signature: signature_name(&parsed),
            is_ca: facts.is_ca,
            self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw()
                && inspect::is_signed(&parsed, parsed.public_key()),
            extensions: parsed.extensions().iter().map(extension).collect(),
            sha1: hex(&Sha1::digest(der)),
            sha256: hex(&Sha256::digest(der)),
            public_bits: parsed.public_key().subject_public_key.data.to_vec(),
        })
    }

    /// How to call it.
    pub fn name(&self) -> &str {
        self.common_name
            .as_deref()
            .unwrap_or("a certificate without a common name")
    }
}

fn signature_name(certificate: &X509Certificate<'_>) -> String {
    let oid = certificate.signature_algorithm.algorithm.to_id_string();
    match oid.as_str() {
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.3" => "md4WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.3.101.112" => "Ed25519",
        other => other,
    }
    .to_owned()
}

fn extension(extension: &X509Extension<'_>) -> Extension {
    let oid = extension.oid.to_id_string();
    let (name, value) = match extension.parsed_extension() {
        ParsedExtension::BasicConstraints(constraints) => {
            let ca = if constraints.ca { "CA" } else { "no CA" };
            let length = constraints.path_len_constraint;
            let length = length.map(|length| format!(", path length {length}"));
            ("basicConstraints", format!("{ca}{}", length.unwrap_or_default()))
        }
        ParsedExtension::KeyUsage(usage) => ("keyUsage", key_usage(usage)),
        ParsedExtension::ExtendedKeyUsage(usage) => ("extKeyUsage", extended_key_usage(usage)),
        ParsedExtension::SubjectKeyIdentifier(id) => ("subjectKeyIdentifier", hex(id.0)),
        ParsedExtension::AuthorityKeyIdentifier(id) => (
            "authorityKeyIdentifier",
            id.key_identifier.as_ref().map_or_else(String::new, |id| hex(id.0)),
        ),
        ParsedExtension::SubjectAlternativeName(names) => (
            "subjectAltName",
            names
                .general_names
                .iter()
                .map(general_name)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        _ => (oid.as_str(), format!("{} bytes", extension.value.len())),
    };
    Extension {
        name: name.to_owned(),
        value,
        critical: extension.critical,
    }
}

fn key_usage(usage: &KeyUsage) -> String {
    // In the words of RFC 5280, 4.2.1.3, and in the order of its bits.
    let all = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
    ];
    all.iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn extended_key_usage(usage: &ExtendedKeyUsage<'_>) -> String {
    let known = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.client_auth, "clientAuth"),
        (usage.server_auth, "serverAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let known = known.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned());
    known
        .chain(usage.other.iter().map(|oid| oid.to_id_string()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn general_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(v4) => std::net::Ipv4Addr::from(v4).to_string(),
            Err(_) => {
                <[u8; 16]>::try_from(*bytes).map_or_else(|_| hex(bytes), |v6| std::net::Ipv6Addr::from(v6).to_string())
            }
        },
        other => other.to_string(),
    }
}
