//! Which hub a registration gives a device, and whether the data that the hub has of it is kept. Pure.
//!
//! Sources: [Reprovisioning concepts](https://learn.microsoft.com/azure/iot-dps/concepts-device-reprovision),
//! [the words for it](https://learn.microsoft.com/rest/api/iot-dps/device/runtime-registration/register-device).

use clap::ValueEnum;
use iot_protocol::dps::Substatus;

use crate::unconfirmed::RESET_IN_PLACE;

/// What a registration does with a device that has a hub already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Reprovision {
    /// It may get another hub, and its data moves with it.
    #[default]
    Migrate,
    /// It may get another hub, and its data is cleared in any case.
    Reset,
    /// It keeps its hub.
    Never,
}

/// Where a known device is. Hubs are identified by their place in the list of hubs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Current {
    /// None, if there is no such hub any more.
    pub(crate) hub: Option<usize>,
    /// The hub that it is to get instead.
    pub(crate) next: Option<usize>,
}

/// What a registration comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) hub: usize,
    pub(crate) substatus: Substatus,
    /// Whether the device had another hub before.
    pub(crate) moves: bool,
    /// Whether what the hub had of the device is removed.
    pub(crate) resets: bool,
}

/// Places a device; `loads` is the number of devices that each hub has.
pub(crate) fn place(current: Option<Current>, loads: &[usize], policy: Reprovision) -> Placement {
    let Some(current) = current else {
        return Placement {
            hub: least_loaded(loads),
            substatus: Substatus::InitialAssignment,
            moves: false,
            resets: false,
        };
    };
    let hub = match (policy, current) {
        (Reprovision::Never, Current { hub: Some(hub), .. }) => hub,
        (_, Current { next: Some(next), .. }) => next,
        (_, Current { hub: Some(hub), .. }) => hub,
        (_, Current { hub: None, next: None }) => least_loaded(loads),
    };
    let moves = current.hub != Some(hub);
    let resets = policy == Reprovision::Reset;
    let substatus = match (moves, resets) {
        (false, false) => Substatus::ReprovisionedToInitialAssignment,
        (false, true) => RESET_IN_PLACE,
        (true, false) => Substatus::DeviceDataMigrated,
        (true, true) => Substatus::DeviceDataReset,
    };
    Placement {
        hub,
        substatus,
        moves,
        resets,
    }
}

/// The hub with the fewest devices; of several the first, so that the same fleet is always spread the same way.
fn least_loaded(loads: &[usize]) -> usize {
    let by_load = loads.iter().enumerate().min_by_key(|(_, load)| **load);
    by_load.map_or(0, |(hub, _)| hub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_devices_are_spread_evenly_and_always_alike() {
        let mut loads = [0; 3];
        let hubs: Vec<usize> = (0..7)
            .map(|_| {
                let placed = place(None, &loads, Reprovision::Migrate);
                assert_eq!(placed.substatus, Substatus::InitialAssignment);
                loads[placed.hub] += 1;
                placed.hub
            })
            .collect();
        assert_eq!(hubs, [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(place(None, &[3, 1, 2], Reprovision::Migrate).hub, 1);
    }

    #[test]
    fn a_known_device_goes_where_policy_and_operator_want_it() {
        use Reprovision::{Migrate, Never, Reset};
        use Substatus::{DeviceDataMigrated, DeviceDataReset, ReprovisionedToInitialAssignment};
        let at = |hub, next| Some(Current { hub, next });
        for (current, policy, hub, substatus, moves, resets) in [
            // It stays, even if another hub has fewer.
            (
                at(Some(1), None),
                Migrate,
                1,
                ReprovisionedToInitialAssignment,
                false,
                false,
            ),
            (at(Some(1), None), Reset, 1, DeviceDataReset, false, true),
            (
                at(Some(1), None),
                Never,
                1,
                ReprovisionedToInitialAssignment,
                false,
                false,
            ),
            // It is wanted elsewhere.
            (at(Some(1), Some(2)), Migrate, 2, DeviceDataMigrated, true, false),
            (at(Some(1), Some(2)), Reset, 2, DeviceDataReset, true, true),
            (
                at(Some(1), Some(2)),
                Never,
                1,
                ReprovisionedToInitialAssignment,
                false,
                false,
            ),
            // Its hub is gone, so there is nothing to stay at.
            (at(None, None), Migrate, 0, DeviceDataMigrated, true, false),
            (at(None, None), Never, 0, DeviceDataMigrated, true, false),
        ] {
            let expected = Placement {
                hub,
                substatus,
                moves,
                resets,
            };
            assert_eq!(place(current, &[0, 5, 5], policy), expected, "{current:?} {policy:?}");
        }
    }
}
