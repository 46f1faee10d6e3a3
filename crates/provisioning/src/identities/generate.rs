//! Filling a group's folder: CAs first, then a leaf per device, on every core.

mod authorities;
mod leaves;

use std::path::Path;

use jiff::Timestamp;

use super::files::{Access, Lock, check_name, create_folder, write};
use super::group::FIRST_GENERATION;
use super::{GroupFolder, IdentityError, Problems};
use crate::certificate::make::CertificateAuthority;

/// Which CA signs the leaves of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The root itself.
    Root,
    /// An intermediate below the root.
    Intermediate,
}

/// How many leaves were made, and how many were there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Leaves made just now.
    pub made: usize,
    /// Leaves that were there, and were checked.
    pub reused: usize,
}

/// A group's folder with everything in it checked.
#[derive(Debug)]
pub struct GroupIdentities {
    /// Where it all is.
    pub folder: GroupFolder,
    /// The root CA; absent where only an intermediate was put into the folder, or the root's key is kept elsewhere.
    pub root: Option<CertificateAuthority>,
    /// The intermediate CA; absent where the root signs the leaves.
    pub intermediate: Option<CertificateAuthority>,
    /// Whether a CA was made just now.
    pub made_ca: bool,
    /// What was done for the leaves.
    pub leaves: Report,
}

impl GroupIdentities {
    /// Checks what is in the folder of `group` and makes what is missing: CAs, and a leaf for each of `ids`.
    ///
    /// Leaves that are there are checked too (key, common name, dates, issuer), and everything that is wrong is returned at
    /// once. `progress` hears how many of how many leaves are done, from the threads that do the work. Blocks until all is
    /// done: ten thousand leaves take seconds.
    pub fn open_or_create(
        certs: &Path,
        group: &str,
        issuer: Issuer,
        ids: impl IntoIterator<Item = impl Into<String>>,
        now: Timestamp,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, Problems> {
        check_name(group)?;
        if group == "individual" {
            return Err(IdentityError::BadName { name: group.to_owned() }.into());
        }
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let folder = GroupFolder::new(certs, group);
        create_folder(&folder.ca_folder())?;
        let _lock = Lock::take(folder.path())?;

        let authorities = authorities::open_or_create(&folder, group, issuer, now)?;
        let current = folder.current_generation()?;
        let generation = current.as_deref().unwrap_or(FIRST_GENERATION);
        create_folder(&folder.generation_folder(generation))?;
        let signing = authorities.signing(issuer)?;
        let leaves = leaves::open_or_create(&folder, generation, &signing, &ids, now, progress)?;
        if current.is_none() {
            // Last, so that it never names a generation in which a leaf is missing.
            write(
                &folder.current_path(),
                format!("{generation}\n").as_bytes(),
                Access::Folder,
            )?;
        }
        let authorities::Authorities {
            root,
            intermediate,
            made,
            ..
        } = authorities;
        Ok(Self {
            folder,
            root,
            intermediate,
            made_ca: made,
            leaves,
        })
    }

    /// The CA of that name.
    pub fn authority(&self, which: Issuer) -> Option<&CertificateAuthority> {
        match which {
            Issuer::Root => self.root.as_ref(),
            Issuer::Intermediate => self.intermediate.as_ref(),
        }
    }
}
