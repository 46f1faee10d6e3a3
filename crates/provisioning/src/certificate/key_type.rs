//! The kinds of keys that are made here.

use std::fmt;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};
use serde::Serialize;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::CertificateError;

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum KeyType {
    /// ECDSA over P-256, the smallest and fastest that Azure accepts.
    #[default]
    P256,
    /// ECDSA over P-384.
    P384,
    /// RSA with 2048 bits, as most of Azure's samples use it.
    Rsa2048,
    /// RSA with 4096 bits, of which each takes a second or more to make.
    Rsa4096,
}

/// By hand, since descriptions of the values would turn a short help into a long one.
#[cfg(feature = "clap")]
impl clap::ValueEnum for KeyType {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::P256, Self::P384, Self::Rsa2048, Self::Rsa4096]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa2048 => "rsa2048",
            Self::Rsa4096 => "rsa4096",
        }))
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Rsa2048 => "RSA 2048",
            Self::Rsa4096 => "RSA 4096",
        })
    }
}

impl KeyType {
    /// The kind of a public key; `None` for one that is not made here.
    pub(super) fn of(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        match key.parsed().ok()? {
            PublicKey::EC(point) => match point.key_size() {
                256 => Some(Self::P256),
                384 => Some(Self::P384),
                _ => None,
            },
            PublicKey::RSA(key) => match key.key_size() {
                2048 => Some(Self::Rsa2048),
                4096 => Some(Self::Rsa4096),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn generate(self, common_name: &str) -> Result<KeyPair, CertificateError> {
        match self {
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
        }
        .map_err(|reason| CertificateError::Make {
            common_name: common_name.to_owned(),
            reason,
        })
    }
}
