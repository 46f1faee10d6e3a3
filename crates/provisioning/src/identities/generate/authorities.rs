//! The CAs of a group: taken as they are, or made.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::{GroupSpec, Issuer};
use crate::certificate::make::{Below, CertificateAuthority, key_pair};
use crate::certificate::{inspect, load, pem};
use crate::identities::files::{Access, create_folder, exists, write};
use crate::identities::{Generation, GroupFolder, IdentityError};

/// One generation of a group's CAs, checked.
#[derive(Debug)]
pub struct GroupAuthorities {
    /// Which generation.
    pub generation: Generation,
    /// The root CA; absent where only an intermediate was put into the folder, or the root's key is kept elsewhere.
    pub root: Option<CertificateAuthority>,
    /// The intermediate CA; absent where the root signs the leaves.
    pub intermediate: Option<CertificateAuthority>,
    /// Whether a CA was made just now.
    pub made: bool,
    place: CaPlace,
}

/// Where CAs are.
#[derive(Debug)]
enum CaPlace {
    /// In the group's folder.
    Folder(GroupFolder),
    /// In a file made elsewhere, if anywhere.
    Brought(Option<PathBuf>),
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

impl GroupAuthorities {
    /// The CA of that name.
    pub fn authority(&self, which: Issuer) -> Option<&CertificateAuthority> {
        match which {
            Issuer::Root => self.root.as_ref(),
            Issuer::Intermediate => self.intermediate.as_ref(),
        }
    }

    /// The file of a CA's certificate; `None` where the enrollment is made elsewhere.
    pub fn cert_path(&self, which: Issuer) -> Option<PathBuf> {
        match &self.place {
            CaPlace::Folder(folder) => Some(folder.ca_cert(self.generation, which)),
            CaPlace::Brought(file) => file.clone(),
        }
    }

    /// A CA made elsewhere; without its key, if that is kept elsewhere.
    pub(in crate::identities) fn brought(certificate: Option<PathBuf>, root: Option<CertificateAuthority>) -> Self {
        Self {
            generation: Generation::FIRST,
            root,
            intermediate: None,
            made: false,
            place: CaPlace::Brought(certificate),
        }
    }

    /// A CA whose certificate and key are kept elsewhere.
    pub(super) fn elsewhere(which: Issuer, authority: CertificateAuthority, certificate: PathBuf) -> Self {
        let (root, intermediate) = match which {
            Issuer::Root => (Some(authority), None),
            Issuer::Intermediate => (None, Some(authority)),
        };
        Self {
            generation: Generation::FIRST,
            root,
            intermediate,
            made: false,
            place: CaPlace::Brought(Some(certificate)),
        }
    }

    pub(super) fn signing<'a>(&'a self, folder: &GroupFolder, issuer: Issuer) -> Result<Signing<'a>, IdentityError> {
        let (made_here, key) = folder.ca_paths(self.generation, issuer);
        let certificate = self.cert_path(issuer).unwrap_or(made_here);
        let Some(authority) = self.authority(issuer) else {
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

/// Opens a generation of CAs and makes what is missing of it. The folder has to be locked.
pub(super) fn open_or_create(
    spec: &GroupSpec,
    generation: Generation,
    now: Timestamp,
) -> Result<GroupAuthorities, IdentityError> {
    let place = Place {
        folder: spec.folder(),
        generation,
        spec,
        now,
    };
    create_folder(&place.folder.ca_folder(generation))?;
    let (intermediate_cert, _) = place.paths(Issuer::Intermediate);
    let has_intermediate = spec.issuer == Issuer::Intermediate;
    if let Some(owner) = &spec.root_of {
        return place.below_shared_root(&spec.folder_of(owner));
    }
    // An intermediate that was put there is not ours to explain: its root may live elsewhere, with or without its key.
    let intermediate_is_there = has_intermediate && exists(&intermediate_cert)?;
    let (root, made_root) = if intermediate_is_there {
        (place.load_if_whole(Issuer::Root)?, false)
    } else {
        place.root()?
    };
    let mut authorities = GroupAuthorities {
        generation,
        root,
        intermediate: None,
        made: made_root,
        place: CaPlace::Folder(spec.folder()),
    };
    if has_intermediate {
        let (intermediate, made) = match &authorities.root {
            _ if intermediate_is_there => (place.load(Issuer::Intermediate)?, false),
            Some(root) => (place.new_intermediate(root)?, true),
            None => {
                let (certificate, key) = place.paths(Issuer::Root);
                return Err(IdentityError::WithoutKey { certificate, key });
            }
        };
        if let Some(root) = &authorities.root {
            check_issued_by(&intermediate, &intermediate_cert, root, &place.paths(Issuer::Root).0)?;
        }
        authorities.intermediate = Some(intermediate);
        authorities.made |= made;
    }
    Ok(authorities)
}

struct Place<'a> {
    folder: GroupFolder,
    generation: Generation,
    spec: &'a GroupSpec,
    now: Timestamp,
}

impl Place<'_> {
    fn paths(&self, which: Issuer) -> (PathBuf, PathBuf) {
        self.folder.ca_paths(self.generation, which)
    }

