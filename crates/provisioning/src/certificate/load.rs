//! What a device shows of itself: a leaf, the chain above it, and the key, from PEM files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use zeroize::{Zeroize, Zeroizing};

use super::inspect::{self, CertificateFacts};
use super::{CertificateError, pem};

/// A certificate chain with the key of its leaf, ready for TLS.
#[derive(Clone)]
pub struct Identity {
    /// What stands in the leaf.
    pub leaf: CertificateFacts,
    certificate: String,
    certified_key: Arc<CertifiedKey>,
}

impl Identity {
    /// Loads `certificate` (the leaf first, then the CAs above it, if any) and `key`. Reads both files and blocks meanwhile.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let chain = read(certificate)?;
        let key_pem = Zeroizing::new(read(key)?);
        Self::from_pem(&chain, &named(certificate), &key_pem, &named(key))
    }

    /// The same from memory; `certificate` and `key` name the two in messages.
    pub fn from_pem(chain: &[u8], certificate: &str, key_pem: &[u8], key: &str) -> Result<Self, CertificateError> {
        let chain = pem::certificates(chain, certificate)?;
        let mut key_der = pem::private_key(key_pem, key)?;
        let signing_key = any_supported_type(&key_der);
        key_der.zeroize();
        let signing_key = signing_key.map_err(|_| CertificateError::Malformed {
            file: key.to_owned(),
            reason: "not an RSA, EC or Ed25519 private key".to_owned(),
        })?;

        let leaf_der = chain.first().expect("the PEM reader returns at least one");
        let leaf = inspect::parse(leaf_der, certificate)?;
        let belongs = signing_key
            .public_key()
            .is_some_and(|spki| spki.as_ref() == leaf.public_key().raw);
        if !belongs {
            return Err(CertificateError::KeyMismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            });
        }
        Ok(Self {
            leaf: CertificateFacts::of(&leaf, leaf_der),
            certificate: certificate.to_owned(),
            certified_key: Arc::new(CertifiedKey::new(chain, signing_key)),
        })
    }

    /// The leaf and the CAs above it, in the order they are sent.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified_key.cert
    }

    /// Chain and key as rustls wants them; a reference count, no copy.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified_key)
    }

    /// Refuses what DPS would refuse: a leaf that is not valid at `now`, or whose common name is not the registration id.
    ///
    /// The comparison minds case. DPS does not, but the hub's device ids do, so a difference in case registers and then
    /// never connects.
    pub fn check(&self, registration_id: &str, now: Timestamp) -> Result<(), CertificateError> {
        if self.leaf.common_name.as_deref() != Some(registration_id) {
            return Err(CertificateError::CommonName {
                file: self.certificate.clone(),
                common_name: self.leaf.common_name.clone().unwrap_or_default(),
                registration_id: registration_id.to_owned(),
            });
        }
        self.leaf.check_validity(now, &self.certificate)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|reason| CertificateError::Unreadable {
        path: path.to_owned(),
        reason,
    })
}

/// How a file is called in messages.
pub(crate) fn named(path: &Path) -> String {
    format!("`{}`", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::make::{KeyType, Validity, self_signed};

    fn now() -> Timestamp {
        "2026-11-23T15:00:00Z".parse().unwrap()
    }

    fn made(id: &str) -> crate::certificate::make::Made {
        self_signed(id, KeyType::P256, Validity::leaf(now())).unwrap()
    }

    fn identity(id: &str) -> Identity {
        let made = made(id);
        Identity::from_pem(
            made.fullchain_pem().as_bytes(),
            "`leaf.pem`",
            made.key_pem().as_bytes(),
            "`key.pem`",
        )
        .unwrap()
    }

    #[test]
    fn a_pair_loads_and_passes_its_check() {
        let identity = identity("lab-thermostat");
        identity.check("lab-thermostat", now()).unwrap();
        assert_eq!(identity.chain().len(), 1);
    }

    #[test]
    fn a_foreign_key_names_both_files() {
        let (one, other) = (made("one"), made("other"));
        let error = Identity::from_pem(
            one.cert_pem().as_bytes(),
            "`one.pem`",
            other.key_pem().as_bytes(),
            "`other.pem`",
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the key in `other.pem` does not belong to the certificate in `one.pem`"
        );
    }

    #[test]
    fn another_common_name_is_refused_even_when_only_the_case_differs() {
        let error = identity("thermo-1").check("Thermo-1", now()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the certificate in `leaf.pem` has the common name `thermo-1`, but the registration id is `Thermo-1`"
        );
    }

    #[test]
    fn a_leaf_is_refused_before_and_after_its_time() {
        let identity = identity("thermo-1");
        let late = identity
            .check("thermo-1", "2027-11-23T15:00:01Z".parse().unwrap())
            .unwrap_err();
        assert_eq!(
            late.to_string(),
            "the certificate in `leaf.pem` expired on 2027-11-23T15:00:00Z"
        );
        let early = identity
            .check("thermo-1", "2026-11-23T14:00:00Z".parse().unwrap())
            .unwrap_err();
        assert_eq!(
            early.to_string(),
            "the certificate in `leaf.pem` is not valid before 2026-11-23T14:55:00Z"
        );
    }

    #[test]
    fn an_unreadable_file_is_named_with_what_the_system_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent.pem");
        let text = Identity::load(&path, &path).unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("cannot read `{}`: ", path.display())),
            "{text}"
        );
        assert!(text.contains("os error 2") || text.contains("not found"), "{text}");
    }
}
