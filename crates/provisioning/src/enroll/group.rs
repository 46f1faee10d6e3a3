//! An enrollment group whose leaves are signed by our CAs.

use jiff::Timestamp;

use super::needed::{self, Needed, Work, thumbprint};
use super::{Attest, EnrollError, EnrollmentGroupSpec, GroupCa, Outcome, Reporter, Step, group_subject};
use crate::central::Central;
use crate::central::schema::response::EnrollmentGroup;
use crate::certificate::make::{KeyType, Validity};
use crate::identities::Slot;

/// Makes sure that devices with leaves below the description's CAs may register through the group, and that the service
/// confirms it.
pub async fn enroll_group(
    central: &Central,
    spec: &EnrollmentGroupSpec<'_>,
    now: Timestamp,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let group = || spec.id.to_owned();
    let mut outcome = Outcome::Unchanged;
    let found = find(central, spec.id).await?;
    // What stands in the way is reported before anything is changed.
    let mut needs = needed::for_group(spec, found.as_ref())?;
    match found {
        Some(_) => reporter(Step::GroupFound { group: group() }),
        None => {
            outcome = Outcome::Changed;
            let created = central
                .put_enrollment_group(spec.id, spec.display_name, spec.group_type)
                .await?;
            reporter(Step::GroupCreated { group: group() });
            needs = needed::for_group(spec, Some(&created))?;
        }
    }

    // From here on the service trusts one CA more and none less: a CA that is to go is removed by a later step of a roll, when
    // no device uses a leaf below it.
    for needed in &needs {
        outcome |= bring_in(central, spec.id, needed, spec.attest, now, reporter).await?;
    }

    if outcome == Outcome::Changed {
        let read_back = central.enrollment_group(spec.id).await?;
        for needed in needed::for_group(spec, Some(&read_back))? {
            needed.ensure_nothing(spec.id)?;
        }
    }
    reporter(Step::GroupReady {
        group: group(),
        thumbprints: spec.authorities().map(|ca| ca.sha1().to_owned()).collect(),
    });
    Ok(outcome)
}

/// What [`enroll_group`] would have to do: whether the group has to be created, and what each CA needs. Only reads.
pub async fn examine_group<'a>(
    central: &Central,
    spec: &EnrollmentGroupSpec<'a>,
) -> Result<(bool, Vec<Needed<'a>>), EnrollError> {
    let found = find(central, spec.id).await?;
    Ok((found.is_none(), needed::for_group(spec, found.as_ref())?))
}

/// A CA that is to have a certain slot of a group.
#[derive(Debug, Clone)]
pub struct CaInSlot<'a> {
    /// The slot.
    pub slot: Slot,
    /// The CA.
    pub ca: GroupCa<'a>,
    /// How the service comes to trust it.
    pub attest: Attest,
    /// SHA-1 thumbprints of the certificates that it may drive out of that slot.
    pub instead_of: &'a [String],
}

/// Puts a CA into the slot that was chosen, and has it verified. Anything else that stands there is left alone, unless
/// it is named as what may be replaced.
pub async fn put_ca(
    central: &Central,
    group_id: &str,
    spec: &CaInSlot<'_>,
    now: Timestamp,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let CaInSlot { slot, ca, .. } = spec;
    let needed = |work| Needed {
        ca: ca.clone(),
        slot: *slot,
        work,
    };
    let look = async || {
        let group = central.enrollment_group(group_id).await?;
        let held = needed::signing_certificates(&group)?.get(*slot);
        Ok(match held.map(|held| (thumbprint(held), held.verified)) {
            Some((held, true)) if held == ca.sha1() => needed(Work::Nothing),
            Some((held, false)) if held == ca.sha1() => needed(Work::Verification),
            Some((held, _)) if !spec.instead_of.contains(&held) => {
                return Err(EnrollError::AnotherCertificate {
                    subject: group_subject(group_id),
                    slot: *slot,
                    found: held,
                    ours: ca.sha1().to_owned(),
                });
            }
            _ => needed(Work::UploadAndVerification),
        })
    };
    let outcome = bring_in(central, group_id, &look().await?, spec.attest, now, reporter).await?;
    if outcome == Outcome::Changed {
        look().await?.ensure_nothing(group_id)?;
    }
    Ok(outcome)
}

