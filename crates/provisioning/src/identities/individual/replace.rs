//! Another certificate in the place of one, as a roll needs it: what stood there is kept under `retired/`.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;

use super::{IndividualFolder, IndividualSpec, PairPaths, Slot};
use crate::certificate::inspect::CertificateFacts;
use crate::certificate::load::{self, Identity};
use crate::identities::files::{Access, Lock, check_name, create_folder, exists, io_error, write};
use crate::identities::{IdentityError, Problems};

impl IndividualFolder {
    /// What stands in the certificate of a slot; `None` where there is none.
    pub fn facts(&self, slot: Slot) -> Result<Option<CertificateFacts>, IdentityError> {
        facts(&self.pair_paths(slot))
    }

    /// The pair with this SHA-1 thumbprint, in a slot or retired.
    pub fn pair_of(&self, sha1: &str) -> Result<Option<PairPaths>, IdentityError> {
        let slots = [Slot::Primary, Slot::Secondary].map(|slot| self.pair_paths(slot));
        let numbers = 1..self.next_retired()?;
        let retired =
            numbers.flat_map(|number| [Slot::Primary, Slot::Secondary].map(|slot| self.retired(number, slot)));
        for paths in slots.into_iter().chain(retired) {
            if facts(&paths)?.is_some_and(|facts| facts.sha1 == sha1) {
                return Ok(Some(paths));
            }
        }
        Ok(None)
    }

    /// From now on the device uses the certificate of this slot when it connects.
    pub fn use_slot(&self, slot: Slot) -> Result<(), IdentityError> {
        let _lock = Lock::take(self.path())?;
        write(&self.current_path(), format!("{slot}\n").as_bytes(), Access::Folder)
    }

    /// Moves a pair away, key first: what has a certificate and no key was interrupted here, and goes on here.
    fn retire(&self, slot: Slot) -> Result<(), IdentityError> {
        let from = self.pair_paths(slot);
        let next = self.next_retired()?;
        let last = self.retired(next - 1, slot);
        let to = if exists(&last.key)? && !exists(&last.cert)? {
            last
        } else {
            self.retired(next, slot)
        };
        create_folder(to.key.parent().unwrap_or(self.path()))?;
        for (from, to) in [(from.key, to.key), (from.cert, to.cert)] {
            if exists(&from)? {
                fs::rename(&from, &to).map_err(io_error("move away", &from))?;
            }
        }
        Ok(())
    }

    fn retired(&self, number: u32, slot: Slot) -> PairPaths {
        let folder = self.path().join("retired").join(format!("{number:04}"));
        PairPaths {
            cert: folder.join(format!("{slot}_cert.pem")),
            key: folder.join(format!("{slot}_key.pem")),
        }
    }

    /// The number of the next folder of a retired pair.
    fn next_retired(&self) -> Result<u32, IdentityError> {
        let folder: PathBuf = self.path().join("retired");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => return Ok(1),
            Err(reason) => return Err(io_error("read", &folder)(reason)),
        };
        let mut highest = 0;
        for entry in entries {
            let name = entry.map_err(io_error("read", &folder))?.file_name();
            let number: Option<u32> = name.to_str().and_then(|name| name.parse().ok());
            highest = highest.max(number.unwrap_or(0));
        }
        Ok(highest.saturating_add(1))
    }
}

impl IndividualSpec {
    /// A new pair in `slot`. Where the one with the SHA-1 thumbprint `old` stands, it is moved to `retired/`; any other one
    /// is what an earlier call has made, and stays.
    pub fn replace(&self, slot: Slot, old: Option<&str>, now: Timestamp) -> Result<Identity, Problems> {
        check_name(&self.device_id)?;
        let folder = self.folder();
        create_folder(folder.path())?;
        let _lock = Lock::take(folder.path())?;
        if let Some(facts) = folder.facts(slot)?
            && Some(facts.sha1.as_str()) == old
        {
            folder.retire(slot)?;
        }
        let (identity, _) = self.open_or_create_pair(&folder.pair_paths(slot), now)?;
        Ok(identity)
    }
}

