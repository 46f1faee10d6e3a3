//! A device with an enrollment of its own.

use super::{EnrollError, Outcome, Reporter, Step};
use crate::central::schema::response::{DeviceAttestation, Slots};
use crate::central::{Central, CentralError, NewDevice};
use crate::certificate::inspect::CertificateFacts;
use crate::identities::Slot;

/// Makes sure that the device may register with its own certificate (or with either of two), and that the service says so.
pub async fn enroll_individual(
    central: &Central,
    device_id: &str,
    display_name: &str,
    primary_pem: &str,
    secondary_pem: Option<&str>,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let device = || device_id.to_owned();
    let thumbprint = |pem: &str, slot: Slot| {
        let name = format!("the {slot} certificate of device {device_id}");
        CertificateFacts::from_pem(pem.as_bytes(), &name).map(|facts| facts.sha1)
    };
    let primary = thumbprint(primary_pem, Slot::Primary)?;
    let secondary = secondary_pem.map(|pem| thumbprint(pem, Slot::Secondary)).transpose()?;
    let ours = [
        (Slot::Primary, Some(primary.as_str())),
        (Slot::Secondary, secondary.as_deref()),
    ];
    let mut outcome = Outcome::Unchanged;

    let found = match central.device(device_id).await {
        Ok(found) => {
            reporter(Step::DeviceFound { device: device() });
            found
        }
        Err(error) if error.is_not_found() => {
            outcome = Outcome::Changed;
            let created = central
                .put_device(
                    device_id,
                    &NewDevice {
                        display_name,
                        template: None,
                        enabled: true,
                    },
                )
                .await?;
            reporter(Step::DeviceCreated { device: device() });
            created
        }
        Err(error) => return Err(error.into()),
    };
    if !found.enabled {
        return Err(EnrollError::Disabled {
            subject: subject(device_id),
        });
    }

    let slots = slots(device_id, central.attestation(device_id).await)?;
    for ((slot, ours), found) in ours.iter().zip(shown(&slots)) {
        // A secondary that we know nothing of is somebody's preparation of a roll, and the upload would remove it.
        match found {
            Some(found) if Some(found.as_str()) != *ours => {
                return Err(EnrollError::AnotherCertificate {
                    subject: subject(device_id),
                    slot: *slot,
                    found,
                    ours: ours.unwrap_or("none").to_owned(),
                });
            }
            _ => {}
        }
    }
    if !matches(&slots, &ours) {
        outcome = Outcome::Changed;
        central
            .put_x509_attestation(device_id, primary_pem, secondary_pem)
            .await?;
        let count = 1 + usize::from(secondary_pem.is_some());
        reporter(Step::CertificatesUploaded {
            device: device(),
            count,
        });
        let read_back = self::slots(device_id, central.attestation(device_id).await)?;
        if !matches(&read_back, &ours) {
            let words = |thumbprints: [Option<&str>; 2]| thumbprints.map(|one| one.unwrap_or("none")).join(" and ");
            let found = shown(&read_back);
            return Err(EnrollError::NotTakenOver {
                subject: subject(device_id),
                expected: words([ours[0].1, ours[1].1]),
                found: words([found[0].as_deref(), found[1].as_deref()]),
            });
        }
    }
    reporter(Step::DeviceReady {
        device: device(),
        sha1: primary,
    });
    Ok(outcome)
}

/// The certificates of the device's enrollment; a device without an enrollment has none.
fn slots(device_id: &str, attestation: Result<DeviceAttestation, CentralError>) -> Result<Slots, EnrollError> {
    match attestation {
        Ok(DeviceAttestation::X509 { x509 }) => Ok(x509.client_certificates),
        Ok(_) => Err(EnrollError::NotX509 {
            subject: subject(device_id),
        }),
        Err(error) if error.is_not_found() => Ok(Slots::default()),
        Err(error) => Err(error.into()),
    }
}

/// The thumbprints the service shows, primary first.
fn shown(slots: &Slots) -> [Option<String>; 2] {
    [&slots.primary, &slots.secondary].map(|slot| slot.as_ref().and_then(|certificate| certificate.sha1()))
}

fn matches(slots: &Slots, ours: &[(Slot, Option<&str>); 2]) -> bool {
    shown(slots)
        .iter()
        .zip(ours)
        .all(|(found, (_, ours))| found.as_deref() == *ours)
}

fn subject(device_id: &str) -> String {
    format!("device {device_id}")
}
