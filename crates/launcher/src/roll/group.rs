//! Rolling a group: its CA in the enrollment and on disk, and the leaves below.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use fleet_report::words::counted;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::certificate::load::Identity;
use provisioning::enroll::{Attest, CaInSlot, GroupCa, put_ca, remove_ca};
use provisioning::identities::{Generation, GroupAuthorities, GroupFolder, GroupSpec, Issuer, Slot};

use super::journal::GroupNotes;
use super::service::Service;
use crate::manifest::case::Case;

/// A group, on disk and at the service.
#[derive(Debug)]
pub(crate) struct GroupWork<'a> {
    pub(crate) spec: GroupSpec,
    /// Which of the CAs is enrolled.
    pub(crate) enroll: Issuer,
    pub(crate) ids: Vec<String>,
    pub(crate) service: &'a Service,
    pub(crate) now: Timestamp,
}

impl GroupWork<'_> {
    fn folder(&self) -> GroupFolder {
        self.spec.folder()
    }

    fn name(&self) -> &str {
        &self.spec.group
    }

    /// Decides what is rolled to where, before anything is changed.
    pub(crate) async fn plan(&self, case: Case, slot: Option<Slot>) -> anyhow::Result<GroupNotes> {
        let folder = self.folder();
        let leaves = folder.current_generation()?;
        if leaves.is_none() {
            return Err(anyhow!(
                "group {} has no certificates yet, so there is nothing to roll",
                self.name()
            )
            .hint("`fleet run` makes the first ones"));
        }
        let (current, known) = (folder.current_ca()?, folder.ca_generations()?);
        let new = match case {
            // What may lie beside a stolen key is no better than that.
            Case::GroupBreach => known.last().copied().unwrap_or(current).next(),
            // The one that stands ready, where there is one.
            _ => current.next(),
        };
        let ours: BTreeMap<String, Generation> = known
            .iter()
            .filter_map(|generation| Some((self.sha1(*generation).transpose()?, *generation)))
            .map(|(sha1, generation)| Ok((sha1?, generation)))
            .collect::<anyhow::Result<_>>()?;
        let held = self.held().await?;
        let slot = choose(case, &held, &ours, current, new, slot).with_context(|| format!("group {}", self.name()))?;
        let old = held
            .into_iter()
            .filter_map(|(slot, sha1)| {
                let generation = ours.get(&sha1).copied()?;
                (generation != new).then_some((slot, sha1))
            })
            .collect();
        Ok(GroupNotes {
            group: self.name().to_owned(),
            ca: new.to_string(),
            slot,
            old,
            leaves: leaves.map(|leaves| leaves.to_string()),
        })
    }

    /// What stands in the enrollment.
    async fn held(&self) -> anyhow::Result<Vec<(Slot, String)>> {
        let group = self.service.central.enrollment_group(self.name()).await?;
        let provisioning::central::schema::response::GroupAttestation::X509 { x509 } = group.attestation else {
            return Err(anyhow!("enrollment group {} does not use X.509", self.name()));
        };
        let slots = &x509.signing_certificates;
        Ok([Slot::Primary, Slot::Secondary]
            .into_iter()
            .filter_map(|slot| Some((slot, slots.get(slot)?.sha1()?)))
            .collect())
    }

    fn sha1(&self, generation: Generation) -> anyhow::Result<Option<String>> {
        let path = self.folder().ca_cert(generation, self.enroll);
        if !path.try_exists()? {
            return Ok(None);
        }
        Ok(Some(CertificateFacts::load(&path)?.sha1))
    }

    pub(crate) fn made(&self, notes: &GroupNotes) -> anyhow::Result<bool> {
        Ok(self.sha1(generation(&notes.ca)?)?.is_some())
    }

    pub(crate) async fn enrolled(&self, notes: &GroupNotes) -> anyhow::Result<bool> {
        let Some(ours) = self.sha1(generation(&notes.ca)?)? else {
            return Ok(false);
        };
        let group = self.service.central.enrollment_group(self.name()).await?;
        let provisioning::central::schema::response::GroupAttestation::X509 { x509 } = group.attestation else {
            return Ok(false);
        };
        Ok(matches!(x509.signing_certificates.slot_of(&ours), Some((_, true))))
    }

    /// Whether an old CA still stands in the enrollment.
    pub(crate) async fn old_taken(&self, notes: &GroupNotes) -> anyhow::Result<bool> {
        let held = self.held().await?;
        Ok(notes
            .old
            .iter()
            .any(|(_, old)| held.iter().any(|(_, sha1)| sha1 == old)))
    }

    pub(crate) fn issued(&self, notes: &GroupNotes) -> anyhow::Result<bool> {
        Ok(self.folder().current_ca()? == generation(&notes.ca)?)
    }

    pub(crate) async fn make(&self, notes: &GroupNotes) -> anyhow::Result<String> {
        let authorities = self.authorities(notes).await?;
        Ok(format!(
            "CA `{}` stands in {}",
            self.ca(&authorities)?.name(),
            shown::path(&self.folder().ca_folder(authorities.generation))
        ))
    }

    async fn authorities(&self, notes: &GroupNotes) -> anyhow::Result<GroupAuthorities> {
        let (spec, now, ca) = (self.spec.clone(), self.now, generation(&notes.ca)?);
        Ok(tokio::task::spawn_blocking(move || spec.open_or_create_ca(ca, now)).await??)
    }

    fn ca<'b>(
        &self,
        authorities: &'b GroupAuthorities,
    ) -> anyhow::Result<&'b provisioning::certificate::make::CertificateAuthority> {
        authorities
            .authority(self.enroll)
            .ok_or_else(|| anyhow!("the {} of group {} has no key here", self.enroll, self.name()))
    }

    /// Brings the new CA into its slot, and proves it.
    pub(crate) async fn enroll(&self, notes: &GroupNotes) -> anyhow::Result<()> {
        let authorities = self.authorities(notes).await?;
        let instead_of: Vec<String> = notes.old.iter().map(|(_, sha1)| sha1.clone()).collect();
        let ca = CaInSlot {
            slot: notes.slot,
            ca: GroupCa::with_key(self.ca(&authorities)?),
            attest: Attest::Prove,
            instead_of: &instead_of,
        };
        let report = |step| self.service.report(step);
        put_ca(&self.service.central, self.name(), &ca, self.now, &report).await?;
        Ok(())
    }

    /// Makes the next generation of leaves, and lets devices use it.
    pub(crate) async fn issue(&self, notes: &GroupNotes) -> anyhow::Result<String> {
        let (spec, now, ca, ids) = (self.spec.clone(), self.now, generation(&notes.ca)?, self.ids.clone());
        let issued = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            let issued = spec.issue(ca, ids, now, &|_, _| {})?;
            issued.make_current()?;
            Ok(issued)
        });
        let issued = issued.await??;
        Ok(format!(
            "{} issued as generation {}, used from now on when a device connects",
            counted(issued.leaves.made + issued.leaves.reused, "leaf", "leaves"),
            issued.generation
        ))
    }

    pub(crate) async fn remove_old(&self, notes: &GroupNotes) -> anyhow::Result<()> {
        let held = self.held().await?;
        let report = |step| self.service.report(step);
        for (slot, sha1) in held {
            if notes.old.iter().any(|(_, old)| *old == sha1) {
                remove_ca(&self.service.central, self.name(), slot, &sha1, &report).await?;
            }
        }
        Ok(())
    }

    /// The SHA-256 thumbprints of the leaves in use.
    pub(crate) fn leaves(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let folder = self.folder();
        let Some(generation) = folder.current_generation()? else {
            return Ok(BTreeMap::new());
        };
        let leaf = |id: &String| Ok((id.clone(), sha256(&folder.leaf_paths(generation, id).cert)?));
        self.ids.iter().map(leaf).collect()
    }

    /// What a device used before; `None` where that is not there any more.
    pub(crate) fn old_identity(&self, notes: &GroupNotes, id: &str) -> anyhow::Result<Option<Identity>> {
        let Some(leaves) = &notes.leaves else { return Ok(None) };
        let paths = self.folder().leaf_paths(generation(leaves)?, id);
        if !paths.key.try_exists()? {
            return Ok(None);
        }
        Ok(Some(Identity::load(&paths.fullchain, &paths.key)?))
    }
}

