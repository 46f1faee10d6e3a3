//! What a target allows, as far as that is known.

use std::time::Duration;

use iot_emulator::Quota;
use settings::Rate;

use super::types::Target;

/// What the target lets register, and who says so, as far as that is known.
///
/// <https://learn.microsoft.com/azure/iot-central/core/concepts-quotas-limits> and
/// <https://learn.microsoft.com/azure/iot-dps/about-iot-dps#quotas-and-limits>
#[must_use]
pub fn allowed_registrations(target: &Target) -> Option<(&str, Rate)> {
    match target {
        Target::IotCentral(_) => Some(("IoT Central", Rate::per_minute(200.0))),
        Target::Dps(_) => Some(("DPS", Rate::per_minute(1000.0))),
        Target::Emulator(target) => {
            let name = target.quota.as_deref()?;
            // A file that can't be used was refused with the manifest.
            let (amount, period) = Quota::load(name).ok()??.registrations()?;
            Some((name, rate(amount, period)))
        }
    }
}

/// In the unit in which it is written, or per minute where a manifest has no such unit.
fn rate(amount: u32, period: Duration) -> Rate {
    let (amount, seconds) = (f64::from(amount), period.as_secs_f64());
    match period.as_secs() {
        1 => Rate::per_second(amount),
        _ => Rate::per_minute(amount * 60.0 / seconds),
    }
}
