//! A leaf per device.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use super::authorities::Signing;
use super::{GroupSpec, Progress, Report};
use crate::certificate::load::{self, Identity};
use crate::certificate::make::key_pair;
use crate::certificate::{inspect, pem};
use crate::identities::files::{Access, check_name, exists, write_one_of_many};
use crate::identities::{Generation, GroupFolder, IdentityError, LeafPaths, Problems, on_every_core};

pub(super) fn open_or_create(
    spec: &GroupSpec,
    generation: Generation,
    signing: &Signing<'_>,
    ids: &[String],
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Report, Problems> {
    let work = Work {
        spec,
        folder: spec.folder(),
        generation,
        signing,
        now,
        other_key: AtomicUsize::new(0),
    };
    let report = on_every_core::for_each(ids, progress, |id| work.leaf(id))?;
    Ok(Report {
        other_key: work.other_key.into_inner(),
        ..report
    })
}

struct Work<'a> {
    spec: &'a GroupSpec,
    folder: GroupFolder,
    generation: Generation,
    signing: &'a Signing<'a>,
    now: Timestamp,
    other_key: AtomicUsize,
}

impl Work<'_> {
    /// Checks the device's leaf, or makes what is missing of it and returns that it did.
    ///
    /// The files appear in the order key, certificate, fullchain: a fullchain that is there has everything else beside it.
    fn leaf(&self, id: &str) -> Result<bool, IdentityError> {
        check_name(id)?;
        let paths = self.folder.leaf_paths(self.generation, id);
        let (cert, key, fullchain) = (exists(&paths.cert)?, exists(&paths.key)?, exists(&paths.fullchain)?);
        if !key && (cert || fullchain) {
            let certificate = if fullchain { paths.fullchain } else { paths.cert };
            return Err(IdentityError::WithoutKey {
                certificate,
                key: paths.key,
            });
        }
        if !fullchain {
            let cert_pem = if cert {
                self.read_cert(&paths)?
            } else {
                self.make(id, &paths, key)?
            };
            let chain = format!("{cert_pem}{}", self.signing.authority.intermediates_pem());
            write_one_of_many(&paths.fullchain, chain.as_bytes(), Access::Folder)?;
        }
        if fullchain || cert {
            self.check(id, &paths)?;
        }
        Ok(!fullchain)
    }

    fn make(&self, id: &str, paths: &LeafPaths, has_key: bool) -> Result<String, IdentityError> {
        let pair = if has_key {
            key_pair(&load::read(&paths.key)?, &load::named(&paths.key))?
        } else {
            self.spec.key_type.generate(id)?
        };
        let leaf = self
            .signing
            .authority
            .leaf_over(&pair, id, self.spec.lifetime.leaf(self.now))?;
        if !has_key {
            write_one_of_many(&paths.key, leaf.key_pem().as_bytes(), Access::Owner)?;
        }
        write_one_of_many(&paths.cert, leaf.cert_pem().as_bytes(), Access::Folder)?;
        Ok(leaf.cert_pem().to_owned())
    }

    fn read_cert(&self, paths: &LeafPaths) -> Result<String, IdentityError> {
        let leaf = load::certificates(&paths.cert)?.swap_remove(0);
        Ok(pem::encode_certificate(&leaf))
    }

    fn check(&self, id: &str, paths: &LeafPaths) -> Result<(), IdentityError> {
        let identity = Identity::load(&paths.fullchain, &paths.key)?;
        self.spec.lifetime.check(&identity, id, self.now)?;
        if identity.leaf.key_type != Some(self.spec.key_type) {
            self.other_key.fetch_add(1, Ordering::Relaxed);
        }
        let (leaf, above) = identity.chain().split_first().expect("a loaded identity has a leaf");
        let issuer = self.signing.authority.name();
        if !inspect::issued_by(leaf, &self.signing.der, &load::named(&paths.fullchain))? {
            return Err(IdentityError::NotIssuedBy {
                certificate: paths.fullchain.clone(),
                issuer: issuer.to_owned(),
                ca: self.signing.path.clone(),
            });
        }
        if !above.starts_with(&self.signing.intermediates) {
            return Err(IdentityError::IncompleteChain {
                fullchain: paths.fullchain.clone(),
                issuer: issuer.to_owned(),
            });
        }
        // Devices read the chain; people and rolls read the leaf's own file.
        if exists(&paths.cert)? && !Self::is_in(&paths.cert, leaf)? {
            return Err(IdentityError::NotTheLeaf {
                certificate: paths.cert.clone(),
                fullchain: paths.fullchain.clone(),
            });
        }
        Ok(())
    }

    /// Whether a file begins with this certificate. One that can't be parsed does not.
    fn is_in(file: &Path, leaf: &[u8]) -> Result<bool, IdentityError> {
        let found = pem::certificates(&load::read(file)?, &load::named(file));
        Ok(found.is_ok_and(|found| found.first().is_some_and(|first| first.as_ref() == leaf)))
    }
}
