//! A folder of test certificates as Microsoft's `create_test_cert.js` fills it
//! (<https://github.com/Azure/azure-iot-sdk-node>, `provisioning/tools`): for each common name, in camel case,
//! `<name>_cert.pem`, `<name>_key.pem`, `<name>_fullchain.pem` and `<name>.pfx`. What either of the two has made, the
//! other can go on with.
//!
//! | | the tool | here |
//! | --- | --- | --- |
//! | key | RSA 2048 | as asked for, P-256 usually |
//! | fullchain | the certificate and its parent's fullchain; a literal `null` after the last | the same, without `null` |
//! | PFX | key and certificate, with the ciphers of the OpenSSL that is installed | AES-256, or triple DES for old Windows; also the intermediate CAs between it and its root, which a device has to send |
//! | extensions of a CA | basic constraints | also key usage and key identifiers |
//! | what exists | is overwritten | stays, unless the folder was opened to overwrite; an earlier verification
//! certificate is replaced |

mod bulk;
mod notice;
mod parents;
mod renew;

use std::path::{Path, PathBuf};

use super::files::{Access, Lock, check_name, create_folder, exists, write, write_one_of_many};
use super::{IdentityError, Problems, camel_case};
use crate::certificate::inspect::CertificateFacts;
use crate::certificate::make::{CertificateAuthority, KeyType, Made, PfxCipher, Validity, self_signed, to_pfx};
use crate::certificate::{CertificateError, Password, load, pem};

pub use bulk::Bulk;
pub use notice::Notice;
pub use parents::CaFiles;
pub use renew::Renewed;

/// How the names of the files with a certificate end.
const CERT: &str = "_cert.pem";
const FULLCHAIN: &str = "_fullchain.pem";
/// What a verification certificate's files are called, whatever its common name.
const VERIFICATION: &str = "verification";

/// A folder of test certificates.
#[derive(Debug, Clone)]
pub struct CertFolder {
    path: PathBuf,
    /// Where the CAs that sign are, if elsewhere.
    parents: Option<PathBuf>,
    /// Where a CA that is given by its name is looked for first.
    near: Option<PathBuf>,
    overwrite: bool,
}

/// How a certificate is wanted.
#[derive(Debug, Clone)]
pub struct CertSpec {
    /// Its key.
    pub key_type: KeyType,
    /// From when to when; cut to its issuer's.
    pub validity: Validity,
    /// Its PFX file; `None` for no such file.
    pub pfx: Option<PfxSpec>,
}

/// How a PFX file is wanted.
#[derive(Debug, Clone)]
pub struct PfxSpec {
    /// What opens it.
    pub password: Password,
    /// Its ciphers.
    pub cipher: PfxCipher,
}

/// What was made.
#[derive(Debug)]
pub struct Written {
    /// The new files.
    pub files: Vec<PathBuf>,
    /// What stands in the certificate.
    pub facts: CertificateFacts,
    /// What a person should know about it.
    pub notices: Vec<Notice>,
}

/// The files of one certificate.
#[derive(Debug)]
struct Paths {
    cert: PathBuf,
    key: PathBuf,
    fullchain: PathBuf,
    pfx: PathBuf,
}

/// A CA that signs, and what follows its certificates in their chains: itself and all above it, the root too.
struct Parent {
    authority: CertificateAuthority,
    chain_pem: String,
}

/// A new certificate and key, and the CAs between it and its root.
struct New<'a> {
    cert_pem: &'a str,
    key_pem: &'a str,
    intermediates_pem: &'a str,
    facts: &'a CertificateFacts,
}

impl<'a> New<'a> {
    fn authority(authority: &'a CertificateAuthority) -> Self {
        let above = authority.intermediates_pem();
        Self {
            cert_pem: authority.cert_pem(),
            key_pem: authority.key_pem(),
            intermediates_pem: above.strip_prefix(authority.cert_pem()).unwrap_or(above),
            facts: authority.facts(),
        }
    }

    fn leaf(leaf: &'a Made) -> Self {
        Self {
            cert_pem: leaf.cert_pem(),
            key_pem: leaf.key_pem(),
            intermediates_pem: leaf.intermediates_pem(),
            facts: leaf.facts(),
        }
    }
}

impl CertFolder {
    /// The folder at `path`; it is made when something is put into it. With `overwrite`, what is there is replaced.
    pub fn new(path: impl Into<PathBuf>, overwrite: bool) -> Self {
        Self {
            path: path.into(),
            parents: None,
            near: None,
            overwrite,
        }
    }

