//! The folder of one individual enrollment: a self-signed primary pair and, where asked for, a secondary.

mod replace;

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::files::{Access, Lock, check_name, create_folder, exists, read_word, write};
use super::{IdentityError, Lifetime, Problems, Warnings, files};
use crate::certificate::load::Identity;
use crate::certificate::make::{KeyType, key_pair, self_signed_over};
use crate::certificate::{load, pem};

/// Which of the two certificates of an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Slot {
    /// The first.
    Primary,
    /// The second, with which a certificate can be exchanged without a gap.
    Secondary,
}

impl Slot {
    /// The word for it in IoT Central's REST API and in our file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }

    /// The one that this is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The folder of one individual enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndividualFolder {
    path: PathBuf,
    /// Where the pairs are if they were not made here.
    brought: Option<Box<[PairPaths; 2]>>,
}

/// The two files of one self-signed certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairPaths {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The certificates of an individual as they are wanted. What is there is taken as it is.
#[derive(Debug, Clone)]
pub struct IndividualSpec {
    /// The folder of all certificates.
    pub certs: PathBuf,
    /// The device's id, which becomes the common name of both certificates.
    pub device_id: String,
    /// Whether there is to be a secondary.
    pub secondary: bool,
    /// Their keys.
    pub key_type: KeyType,
    /// How long they are valid.
    pub lifetime: Lifetime,
}

/// An individual's certificates, checked.
#[derive(Debug, Clone)]
pub struct IndividualIdentities {
    /// Where they are.
    pub folder: IndividualFolder,
    /// The primary.
    pub primary: Identity,
    /// The secondary, if it was asked for.
    pub secondary: Option<Identity>,
    /// How many of them were made just now.
    pub made: usize,
    /// What `cert inspect` would warn of; nothing where all was made here.
    pub warnings: Warnings,
}

impl IndividualIdentities {
    /// The primary certificate as it is uploaded.
    pub fn primary_pem(&self) -> String {
        pem_of(&self.primary)
    }

    /// The secondary certificate as it is uploaded.
    pub fn secondary_pem(&self) -> Option<String> {
        self.secondary.as_ref().map(pem_of)
    }
}

fn pem_of(identity: &Identity) -> String {
    identity
        .chain()
        .first()
        .map(|leaf: &CertificateDer<'_>| pem::encode_certificate(leaf))
        .unwrap_or_default()
}

impl IndividualFolder {
    /// The folder of `device_id` below `certs`. Nothing is read or created.
    pub fn new(certs: &Path, device_id: &str) -> Self {
        Self::at(certs.join("individual").join(device_id))
    }

    /// The individual whose folder is `path` itself.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            brought: None,
        }
    }

    /// The individual whose certificates are files made elsewhere.
    pub(super) fn brought(primary: PairPaths, secondary: Option<PairPaths>) -> Self {
        Self {
            path: primary.cert.parent().unwrap_or(Path::new("")).to_owned(),
            brought: Some(Box::new([primary.clone(), secondary.unwrap_or(primary)])),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files of one pair.
    pub fn pair_paths(&self, slot: Slot) -> PairPaths {
        if let Some(brought) = &self.brought {
            let [primary, secondary] = brought.as_ref();
            return match slot {
                Slot::Primary => primary.clone(),
                Slot::Secondary => secondary.clone(),
            };
        }
        PairPaths {
            cert: self.path.join(format!("{slot}_cert.pem")),
            key: self.path.join(format!("{slot}_key.pem")),
        }
    }

    fn current_path(&self) -> PathBuf {
        self.path.join("current")
    }

    /// The certificate in use; `None` before the first is complete.
    pub fn current_slot(&self) -> Result<Option<Slot>, IdentityError> {
        let path = self.current_path();
        match read_word(&path)?.as_deref() {
            None => Ok(None),
            Some("primary") => Ok(Some(Slot::Primary)),
            Some("secondary") => Ok(Some(Slot::Secondary)),
            Some(other) => Err(IdentityError::BadCurrent {
                path,
                content: other.to_owned(),
                expected: "`primary` or `secondary`",
            }),
        }
    }

    /// Loads the pair in use. Reads three small files and blocks meanwhile.
    pub fn load_current(&self) -> Result<Identity, IdentityError> {
        let path = self.current_path();
        let slot = self.current_slot()?.ok_or_else(|| {
            files::io_error("read", &path)(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "no certificate is complete",
            ))
        })?;
        let paths = self.pair_paths(slot);
        Ok(Identity::load(&paths.cert, &paths.key)?)
    }
}

impl IndividualSpec {
    /// A device with P-256 keys and certificates for a year, as most are.
    pub fn new(certs: &Path, device_id: &str) -> Self {
        Self {
            certs: certs.to_owned(),
            device_id: device_id.to_owned(),
            secondary: false,
            key_type: KeyType::default(),
            lifetime: Lifetime::default(),
        }
    }

    /// The device's folder.
    pub fn folder(&self) -> IndividualFolder {
        IndividualFolder::new(&self.certs, &self.device_id)
    }

