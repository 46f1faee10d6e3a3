//! A leaf per device, on every core.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use jiff::Timestamp;

use super::Report;
use super::authorities::Signing;
use crate::certificate::load::{self, Identity};
use crate::certificate::make::{KeyType, Validity, key_pair};
use crate::certificate::{inspect, pem};
use crate::identities::files::{Access, check_name, exists, write};
use crate::identities::{GroupFolder, IdentityError, LeafPaths, Problems};

pub(super) fn open_or_create(
    folder: &GroupFolder,
    generation: &str,
    signing: &Signing<'_>,
    ids: &[String],
    now: Timestamp,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Report, Problems> {
    let work = Work {
        folder,
        generation,
        signing,
        now,
    };
    let (next, done, hopeless) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));

    let worker = || {
        let mut report = Report::default();
        let mut problems = Vec::new();
        while !hopeless.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(id) = ids.get(index) else { break };
            match work.leaf(id) {
                Ok(true) => report.made += 1,
                Ok(false) => report.reused += 1,
                Err(problem) => {
                    // A full disk is full for the next leaf as well; a bad leaf says nothing about its neighbours.
                    hopeless.fetch_or(matches!(problem, IdentityError::Io { .. }), Ordering::Relaxed);
                    problems.push((index, problem));
                }
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, ids.len());
        }
        (report, problems)
    };

    let workers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(ids.len().max(1));
    let results: Vec<_> = thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });

    let mut total = Report::default();
    let mut problems = Vec::new();
    for (report, mut more) in results {
        total.made += report.made;
        total.reused += report.reused;
        problems.append(&mut more);
    }
    if problems.is_empty() {
        return Ok(total);
    }
    problems.sort_by_key(|(index, _)| *index);
    Err(Problems(problems.into_iter().map(|(_, problem)| problem).collect()))
}

struct Work<'a> {
    folder: &'a GroupFolder,
    generation: &'a str,
    signing: &'a Signing<'a>,
    now: Timestamp,
}

impl Work<'_> {
    /// Checks the device's leaf, or makes what is missing of it and says so.
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
            write(&paths.fullchain, chain.as_bytes(), Access::Folder)?;
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
            KeyType::P256.generate(id)?
        };
        let leaf = self.signing.authority.leaf_over(&pair, id, Validity::leaf(self.now))?;
        if !has_key {
            write(&paths.key, leaf.key_pem().as_bytes(), Access::Owner)?;
        }
        write(&paths.cert, leaf.cert_pem().as_bytes(), Access::Folder)?;
        Ok(leaf.cert_pem().to_owned())
    }

    fn read_cert(&self, paths: &LeafPaths) -> Result<String, IdentityError> {
        let file = load::named(&paths.cert);
        let leaf = pem::certificates(&load::read(&paths.cert)?, &file)?.swap_remove(0);
        Ok(pem::encode_certificate(&leaf))
    }

    fn check(&self, id: &str, paths: &LeafPaths) -> Result<(), IdentityError> {
        let identity = Identity::load(&paths.fullchain, &paths.key)?;
        identity.check(id, self.now)?;
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
        Ok(())
    }
}
