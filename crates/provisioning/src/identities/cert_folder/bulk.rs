//! Leaves for many devices at once.

use std::path::PathBuf;

use super::{CertFolder, CertSpec, New, Notice, Parent, leaf};
use crate::certificate::inspect::CertificateFacts;
use crate::certificate::load::Identity;
use crate::identities::files::{check_name, exists};
use crate::identities::{IdentityError, Problems, Report, on_every_core};

/// What became of many.
#[derive(Debug)]
pub struct Bulk {
    /// How many were made, and how many were there.
    pub report: Report,
    /// What a person should know about them.
    pub notices: Vec<Notice>,
}

impl CertFolder {
    /// Makes a leaf for each of `ids` below `parent`, or one that signs itself, on every core.
    ///
    /// The files are called as the device, not in camel case: no two devices share a file. A device that has all its
    /// files is left as it is (unless the folder overwrites), once its key, its name and its issuer have been checked;
    /// so an interrupted run is resumed by the next. Blocks until all is done: ten thousand take seconds.
    pub fn devices(
        &self,
        ids: &[String],
        parent: Option<&str>,
        spec: &CertSpec,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Bulk, Problems> {
        let _lock = self.lock()?;
        let parent = parent.map(|parent| self.parent(parent)).transpose()?;
        let report = on_every_core::for_each(ids, progress, |id| self.one_of_many(id, parent.as_ref(), spec))?;
        let notices = parent.iter().flat_map(|parent| self.former_issuers(parent)).collect();
        Ok(Bulk { report, notices })
    }

    fn one_of_many(&self, id: &str, parent: Option<&Parent>, spec: &CertSpec) -> Result<bool, IdentityError> {
        check_name(id)?;
        let paths = self.paths(id);
        // Written in this order, so the last one proves that all are there.
        let last = if spec.pfx.is_some() {
            &paths.pfx
        } else {
            &paths.fullchain
        };
        if !self.overwrite && exists(&paths.cert)? && exists(last)? {
            let identity = Identity::load(&paths.cert, &paths.key)?;
            self.check(id, parent, &identity.leaf, paths.cert)?;
            return Ok(false);
        }
        let leaf = leaf(id, parent, spec)?;
        let above = parent.map_or("", |parent| &parent.chain_pem);
        self.put_one_of_many(id, &New::leaf(&leaf), above, spec)?;
        Ok(true)
    }

    /// Whether what is there is what would be made: for this device, and from this parent.
    fn check(
        &self,
        id: &str,
        parent: Option<&Parent>,
        leaf: &CertificateFacts,
        certificate: PathBuf,
    ) -> Result<(), IdentityError> {
        let issuer = parent.map_or(id, |parent| parent.authority.name());
        if leaf.common_name.as_deref() != Some(id) {
            return Err(IdentityError::Exists { path: certificate });
        }
        if leaf.issuer_common_name.as_deref() != Some(issuer) {
            return Err(IdentityError::NotIssuedBy {
                certificate,
                issuer: issuer.to_owned(),
                ca: self.parents().paths(&crate::identities::camel_case(issuer)).cert,
            });
        }
        Ok(())
    }
}
