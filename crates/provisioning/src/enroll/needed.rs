//! What is missing between an enrollment as it is and as it is to be. Pure.

use super::{EnrollError, EnrollmentGroupSpec, GroupCa, group_subject};
use crate::central::schema::response::{Certificate, EnrollmentGroup, GroupAttestation, Slots};
use crate::identities::Slot;

/// One of a group's CAs, and what has to be done for it.
#[derive(Debug, Clone)]
pub struct Needed<'a> {
    /// The CA.
    pub ca: GroupCa<'a>,
    /// The slot it has or is to get.
    pub slot: Slot,
    /// What is missing.
    pub work: Work,
}

/// What is missing for a certificate in its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing: it is there and verified.
    Nothing,
    /// It is there, but its key has neither been proved nor declared to be ours.
    Verification,
    /// It is not there.
    UploadAndVerification,
}

/// What the group's CAs need, primary first.
pub(super) fn for_group<'a>(
    spec: &EnrollmentGroupSpec<'a>,
    found: Option<&EnrollmentGroup>,
) -> Result<Vec<Needed<'a>>, EnrollError> {
    let slots = match found {
        Some(found) => usable(spec, found)?,
        None => Slots::default(),
    };
    let mut taken = [Slot::Primary, Slot::Secondary].map(|slot| slots.get(slot).map(thumbprint));
    let mut needed = Vec::new();
    for (ca, preferred) in spec.authorities().zip([Slot::Primary, Slot::Secondary]) {
        let (slot, work) = match slots.slot_of(ca.sha1()) {
            Some((slot, true)) => (slot, Work::Nothing),
            Some((slot, false)) => (slot, Work::Verification),
            None => {
                let slot = free_slot(spec, ca, preferred, &taken)?;
                taken[index(slot)] = Some(ca.sha1().to_owned());
                (slot, Work::UploadAndVerification)
            }
        };
        needed.push(Needed {
            ca: ca.clone(),
            slot,
            work,
        });
    }
    Ok(needed)
}

/// The CA's own slot, or the other one where another CA of ours has it, as after a roll.
fn free_slot(
    spec: &EnrollmentGroupSpec<'_>,
    ca: &GroupCa<'_>,
    preferred: Slot,
    taken: &[Option<String>; 2],
) -> Result<Slot, EnrollError> {
    let Some(holder) = &taken[index(preferred)] else {
        return Ok(preferred);
    };
    let ours = spec.authorities().any(|other| other.sha1() == holder);
    if ours && taken[index(preferred.other())].is_none() {
        return Ok(preferred.other());
    }
    let slot = if ours { preferred.other() } else { preferred };
    Err(EnrollError::AnotherCertificate {
        subject: group_subject(spec.id),
        slot,
        found: taken[index(slot)].clone().unwrap_or_default(),
        ours: ca.sha1().to_owned(),
    })
}

fn usable(spec: &EnrollmentGroupSpec<'_>, found: &EnrollmentGroup) -> Result<Slots, EnrollError> {
    let subject = || group_subject(spec.id);
    if !found.enabled {
        return Err(EnrollError::Disabled { subject: subject() });
    }
    let slots = signing_certificates(found)?;
    if found.group_type != spec.group_type.as_str() {
        return Err(EnrollError::AnotherType {
            subject: subject(),
            found: found.group_type.clone(),
            ours: spec.group_type,
        });
    }
    Ok(slots.clone())
}

/// The CAs of a group that uses certificates.
pub(super) fn signing_certificates(found: &EnrollmentGroup) -> Result<&Slots, EnrollError> {
    match &found.attestation {
        GroupAttestation::X509 { x509 } => Ok(&x509.signing_certificates),
        _ => Err(EnrollError::NotX509 {
            subject: group_subject(&found.id),
        }),
    }
}

/// How a certificate in the service is named in messages.
pub(super) fn thumbprint(certificate: &Certificate) -> String {
    certificate
        .sha1()
        .unwrap_or_else(|| "one without a thumbprint".to_owned())
}

fn index(slot: Slot) -> usize {
    match slot {
        Slot::Primary => 0,
        Slot::Secondary => 1,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::certificate::make::{CertificateAuthority, KeyType, Validity};

    fn ca(name: &str) -> CertificateAuthority {
        let now: Timestamp = "2026-11-23T15:00:00Z".parse().unwrap();
        CertificateAuthority::root(name, KeyType::P256, Validity::root(now)).unwrap()
    }

    fn found(primary: Option<(&str, bool)>, secondary: Option<(&str, bool)>) -> EnrollmentGroup {
        let mut certificates = json!({});
        for (name, slot) in [("primary", primary), ("secondary", secondary)] {
            if let Some((sha1, verified)) = slot {
                certificates[name] = json!({"verified": verified, "info": {"sha1Thumbprint": sha1}});
            }
        }
        let group: Value = json!({"id": "g", "displayName": "G", "type": "iot",
            "attestation": {"type": "x509", "x509": {"signingCertificates": certificates}}});
        serde_json::from_value(group).unwrap()
    }

    #[test]
    fn each_ca_stays_where_it_is_and_what_is_missing_takes_a_free_slot() {
        let (one, two) = (ca("one"), ca("two"));
        let (a, b) = (one.facts().sha1.as_str(), two.facts().sha1.as_str());
        let (verified, not) = (true, false);
        use Slot::{Primary, Secondary};
        use Work::{Nothing, UploadAndVerification as Upload, Verification};
        let cases = [
            (found(None, None), Ok([(Primary, Upload), (Secondary, Upload)])),
            (
                found(Some((a, verified)), None),
                Ok([(Primary, Nothing), (Secondary, Upload)]),
            ),
            (
                found(Some((a, not)), Some((b, verified))),
                Ok([(Primary, Verification), (Secondary, Nothing)]),
            ),
            // After a roll the two have changed slots.
            (
                found(Some((b, verified)), Some((a, verified))),
                Ok([(Secondary, Nothing), (Primary, Nothing)]),
            ),
            (
                found(Some((b, verified)), None),
                Ok([(Secondary, Upload), (Primary, Nothing)]),
            ),
            (
                found(None, Some((a, verified))),
                Ok([(Secondary, Nothing), (Primary, Upload)]),
            ),
            // A certificate of others is not a free slot.
            (found(Some(("AB", verified)), None), Err(("AB", Primary))),
            (found(Some((a, verified)), Some(("AB", not))), Err(("AB", Secondary))),
            (found(Some((b, verified)), Some(("AB", not))), Err(("AB", Secondary))),
        ];
        for (found, expected) in cases {
            let mut spec = EnrollmentGroupSpec::new("g", "G", &one);
            spec.secondary = Some(GroupCa::with_key(&two));
            let needed = for_group(&spec, Some(&found));
            match (needed, expected) {
                (Ok(needed), Ok(expected)) => {
                    let places: Vec<_> = needed.iter().map(|one| (one.slot, one.work)).collect();
                    assert_eq!(places, expected, "{found:?}");
                }
                (Err(EnrollError::AnotherCertificate { found, slot, .. }), Err(expected)) => {
                    assert_eq!((found.as_str(), slot), expected);
                }
                (needed, expected) => panic!("{needed:?} instead of {expected:?} for {found:?}"),
            }
        }
    }

    #[test]
    fn a_group_that_is_not_there_needs_everything() {
        let one = ca("one");
        let needed = for_group(&EnrollmentGroupSpec::new("g", "G", &one), None).unwrap();
        assert_eq!(needed.len(), 1);
        assert_eq!(
            (needed[0].slot, needed[0].work),
            (Slot::Primary, Work::UploadAndVerification)
        );
    }
}
