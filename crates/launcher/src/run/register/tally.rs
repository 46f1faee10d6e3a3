//! Which devices have registered, and which will not in this attempt. Pure.

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::lines::{DeviceLine, State};
use fleet_protocol::reason::Reason;

/// A device that has failed so often is left for the next time.
const ATTEMPTS: u32 = 5;

/// The registrations of a fleet.
#[derive(Debug)]
pub(super) struct Tally {
    devices: u64,
    registered: BTreeSet<String>,
    /// How often a device that has not registered has failed, and why at last.
    failed: BTreeMap<String, (u32, Option<Reason>)>,
    /// How many of those are not waited for.
    given_up: u64,
}

impl Tally {
    /// None of `devices` has registered.
    pub(super) fn new(devices: u32) -> Self {
        Self {
            devices: devices.into(),
            registered: BTreeSet::new(),
            failed: BTreeMap::new(),
            given_up: 0,
        }
    }

    /// Takes a change of a device's state.
    pub(super) fn handle(&mut self, device: &DeviceLine) {
        if device.hub.is_some() {
            let failed = self.failed.remove(&device.id);
            if failed.is_some_and(|(attempts, _)| attempts >= ATTEMPTS) {
                self.given_up -= 1;
            }
            self.registered.insert(device.id.clone());
            return;
        }
        let attempts = match device.state {
            // It waits for a person, who does not come that soon.
            State::Parked => ATTEMPTS,
            State::BackingOff => 1,
            _ => return,
        };
        let (failures, reason) = self.failed.entry(device.id.clone()).or_default();
        let before = *failures;
        *failures = failures.saturating_add(attempts);
        if before < ATTEMPTS && *failures >= ATTEMPTS {
            self.given_up += 1;
        }
        reason.clone_from(&device.reason);
    }

    /// How many have registered.
    pub(super) fn registered(&self) -> u64 {
        self.registered.len() as u64
    }

    /// How many have failed and are not waited for.
    pub(super) fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Whether every device has registered or is not waited for.
    pub(super) fn is_over(&self) -> bool {
        self.registered() + self.given_up() >= self.devices
    }

    /// Why devices have not registered, each reason with its number of devices. Those that had no turn are not among them.
    pub(super) fn failures(&self) -> BTreeMap<String, u64> {
        let mut failures = BTreeMap::new();
        for (_, reason) in self.failed.values() {
            let reason = reason.as_ref().map_or("unknown", Reason::as_str);
            *failures.entry(reason.to_owned()).or_insert(0) += 1;
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(devices: u32, lines: &[(&str, &str, Option<&str>)]) -> Tally {
        let mut tally = Tally::new(devices);
        for (id, state, more) in lines {
            let mut line = serde_json::json!({"id": id, "state": state});
            let key = if *state == "pending" { "hub" } else { "reason" };
            if let Some(more) = more {
                line[key] = (*more).into();
            }
            tally.handle(&serde_json::from_value(line).unwrap());
        }
        tally
    }

    #[test]
    fn it_is_over_when_each_device_has_registered_or_waits_for_a_person() {
        let begun = [("a", "registering", None), ("a", "pending", Some("hub"))];
        let tally = after(2, &begun);
        assert_eq!((tally.registered(), tally.is_over()), (1, false));
        let parked = [&begun[..], &[("b", "parked", Some("dps_unauthorized"))]].concat();
        let tally = after(2, &parked);
        assert_eq!((tally.registered(), tally.given_up(), tally.is_over()), (1, 1, true));
        assert_eq!(tally.failures(), BTreeMap::from([("dps_unauthorized".to_owned(), 1)]));
        // A person was quick.
        let tally = after(2, &[&parked[..], &[("b", "pending", Some("hub"))]].concat());
        assert_eq!((tally.registered(), tally.given_up()), (2, 0));
        assert!(tally.failures().is_empty());
    }

    #[test]
    fn a_device_that_helps_itself_is_waited_for_but_not_for_ever() {
        let once = ("a", "backing_off", Some("dps_throttled"));
        let tally = after(1, &[once; 4]);
        assert_eq!((tally.given_up(), tally.is_over()), (0, false));
        assert_eq!(tally.failures().len(), 1);
        assert!(after(1, &[once; 5]).is_over());
    }
}