fn facts(paths: &PairPaths) -> Result<Option<CertificateFacts>, IdentityError> {
    if !exists(&paths.cert)? {
        return Ok(None);
    }
    let pem = load::read(&paths.cert)?;
    Ok(Some(CertificateFacts::from_pem(&pem, &load::named(&paths.cert))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T15:00:00Z".parse().unwrap()
    }

    fn sha1(folder: &IndividualFolder, slot: Slot) -> Option<String> {
        folder.facts(slot).unwrap().map(|facts| facts.sha1)
    }

    #[test]
    fn a_replaced_pair_is_kept_and_found_and_a_second_call_replaces_nothing() {
        let certs = tempfile::tempdir().unwrap();
        let spec = IndividualSpec::new(certs.path(), "lab");
        spec.open_or_create(now()).unwrap();
        let folder = spec.folder();
        let old = sha1(&folder, Slot::Primary).unwrap();
        let old_key = fs::read(folder.pair_paths(Slot::Primary).key).unwrap();

        let new = spec.replace(Slot::Primary, Some(&old), now()).unwrap();
        assert_ne!(new.leaf.sha1, old);
        let again = spec.replace(Slot::Primary, Some(&old), now()).unwrap();
        assert_eq!(again.leaf.sha1, new.leaf.sha1);
        let kept = folder.pair_of(&old).unwrap().unwrap();
        assert!(kept.cert.ends_with("retired/0001/primary_cert.pem"), "{kept:?}");
        assert_eq!(fs::read(&kept.key).unwrap(), old_key);
        assert_eq!(
            folder.pair_of(&new.leaf.sha1).unwrap(),
            Some(folder.pair_paths(Slot::Primary))
        );
        assert_eq!(folder.pair_of("AA").unwrap(), None);

        spec.replace(Slot::Primary, Some(&new.leaf.sha1), now()).unwrap();
        assert!(
            folder
                .pair_of(&new.leaf.sha1)
                .unwrap()
                .unwrap()
                .key
                .ends_with("retired/0002/primary_key.pem")
        );
    }

    #[test]
    fn a_replacement_that_was_interrupted_between_key_and_certificate_is_completed_with_a_new_key() {
        let certs = tempfile::tempdir().unwrap();
        let spec = IndividualSpec::new(certs.path(), "lab");
        spec.open_or_create(now()).unwrap();
        let folder = spec.folder();
        let old = sha1(&folder, Slot::Primary).unwrap();
        let paths = folder.pair_paths(Slot::Primary);
        let old_key = fs::read(&paths.key).unwrap();
        create_folder(&folder.path().join("retired/0001")).unwrap();
        fs::rename(&paths.key, folder.path().join("retired/0001/primary_key.pem")).unwrap();

        let new = spec.replace(Slot::Primary, Some(&old), now()).unwrap();
        assert_ne!(new.leaf.sha1, old);
        assert_ne!(fs::read(&paths.key).unwrap(), old_key);
        let kept = folder.pair_of(&old).unwrap().unwrap();
        assert_eq!(fs::read(kept.key).unwrap(), old_key);
    }

    #[test]
    fn a_slot_that_was_empty_is_filled_and_used() {
        let certs = tempfile::tempdir().unwrap();
        let spec = IndividualSpec::new(certs.path(), "lab");
        let first = spec.open_or_create(now()).unwrap();
        let second = spec.replace(Slot::Secondary, None, now()).unwrap();
        assert_eq!(first.folder.load_current().unwrap().leaf, first.primary.leaf);
        first.folder.use_slot(Slot::Secondary).unwrap();
        assert_eq!(first.folder.load_current().unwrap().leaf, second.leaf);
    }
}
