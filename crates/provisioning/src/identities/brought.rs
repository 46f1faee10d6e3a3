//! Certificates that were made elsewhere: read where they are and checked, never made and never changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::files::{check_name, io_error};
use super::on_every_core::Progress;
use super::{
    GroupAuthorities, GroupFolder, GroupIdentities, IdentityError, IndividualFolder, IndividualIdentities, PairPaths,
    Problems, Warnings, on_every_core,
};
use crate::certificate::examine::{self, Enrolled, ExamineRequest, Finding};
use crate::certificate::inspect::CertificateFacts;
use crate::certificate::load::{self, Identity, LoadOptions};
use crate::certificate::make::CertificateAuthority;
use crate::certificate::{CertificateError, Password};

/// What stands for the device's id in a path.
pub const DEVICE_ID: &str = "{device_id}";

/// The path that a pattern with [`DEVICE_ID`] in it means for one device.
#[must_use]
pub fn path_of_device(pattern: &Path, device_id: &str) -> PathBuf {
    match pattern.to_str() {
        Some(text) => text.replace(DEVICE_ID, device_id).into(),
        None => pattern.to_owned(),
    }
}

/// Where a password is found. It is read each time it is needed, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// In this environment variable.
    Variable(String),
    /// In this file; a line's end after it does not belong to it.
    File(PathBuf),
}

impl PasswordSource {
    /// Reads it.
    pub fn read(&self) -> Result<Password, IdentityError> {
        match self {
            Self::Variable(name) => std::env::var(name)
                .map(Password::from)
                .map_err(|_| IdentityError::NoPassword { variable: name.clone() }),
            Self::File(path) => {
                let text = zeroize::Zeroizing::new(fs::read_to_string(path).map_err(io_error("read", path))?);
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(Password::new(line.strip_suffix('\r').unwrap_or(line)))
            }
        }
    }
}

/// A certificate and its key. [`DEVICE_ID`] in a path stands for the device's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroughtFiles {
    /// PEM (the leaf first, then the CAs above it) or PFX.
    pub certificate: PathBuf,
    /// PEM; `None` if it is in the file of the certificate.
    pub key: Option<PathBuf>,
    /// What opens a PFX file or an encrypted key.
    pub password: Option<PasswordSource>,
}

impl BroughtFiles {
    /// Loads what belongs to one device. Reads and decrypts, and blocks meanwhile.
    pub fn load(&self, device_id: &str) -> Result<Identity, IdentityError> {
        check_name(device_id)?;
        let password = self.password.as_ref().map(PasswordSource::read).transpose()?;
        let key = self.key.as_ref().map(|key| path_of_device(key, device_id));
        Ok(Identity::load_with(LoadOptions {
            certificate: &path_of_device(&self.certificate, device_id),
            key: key.as_deref(),
            password: password.as_ref(),
        })?)
    }

    /// Loads them, refuses what `cert inspect` calls an error, and returns what it warns of.
    fn load_checked(
        &self,
        device_id: &str,
        enrolled: Enrolled<'_>,
        now: Timestamp,
    ) -> Result<(Identity, Vec<Finding>), IdentityError> {
        let identity = self.load(device_id)?;
        let request = ExamineRequest {
            registration_id: Some(device_id),
            enrolled,
            ..ExamineRequest::at(now)
        };
        let warnings = identity.check_use(&request, |_| true)?;
        Ok((identity, warnings))
    }

    fn paths(&self, device_id: &str) -> PairPaths {
        let of_device = |path: &Path| path_of_device(path, device_id);
        PairPaths {
            cert: of_device(&self.certificate),
            key: of_device(self.key.as_deref().unwrap_or(&self.certificate)),
        }
    }
}

/// A CA that an enrollment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroughtCa {
    /// Its certificate, PEM or DER.
    pub certificate: PathBuf,
    /// Its key, PEM, with which its possession is proved; `None` if that is kept elsewhere.
    pub key: Option<PathBuf>,
}

/// The certificates of a group.
#[derive(Debug, Clone)]
pub struct BroughtGroup {
    /// Those of its devices.
    pub files: BroughtFiles,
    /// The CA in the enrollment; `None` where the enrollment is made elsewhere.
    pub ca: Option<BroughtCa>,
    /// One more.
    pub secondary: Option<BroughtCa>,
}

