//! What a device shows of itself: a leaf, the chain above it, and the key, from PEM or PFX files.
//!
//! What a file is shows in its content, not in its name.
//!
//! | in | is read |
//! | --- | --- |
//! | PEM | certificates with whatever stands between and after them, in ASCII or UTF-8 with or without its mark, lines ending in LF, CRLF or CR; keys as PKCS#1, SEC1, PKCS#8, and PKCS#8 encrypted with PBES2 (AES-CBC, 3DES; PBKDF2, scrypt) |
//! | DER | one certificate |
//! | PFX | PBES2 as OpenSSL 3 writes it, RC2-40 and 3DES as its predecessors did |
//!
//! A key in OpenSSL's traditional encryption (`Proc-Type: 4,ENCRYPTED`), PBES1 outside of a PFX, a key in DER, PKCS#7,
//! UTF-16 and BER are refused, with the command that converts them. No message about a file quotes what is in it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use iot_protocol::shown;
use jiff::Timestamp;
use mqtt_link::TrustRoots;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::examine::{self, ExamineRequest, Finding};
use super::inspect::{self, CertificateFacts};
use super::source::{self, Source};
use super::{CertificateError, Password, key_kind, pem};

/// More than any chain, key or list of public roots takes.
const LARGEST: u64 = 16 << 20;

/// A certificate chain with the key of its leaf, ready for TLS.
#[derive(Clone)]
pub struct Identity {
    /// What stands in the leaf.
    pub leaf: CertificateFacts,
    certificate: String,
    certified_key: Arc<CertifiedKey>,
}

/// Where an identity stands.
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions<'a> {
    /// PEM (the leaf first, then the CAs above it, if any) or PFX (in any order).
    pub certificate: &'a Path,
    /// PEM or PFX; `None` if the key is in the file of the certificate.
    pub key: Option<&'a Path>,
    /// What unlocks a PFX file or an encrypted key; not looked at if nothing is locked.
    pub password: Option<&'a Password>,
}

