//! An enrollment group whose leaves are signed by our CA.

use jiff::Timestamp;

use super::{EnrollError, Outcome, Reporter, Step};
use crate::central::Central;
use crate::central::schema::response::{EnrollmentGroup, GroupAttestation, Slots};
use crate::certificate::make::{CertificateAuthority, KeyType, Validity};
use crate::identities::Slot;

/// Makes sure that devices with leaves below `ca` may register through the group, and that the service says so.
pub async fn enroll_group(
    central: &Central,
    group_id: &str,
    display_name: &str,
    ca: &CertificateAuthority,
    now: Timestamp,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let group = || group_id.to_owned();
    let ours = ca.facts().sha1.as_str();
    let mut outcome = Outcome::Unchanged;

    let found = match central.enrollment_group(group_id).await {
        Ok(found) => {
            reporter(Step::GroupFound { group: group() });
            found
        }
        Err(error) if error.is_not_found() => {
            outcome = Outcome::Changed;
            let created = central.put_enrollment_group(group_id, display_name).await?;
            reporter(Step::GroupCreated { group: group() });
            created
        }
        Err(error) => return Err(error.into()),
    };

    let (slot, verified) = match place(group_id, found, ours)? {
        Place::Ours { slot, verified } => {
            reporter(Step::CaFound {
                group: group(),
                ca: ca.name().to_owned(),
                slot,
                verified,
            });
            (slot, verified)
        }
        Place::Free => {
            outcome = Outcome::Changed;
            central
                .put_group_certificate(group_id, Slot::Primary, ca.cert_pem())
                .await?;
            reporter(Step::CaUploaded {
                group: group(),
                ca: ca.name().to_owned(),
                slot: Slot::Primary,
                sha1: ours.to_owned(),
            });
            (Slot::Primary, false)
        }
    };

    if !verified {
        outcome = Outcome::Changed;
        let code = central.generate_verification_code(group_id, slot).await?;
        reporter(Step::VerificationCodeReceived {
            group: group(),
            code: code.clone(),
        });
        let proof = ca.verification(&code, KeyType::P256, Validity::verification(now))?;
        let shown = central.verify_group_certificate(group_id, slot, proof.cert_pem()).await;
        reporter(Step::VerificationCertificateShown {
            group: group(),
            ca: ca.name().to_owned(),
        });
        if let Err(error) = shown {
            // The answer may have been lost where the proof was not; reading back tells.
            let lost = error.is_retryable() && is_verified(group_id, central.enrollment_group(group_id).await?, ours);
            if !lost {
                return Err(error.into());
            }
        }
    }

    let read_back = central.enrollment_group(group_id).await?;
    match place(group_id, read_back, ours)? {
        Place::Ours { verified: true, .. } => {}
        other => {
            return Err(EnrollError::NotTakenOver {
                subject: subject(group_id),
                expected: format!("{ours} verified"),
                found: match other {
                    Place::Ours { .. } => format!("{ours} not verified"),
                    Place::Free => "no certificate".to_owned(),
                },
            });
        }
    }
    reporter(Step::GroupReady {
        group: group(),
        sha1: ours.to_owned(),
    });
    Ok(outcome)
}

/// Where our CA stands in the group, or may.
enum Place {
    Ours { slot: Slot, verified: bool },
    Free,
}

fn place(group_id: &str, group: EnrollmentGroup, ours: &str) -> Result<Place, EnrollError> {
    if !group.enabled {
        return Err(EnrollError::Disabled {
            subject: subject(group_id),
        });
    }
    let GroupAttestation::X509 { x509 } = group.attestation else {
        return Err(EnrollError::NotX509 {
            subject: subject(group_id),
        });
    };
    let Slots { primary, secondary } = x509.signing_certificates;
    // After a roll our CA may be the secondary; the service takes either.
    for (slot, certificate) in [(Slot::Primary, &primary), (Slot::Secondary, &secondary)] {
        if let Some(certificate) = certificate
            && certificate.sha1().as_deref() == Some(ours)
        {
            return Ok(Place::Ours {
                slot,
                verified: certificate.verified,
            });
        }
    }
    match primary {
        None => Ok(Place::Free),
        Some(other) => Err(EnrollError::AnotherCertificate {
            subject: subject(group_id),
            slot: Slot::Primary,
            found: other.sha1().unwrap_or_else(|| "one without a thumbprint".to_owned()),
            ours: ours.to_owned(),
        }),
    }
}

fn is_verified(group_id: &str, group: EnrollmentGroup, ours: &str) -> bool {
    matches!(place(group_id, group, ours), Ok(Place::Ours { verified: true, .. }))
}

fn subject(group_id: &str) -> String {
    format!("enrollment group {group_id}")
}