fn generation(word: &str) -> anyhow::Result<Generation> {
    word.parse()
        .map_err(|why: String| anyhow!("the journal of the roll: {why}"))
}

/// The SHA-256 thumbprint of the first certificate of a file, as devices report it.
pub(crate) fn sha256(path: &Path) -> anyhow::Result<String> {
    Ok(CertificateFacts::load(path)?.sha256)
}

/// The slot for the new CA. Places are taken in turn and nothing is swapped.
fn choose(
    case: Case,
    held: &[(Slot, String)],
    ours: &BTreeMap<String, Generation>,
    current: Generation,
    new: Generation,
    asked: Option<Slot>,
) -> anyhow::Result<Slot> {
    let generation_in = |slot| {
        let (_, sha1) = held.iter().find(|(held, _)| *held == slot)?;
        Some((sha1, ours.get(sha1).copied()))
    };
    let slots = [Slot::Primary, Slot::Secondary];
    let slot_of = |wanted| {
        slots
            .into_iter()
            .find(|slot| generation_in(*slot).is_some_and(|(_, held)| held == Some(wanted)))
    };
    if let Some(there) = slot_of(new) {
        // It was enrolled beforehand.
        return match asked {
            Some(asked) if asked != there => Err(anyhow!(
                "the CA that stands ready is enrolled as {there} certificate, not as {asked}"
            )
            .hint("leave --slot out")),
            _ => Ok(there),
        };
    }
    // After a breach the new CA drives the old one out at once; otherwise the old one has to stay until the end.
    let may_have = |slot| match generation_in(slot) {
        None => true,
        Some((_, Some(generation))) => case == Case::GroupBreach || generation != current,
        Some((_, None)) => false,
    };
    if let Some(asked) = asked {
        return match generation_in(asked) {
            _ if may_have(asked) => Ok(asked),
            Some((sha1, Some(_))) => Err(anyhow!(
                "the {asked} certificate {sha1} is the CA whose leaves the devices use, which has to stay until all have \
                 come over"
            )
            .hint("leave --slot out, and the other slot is used")),
            Some((sha1, None)) => Err(foreign(asked, sha1)),
            None => Ok(asked),
        };
    }
    let preferred = match case {
        Case::GroupBreach => slot_of(current),
        _ => None,
    };
    let empty = || slots.into_iter().find(|slot| generation_in(*slot).is_none());
    preferred
        .or_else(empty)
        .or_else(|| slots.into_iter().find(|slot| may_have(*slot)))
        .ok_or_else(|| {
            let foreigner = slots.into_iter().find_map(|slot| Some((slot, generation_in(slot)?)));
            match foreigner {
                Some((slot, (sha1, _))) if slot_of(current).is_none() => foreign(slot, sha1),
                _ => anyhow!("both slots of the enrollment are taken, one of them by a certificate that is not ours")
                    .hint("remove that first"),
            }
        })
}