impl Identity {
    /// Loads `certificate` (the leaf first, then the CAs above it, if any) and `key`. Reads both files and blocks meanwhile.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        Self::load_with(LoadOptions {
            certificate,
            key: Some(key),
            password: None,
        })
    }

    /// Loads an identity from one or two files, locked or not. Reads and decrypts, and blocks meanwhile.
    pub fn load_with(options: LoadOptions<'_>) -> Result<Self, CertificateError> {
        let LoadOptions {
            certificate,
            key,
            password,
        } = options;
        let bytes = read(certificate)?;
        let source = Source::open(&bytes, named(certificate), password)?;
        match key {
            Some(key) if key != certificate => {
                let bytes = read(key)?;
                Self::pair(&source, &Source::open(&bytes, named(key), password)?, password)
            }
            _ => Self::pair(&source, &source, password),
        }
    }

    /// The same from memory, as fuzz targets and tests need it: the files' content instead of their paths.
    #[cfg(feature = "fuzzing")]
    #[doc(hidden)]
    pub fn from_bytes(
        certificate: &[u8],
        key: Option<&[u8]>,
        password: Option<&Password>,
    ) -> Result<Self, CertificateError> {
        let source = Source::open(certificate, "certificate".to_owned(), password)?;
        match key {
            Some(key) => Self::pair(&source, &Source::open(key, "key".to_owned(), password)?, password),
            None => Self::pair(&source, &source, password),
        }
    }

    /// The same from PEM in memory; `certificate` and `key` name the two in messages.
    pub fn from_pem(chain: &[u8], certificate: &str, key_pem: &[u8], key: &str) -> Result<Self, CertificateError> {
        Self::pair(&Source::pem(chain, certificate)?, &Source::pem(key_pem, key)?, None)
    }

    fn pair(certificate: &Source<'_>, key: &Source<'_>, password: Option<&Password>) -> Result<Self, CertificateError> {
        for der in key.keys(password)? {
            let signing_key = any_supported_type(&der).map_err(|_| unusable(&der, &key.name))?;
            let public_key = signing_key.public_key();
            let public_bits = public_key.and_then(|public_key| inspect::public_bits(&public_key));
            let public_bits = public_bits.ok_or_else(|| unusable(&der, &key.name))?;
            if let Some(chain) = certificate.chain(&public_bits)? {
                let leaf_der = chain.first().expect("a chain has a leaf");
                let leaf = CertificateFacts::from_der(leaf_der, &certificate.name)?;
                return Ok(Self {
                    leaf,
                    certificate: certificate.name.clone(),
                    certified_key: Arc::new(CertifiedKey::new(chain, signing_key)),
                });
            }
        }
        Err(CertificateError::KeyMismatch {
            certificate: certificate.name.clone(),
            key: key.name.clone(),
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

    /// The registration id that the leaf names: its common name. A leaf with several names none, and is refused.
    pub fn registration_id(&self) -> Result<Option<&str>, CertificateError> {
        if self.leaf.common_names > 1 {
            return Err(CertificateError::SeveralCommonNames {
                file: self.certificate.clone(),
                count: self.leaf.common_names,
            });
        }
        Ok(self.leaf.common_name.as_deref())
    }

    /// Refuses what DPS would refuse: a leaf that is not valid at `now`, or whose common name is not the registration id.
    ///
    /// The comparison minds case. DPS does not, but the hub's device ids do, so a difference in case registers and then
    /// never connects.
    pub fn check(&self, registration_id: &str, now: Timestamp) -> Result<(), CertificateError> {
        self.check_name(registration_id)?;
        self.leaf.check_validity(now, &self.certificate)
    }

    /// The file of its certificate, for messages.
    pub(crate) fn certificate_name(&self) -> &str {
        &self.certificate
    }

    /// Whether its common name is `registration_id`: what no waiting changes.
    pub fn check_name(&self, registration_id: &str) -> Result<(), CertificateError> {
        if self.registration_id()? != Some(registration_id) {
            return Err(CertificateError::CommonName {
                file: self.certificate.clone(),
                common_name: self.leaf.common_name.clone().unwrap_or_default(),
                registration_id: registration_id.to_owned(),
            });
        }
        Ok(())
    }

    /// Refuses what `cert inspect` calls an error, as far as that `counts`, and returns what it warns of.
    pub(crate) fn check_use(
        &self,
        request: &ExamineRequest<'_>,
        counts: impl Fn(&Finding) -> bool,
    ) -> Result<Vec<Finding>, CertificateError> {
        let mut findings = examine::findings(self.chain(), &self.certificate, request)?;
        findings.retain(counts);
        CertificateError::unfit(&self.certificate, findings)
    }

    /// Refuses what no waiting mends, whatever is enrolled. What may be shown to a service on purpose, such as an expired
    /// certificate, is not refused.
    pub fn check_form(&self, now: Timestamp) -> Result<(), CertificateError> {
        let request = ExamineRequest {
            registration_id: self.leaf.common_name.as_deref(),
            ..ExamineRequest::at(now)
        };
        self.check_use(&request, |finding| !finding.may_pass()).map(drop)
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

impl CertificateFacts {
    /// The facts of the first certificate in a file, PEM or DER.
    pub fn load(path: &Path) -> Result<Self, CertificateError> {
        let file = named(path);
        let certificates = source::certificates(&read(path)?, &file)?;
        Self::from_der(certificates.first().expect("the reader returns at least one"), &file)
    }

    /// The facts of the first certificate in `pem`; `file` names it in messages.
    pub fn from_pem(pem: &[u8], file: &str) -> Result<Self, CertificateError> {
        let certificates = pem::certificates(pem, file)?;
        Self::from_der(certificates.first().expect("the PEM reader returns at least one"), file)
    }
}

/// Every certificate of a file, PEM or one in DER, such as those of CAs to trust; at least one. Reads and blocks meanwhile.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    certificates_in(&read(path)?, &named(path))
}

/// The same from memory; `file` names it in messages.
pub fn certificates_in(bytes: &[u8], file: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    source::certificates(bytes, file)
}

/// Trust in the CAs of the file `ca` alone, or in the public ones where there is none. Reads and blocks meanwhile.
pub fn trust_roots(ca: Option<&Path>) -> Result<TrustRoots, CertificateError> {
    ca.map_or(Ok(TrustRoots::WebPki), |ca| {
        certificates(ca).map(TrustRoots::Certificates)
    })
}

/// The first certificate of a file as PEM, and nothing else of what is in it: what may leave this machine.
pub fn certificate_pem(path: &Path) -> Result<String, CertificateError> {
    Ok(pem::encode_certificate(&certificates(path)?.swap_remove(0)))
}

/// The content of a file of certificates or keys, which is never long.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path);
    file.and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|reason| CertificateError::Unreadable {
            path: path.to_owned(),
            reason,
        })?;
    if bytes.len() as u64 > LARGEST {
        return Err(CertificateError::TooLarge {
            path: path.to_owned(),
            limit: LARGEST,
        });
    }
    Ok(bytes)
}

/// How a file is called in messages.
pub fn named(path: &Path) -> String {
    format!("`{}`", shown::path(path))
}

/// Why a key that was found can't be used.
pub(super) fn unusable(key: &PrivateKeyDer<'_>, file: &str) -> CertificateError {
    let file = file.to_owned();
    match key_kind::of_private(key) {
        Some(described) if !described.is_supported() => CertificateError::UnsupportedKey {
            file,
            kind: described.kind,
        },
        _ => CertificateError::Malformed {
            file,
            reason: "its private key is damaged".to_owned(),
        },
    }
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
            "the certificate in `leaf.pem` expired on 2027-11-23T15:00:00Z; it was valid from 2026-11-23T14:55:00Z, and this \
             machine's clock says 2027-11-23T15:00:01Z"
        );
        let early = identity
            .check("thermo-1", "2026-11-23T14:00:00Z".parse().unwrap())
            .unwrap_err();
        assert_eq!(
            early.to_string(),
            "the certificate in `leaf.pem` is not valid before 2026-11-23T14:55:00Z; it is valid until 2027-11-23T15:00:00Z, \
             and this machine's clock says 2026-11-23T14:00:00Z"
        );
    }

    #[test]
    fn an_unreadable_file_is_named_with_the_words_of_the_system() {
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
