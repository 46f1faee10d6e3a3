//! A CA that can sign: made here, or loaded from PEM.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use zeroize::{Zeroize, Zeroizing};

use super::{Below, KeyType, Made, Validity, ca_params, leaf_params};
use crate::certificate::inspect::{self, CertificateFacts};
use crate::certificate::load::{self, named, read};
use crate::certificate::{CertificateError, pem, source};

/// A CA certificate with its key.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
    key_pem: Zeroizing<String>,
    /// This CA and those above it except the root, nearest first: what follows a leaf in its chain.
    intermediates_pem: String,
    facts: CertificateFacts,
    /// How many CAs may follow below this one; `None` sets no limit.
    path_length: Option<u32>,
}

impl CertificateAuthority {
    /// A new root CA, which signs itself.
    pub fn root(common_name: &str, key_type: KeyType, validity: Validity) -> Result<Self, CertificateError> {
        Self::root_over(key_type.generate(common_name)?, common_name, validity)
    }

    /// A new intermediate CA signed by this one; it may sign leaves, but no further CAs.
    pub fn intermediate(
        &self,
        common_name: &str,
        key_type: KeyType,
        validity: Validity,
    ) -> Result<Self, CertificateError> {
        self.intermediate_over(key_type.generate(common_name)?, common_name, validity, Below::Leaves)
    }

    /// A new intermediate CA signed by this one, under which there may be further ones.
    pub(crate) fn intermediate_above_cas(
        &self,
        common_name: &str,
        key_type: KeyType,
        validity: Validity,
    ) -> Result<Self, CertificateError> {
        self.intermediate_over(key_type.generate(common_name)?, common_name, validity, Below::Cas)
    }

    /// A new leaf for a device: its common name is the registration id.
    pub fn leaf(&self, registration_id: &str, key_type: KeyType, validity: Validity) -> Result<Made, CertificateError> {
        self.leaf_over(&key_type.generate(registration_id)?, registration_id, validity)
    }

    /// A new leaf for a server that is reached under `names`: DNS names and IP addresses, without ports and brackets.
    pub fn server(
        &self,
        common_name: &str,
        names: &[String],
        key_type: KeyType,
        validity: Validity,
    ) -> Result<Made, CertificateError> {
        let key = key_type.generate(common_name)?;
        let mut params = leaf_params(common_name, self.clamp(validity)?)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // It takes addresses and names apart, and refuses what a certificate can't hold.
        params.subject_alt_names = CertificateParams::new(names)
            .map_err(failed(common_name))?
            .subject_alt_names;
        self.made_leaf(&params, &key, common_name)
    }

    /// The proof that this CA's key is at hand: a certificate whose common name is the verification code
    /// (<https://learn.microsoft.com/azure/iot-dps/how-to-verify-certificates>).
    pub fn verification(&self, code: &str, key_type: KeyType, validity: Validity) -> Result<Made, CertificateError> {
        self.leaf(code, key_type, validity)
    }

