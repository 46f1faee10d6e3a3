//! Where the CA that signs is, as a person names it: by the path of its certificate, or by its name, which is looked for in
//! the current folder and then where the new files go.

use std::path::{Path, PathBuf};

use super::{CertFolder, Paths};
use crate::certificate::inspect::CertificateFacts;
use crate::identities::files::{check_name, exists};
use crate::identities::{IdentityError, camel_case};

/// How the names of a certificate's files end.
const CERT: &str = "_cert.pem";
const FULLCHAIN: &str = "_fullchain.pem";

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
        let is_near = exists(&near.cert)? && (exists(&near.key)? || !exists(&far.key)?);
        if exists(&near.cert)? && exists(&far.cert)? && facts(&near)?.sha256 != facts(&far)?.sha256 {
            return Err(IdentityError::TwoParents {
                parent: name.to_owned(),
                certificates: [near.cert, far.cert],
            });
        }
        Ok(if is_near { self.with_parents(here) } else { self })
    }

    /// The files of the CA that `given` names, by a path or by a name as in [`below`](Self::below). Its key is beside it.
    ///
    /// # Errors
    ///
    /// As there, or there is no such CA.
    pub fn ca_files(&self, given: &Path) -> Result<CaFiles, IdentityError> {
        let text = given.to_string_lossy();
        if exists(given)? {
            let is_ours = [CERT, FULLCHAIN].iter().any(|end| text.ends_with(end));
            let key = as_path(&text).filter(|_| is_ours);
            return Ok(CaFiles {
                certificate: given.to_owned(),
                key: key.map(|(folder, stem)| Self::new(folder, false).paths(&stem).key),
            });
        }
        let (folder, name) = self.clone().below(&text)?;
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

    /// The files of the CA of this name: as it is, if it is the beginning of files, or else as files are called after it.
    pub(super) fn ca_paths(&self, name: &str) -> Result<Paths, IdentityError> {
        let as_it_is = self.paths(name);
        let is_there = check_name(name).is_ok() && exists(&as_it_is.cert)?;
        Ok(if is_there {
            as_it_is
        } else {
            self.paths(&camel_case(name))
        })
    }
}

/// The folder and the stem of a path; `None` for a name. A path has a separator or the ending of a file.
fn as_path(given: &str) -> Option<(PathBuf, String)> {
    let path = Path::new(given);
    let file = path.file_name()?.to_str()?;
    let stem = [CERT, FULLCHAIN].iter().find_map(|end| file.strip_suffix(end));
    let has_folder = path.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
    if stem.is_none() && !has_folder {
        return None;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    Some((folder.to_owned(), stem.unwrap_or(file).to_owned()))
}

fn facts(paths: &Paths) -> Result<CertificateFacts, IdentityError> {
    Ok(CertificateFacts::load(&paths.cert)?)
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
