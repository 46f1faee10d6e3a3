//! Filling a group's folder: CAs first, then a leaf per device, on every core.
//!
//! A roll goes like this, and goes on where it stopped when it is begun again:
//!
//! ```no_run
//! # use std::path::Path;
//! # use jiff::Timestamp;
//! # use provisioning::identities::{Issuer, Problems, GroupSpec};
//! # fn roll(now: Timestamp) -> Result<(), Problems> {
//! let spec = GroupSpec::new(Path::new("certs/demo"), "thermostats", Issuer::Intermediate);
//! let folder = spec.folder();
//! let old = folder.current_ca()?;
//! let new = spec.open_or_create_ca(old.next(), now)?;       // also the one that `secondary` has made already
//! // … enroll `new.authority(Issuer::Root)` …
//! let issued = spec.issue(new.generation, ["thermo-0001"], now, &|_, _| {})?;
//! issued.make_current()?;                                     // connections from here on show the new leaf
//! // … let the devices register again, then remove the certificate in `folder.ca_cert(old, Issuer::Root)` …
//! # Ok(())
//! # }
//! ```

mod authorities;
mod leaves;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::files::{check_name, create_folder, exists};
use super::on_every_core::{Progress, Report};
use super::{Generation, GroupFolder, IdentityError, Issuer, Lifetime, Problems, Warnings};
use crate::certificate::load;
use crate::certificate::make::{CertificateAuthority, KeyType};

pub use authorities::GroupAuthorities;

/// The identities of a group as they are wanted. What is there is taken as it is, also where it is not as wanted.
#[derive(Debug, Clone)]
pub struct GroupSpec {
    /// The folder of all certificates.
    pub certs: PathBuf,
    /// The group's id.
    pub group: String,
    /// Which CA signs the leaves.
    pub issuer: Issuer,
    /// The keys of CAs and leaves.
    pub key_type: KeyType,
    /// How long certificates are valid.
    pub lifetime: Lifetime,
    /// Another group whose root is used instead of one of its own. The intermediate below it has to be the issuer, and
    /// the other group has to be opened first.
    pub root_of: Option<String>,
    /// Whether one more generation of CAs than the one in use is to stand ready.
    pub secondary: bool,
}

/// A group's folder with everything in it checked that is in use.
#[derive(Debug)]
pub struct GroupIdentities {
    /// Where it all is.
    pub folder: GroupFolder,
    /// The CAs that have signed the leaves in use.
    pub ca: GroupAuthorities,
    /// The next generation of CAs, for a roll to come; only where it was asked for.
    pub secondary: Option<GroupAuthorities>,
    /// What was done for the leaves.
    pub leaves: Report,
    /// What `cert inspect` would warn of; nothing where all was made here.
    pub warnings: Warnings,
}

/// A generation of leaves that is complete, but not necessarily in use.
#[derive(Debug)]
pub struct Issued {
    /// Which generation of leaves.
    pub generation: Generation,
    /// What was done for it.
    pub leaves: Report,
    folder: GroupFolder,
}

impl Issued {
    /// From now on devices that connect use these leaves.
    pub fn make_current(&self) -> Result<(), IdentityError> {
        let _lock = self.folder.lock()?;
        self.folder.make_current(self.generation)
    }
}

impl GroupSpec {
    /// A group with P-256 keys and leaves for a year, as most are.
    pub fn new(certs: &Path, group: &str, issuer: Issuer) -> Self {
        Self {
            certs: certs.to_owned(),
            group: group.to_owned(),
            issuer,
            key_type: KeyType::default(),
            lifetime: Lifetime::default(),
            root_of: None,
            secondary: false,
        }
    }

    /// The group's folder.
    pub fn folder(&self) -> GroupFolder {
        self.folder_of(&self.group)
    }

    fn folder_of(&self, group: &str) -> GroupFolder {
        GroupFolder::new(&self.certs, group)
    }