    /// A CA that stands on disk. `certificate` may be a whole chain, this CA first.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let key_pem = read(key)?;
        Self::from_pem(&read(certificate)?, &named(certificate), &key_pem, &named(key))
    }

    /// The same from memory; `certificate` and `key` name the two in messages.
    pub fn from_pem(chain: &[u8], certificate: &str, key_pem: &[u8], key: &str) -> Result<Self, CertificateError> {
        let chain = source::certificates(chain, certificate)?;
        let key_pair = key_pair(key_pem, key)?;
        let public_key = rcgen::PublicKeyData::subject_public_key_info(&key_pair);
        let public_bits = inspect::public_bits(&public_key).unwrap_or_default();
        let chain =
            source::in_order(chain, &public_bits, certificate)?.ok_or_else(|| CertificateError::KeyMismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            })?;
        let malformed = |file: &str, reason: &dyn ToString| CertificateError::Malformed {
            file: file.to_owned(),
            reason: reason.to_string(),
        };

        let der = chain.first().expect("a chain has the certificate of the key");
        let parsed = inspect::parse(der, certificate)?;
        let constraints = parsed
            .basic_constraints()
            .map_err(|reason| malformed(certificate, &reason))?;
        let path_length = match constraints {
            Some(constraints) if constraints.value.ca => constraints.value.path_len_constraint,
            _ => {
                return Err(CertificateError::NotACa {
                    file: certificate.to_owned(),
                });
            }
        };
        let mut intermediates_pem = String::new();
        for der in &chain {
            let above = inspect::parse(der, certificate)?;
            if above.subject().as_raw() != above.issuer().as_raw() {
                intermediates_pem.push_str(&pem::encode_certificate(der));
            }
        }
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(der, key_pair).map_err(|reason| malformed(certificate, &reason))?,
            cert_pem: pem::encode_certificate(der),
            key_pem: Zeroizing::new(String::from_utf8_lossy(key_pem).into_owned()),
            intermediates_pem,
            facts: CertificateFacts::of(&parsed, der),
            path_length,
        })
    }

    /// The CA's certificate alone.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The CA's private key, PKCS#8 if it was made here.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// This CA and the intermediates above it, without the root: what follows a leaf in its chain.
    pub(crate) fn intermediates_pem(&self) -> &str {
        &self.intermediates_pem
    }

    /// What stands in its certificate.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// The common name for messages.
    pub fn name(&self) -> &str {
        self.facts
            .common_name
            .as_deref()
            .unwrap_or("a CA without a common name")
    }

    pub(crate) fn root_over(key: KeyPair, common_name: &str, validity: Validity) -> Result<Self, CertificateError> {
        let params = ca_params(common_name, validity, BasicConstraints::Unconstrained)?;
        let certificate = params.self_signed(&key).map_err(failed(common_name))?;
        Self::made(certificate.der(), params, key, common_name, "")
    }

    pub(crate) fn intermediate_over(
        &self,
        key: KeyPair,
        common_name: &str,
        validity: Validity,
        below: Below,
    ) -> Result<Self, CertificateError> {
        if self.path_length == Some(0) {
            return Err(CertificateError::NoCasBelow {
                issuer: self.name().to_owned(),
            });
        }
        let params = ca_params(common_name, self.clamp(validity)?, below.constraint())?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed(common_name))?;
        Self::made(certificate.der(), params, key, common_name, &self.intermediates_pem)
    }

    pub(crate) fn leaf_over(
        &self,
        key: &KeyPair,
        common_name: &str,
        validity: Validity,
    ) -> Result<Made, CertificateError> {
        self.made_leaf(&leaf_params(common_name, self.clamp(validity)?)?, key, common_name)
    }

    fn made_leaf(
        &self,
        params: &CertificateParams,
        key: &KeyPair,
        common_name: &str,
    ) -> Result<Made, CertificateError> {
        let certificate = params.signed_by(key, &self.issuer).map_err(failed(common_name))?;
        Made::new(
            &certificate,
            Zeroizing::new(key.serialize_pem()),
            self.intermediates_pem.clone(),
            common_name,
        )
    }

    fn clamp(&self, validity: Validity) -> Result<Validity, CertificateError> {
        let Validity { not_before, not_after } = validity;
        if not_before >= not_after {
            // No issuer could change that.
            return Err(CertificateError::BadValidity { not_before, not_after });
        }
        let within = validity.within(&self.facts);
        if within.not_before >= within.not_after {
            return Err(CertificateError::OutsideIssuer {
                issuer: self.name().to_owned(),
                issuer_not_before: self.facts.not_before,
                issuer_not_after: self.facts.not_after,
                not_before: validity.not_before,
                not_after: validity.not_after,
            });
        }
        Ok(within)
    }

    fn made(
        der: &CertificateDer<'static>,
        params: CertificateParams,
        key: KeyPair,
        common_name: &str,
        above: &str,
    ) -> Result<Self, CertificateError> {
        let name = format!("the new CA certificate for `{common_name}`");
        let parsed = inspect::parse(der, &name)?;
        let path_length = match params.is_ca {
            rcgen::IsCa::Ca(BasicConstraints::Constrained(length)) => Some(u32::from(length)),
            _ => None,
        };
        let cert_pem = pem::encode_certificate(der);
        let root = parsed.subject().as_raw() == parsed.issuer().as_raw();
        Ok(Self {
            facts: CertificateFacts::of(&parsed, der),
            intermediates_pem: if root {
                String::new()
            } else {
                format!("{cert_pem}{above}")
            },
            cert_pem,
            key_pem: Zeroizing::new(key.serialize_pem()),
            issuer: Issuer::new(params, key),
            path_length,
        })
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// Reads a private key that will sign or be certified; `file` names it in messages.
pub(crate) fn key_pair(key_pem: &[u8], file: &str) -> Result<KeyPair, CertificateError> {
    let mut der = pem::private_key(key_pem, file, None)?;
    let key = KeyPair::try_from(&der).map_err(|_| load::unusable(&der, file));
    der.zeroize();
    key
}

fn failed(common_name: &str) -> impl Fn(rcgen::Error) -> CertificateError {
    move |reason| CertificateError::Make {
        common_name: common_name.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests;
