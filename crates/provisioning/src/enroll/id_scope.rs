//! The id scope, which devices need and the stable API shows only with a device's credentials.

use super::EnrollError;
use crate::central::{Central, CentralError, NewDevice};

/// The device that is made for a moment where an application has none. Always the same one, so that one which was left
/// behind is found and removed.
const PROBE: &str = "fleet-id-scope-probe";

/// Finds the application's id scope: from one of the groups, which the preview of the API returns; else from the
/// credentials of a device, one of `devices` if there are any; else from those of a device that is made for this and
/// removed again.
pub async fn find_id_scope(central: &Central, groups: &[&str], devices: &[&str]) -> Result<String, EnrollError> {
    if let Some(group) = groups.first() {
        match central.group_id_scope(group).await {
            Ok(Some(id_scope)) => return Ok(id_scope),
            // A preview may be withdrawn at any time, and then there is still the other way.
            Ok(None) => {}
            Err(CentralError::Refused { status, .. }) if (400..500).contains(&status) && status != 429 => {}
            Err(error @ CentralError::UnexpectedAnswer { .. }) => tracing::debug!(%error, "the preview is of no use"),
            Err(error) => return Err(error.into()),
        }
    }
    let device = match devices.first() {
        Some(device) => Some((*device).to_owned()),
        None => central.any_device().await?.map(|device| device.id),
    };
    match device {
        Some(device) if device != PROBE => Ok(central.id_scope(&device).await?),
        _ => probe(central).await,
    }
}

async fn probe(central: &Central) -> Result<String, EnrollError> {
    let device = NewDevice {
        display_name: "Made by fleet to find the id scope, and removed at once",
        template: None,
        enabled: false,
    };
    let found = match central.put_device(PROBE, &device).await {
        Ok(_) => central.id_scope(PROBE).await,
        Err(error) => Err(error),
    };
    // It goes also where it was of no use, and where the answer to its making was lost.
    match central.delete_device(PROBE).await {
        Err(error) if !error.is_not_found() && found.is_ok() => Err(error.into()),
        _ => Ok(found?),
    }
}