    /// Checks what is in the group's folder and makes what is missing: CAs, and a leaf of the generation in use for each
    /// of `ids`.
    ///
    /// Leaves that are there are checked too (key, common name, dates, issuer), and everything that is wrong is returned at
    /// once. Blocks until all is done: ten thousand leaves take seconds.
    pub fn open_or_create(
        &self,
        ids: impl IntoIterator<Item = impl Into<String>>,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<GroupIdentities, Problems> {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let folder = self.create()?;
        let _lock = folder.lock()?;

        let ca = authorities::open_or_create(self, folder.current_ca()?, now)?;
        let secondary = match self.secondary {
            true => Some(authorities::open_or_create(self, ca.generation.next(), now)?),
            false => None,
        };
        let current = folder.current_generation()?;
        let generation = current.unwrap_or(Generation::FIRST);
        let leaves = self.fill(generation, &ca, &ids, now, progress)?;
        if current.is_none() {
            // Last, so that it never names a generation in which a leaf is missing.
            folder.make_current(generation)?;
        }
        Ok(GroupIdentities {
            folder,
            ca,
            secondary,
            leaves,
            warnings: Warnings::default(),
        })
    }

    /// The same with a CA that is kept elsewhere, in `certificate`, and that stays there: nothing but leaves is written
    /// into the group's folder. So a part of a group's devices gets its leaves where the group's own CAs are not.
    ///
    /// Leaves that are there are checked, and have to be of this CA.
    pub fn open_or_create_below(
        &self,
        authority: CertificateAuthority,
        certificate: PathBuf,
        ids: impl IntoIterator<Item = impl Into<String>>,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Report, Problems> {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        authority
            .facts()
            .check_validity(now, &load::named(&certificate))
            .map_err(IdentityError::from)?;
        let folder = self.create()?;
        let _lock = folder.lock()?;
        let ca = GroupAuthorities::elsewhere(self.issuer, authority, certificate);
        let leaves = self.fill(Generation::FIRST, &ca, &ids, now, progress)?;
        if folder.current_generation()?.is_none() {
            folder.make_current(Generation::FIRST)?;
        }
        Ok(leaves)
    }

    /// Opens a generation of CAs that is there.
    pub(crate) fn open_ca(&self, generation: Generation, now: Timestamp) -> Result<GroupAuthorities, Problems> {
        let certificate = self.folder().ca_cert(generation, self.issuer);
        if !exists(&certificate)? {
            return Err(IdentityError::NoGeneration { certificate }.into());
        }
        self.open_or_create_ca(generation, now)
    }

    /// Opens a generation of CAs, and makes what is missing of it. No leaf comes from it before [`GroupSpec::issue`].
    pub fn open_or_create_ca(&self, generation: Generation, now: Timestamp) -> Result<GroupAuthorities, Problems> {
        let folder = self.create()?;
        let _lock = folder.lock()?;
        Ok(authorities::open_or_create(self, generation, now)?)
    }

    /// Makes a leaf for each of `ids` under a generation of CAs that is there, in a generation of leaves after the one in
    /// use. Which one is in use does not change until [`Issued::make_current`].
    ///
    /// A generation that an earlier call has begun or completed under the same CA, and that is not in use yet, is taken up.
    pub fn issue(
        &self,
        ca: Generation,
        ids: impl IntoIterator<Item = impl Into<String>>,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Issued, Problems> {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let authorities = self.open_ca(ca, now)?;
        let folder = self.folder();
        let _lock = folder.lock()?;
        let mut generation = match folder.current_generation()? {
            Some(current) => current.next(),
            None => Generation::FIRST,
        };
        // What was begun under another CA was given up; its numbers stay taken.
        while folder.recorded_ca(generation)?.is_some_and(|other| other != ca) {
            generation = generation.next();
        }
        let leaves = self.fill(generation, &authorities, &ids, now, progress)?;
        Ok(Issued {
            generation,
            leaves,
            folder,
        })
    }

    /// Makes the group's folder, if need be.
    fn create(&self) -> Result<GroupFolder, IdentityError> {
        check_name(&self.group)?;
        if self.group == "individual" {
            return Err(IdentityError::BadName {
                name: self.group.clone(),
            });
        }
        let folder = self.folder();
        create_folder(folder.path())?;
        Ok(folder)
    }

    /// Completes a generation of leaves.
    fn fill(
        &self,
        generation: Generation,
        ca: &GroupAuthorities,
        ids: &[String],
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Report, Problems> {
        let folder = self.folder();
        let leaves = folder.generation_folder(generation);
        if !exists(&leaves)? {
            create_folder(&leaves)?;
        }
        if folder.recorded_ca(generation)?.is_none() {
            folder.record_ca(generation, ca.generation)?;
        }
        leaves::open_or_create(self, generation, &ca.signing(&folder, self.issuer)?, ids, now, progress)
    }
}

impl GroupIdentities {
    /// [`GroupSpec::open_or_create`] for a group as most are.
    pub fn open_or_create(
        certs: &Path,
        group: &str,
        issuer: Issuer,
        ids: impl IntoIterator<Item = impl Into<String>>,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Self, Problems> {
        GroupSpec::new(certs, group, issuer).open_or_create(ids, now, progress)
    }

    /// The CA of that name in the generation that has signed the leaves in use.
    pub fn authority(&self, which: Issuer) -> Option<&CertificateAuthority> {
        self.ca.authority(which)
    }
}
