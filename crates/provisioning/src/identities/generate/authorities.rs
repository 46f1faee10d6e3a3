//! The CAs of a group: taken as they are, or made.

use std::path::PathBuf;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::Issuer;
use crate::certificate::make::{Below, CertificateAuthority, KeyType, Validity, key_pair};
use crate::certificate::{inspect, load, pem};
use crate::identities::files::{Access, exists, write};
use crate::identities::{GroupFolder, IdentityError};

pub(super) struct Authorities {
    pub(super) root: Option<CertificateAuthority>,
    pub(super) intermediate: Option<CertificateAuthority>,
    pub(super) made: bool,
    folder: GroupFolder,
}

/// The CA that signs the leaves, with what is needed to check those that are there.
pub(super) struct Signing<'a> {
    pub(super) authority: &'a CertificateAuthority,
    /// Where its certificate is.
    pub(super) path: PathBuf,
    /// Its certificate.
    pub(super) der: CertificateDer<'static>,
    /// What has to follow a leaf in its chain.
    pub(super) intermediates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    pub(super) fn signing(&self, issuer: Issuer) -> Result<Signing<'_>, IdentityError> {
        let (authority, name) = match issuer {
            Issuer::Root => (self.root.as_ref(), "root"),
            Issuer::Intermediate => (self.intermediate.as_ref(), "intermediate"),
        };
        let (certificate, key) = self.folder.ca_paths(name);
        let Some(authority) = authority else {
            return Err(IdentityError::WithoutKey { certificate, key });
        };
        let certificates = |text: &str| pem::certificates(text.as_bytes(), &load::named(&certificate));
        let intermediates = match authority.intermediates_pem() {
            "" => Vec::new(),
            text => certificates(text)?,
        };
        let der = certificates(authority.cert_pem())?.swap_remove(0);
        Ok(Signing {
            authority,
            path: certificate,
            der,
            intermediates,
        })
    }
}

pub(super) fn open_or_create(
    folder: &GroupFolder,
    group: &str,
    issuer: Issuer,
    now: Timestamp,
) -> Result<Authorities, IdentityError> {
    let place = Place { folder, group, now };
    let (intermediate_cert, _) = folder.ca_paths("intermediate");
    // An intermediate that somebody put there is not ours to explain: its root may live elsewhere, with or without its key.
    let intermediate_is_there = issuer == Issuer::Intermediate && exists(&intermediate_cert)?;
    let (root, made_root) = if intermediate_is_there {
        (place.load_if_whole("root")?, false)
    } else {
        place.root()?
    };
    let mut authorities = Authorities {
        root,
        intermediate: None,
        made: made_root,
        folder: folder.clone(),
    };
    if issuer == Issuer::Intermediate {
        let (intermediate, made) = match &authorities.root {
            _ if intermediate_is_there => (place.load("intermediate")?, false),
            Some(root) => (place.new_intermediate(root)?, true),
            None => {
                let (certificate, key) = folder.ca_paths("root");
                return Err(IdentityError::WithoutKey { certificate, key });
            }
        };
        if let Some(root) = &authorities.root {
            place.check_issued_by(&intermediate, &intermediate_cert, root)?;
        }
        authorities.intermediate = Some(intermediate);
        authorities.made |= made;
    }
    Ok(authorities)
}

struct Place<'a> {
    folder: &'a GroupFolder,
    group: &'a str,
    now: Timestamp,
}

impl Place<'_> {
    fn load(&self, name: &str) -> Result<CertificateAuthority, IdentityError> {
        let (certificate, key) = self.folder.ca_paths(name);
        if !exists(&key)? {
            return Err(IdentityError::WithoutKey { certificate, key });
        }
        let authority = CertificateAuthority::load(&certificate, &key)?;
        authority.facts().check_validity(self.now, &load::named(&certificate))?;
        Ok(authority)
    }

    fn load_if_whole(&self, name: &str) -> Result<Option<CertificateAuthority>, IdentityError> {
        let (certificate, key) = self.folder.ca_paths(name);
        if exists(&certificate)? && exists(&key)? {
            self.load(name).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The root that is there, a new one where there is none, nothing where only its certificate is there.
    fn root(&self) -> Result<(Option<CertificateAuthority>, bool), IdentityError> {
        let (certificate, key) = self.folder.ca_paths("root");
        if exists(&certificate)? {
            return Ok((self.load_if_whole("root")?, false));
        }
        let name = self.common_name("root");
        let pair = self.key(&key, &name)?;
        let root = CertificateAuthority::root_over(pair, &name, Validity::root(self.now))?;
        write(&certificate, root.cert_pem().as_bytes(), Access::Folder)?;
        Ok((Some(root), true))
    }

    fn new_intermediate(&self, root: &CertificateAuthority) -> Result<CertificateAuthority, IdentityError> {
        let (certificate, key) = self.folder.ca_paths("intermediate");
        let name = self.common_name("intermediate");
        let pair = self.key(&key, &name)?;
        let intermediate = root.intermediate_over(pair, &name, Validity::intermediate(self.now), Below::Leaves)?;
        write(&certificate, intermediate.cert_pem().as_bytes(), Access::Folder)?;
        Ok(intermediate)
    }

    /// The key that an interrupted run left without a certificate, or a new one, written before its certificate is.
    fn key(&self, path: &std::path::Path, common_name: &str) -> Result<rcgen::KeyPair, IdentityError> {
        if exists(path)? {
            return Ok(key_pair(&load::read(path)?, &load::named(path))?);
        }
        let pair = KeyType::P256.generate(common_name)?;
        write(
            path,
            zeroize::Zeroizing::new(pair.serialize_pem()).as_bytes(),
            Access::Owner,
        )?;
        Ok(pair)
    }

    /// Cut where the group's id is too long for a common name.
    fn common_name(&self, kind: &str) -> String {
        let group: String = self.group.chars().take(48).collect();
        format!("{group} {kind}")
    }

    fn check_issued_by(
        &self,
        intermediate: &CertificateAuthority,
        path: &std::path::Path,
        root: &CertificateAuthority,
    ) -> Result<(), IdentityError> {
        let (root_path, _) = self.folder.ca_paths("root");
        let one = |authority: &CertificateAuthority, path: &std::path::Path| {
            pem::certificates(authority.cert_pem().as_bytes(), &load::named(path)).map(|mut all| all.swap_remove(0))
        };
        let (child, parent) = (one(intermediate, path)?, one(root, &root_path)?);
        if inspect::issued_by(&child, &parent, &load::named(path))? {
            return Ok(());
        }
        Err(IdentityError::NotIssuedBy {
            certificate: path.to_owned(),
            issuer: root.name().to_owned(),
            ca: root_path,
        })
    }
}