    /// The same, but with the CAs that sign in the folder at `path`.
    #[must_use]
    pub fn with_parents(self, path: impl Into<PathBuf>) -> Self {
        Self {
            parents: Some(path.into()),
            ..self
        }
    }

    /// The folder of the CAs that sign.
    fn parents(&self) -> Self {
        Self::new(self.parents.as_ref().unwrap_or(&self.path), false)
    }

    /// Makes the folder where it is missing, and keeps other programs out of it.
    fn lock(&self) -> Result<Lock, IdentityError> {
        create_folder(&self.path)?;
        Lock::take(&self.path)
    }

    /// Makes a root CA.
    pub fn root(&self, common_name: &str, spec: &CertSpec) -> Result<Written, Problems> {
        let _lock = self.lock()?;
        let stem = self.vacant(&camel_case(common_name), spec)?;
        let root = CertificateAuthority::root(common_name, spec.key_type, spec.validity)?;
        let former = self.standing(&stem);
        let written = self.put(&stem, &New::authority(&root), "", spec)?;
        Ok(written.and(former.and_then(|former| self.orphans(&stem, &former))))
    }

    /// Makes an intermediate CA below the CA that has `parent` as its common name.
    pub fn intermediate(&self, common_name: &str, parent: &str, spec: &CertSpec) -> Result<Written, Problems> {
        let _lock = self.lock()?;
        let stem = self.vacant(&camel_case(common_name), spec)?;
        let parent = self.parent(parent)?;
        let made = parent
            .authority
            .intermediate_above_cas(common_name, spec.key_type, spec.validity)?;
        let former = self.standing(&stem);
        let written = self.put(&stem, &New::authority(&made), &parent.chain_pem, spec)?;
        let orphans = former.and_then(|former| self.orphans(&stem, &former));
        Ok(written.and(self.former_issuers(&parent)).and(orphans))
    }

    /// Makes a device's leaf below `parent`, or one that signs itself.
    pub fn device(&self, common_name: &str, parent: Option<&str>, spec: &CertSpec) -> Result<Written, Problems> {
        let _lock = self.lock()?;
        let stem = self.vacant(&camel_case(common_name), spec)?;
        let parent = parent.map(|parent| self.parent(parent)).transpose()?;
        let leaf = leaf(common_name, parent.as_ref(), spec)?;
        let above = parent.as_ref().map_or("", |parent| &parent.chain_pem);
        let written = self.put(&stem, &New::leaf(&leaf), above, spec)?;
        Ok(written.and(parent.iter().flat_map(|parent| self.former_issuers(parent))))
    }

    /// Makes the proof that the key of the CA in `ca` is at hand: a certificate for the verification `code`.
    ///
    /// A proof is used up once it has been shown, so an earlier one makes way for it. A device that is called
    /// `verification` does not.
    pub fn verification(&self, ca: &Path, key: &Path, code: &str, spec: &CertSpec) -> Result<Written, Problems> {
        let _lock = self.lock()?;
        let earlier = self.earlier_proof();
        let stem = match earlier {
            Some(_) => VERIFICATION.to_owned(),
            None => self.vacant(VERIFICATION, spec)?,
        };
        let parent = Parent::load(ca, ca, key)?;
        let proof = parent.authority.verification(code, spec.key_type, spec.validity)?;
        let written = self.put(&stem, &New::leaf(&proof), &parent.chain_pem, spec)?;
        let replaced = earlier.filter(|earlier| earlier != code);
        Ok(written.and(replaced.map(|code| Notice::ProofReplaced { code })))
    }

    /// The code of the proof that stands in the folder.
    fn earlier_proof(&self) -> Option<String> {
        let facts = CertificateFacts::load(&self.paths(VERIFICATION).cert).ok()?;
        let is_device = |name: &String| facts.is_ca || camel_case(name) == VERIFICATION;
        facts.common_name.clone().filter(|name| !is_device(name))
    }

    fn paths(&self, stem: &str) -> Paths {
        let file = |end: &str| self.path.join(format!("{stem}{end}"));
        Paths {
            cert: file(CERT),
            key: file("_key.pem"),
            fullchain: file(FULLCHAIN),
            pfx: file(".pfx"),
        }
    }

