//! What a target allows, as far as that is known.

use fleet_report::plan::Quota;
use settings::Rate;

use super::types::Target;

/// The limits of a target: those that the manifest names, otherwise those of the service. An emulator has none by itself.
#[must_use]
pub fn quota(target: &Target) -> Option<Quota> {
    let (name, units) = match target {
        Target::Emulator(target) => (target.quota.as_deref()?, target.units),
        Target::IotCentral(target) => (target.quota.as_deref().unwrap_or("iot-central"), target.units),
        Target::Dps(target) => (target.quota.as_deref().unwrap_or("dps"), target.units),
    };
    // A file that can't be used was refused with the manifest, and `off` is no file.
    let limits = quotas::load(name).ok()?;
    let units = units.unwrap_or(1);
    Some(Quota { limits, units })
}

/// How many devices the target lets register, as far as that is known.
#[must_use]
pub fn allowed_registrations(target: &Target) -> Option<Rate> {
    quota(target)?.registrations()
}
