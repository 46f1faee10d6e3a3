//! A device with an enrollment of its own.

use super::needed::thumbprint;
use super::{EnrollError, Outcome, Reporter, Step};
use crate::central::schema::response::{Device, DeviceAttestation, Slots};
use crate::central::{Central, CentralError, NewDevice};
use crate::certificate::inspect::CertificateFacts;
use crate::identities::Slot;

/// The certificates of a device's enrollment, each in its slot. At least one has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnCertificates<'a> {
    /// In the primary slot, as PEM.
    pub primary: Option<&'a str>,
    /// In the secondary slot, as PEM.
    pub secondary: Option<&'a str>,
}

impl<'a> OwnCertificates<'a> {
    fn get(&self, slot: Slot) -> Option<&'a str> {
        match slot {
            Slot::Primary => self.primary,
            Slot::Secondary => self.secondary,
        }
    }

    fn thumbprints(&self, device_id: &str) -> Result<Thumbprints, EnrollError> {
        let of = |slot: Slot| {
            let name = format!("the {slot} certificate of device {device_id}");
            let facts = self
                .get(slot)
                .map(|pem| CertificateFacts::from_pem(pem.as_bytes(), &name));
            facts.transpose().map(|facts| facts.map(|facts| facts.sha1))
        };
        Ok([of(Slot::Primary)?, of(Slot::Secondary)?])
    }
}

/// SHA-1, primary first.
type Thumbprints = [Option<String>; 2];

/// What [`enroll_individual`] would have to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndividualNeeds {
    /// The device has to be created.
    pub device: bool,
    /// Its certificates have to be uploaded.
    pub certificates: bool,
}

/// Makes sure that the device may register with its own certificate (or with either of two), and that the service
/// confirms it.
///
/// Certificates of ours that stand in exchanged slots, as after a roll, stay there. One that is not ours may be the
/// preparation of a roll, which an upload would undo: it is left alone, and reported.
pub async fn enroll_individual(
    central: &Central,
    device_id: &str,
    display_name: &str,
    primary_pem: &str,
    secondary_pem: Option<&str>,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let device = || device_id.to_owned();
    let spec = OwnCertificates {
        primary: Some(primary_pem),
        secondary: secondary_pem,
    };
    let ours = spec.thumbprints(device_id)?;
    let mut outcome = Outcome::Unchanged;
    match find(central, device_id).await? {
        Some(found) => {
            reporter(Step::DeviceFound { device: device() });
            ensure_enabled(&found)?;
        }
        None => {
            outcome = Outcome::Changed;
            create(central, device_id, display_name).await?;
            reporter(Step::DeviceCreated { device: device() });
        }
    }

    let found = shown(central, device_id).await?;
    ensure_ours(device_id, &found, &ours)?;
    if ours
        .iter()
        .flatten()
        .any(|one| !found.iter().flatten().any(|found| found == one))
    {
        outcome = Outcome::Changed;
        put(central, device_id, &spec, &ours, reporter).await?;
    }
    reporter(Step::DeviceReady {
        device: device(),
        thumbprints: ours.into_iter().flatten().collect(),
    });
    Ok(outcome)
}

/// What [`enroll_individual`] would have to do, and whether it could. Only reads.
pub async fn examine_individual(
    central: &Central,
    device_id: &str,
    certificates: &OwnCertificates<'_>,
) -> Result<IndividualNeeds, EnrollError> {
    let ours = certificates.thumbprints(device_id)?;
    let Some(device) = find(central, device_id).await? else {
        return Ok(IndividualNeeds {
            device: true,
            certificates: true,
        });
    };
    ensure_enabled(&device)?;
    let found = shown(central, device_id).await?;
    ensure_ours(device_id, &found, &ours)?;
    let missing = ours
        .iter()
        .flatten()
        .any(|one| !found.iter().flatten().any(|found| found == one));
    Ok(IndividualNeeds {
        device: false,
        certificates: missing,
    })
}

/// Gives the device's enrollment exactly these certificates in exactly these slots, whatever stood there, and reads
/// back.
pub async fn put_individual(
    central: &Central,
    device_id: &str,
    certificates: &OwnCertificates<'_>,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    let ours = certificates.thumbprints(device_id)?;
    if shown(central, device_id).await? == ours {
        return Ok(Outcome::Unchanged);
    }
    put(central, device_id, certificates, &ours, reporter).await?;
    Ok(Outcome::Changed)
}