    /// An intermediate below a root of another group: the one that signed it, or for a new one the root in use there.
    fn below_shared_root(&self, owner: &GroupFolder) -> Result<GroupAuthorities, IdentityError> {
        let (certificate, _) = self.paths(Issuer::Intermediate);
        let made = !exists(&certificate)?;
        let (root, intermediate) = if made {
            let (root_cert, root_key) = owner.ca_paths(owner.current_ca()?, Issuer::Root);
            let root = self.load_at(root_cert, root_key)?;
            let intermediate = self.new_intermediate(&root)?;
            (Some(root), intermediate)
        } else {
            let intermediate = self.load(Issuer::Intermediate)?;
            (
                self.shared_root_above(&intermediate, &certificate, owner)?,
                intermediate,
            )
        };
        Ok(GroupAuthorities {
            generation: self.generation,
            root,
            intermediate: Some(intermediate),
            made,
            place: CaPlace::Folder(self.folder.clone()),
        })
    }

    /// Whichever of the other group's roots has signed the intermediate; `None` where its key is kept elsewhere.
    fn shared_root_above(
        &self,
        intermediate: &CertificateAuthority,
        path: &Path,
        owner: &GroupFolder,
    ) -> Result<Option<CertificateAuthority>, IdentityError> {
        let mut refusal = None;
        for generation in owner.ca_generations()? {
            let (certificate, key) = owner.ca_paths(generation, Issuer::Root);
            if !exists(&certificate)? || !exists(&key)? {
                return Ok(None);
            }
            let root = self.load_at(certificate.clone(), key)?;
            match check_issued_by(intermediate, path, &root, &certificate) {
                Ok(()) => return Ok(Some(root)),
                Err(error) => refusal = Some(error),
            }
        }
        refusal.map_or(Ok(None), Err)
    }

    fn load(&self, which: Issuer) -> Result<CertificateAuthority, IdentityError> {
        let (certificate, key) = self.paths(which);
        self.load_at(certificate, key)
    }

    fn load_at(&self, certificate: PathBuf, key: PathBuf) -> Result<CertificateAuthority, IdentityError> {
        if !exists(&key)? {
            return Err(IdentityError::WithoutKey { certificate, key });
        }
        let authority = CertificateAuthority::load(&certificate, &key)?;
        authority.facts().check_validity(self.now, &load::named(&certificate))?;
        Ok(authority)
    }

    fn load_if_whole(&self, which: Issuer) -> Result<Option<CertificateAuthority>, IdentityError> {
        let (certificate, key) = self.paths(which);
        if exists(&certificate)? && exists(&key)? {
            self.load(which).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The root that is there, a new one where there is none, nothing where only its certificate is there.
    fn root(&self) -> Result<(Option<CertificateAuthority>, bool), IdentityError> {
        let (certificate, key) = self.paths(Issuer::Root);
        if exists(&certificate)? {
            return Ok((self.load_if_whole(Issuer::Root)?, false));
        }
        let name = self.common_name(Issuer::Root);
        let pair = self.key(&key, &name)?;
        let root = CertificateAuthority::root_over(pair, &name, self.spec.lifetime.root(self.now))?;
        write(&certificate, root.cert_pem().as_bytes(), Access::Folder)?;
        Ok((Some(root), true))
    }

    fn new_intermediate(&self, root: &CertificateAuthority) -> Result<CertificateAuthority, IdentityError> {
        let (certificate, key) = self.paths(Issuer::Intermediate);
        let name = self.common_name(Issuer::Intermediate);
        let pair = self.key(&key, &name)?;
        let validity = self.spec.lifetime.intermediate(self.now);
        let intermediate = root.intermediate_over(pair, &name, validity, Below::Leaves)?;
        write(&certificate, intermediate.cert_pem().as_bytes(), Access::Folder)?;
        Ok(intermediate)
    }

    /// The key that an interrupted run left without a certificate, or a new one, written before its certificate is.
    fn key(&self, path: &Path, common_name: &str) -> Result<rcgen::KeyPair, IdentityError> {
        if exists(path)? {
            return Ok(key_pair(&load::read(path)?, &load::named(path))?);
        }
        let pair = self.spec.key_type.generate(common_name)?;
        write(
            path,
            zeroize::Zeroizing::new(pair.serialize_pem()).as_bytes(),
            Access::Owner,
        )?;
        Ok(pair)
    }

    /// Cut where the group's id is too long for a common name. No two generations share one: a judge of a chain
    /// looks for the issuer by its name.
    fn common_name(&self, which: Issuer) -> String {
        let group = |most: usize| self.spec.group.chars().take(most).collect::<String>();
        match self.generation {
            Generation::FIRST => format!("{} {which}", group(48)),
            later => format!("{} {which} {later}", group(40)),
        }
    }
}

fn check_issued_by(
    intermediate: &CertificateAuthority,
    path: &Path,
    root: &CertificateAuthority,
    root_path: &Path,
) -> Result<(), IdentityError> {
    let one = |authority: &CertificateAuthority, path: &Path| {
        pem::certificates(authority.cert_pem().as_bytes(), &load::named(path)).map(|mut all| all.swap_remove(0))
    };
    let (child, parent) = (one(intermediate, path)?, one(root, root_path)?);
    if inspect::issued_by(&child, &parent, &load::named(path))? {
        return Ok(());
    }
    Err(IdentityError::NotIssuedBy {
        certificate: path.to_owned(),
        issuer: root.name().to_owned(),
        ca: root_path.to_owned(),
    })
}
