//! Taking an enrollment back, as far as it is ours.

use super::needed::thumbprint;
use super::{EnrollError, Outcome, Reporter, Step};
use crate::central::schema::response::{DeviceAttestation, GroupAttestation, Slots};
use crate::central::{Central, CentralError};
use crate::identities::Slot;

/// Whose something is that stands under our id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// There is nothing.
    Absent,
    /// It holds our certificates and no others.
    Ours,
    /// Others have a part in it.
    NotOurs {
        /// What shows it.
        reason: String,
    },
}

/// Whose a group is. `ours` are the SHA-1 thumbprints of our CAs; a group without any certificate is ours if it has the
/// name that we give.
pub async fn claim_group(
    central: &Central,
    group_id: &str,
    display_name: &str,
    ours: &[String],
) -> Result<Claim, EnrollError> {
    let group = match central.enrollment_group(group_id).await {
        Ok(group) => group,
        Err(error) if error.is_not_found() => return Ok(Claim::Absent),
        Err(error) => return Err(error.into()),
    };
    let GroupAttestation::X509 { x509 } = &group.attestation else {
        return Ok(not_ours("it does not use X.509 certificates"));
    };
    Ok(judge(&x509.signing_certificates, ours).unwrap_or_else(|| {
        if group.display_name == display_name {
            Claim::Ours
        } else {
            not_ours(format!(
                "it holds no certificate, and its name is `{}` instead of `{display_name}`",
                group.display_name
            ))
        }
    }))
}

/// Whose a device is. `ours` are the SHA-1 thumbprints of its own certificates; one without an enrollment of its own is ours
/// as long as it has never registered.
pub async fn claim_device(central: &Central, device_id: &str, ours: &[String]) -> Result<Claim, EnrollError> {
    let device = match central.device(device_id).await {
        Ok(device) => device,
        Err(error) if error.is_not_found() => return Ok(Claim::Absent),
        Err(error) => return Err(error.into()),
    };
    let slots = match central.attestation(device_id).await {
        Ok(DeviceAttestation::X509 { x509 }) => x509.client_certificates,
        Ok(_) => return Ok(not_ours("it does not use X.509 certificates")),
        Err(error) if error.is_not_found() => Slots::default(),
        Err(error) => return Err(error.into()),
    };
    Ok(judge(&slots, ours).unwrap_or_else(|| {
        if device.provisioned {
            not_ours("it has registered without an enrollment of its own")
        } else {
            Claim::Ours
        }
    }))
}

/// Removes a group. Devices that have registered through it stay.
pub async fn remove_group(central: &Central, group_id: &str, reporter: Reporter<'_>) -> Result<Outcome, EnrollError> {
    let outcome = removed(central.delete_enrollment_group(group_id).await)?;
    if outcome == Outcome::Changed {
        let group = group_id.to_owned();
        reporter(Step::GroupRemoved { group });
    }
    Ok(outcome)
}

/// Removes a device, from its hub too.
pub async fn remove_device(central: &Central, device_id: &str, reporter: Reporter<'_>) -> Result<Outcome, EnrollError> {
    let outcome = removed(central.delete_device(device_id).await)?;
    if outcome == Outcome::Changed {
        let device = device_id.to_owned();
        reporter(Step::DeviceRemoved { device });
    }
    Ok(outcome)
}

/// What the certificates show; nothing where there are none.
fn judge(slots: &Slots, ours: &[String]) -> Option<Claim> {
    let held: Vec<_> = [Slot::Primary, Slot::Secondary]
        .into_iter()
        .filter_map(|slot| Some((slot, thumbprint(slots.get(slot)?))))
        .collect();
    match held.iter().find(|(_, sha1)| !ours.contains(sha1)) {
        Some((slot, sha1)) => Some(not_ours(format!("its {slot} certificate {sha1} is not one of ours"))),
        None if held.is_empty() => None,
        None => Some(Claim::Ours),
    }
}

fn not_ours(reason: impl Into<String>) -> Claim {
    Claim::NotOurs { reason: reason.into() }
}

fn removed(done: Result<(), CentralError>) -> Result<Outcome, EnrollError> {
    match done {
        Ok(()) => Ok(Outcome::Changed),
        Err(error) if error.is_not_found() => Ok(Outcome::Unchanged),
        Err(error) => Err(error.into()),
    }
}
