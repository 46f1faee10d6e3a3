//! What a certificate may be used for, by its version and its extensions ([RFC 5280](https://www.rfc-editor.org/rfc/rfc5280),
//! 4.2.1): a device's leaf as a client, an authority to sign others.

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{X509Certificate, X509Version};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::unconfirmed::NO_EXTENDED_KEY_USAGE_IS_A_CLIENT;

/// Extensions that .NET and OpenSSL support. Any other one that is critical makes a certificate unusable (4.2).
const KNOWN: [&str; 14] = [
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.18",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.35",
    "2.5.29.36",
    "2.5.29.37",
    "2.5.29.54",
    "1.3.6.1.5.5.7.1.1",
];

/// P-256, P-384, P-521.
const CURVES: [&str; 3] = ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];

/// What is asked of every certificate, small enough to be kept beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Version 3, the only one with extensions.
    pub(crate) has_extensions: bool,
    pub(crate) is_authority: bool,
    /// How many authorities may stand between it and a leaf.
    pub(crate) path_length: Option<u32>,
    /// Its key usage allows it to sign certificates. A missing key usage does not count, as test tools leave it out.
    pub(crate) may_sign: bool,
    /// Its extended key usage allows clients.
    pub(crate) may_be_client: bool,
    pub(crate) constrains_names: bool,
    /// An extension is there more than once, which none may be (4.2).
    pub(crate) has_doubled_extension: bool,
    /// A critical extension is not supported here, or its content can't be read.
    pub(crate) is_beyond_us: bool,
    /// Its key is of a kind and size that TLS takes.
    pub(crate) has_usable_key: bool,
}

impl Usage {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut usage = Self {
            has_extensions: certificate.version() == X509Version::V3,
            is_authority: false,
            path_length: None,
            may_sign: true,
            may_be_client: NO_EXTENDED_KEY_USAGE_IS_A_CLIENT,
            constrains_names: false,
            has_doubled_extension: false,
            is_beyond_us: false,
            has_usable_key: has_usable_key(certificate.public_key()),
        };
        for (place, extension) in certificate.extensions().iter().enumerate() {
            let earlier = certificate.extensions().iter().take(place);
            usage.has_doubled_extension |= earlier.map(|it| &it.oid).any(|oid| *oid == extension.oid);
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) => {
                    usage.is_authority = constraints.ca;
                    usage.path_length = constraints.path_len_constraint;
                }
                ParsedExtension::KeyUsage(key_usage) => usage.may_sign = key_usage.key_cert_sign(),
                ParsedExtension::ExtendedKeyUsage(extended) => {
                    usage.may_be_client = extended.client_auth || extended.any;
                }
                ParsedExtension::NameConstraints(_) => usage.constrains_names = true,
                ParsedExtension::ParseError { .. } => usage.is_beyond_us |= extension.critical,
                _ if extension.critical && !KNOWN.contains(&extension.oid.to_id_string().as_str()) => {
                    usage.is_beyond_us = true;
                }
                _ => {}
            }
        }
        usage
    }
}

fn has_usable_key(key: &SubjectPublicKeyInfo<'_>) -> bool {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let zeros = rsa.modulus.iter().take_while(|byte| **byte == 0).count();
            let significant = rsa.modulus.get(zeros..).unwrap_or_default();
            let unused = significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
            significant.len() * 8 - unused >= 2048
        }
        Ok(PublicKey::EC(_)) => {
            let curve = key.algorithm.parameters.as_ref().map(|curve| curve.as_oid());
            matches!(curve, Some(Ok(curve)) if CURVES.contains(&curve.to_id_string().as_str()))
        }
        _ => false,
    }
}
