//! When the stages of devices begin: each has finished its first registration, whether it succeeded or not.

use std::collections::BTreeSet;

use fleet_protocol::lines::{DeviceLine, State};

/// The devices that have settled.
#[derive(Debug)]
pub(crate) struct RegistrationBarrier {
    devices: usize,
    settled: BTreeSet<String>,
}

impl RegistrationBarrier {
    /// None of so many has.
    pub(crate) fn new(devices: u32) -> Self {
        Self {
            devices: devices as usize,
            settled: BTreeSet::new(),
        }
    }

    /// Takes a change of a device's state. True at the one that was the last to settle.
    pub(crate) fn handle(&mut self, device: &DeviceLine) -> bool {
        let over = device.hub.is_some() || matches!(device.state, State::BackingOff | State::Parked);
        if !over || self.settled.len() >= self.devices {
            return false;
        }
        self.settled.insert(device.id.clone()) && self.settled.len() == self.devices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, state: &str, hub: Option<&str>) -> DeviceLine {
        let mut line = serde_json::json!({"id": id, "state": state});
        if let Some(hub) = hub {
            line["hub"] = hub.into();
        }
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn the_last_device_to_register_or_fail_is_reported_once() {
        let mut settled = RegistrationBarrier::new(2);
        assert!(!settled.handle(&line("a", "registering", None)));
        assert!(!settled.handle(&line("a", "backing_off", None)));
        assert!(!settled.handle(&line("a", "parked", None)));
        assert!(settled.handle(&line("b", "pending", Some("hub"))));
        assert!(!settled.handle(&line("b", "parked", None)));
    }
}
