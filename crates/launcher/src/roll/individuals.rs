//! Rolling devices that are enrolled individually: their pairs on disk, and both slots of their enrollments.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use fleet_report::words::counted;
use jiff::Timestamp;
use provisioning::certificate::load::{self, Identity};
use provisioning::enroll::{OwnCertificates, own_thumbprints, put_individual};
use provisioning::identities::{IndividualFolder, IndividualSpec, Slot};
use tokio::sync::Mutex;

use super::group::sha256;
use super::journal::PairNotes;
use super::service::Service;
use crate::manifest::case::Case;

const SLOTS: [Slot; 2] = [Slot::Primary, Slot::Secondary];

/// Devices, on disk and at the service.
#[derive(Debug)]
pub(crate) struct IndividualsWork<'a> {
    pub(crate) specs: BTreeMap<String, IndividualSpec>,
    pub(crate) service: &'a Service,
    pub(crate) now: Timestamp,
    /// What the service was last seen to hold of each: asking is slow where there are many.
    seen: Mutex<BTreeMap<String, [Option<String>; 2]>>,
}

type Notes = BTreeMap<String, PairNotes>;

impl<'a> IndividualsWork<'a> {
    pub(crate) fn new(specs: BTreeMap<String, IndividualSpec>, service: &'a Service, now: Timestamp) -> Self {
        Self {
            specs,
            service,
            now,
            seen: Mutex::default(),
        }
    }

    fn spec(&self, id: &str) -> anyhow::Result<&IndividualSpec> {
        let missing = || anyhow!("the roll was begun with device {id}, which is not in the manifest any more");
        self.specs.get(id).with_context(missing)
    }

    fn folder(&self, id: &str) -> anyhow::Result<IndividualFolder> {
        Ok(self.spec(id)?.folder())
    }

    /// Decides which pairs are replaced, before anything is changed.
    pub(crate) fn plan(&self, case: Case, asked: Option<Slot>, remove_old: bool) -> anyhow::Result<Notes> {
        let one = |(id, spec): (&String, &IndividualSpec)| {
            let folder = spec.folder();
            let in_use = folder.current_slot()?;
            let sha1 = |slot| anyhow::Ok(folder.facts(slot)?.map(|facts| facts.sha1));
            let (Some(in_use), Some(old)) = (in_use, in_use.map(sha1).transpose()?.flatten()) else {
                return Err(
                    anyhow!("device {id} has no certificate yet, so there is nothing to roll")
                        .hint("`fleet run` makes the first one"),
                );
            };
            let other = in_use.other();
            let notes = if case.is_breach() {
                if asked.is_some_and(|asked| asked != in_use) {
                    return Err(
                        anyhow!("device {id} uses its {in_use} certificate, and that is the one to replace")
                            .hint("leave --slot out"),
                    );
                }
                // What may lie beside a stolen key is no better than that.
                let beside = sha1(other)?.map(|sha1| (other, Some(sha1)));
                PairNotes {
                    slot: in_use,
                    replaced: [Some((in_use, Some(old.clone()))), beside]
                        .into_iter()
                        .flatten()
                        .collect(),
                    old,
                    replaced_last: None,
                }
            } else {
                if asked == Some(in_use) {
                    return Err(anyhow!(
                        "device {id} uses its {in_use} certificate, which stays until the device has the new one"
                    )
                    .hint("leave --slot out, and the other slot is used"));
                }
                PairNotes {
                    slot: other,
                    old,
                    replaced: vec![(other, sha1(other)?)],
                    replaced_last: remove_old.then_some(in_use),
                }
            };
            Ok((id.clone(), notes))
        };
        self.specs.iter().map(one).collect()
    }