    /// The beginning of the file names for `name`: itself, if there is such a certificate, or what a common name becomes.
    fn likely_stem(&self, name: &str) -> Result<String, IdentityError> {
        let is_stem = check_name(name).is_ok() && exists(&self.paths(name).cert)?;
        Ok(if is_stem { name.to_owned() } else { camel_case(name) })
    }

    /// Refuses a name under which there is something already, with all of it.
    fn vacant(&self, stem: &str, spec: &CertSpec) -> Result<String, Problems> {
        check_name(stem)?;
        let paths = self.paths(stem);
        let mut problems = Vec::new();
        if !self.overwrite {
            let pfx = spec.pfx.is_some().then_some(paths.pfx);
            for path in [paths.cert, paths.key, paths.fullchain].into_iter().chain(pfx) {
                if exists(&path)? {
                    problems.push(IdentityError::Exists { path });
                }
            }
        }
        if problems.is_empty() {
            Ok(stem.to_owned())
        } else {
            Err(Problems(problems))
        }
    }

    fn parent(&self, common_name: &str) -> Result<Parent, IdentityError> {
        let paths = self.parents().ca_paths(common_name)?;
        if !exists(&paths.cert)? {
            return Err(IdentityError::NoParent {
                parent: common_name.to_owned(),
                certificate: paths.cert,
            });
        }
        if !exists(&paths.key)? {
            return Err(IdentityError::WithoutKey {
                certificate: paths.cert,
                key: paths.key,
            });
        }
        let chain = if exists(&paths.fullchain)? {
            &paths.fullchain
        } else {
            &paths.cert
        };
        Ok(Parent::load(&paths.cert, chain, &paths.key)?)
    }

    /// Writes the files of a certificate to the disk, its key first: a certificate that is there always has its key.
    fn put(&self, stem: &str, new: &New<'_>, above_pem: &str, spec: &CertSpec) -> Result<Written, IdentityError> {
        self.put_by(write, stem, new, above_pem, spec)
    }

    /// The same for one of many, without waiting for the disk.
    fn put_one_of_many(
        &self,
        stem: &str,
        new: &New<'_>,
        above_pem: &str,
        spec: &CertSpec,
    ) -> Result<(), IdentityError> {
        self.put_by(write_one_of_many, stem, new, above_pem, spec).map(drop)
    }

    fn put_by(
        &self,
        write: fn(&Path, &[u8], Access) -> Result<(), IdentityError>,
        stem: &str,
        new: &New<'_>,
        above_pem: &str,
        spec: &CertSpec,
    ) -> Result<Written, IdentityError> {
        let paths = self.paths(stem);
        write(&paths.key, new.key_pem.as_bytes(), Access::Owner)?;
        write(&paths.cert, new.cert_pem.as_bytes(), Access::Folder)?;
        let fullchain = format!("{}{above_pem}", new.cert_pem);
        write(&paths.fullchain, fullchain.as_bytes(), Access::Folder)?;
        let mut files = vec![paths.cert, paths.key, paths.fullchain];
        if let Some(PfxSpec { password, cipher }) = &spec.pfx {
            let chain = format!("{}{}", new.cert_pem, new.intermediates_pem);
            let name = new.facts.common_name.as_deref().unwrap_or(stem);
            let pfx = to_pfx(&chain, new.key_pem, password, *cipher, name)?;
            write(&paths.pfx, &pfx, Access::Owner)?;
            files.push(paths.pfx);
        }
        Ok(Written {
            files,
            facts: new.facts.clone(),
            notices: Vec::new(),
        })
    }
}

impl Written {
    fn and(mut self, more: impl IntoIterator<Item = Notice>) -> Self {
        self.notices.extend(more);
        self
    }
}

impl Parent {
    fn load(certificate: &Path, chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let cert_name = load::named(certificate);
        let certificates = load::certificates(chain)?;
        let chain_pem: String = certificates.iter().map(|der| pem::encode_certificate(der)).collect();
        let key_pem = load::read(key)?;
        let authority = CertificateAuthority::from_pem(chain_pem.as_bytes(), &cert_name, &key_pem, &load::named(key))?;
        Ok(Self { authority, chain_pem })
    }
}

fn leaf(common_name: &str, parent: Option<&Parent>, spec: &CertSpec) -> Result<Made, CertificateError> {
    match parent {
        Some(parent) => parent.authority.leaf(common_name, spec.key_type, spec.validity),
        None => self_signed(common_name, spec.key_type, spec.validity),
    }
}

#[cfg(test)]
mod tests;