/// The SHA-1 thumbprints of the device's own certificates as the service shows them, primary first. A device without an
/// enrollment of its own has none.
pub async fn own_thumbprints(central: &Central, device_id: &str) -> Result<[Option<String>; 2], EnrollError> {
    shown(central, device_id).await
}

/// Lets a device in, or blocks it: at DPS and at its hub.
pub async fn set_device_enabled(
    central: &Central,
    device_id: &str,
    enabled: bool,
    reporter: Reporter<'_>,
) -> Result<Outcome, EnrollError> {
    if central.device(device_id).await?.enabled == enabled {
        return Ok(Outcome::Unchanged);
    }
    let answer = central.set_device_enabled(device_id, enabled).await?;
    if answer.enabled != enabled {
        let words = |enabled| {
            if enabled {
                "an enabled device"
            } else {
                "a blocked device"
            }
        };
        return Err(EnrollError::NotTakenOver {
            subject: subject(device_id),
            expected: words(enabled).to_owned(),
            found: words(answer.enabled).to_owned(),
        });
    }
    let device = device_id.to_owned();
    reporter(if enabled {
        Step::DeviceEnabled { device }
    } else {
        Step::DeviceBlocked { device }
    });
    Ok(Outcome::Changed)
}

async fn find(central: &Central, device_id: &str) -> Result<Option<Device>, EnrollError> {
    match central.device(device_id).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn create(central: &Central, device_id: &str, display_name: &str) -> Result<Device, CentralError> {
    let device = NewDevice {
        display_name,
        template: None,
        enabled: true,
    };
    central.put_device(device_id, &device).await
}

fn ensure_enabled(device: &Device) -> Result<(), EnrollError> {
    if device.enabled {
        return Ok(());
    }
    Err(EnrollError::Disabled {
        subject: subject(&device.id),
    })
}

fn ensure_ours(device_id: &str, found: &Thumbprints, ours: &Thumbprints) -> Result<(), EnrollError> {
    for ((slot, found), preferred) in [Slot::Primary, Slot::Secondary].into_iter().zip(found).zip(ours) {
        if let Some(found) = found
            && !ours.iter().flatten().any(|one| one == found)
        {
            return Err(EnrollError::AnotherCertificate {
                subject: subject(device_id),
                slot,
                found: found.clone(),
                ours: preferred.clone().unwrap_or_else(|| "none".to_owned()),
            });
        }
    }
    Ok(())
}

async fn put(
    central: &Central,
    device_id: &str,
    certificates: &OwnCertificates<'_>,
    ours: &Thumbprints,
    reporter: Reporter<'_>,
) -> Result<(), EnrollError> {
    let OwnCertificates { primary, secondary } = *certificates;
    central.put_x509_attestation(device_id, primary, secondary).await?;
    reporter(Step::CertificatesUploaded {
        device: device_id.to_owned(),
        count: ours.iter().flatten().count(),
    });
    let read_back = shown(central, device_id).await?;
    if read_back == *ours {
        return Ok(());
    }
    let words = |thumbprints: &Thumbprints| {
        let [primary, secondary] = thumbprints.each_ref().map(|one| one.as_deref().unwrap_or("none"));
        format!("{primary} and {secondary}")
    };
    Err(EnrollError::NotTakenOver {
        subject: subject(device_id),
        expected: words(ours),
        found: words(&read_back),
    })
}

/// The thumbprints the service shows, primary first; a device without an enrollment has none.
async fn shown(central: &Central, device_id: &str) -> Result<Thumbprints, EnrollError> {
    let slots = match central.attestation(device_id).await {
        Ok(DeviceAttestation::X509 { x509 }) => x509.client_certificates,
        Ok(_) => {
            return Err(EnrollError::NotX509 {
                subject: subject(device_id),
            });
        }
        Err(error) if error.is_not_found() => Slots::default(),
        Err(error) => return Err(error.into()),
    };
    Ok([Slot::Primary, Slot::Secondary].map(|slot| slots.get(slot).map(thumbprint)))
}

fn subject(device_id: &str) -> String {
    format!("device {device_id}")
}