    pub(crate) fn made(&self, notes: &Notes) -> anyhow::Result<bool> {
        for (id, notes) in notes {
            let folder = self.folder(id)?;
            for (slot, old) in &notes.replaced {
                match folder.facts(*slot)? {
                    Some(facts) if Some(&facts.sha1) != old.as_ref() => {}
                    _ => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    pub(crate) async fn enrolled(&self, notes: &Notes) -> anyhow::Result<bool> {
        for id in notes.keys() {
            if self.held(id).await? != self.on_disk(id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) async fn old_taken(&self, notes: &Notes) -> anyhow::Result<bool> {
        for (id, notes) in notes {
            if self.held(id).await?.iter().flatten().any(|sha1| *sha1 == notes.old) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn issued(&self, notes: &Notes) -> anyhow::Result<bool> {
        for (id, notes) in notes {
            if self.folder(id)?.current_slot()? != Some(notes.slot) {
                return Ok(false);
            }
        }
        self.made(notes)
    }

    async fn held(&self, id: &str) -> anyhow::Result<[Option<String>; 2]> {
        let mut seen = self.seen.lock().await;
        if let Some(held) = seen.get(id) {
            return Ok(held.clone());
        }
        let held = own_thumbprints(&self.service.central, id).await?;
        seen.insert(id.to_owned(), held.clone());
        Ok(held)
    }

    fn on_disk(&self, id: &str) -> anyhow::Result<[Option<String>; 2]> {
        let folder = self.folder(id)?;
        let sha1 = |slot| anyhow::Ok(folder.facts(slot)?.map(|facts| facts.sha1));
        Ok([sha1(Slot::Primary)?, sha1(Slot::Secondary)?])
    }

    pub(crate) async fn make(&self, notes: &Notes) -> anyhow::Result<String> {
        let mut work = Vec::new();
        for (id, notes) in notes {
            for (slot, old) in &notes.replaced {
                work.push((self.spec(id)?.clone(), *slot, old.clone()));
            }
        }
        let (count, kept) = (work.len(), work.iter().any(|(_, _, old)| old.is_some()));
        self.replace(work).await?;
        Ok(format!(
            "{} made{}",
            counted(count, "self-signed certificate", "self-signed certificates"),
            if kept {
                "; what stood there is kept in retired/"
            } else {
                ""
            }
        ))
    }

    /// Signing is not for the threads that serve the network.
    async fn replace(&self, work: Vec<(IndividualSpec, Slot, Option<String>)>) -> anyhow::Result<()> {
        let now = self.now;
        let made = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            for (spec, slot, old) in work {
                spec.replace(slot, old.as_deref(), now)?;
            }
            Ok(())
        });
        made.await?
    }

    /// Gives each enrollment what stands on disk.
    pub(crate) async fn enroll(&self, notes: &Notes) -> anyhow::Result<()> {
        for id in notes.keys() {
            self.put(id).await?;
        }
        Ok(())
    }

    async fn put(&self, id: &str) -> anyhow::Result<()> {
        let folder = self.folder(id)?;
        let mut pems = [None, None];
        for (slot, pem) in SLOTS.into_iter().zip(&mut pems) {
            let path = folder.pair_paths(slot).cert;
            if path.try_exists()? {
                *pem = Some(load::certificate_pem(&path)?);
            }
        }
        let [primary, secondary] = &pems;
        let certificates = OwnCertificates {
            primary: primary.as_deref(),
            secondary: secondary.as_deref(),
        };
        self.seen.lock().await.remove(id);
        let report = |step| self.service.report(step);
        put_individual(&self.service.central, id, &certificates, &report).await?;
        Ok(())
    }

    pub(crate) fn issue(&self, notes: &Notes) -> anyhow::Result<String> {
        for (id, notes) in notes {
            self.folder(id)?.use_slot(notes.slot)?;
        }
        Ok(format!(
            "{} from now on when connecting",
            counted(
                notes.len(),
                "device uses its new certificate",
                "devices use their new certificates"
            )
        ))
    }

    /// Puts a spare certificate into the slot of the old one, since the primary slot can't be empty.
    pub(crate) async fn remove_old(&self, notes: &Notes) -> anyhow::Result<()> {
        for (id, notes) in notes {
            if let Some(slot) = notes.replaced_last {
                self.replace(vec![(self.spec(id)?.clone(), slot, Some(notes.old.clone()))])
                    .await?;
                self.put(id).await?;
            }
        }
        Ok(())
    }

    /// The SHA-256 thumbprints of the certificates in use.
    pub(crate) fn leaves(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let leaf = |id: &String| {
            let folder = self.folder(id)?;
            let slot = folder.current_slot()?.unwrap_or(Slot::Primary);
            Ok((id.clone(), sha256(&folder.pair_paths(slot).cert)?))
        };
        self.specs.keys().map(leaf).collect()
    }

    pub(crate) fn new_identity(&self, id: &str) -> anyhow::Result<Identity> {
        Ok(self.folder(id)?.load_current()?)
    }

    /// What a device used before; `None` where that is not there any more.
    pub(crate) fn old_identity(&self, notes: &Notes, id: &str) -> anyhow::Result<Option<Identity>> {
        let Some(notes) = notes.get(id) else { return Ok(None) };
        match self.folder(id)?.pair_of(&notes.old)? {
            Some(paths) if paths.key.try_exists()? => Ok(Some(Identity::load(&paths.cert, &paths.key)?)),
            _ => Ok(None),
        }
    }
}