fn foreign(slot: Slot, sha1: &str) -> anyhow::Error {
    anyhow!("the {slot} certificate {sha1} isn't one of those on disk here")
        .hint("remove it first, if it is no longer needed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Generation = Generation::FIRST;

    fn chosen(
        case: Case,
        held: &[(Slot, &str)],
        current: Generation,
        new: Generation,
        asked: Option<Slot>,
    ) -> Result<Slot, String> {
        let ours = BTreeMap::from([
            ("C1".to_owned(), FIRST),
            ("C2".to_owned(), FIRST.next()),
            ("C3".to_owned(), FIRST.next().next()),
        ]);
        let held: Vec<_> = held.iter().map(|(slot, sha1)| (*slot, (*sha1).to_owned())).collect();
        choose(case, &held, &ours, current, new, asked).map_err(|error| error.to_string())
    }

    #[test]
    fn the_new_ca_gets_the_slot_that_is_not_in_use_and_slots_alternate() {
        use Slot::{Primary, Secondary};
        let (second, third) = (FIRST.next(), FIRST.next().next());
        for (held, current, new, expected) in [
            (&[(Primary, "C1")][..], FIRST, second, Secondary),
            (&[(Secondary, "C2")], second, third, Primary),
            // Enrolled beforehand.
            (&[(Primary, "C1"), (Secondary, "C2")], FIRST, second, Secondary),
            // The last roll left its old CA.
            (&[(Primary, "C1"), (Secondary, "C2")], second, third, Primary),
        ] {
            assert_eq!(
                chosen(Case::GroupExpiry, held, current, new, None),
                Ok(expected),
                "{held:?}"
            );
        }
    }

    #[test]
    fn after_a_breach_the_new_ca_takes_the_slot_of_the_stolen_one() {
        use Slot::{Primary, Secondary};
        let (second, third) = (FIRST.next(), FIRST.next().next());
        for (held, current, new, expected) in [
            (&[(Primary, "C1")][..], FIRST, second, Primary),
            (&[(Primary, "C1"), (Secondary, "C2")], FIRST, third, Primary),
            (&[(Primary, "C1"), (Secondary, "C2")], second, third, Secondary),
        ] {
            assert_eq!(
                chosen(Case::GroupBreach, held, current, new, None),
                Ok(expected),
                "{held:?}"
            );
        }
    }

    #[test]
    fn a_slot_that_is_needed_or_not_ours_is_refused() {
        use Slot::{Primary, Secondary};
        let second = FIRST.next();
        let chosen = |held: &[(Slot, &str)], asked| chosen(Case::GroupExpiry, held, FIRST, second, asked);
        assert_eq!(chosen(&[(Primary, "C1")], Some(Secondary)), Ok(Secondary));
        for (held, asked, words) in [
            (&[(Primary, "C1")][..], Some(Primary), "whose leaves the devices use"),
            (
                &[(Primary, "C1"), (Secondary, "C2")],
                Some(Primary),
                "stands ready is enrolled as secondary",
            ),
            (
                &[(Primary, "C1"), (Secondary, "XX")],
                Some(Secondary),
                "one of those on disk here",
            ),
            (&[(Primary, "C1"), (Secondary, "XX")], None, "not ours"),
        ] {
            let error = chosen(held, asked).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