impl BroughtGroup {
    /// Checks all of it: files, keys, common names, dates, and that each chain reaches a CA of the enrollment. Everything
    /// that is wrong is returned at once. `folder` is where the group's certificates would be if they were made here.
    pub fn open(
        &self,
        folder: GroupFolder,
        ids: impl IntoIterator<Item = impl Into<String>>,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<GroupIdentities, Problems> {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let mut problems = Vec::new();
        let mut enrolled = Vec::new();
        let mut warnings = Warnings::default();
        let mut open = |ca: &BroughtCa| match ca.open(now) {
            Ok(Opened { authority, der, warned }) => {
                enrolled.push((ca.certificate.clone(), der));
                warnings.add(warned);
                authority
            }
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let primary = self.ca.as_ref().map(&mut open);
        let secondary = self.secondary.as_ref().map(&mut open);
        // Below a CA that can't be read there is nothing to check of the chains.
        let known = if problems.is_empty() { enrolled.as_slice() } else { &[] };
        let authorities: Vec<_> = known.iter().map(|(_, der)| der.clone()).collect();
        let enrolled = if authorities.is_empty() {
            Enrolled::Unknown
        } else {
            Enrolled::Below(&authorities)
        };
        let warnings = Mutex::new(warnings);
        let check = |id: &str| {
            let (_, warned) = self.files.load_checked(id, enrolled, now)?;
            warnings.lock().unwrap_or_else(PoisonError::into_inner).add(warned);
            Ok(false)
        };
        let leaves = on_every_core::for_each(&ids, progress, check);
        let leaves = match leaves {
            Ok(leaves) if problems.is_empty() => leaves,
            Ok(_) => return Err(Problems(problems)),
            Err(Problems(more)) => {
                problems.extend(more);
                return Err(Problems(problems));
            }
        };
        let path = |ca: &Option<BroughtCa>| ca.as_ref().map(|ca| ca.certificate.clone());
        Ok(GroupIdentities {
            folder,
            ca: GroupAuthorities::brought(path(&self.ca), primary.flatten()),
            secondary: secondary.map(|authority| GroupAuthorities::brought(path(&self.secondary), authority)),
            leaves,
            warnings: warnings.into_inner().unwrap_or_else(PoisonError::into_inner),
        })
    }
}

/// A CA that was read and checked.
struct Opened {
    authority: Option<CertificateAuthority>,
    der: CertificateDer<'static>,
    warned: Vec<Finding>,
}

impl BroughtCa {
    fn open(&self, now: Timestamp) -> Result<Opened, IdentityError> {
        let name = load::named(&self.certificate);
        let der = load::certificates(&self.certificate)?.swap_remove(0);
        let facts = CertificateFacts::from_der(&der, &name)?;
        if !facts.is_ca {
            return Err(CertificateError::NotACa { file: name }.into());
        }
        // The devices' chains are judged with it, but what is wrong with it itself is reported once.
        let chain = std::slice::from_ref(&der);
        let findings = examine::findings(chain, &name, &ExamineRequest::at(now))?;
        let warned = CertificateError::unfit(&name, findings)?;
        let authority = match &self.key {
            Some(key) => Some(CertificateAuthority::load(&self.certificate, key)?),
            None => None,
        };
        Ok(Opened { authority, der, warned })
    }
}

/// The certificates of an individually enrolled device.
#[derive(Debug, Clone)]
pub struct BroughtIndividual {
    /// What the device shows.
    pub primary: BroughtFiles,
    /// What the enrollment takes as well.
    pub secondary: Option<BroughtFiles>,
}

impl BroughtIndividual {
    /// Checks files, keys, common names and dates; everything that is wrong is returned at once.
    pub fn open(&self, device_id: &str, now: Timestamp) -> Result<IndividualIdentities, Problems> {
        let mut warnings = Warnings::default();
        let mut identities = self.load_with(device_id, |files| {
            let (identity, warned) = files.load_checked(device_id, Enrolled::Individually, now)?;
            warnings.add(warned);
            Ok(identity)
        })?;
        identities.warnings = warnings;
        Ok(identities)
    }

    /// Loads both as they are, whatever their dates and names.
    pub fn load(&self, device_id: &str) -> Result<IndividualIdentities, Problems> {
        self.load_with(device_id, |files| files.load(device_id))
    }

    fn load_with(
        &self,
        device_id: &str,
        mut load: impl FnMut(&BroughtFiles) -> Result<Identity, IdentityError>,
    ) -> Result<IndividualIdentities, Problems> {
        let primary = load(&self.primary);
        let secondary = self.secondary.as_ref().map(&mut load);
        let (primary, secondary) = match (primary, secondary.transpose()) {
            (Ok(primary), Ok(secondary)) => (primary, secondary),
            (primary, secondary) => {
                let problems = [primary.err(), secondary.err()];
                return Err(Problems(problems.into_iter().flatten().collect()));
            }
        };
        let paths = |files: &BroughtFiles| files.paths(device_id);
        Ok(IndividualIdentities {
            folder: IndividualFolder::brought(paths(&self.primary), self.secondary.as_ref().map(paths)),
            primary,
            secondary,
            made: 0,
            warnings: Warnings::default(),
        })
    }
}