    /// Checks what is in the individual's folder and makes what is missing.
    pub fn open_or_create(&self, now: Timestamp) -> Result<IndividualIdentities, Problems> {
        check_name(&self.device_id)?;
        let folder = self.folder();
        create_folder(folder.path())?;
        let _lock = Lock::take(folder.path())?;

        let mut problems = Vec::new();
        let mut made = 0;
        let mut pair = |slot| match self.open_or_create_pair(&folder.pair_paths(slot), now) {
            Ok((identity, new)) => {
                made += usize::from(new);
                Some(identity)
            }
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let primary = pair(Slot::Primary);
        // After a roll a device has one that the manifest does not ask for, and its enrollment holds it.
        let has_secondary = self.secondary || exists(&folder.pair_paths(Slot::Secondary).cert)?;
        let secondary = if has_secondary { pair(Slot::Secondary) } else { None };
        let Some(primary) = primary.filter(|_| problems.is_empty()) else {
            return Err(Problems(problems));
        };
        if folder.current_slot()?.is_none() {
            write(&folder.current_path(), b"primary\n", Access::Folder)?;
        }
        Ok(IndividualIdentities {
            folder,
            primary,
            secondary,
            made,
            warnings: Warnings::default(),
        })
    }

    /// The key is written before the certificate, so a certificate that is there always has its key.
    fn open_or_create_pair(&self, paths: &PairPaths, now: Timestamp) -> Result<(Identity, bool), IdentityError> {
        let (cert, key) = (exists(&paths.cert)?, exists(&paths.key)?);
        if cert && !key {
            return Err(IdentityError::WithoutKey {
                certificate: paths.cert.clone(),
                key: paths.key.clone(),
            });
        }
        if !cert {
            let pair = if key {
                key_pair(&load::read(&paths.key)?, &load::named(&paths.key))?
            } else {
                self.key_type.generate(&self.device_id)?
            };
            let certificate = self_signed_over(&pair, &self.device_id, self.lifetime.leaf(now))?;
            if !key {
                write(&paths.key, certificate.key_pem().as_bytes(), Access::Owner)?;
            }
            write(&paths.cert, certificate.cert_pem().as_bytes(), Access::Folder)?;
        }
        let identity = Identity::load(&paths.cert, &paths.key)?;
        self.lifetime.check(&identity, &self.device_id, now)?;
        Ok((identity, !cert))
    }
}

impl IndividualIdentities {
    /// [`IndividualSpec::open_or_create`] for a device as most are.
    pub fn open_or_create(certs: &Path, device_id: &str, secondary: bool, now: Timestamp) -> Result<Self, Problems> {
        let mut spec = IndividualSpec::new(certs, device_id);
        spec.secondary = secondary;
        spec.open_or_create(now)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T15:00:00Z".parse().unwrap()
    }

    #[test]
    fn both_certificates_name_the_device_and_the_primary_is_used() {
        let certs = tempfile::tempdir().unwrap();
        let made = IndividualIdentities::open_or_create(certs.path(), "lab", true, now()).unwrap();
        assert_eq!(made.made, 2);
        let secondary = made.secondary.unwrap();
        assert_eq!(secondary.leaf.common_name.as_deref(), Some("lab"));
        assert_eq!(secondary.leaf.issuer_common_name.as_deref(), Some("lab"));
        assert_ne!(secondary.leaf.sha1, made.primary.leaf.sha1);
        assert_eq!(made.folder.load_current().unwrap().leaf, made.primary.leaf);
    }

    #[test]
    fn a_second_run_makes_nothing_and_a_secondary_can_be_added_later() {
        let certs = tempfile::tempdir().unwrap();
        let first = IndividualIdentities::open_or_create(certs.path(), "lab", false, now()).unwrap();
        let second = IndividualIdentities::open_or_create(certs.path(), "lab", true, now()).unwrap();
        assert_eq!((first.made, second.made), (1, 1));
        assert_eq!(first.primary.leaf, second.primary.leaf);
    }

    #[test]
    fn a_certificate_whose_key_is_lost_is_a_problem_and_stays() {
        let certs = tempfile::tempdir().unwrap();
        let made = IndividualIdentities::open_or_create(certs.path(), "lab", false, now()).unwrap();
        let paths = made.folder.pair_paths(Slot::Primary);
        let before = fs::read(&paths.cert).unwrap();
        fs::remove_file(&paths.key).unwrap();

        let problems = IndividualIdentities::open_or_create(certs.path(), "lab", false, now()).unwrap_err();
        assert!(
            matches!(problems.0.as_slice(), [IdentityError::WithoutKey { .. }]),
            "{problems}"
        );
        assert_eq!(fs::read(&paths.cert).unwrap(), before);
    }

    #[test]
    fn the_switch_to_the_secondary_is_picked_up() {
        let certs = tempfile::tempdir().unwrap();
        let made = IndividualIdentities::open_or_create(certs.path(), "lab", true, now()).unwrap();
        fs::write(made.folder.path().join("current"), "secondary").unwrap();
        assert_eq!(made.folder.load_current().unwrap().leaf, made.secondary.unwrap().leaf);
        fs::write(made.folder.path().join("current"), "tertiary").unwrap();
        let error = made.folder.load_current().unwrap_err().to_string();
        assert!(
            error.ends_with("holds `tertiary`, expected `primary` or `secondary`"),
            "{error}"
        );
    }
}
