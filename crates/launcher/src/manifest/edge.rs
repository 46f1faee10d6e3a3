//! IoT Edge in a manifest: who is a gateway, by which name, and who is behind it.

use iot_protocol::id::RegistrationId;

use super::Manifest;
use super::types::{Group, GroupKind, Target};

/// What stands for the device's id in `hostname` and `gateway_address`.
pub const DEVICE_ID: &str = "{device_id}";

/// The name of a gateway where a manifest has none.
pub const HOSTNAME: &str = "{device_id}.gw.local";

/// Where IoT Edge listens for MQTT over TLS.
/// <https://learn.microsoft.com/azure/iot-edge/how-to-connect-downstream-device>
const PORT: u16 = 8883;

/// An IoT Edge device that others are behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway<'a> {
    /// Its id.
    pub device: &'a RegistrationId,
    /// The place of its group among the groups.
    pub group: usize,
    /// The name by which the devices behind it reach it.
    pub hostname: String,
}

impl Group {
    /// Whether it has the device.
    #[must_use]
    pub fn holds(&self, device_id: &str) -> bool {
        let number = device_id.strip_prefix(self.devices.prefix.as_str());
        let Some(number) = number.and_then(|digits| digits.parse::<u32>().ok()) else {
            return false;
        };
        let index = number.checked_sub(self.devices.first);
        index.is_some_and(|index| index < self.devices.count && self.devices.id(index) == device_id)
    }

    /// The name of the gateway that a device of it is.
    #[must_use]
    pub fn hostname_of(&self, device_id: &str) -> String {
        self.hostname
            .as_deref()
            .unwrap_or(HOSTNAME)
            .replace(DEVICE_ID, device_id)
    }

    /// Host and port at which the gateway is reached that a device of it is.
    #[must_use]
    pub fn gateway_address_of(&self, device_id: &str) -> (String, u16) {
        let Some(address) = &self.gateway_address else {
            return (self.hostname_of(device_id), PORT);
        };
        let address = address.replace(DEVICE_ID, device_id);
        match address.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host.to_owned(), port),
            _ => (address, PORT),
        }
    }
}

impl Manifest {
    /// The group of an IoT Edge device, and its place among the groups.
    #[must_use]
    pub fn edge_group(&self, device_id: &str) -> Option<(usize, &Group)> {
        let mut groups = self.group.iter().enumerate();
        groups.find(|(_, group)| group.kind == GroupKind::Edge && group.holds(device_id))
    }

    /// Whether the devices of a group are simulated. With a service other than the emulator of a run, an IoT Edge device is
    /// usually a real one, and two clients with one identity throw each other out.
    #[must_use]
    pub fn simulates(&self, group: &Group) -> bool {
        let by_itself = matches!(self.target, Target::Emulator(_));
        group.kind == GroupKind::Iot || group.simulated.unwrap_or(by_itself)
    }

    /// The IoT Edge devices that others are behind, each once.
    #[must_use]
    pub fn gateways(&self) -> Vec<Gateway<'_>> {
        let of_groups = self.group.iter().filter_map(|group| group.via.as_ref());
        let of_individuals = self.individual.iter().filter_map(|individual| individual.via.as_ref());
        let mut gateways: Vec<Gateway<'_>> = Vec::new();
        for device in of_groups.chain(of_individuals) {
            if gateways.iter().any(|gateway| gateway.device == device) {
                continue;
            }
            if let Some((group, keys)) = self.edge_group(device.as_str()) {
                gateways.push(Gateway {
                    device,
                    group,
                    hostname: keys.hostname_of(device.as_str()),
                });
            }
        }
        gateways
    }

    /// The ids of the devices behind a gateway.
    ///
    /// # Errors
    ///
    /// A number makes an id that is not a registration id; a read manifest has none.
    pub fn children(&self, gateway: &RegistrationId) -> Result<Vec<RegistrationId>, iot_protocol::IdError> {
        let mut children = Vec::new();
        for group in self.group.iter().filter(|group| group.via.as_ref() == Some(gateway)) {
            for index in 0..group.devices.count {
                children.push(RegistrationId::new(&group.devices.id(index))?);
            }
        }
        for individual in &self.individual {
            if individual.via.as_ref() == Some(gateway) {
                children.extend(individual.ids()?);
            }
        }
        Ok(children)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn gateways_are_found_by_those_who_are_behind_them() {
        let text = r#"
            [fleet]
            name = "a"
            [target]
            kind = "dps"
            id_scope = "0ne1"
            [[group]]
            id = "edge"
            kind = "edge"
            gateway_address = "{device_id}.lan:18883"
            devices = { prefix = "gw-", count = 12, first = 0, width = 1 }
            [[group]]
            id = "t"
            via = "gw-10"
            devices = { prefix = "t-", count = 2 }
            [[individual]]
            device_id = "lab"
            via = "gw-10"
        "#;
        let manifest = crate::manifest::parse("a.toml", text, Path::new(""), &[]).unwrap();
        let edge = &manifest.group[0];
        for (id, is_there) in [
            ("gw-0", true),
            ("gw-11", true),
            ("gw-12", false),
            ("gw-01", false),
            ("t-0001", false),
        ] {
            assert_eq!(edge.holds(id), is_there, "{id}");
        }
        let gateways = manifest.gateways();
        assert_eq!(gateways.len(), 1, "{gateways:?}");
        assert_eq!(
            (gateways[0].group, gateways[0].hostname.as_str()),
            (0, "gw-10.gw.local")
        );
        let children: Vec<_> = manifest.children(gateways[0].device).unwrap();
        assert_eq!(
            children.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
            ["t-0001", "t-0002", "lab"]
        );
        assert_eq!(edge.gateway_address_of("gw-10"), ("gw-10.lan".into(), 18883));
    }
}
