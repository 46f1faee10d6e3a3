//! A certificate whose time is over, or will be: the same name and issuer, a new key.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CertFolder, CertSpec, New, Written, leaf};
use crate::certificate::inspect::CertificateFacts;
use crate::identities::files::{check_name, exists, io_error};
use crate::identities::{IdentityError, Problems};

/// A certificate that took the place of another.
#[derive(Debug)]
pub struct Renewed {
    /// The new one.
    pub written: Written,
    /// What stood in the old one.
    pub before: CertificateFacts,
    /// Where the old files are now.
    pub kept: Vec<PathBuf>,
}

impl CertFolder {
    /// Issues the certificate whose files begin with `stem` anew: same common name, same issuer, new key. The old files
    /// stay, under names that contain whose they were.
    ///
    /// A CA is not renewed: whatever it has signed would have to be issued anew, too.
    pub fn renew(&self, stem: &str, spec: &CertSpec) -> Result<Renewed, Problems> {
        check_name(stem)?;
        let paths = self.paths(stem);
        // Nothing to renew, and no folder to be made for it.
        CertificateFacts::load(&paths.cert)?;
        let _lock = self.lock()?;
        let before = CertificateFacts::load(&paths.cert)?;
        if before.is_ca {
            return Err(IdentityError::RenewsNoCa {
                certificate: paths.cert,
            }
            .into());
        }
        let common_name = before.common_name.clone().unwrap_or_default();
        let issuer = before.issuer_common_name.clone().unwrap_or_default();
        // One that signs itself has no CA to look for, and another certificate of its name may stand where one would be.
        let above = if issuer == common_name {
            None
        } else {
            let folder = self.clone().below_named(&issuer)?;
            let parent = folder.parent(&issuer)?;
            Some((folder, parent))
        };
        let parent = above.as_ref().map(|(_, parent)| parent);
        let spec = CertSpec {
            pfx: if exists(&paths.pfx)? { spec.pfx.clone() } else { None },
            ..spec.clone()
        };
        // Everything that can be refused has been, before the first file is moved.
        let leaf = leaf(&common_name, parent, &spec)?;
        let mut kept = Vec::new();
        for path in [paths.pfx, paths.fullchain, paths.cert, paths.key] {
            if exists(&path)? {
                kept.push(set_aside(&path, &before)?);
            }
        }
        let chain_pem = parent.map_or("", |parent| &parent.chain_pem);
        let written = self.put(stem, &New::leaf(&leaf), chain_pem, &spec)?;
        let former = above.iter().flat_map(|(folder, parent)| folder.former_issuers(parent));
        Ok(Renewed {
            written: written.and(former),
            before,
            kept,
        })
    }

    /// The beginning of the file names for `name`, which is a common name or such a beginning itself.
    pub fn stem_of(&self, name: &str) -> Result<String, IdentityError> {
        let stem = self.likely_stem(name)?;
        let certificate = self.paths(&stem).cert;
        if check_name(&stem).is_ok() && exists(&certificate)? {
            return Ok(stem);
        }
        Err(IdentityError::NoParent {
            parent: name.to_owned(),
            certificate,
        })
    }
}

/// Renames a file so that its name shows which certificate it belonged to.
fn set_aside(path: &Path, before: &CertificateFacts) -> Result<PathBuf, IdentityError> {
    let mark = before.sha1.get(..8).unwrap_or(&before.sha1);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{mark}"));
    let aside = path.with_file_name(name);
    fs::rename(path, &aside).map_err(io_error("rename", path))?;
    Ok(aside)
}