/// Empties a slot of a group, in which the certificate with this SHA-1 thumbprint stands or nothing.
pub async fn remove_ca(
    central: &Central,
    group_id: &str,
    slot: Slot,
    sha1: &str,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let group = central.enrollment_group(group_id).await?;
    match needed::signing_certificates(&group)?.get(slot).map(thumbprint) {
        None => return Ok(Outcome::Unchanged),
        Some(held) if held == sha1 => {}
        Some(held) => {
            return Err(EnrollError::AnotherCertificate {
                subject: group_subject(group_id),
                slot,
                found: held,
                ours: sha1.to_owned(),
            });
        }
    }
    match central.delete_group_certificate(group_id, slot).await {
        Err(error) if !error.is_not_found() => return Err(error.into()),
        // Not found: an answer was lost, and the request repeated.
        _ => {}
    }
    let group = central.enrollment_group(group_id).await?;
    if let Some(held) = needed::signing_certificates(&group)?.get(slot) {
        return Err(EnrollError::NotTakenOver {
            subject: group_subject(group_id),
            expected: format!("no {slot} certificate"),
            found: thumbprint(held),
        });
    }
    reporter(Step::CaRemoved {
        group: group_id.to_owned(),
        slot,
        sha1: sha1.to_owned(),
    });
    Ok(Outcome::Changed)
}

async fn find(central: &Central, group_id: &str) -> Result<Option<EnrollmentGroup>, EnrollError> {
    match central.enrollment_group(group_id).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Does for one CA what it needs.
async fn bring_in(
    central: &Central,
    group_id: &str,
    needed: &Needed<'_>,
    attest: Attest,
    now: Timestamp,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let Needed { ca, slot, work } = needed;
    let (group, name) = (|| group_id.to_owned(), || ca.name().to_owned());
    if *work != Work::UploadAndVerification {
        reporter(Step::CaFound {
            group: group(),
            ca: name(),
            slot: *slot,
            verified: *work == Work::Nothing,
        });
    }
    let by_word = attest == Attest::SelfAttest;
    let upload = match work {
        Work::Nothing => return Ok(Outcome::Unchanged),
        Work::Verification => by_word,
        Work::UploadAndVerification => true,
    };
    if upload {
        central
            .put_group_certificate(group_id, *slot, ca.cert_pem(), by_word)
            .await?;
        reporter(Step::CaUploaded {
            group: group(),
            ca: name(),
            slot: *slot,
            sha1: ca.sha1().to_owned(),
            verified: by_word,
        });
    }
    if !by_word {
        prove(central, group_id, needed, now, reporter).await?;
    }
    Ok(Outcome::Changed)
}

async fn prove(
    central: &Central,
    group_id: &str,
    needed: &Needed<'_>,
    now: Timestamp,
    reporter: Reporter<'_>,
) -> Result<(), EnrollError> {
    let Needed { ca, slot, .. } = needed;
    let Some(key) = ca.key() else {
        return Err(EnrollError::NoKey {
            subject: group_subject(group_id),
            slot: *slot,
            ca: ca.name().to_owned(),
        });
    };
    // The certificate alone proves nothing: anyone may have a copy. Only a signature under the service's own fresh code does.
    let code = central.generate_verification_code(group_id, *slot).await?;
    reporter(Step::VerificationCodeReceived {
        group: group_id.to_owned(),
        code: code.clone(),
    });
    let proof = key.verification(&code, KeyType::P256, Validity::verification(now))?;
    let shown = central
        .verify_group_certificate(group_id, *slot, proof.cert_pem())
        .await;
    reporter(Step::VerificationCertificateShown {
        group: group_id.to_owned(),
        ca: ca.name().to_owned(),
    });
    if let Err(error) = shown {
        // The answer may have been lost where the proof was not; reading back shows it.
        if !error.is_retryable() || !is_verified(&central.enrollment_group(group_id).await?, ca.sha1()) {
            return Err(error.into());
        }
    }
    Ok(())
}

fn is_verified(group: &EnrollmentGroup, sha1: &str) -> bool {
    needed::signing_certificates(group).is_ok_and(|slots| matches!(slots.slot_of(sha1), Some((_, true))))
}

impl Needed<'_> {
    /// After everything was done, nothing may be needed any more.
    fn ensure_nothing(&self, group_id: &str) -> Result<(), EnrollError> {
        let sha1 = self.ca.sha1();
        let found = match self.work {
            Work::Nothing => return Ok(()),
            Work::Verification => format!("{sha1} not verified"),
            Work::UploadAndVerification => "no certificate".to_owned(),
        };
        Err(EnrollError::NotTakenOver {
            subject: group_subject(group_id),
            expected: format!("{sha1} verified"),
            found,
        })
    }
}
