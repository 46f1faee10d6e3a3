//! Where the CA that signs is, as a person names it: by the path of its certificate, or by its name, which is looked for in
//! the current folder and then where the new files go.

use std::path::{Path, PathBuf};

use super::{CERT, CertFolder, FULLCHAIN, Paths};
use crate::certificate::inspect::CertificateFacts;
use crate::identities::IdentityError;
use crate::identities::files::exists;

/// The files of a CA that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFiles {
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its key, where the name of the certificate's file shows what it is called.
    pub key: Option<PathBuf>,
}

impl CertFolder {
    /// The same, but a CA that is given by its name is looked for in `near` before it is looked for in the folder itself.
    #[must_use]
    pub fn looking_in(self, near: impl Into<PathBuf>) -> Self {
        Self {
            near: Some(near.into()),
            ..self
        }
    }

    /// The same folder with its CAs where `given` is, which is the path of a CA's certificate or the name of a CA; and that name.
    ///
    /// # Errors
    ///
    /// Two places have different CAs of that name, or a file can't be read.
    pub fn below(self, given: &str) -> Result<(Self, String), IdentityError> {
        match as_path(given) {
            Some((folder, stem)) => Ok((self.with_parents(folder), stem)),
            None => Ok((self.below_named(given)?, given.to_owned())),
        }
    }

    /// The same folder with its CAs where the one of this name is.
    pub(super) fn below_named(self, name: &str) -> Result<Self, IdentityError> {
        let (None, Some(here)) = (&self.parents, self.near.clone()) else {
            return Ok(self);
        };
        let (near, far) = (Self::new(&here, false).ca_paths(name)?, self.ca_paths(name)?);
        if !exists(&near.cert)? {
            return Ok(self);
        }
        if exists(&far.cert)? && sha256(&near.cert)? != sha256(&far.cert)? {
            return Err(IdentityError::TwoParents {
                parent: name.to_owned(),
                certificates: [near.cert, far.cert],
            });
        }
        // Of two copies, the one that has the key beside it can sign.
        let can_sign = exists(&near.key)? || !exists(&far.key)?;
        Ok(if can_sign { self.with_parents(here) } else { self })
    }

    /// The files of the CA that `given` names, by a path or by a name as in [`below`](Self::below). Its key is beside it.
    ///
    /// # Errors
    ///
    /// As there, or there is no such CA.
    pub fn ca_files(&self, given: &Path) -> Result<CaFiles, IdentityError> {
        if exists(given)? {
            let key_beside = |(folder, stem): (PathBuf, String)| Self::new(folder, false).paths(&stem).key;
            return Ok(CaFiles {
                certificate: given.to_owned(),
                key: of_file(given).map(key_beside),
            });
        }
        let (folder, name) = self.clone().below(&given.to_string_lossy())?;
        let paths = folder.parents().ca_paths(&name)?;
        if !exists(&paths.cert)? {
            return Err(IdentityError::NoParent {
                parent: name,
                certificate: paths.cert,
            });
        }
        Ok(CaFiles {
            certificate: paths.cert,
            key: Some(paths.key),
        })
    }

    /// The files of the CA of this name.
    pub(super) fn ca_paths(&self, name: &str) -> Result<Paths, IdentityError> {
        Ok(self.paths(&self.likely_stem(name)?))
    }
}

/// The folder and the stem of a path; `None` for a name. A path has a separator or the ending of a file.
fn as_path(given: &str) -> Option<(PathBuf, String)> {
    let path = Path::new(given);
    let has_folder = path.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
    let stem = || Some((folder_of(path), path.file_name()?.to_str()?.to_owned()));
    of_file(path).or_else(|| has_folder.then(stem).flatten())
}

/// The folder and the stem of a certificate's file, if it ends as these do.
fn of_file(path: &Path) -> Option<(PathBuf, String)> {
    let file = path.file_name()?.to_str()?;
    let stem = [CERT, FULLCHAIN].iter().find_map(|end| file.strip_suffix(end))?;
    Some((folder_of(path), stem.to_owned()))
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

fn sha256(certificate: &Path) -> Result<String, IdentityError> {
    Ok(CertificateFacts::load(certificate)?.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_folder_or_the_ending_of_a_certificate() {
        let path = |folder: &str, stem: &str| Some((PathBuf::from(folder), stem.to_owned()));
        for (given, expected) in [
            ("mytestrootcert", None),
            ("My Root.v2", None),
            ("mytestrootcert_cert.pem", path(".", "mytestrootcert")),
            ("./mytestrootcert_cert.pem", path(".", "mytestrootcert")),
            ("certs/myCa_fullchain.pem", path("certs", "myCa")),
            ("../certs/myCa", path("../certs", "myCa")),
            ("..", None),
        ] {
            assert_eq!(as_path(given), expected, "{given}");
        }
    }
}
