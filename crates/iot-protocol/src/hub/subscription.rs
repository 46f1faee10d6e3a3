use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::TopicError;
use crate::id::DeviceId;

/// How many subscriptions a hub grants a client at the same time; one more ends the connection.
pub const MAX_SUBSCRIPTIONS: usize = 5;

/// The only topic filters that a hub grants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Subscription {
    /// `#`: everything that does not begin with `$` (MQTT 3.1.1, 4.7.2), of which a device gets cloud-to-device
    /// messages. Microsoft's samples for plain MQTT subscribe to it (GitHub Azure-Samples/IoTMQTTSample).
    Everything,
    /// Cloud-to-device messages.
    CloudToDevice {
        /// The receiver.
        device_id: DeviceId,
    },
    /// Answers to twin requests.
    TwinResponses,
    /// Changes of desired properties.
    DesiredChanges,
    /// Direct methods.
    Methods,
    /// Messages to an input of a module.
    ModuleInputs {
        /// The device.
        device_id: DeviceId,
        /// The module.
        module_id: DeviceId,
    },
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("#"),
            Self::CloudToDevice { device_id } => write!(f, "devices/{device_id}/messages/devicebound/#"),
            Self::TwinResponses => f.write_str("$iothub/twin/res/#"),
            Self::DesiredChanges => f.write_str("$iothub/twin/PATCH/properties/desired/#"),
            Self::Methods => f.write_str("$iothub/methods/POST/#"),
            Self::ModuleInputs { device_id, module_id } => write!(f, "devices/{device_id}/modules/{module_id}/#"),
        }
    }
}

impl FromStr for Subscription {
    type Err = TopicError;

    fn from_str(filter: &str) -> Result<Self, TopicError> {
        let unknown = || TopicError::Unknown(filter.into());
        match filter {
            "#" => return Ok(Self::Everything),
            "$iothub/twin/res/#" => return Ok(Self::TwinResponses),
            "$iothub/twin/PATCH/properties/desired/#" => return Ok(Self::DesiredChanges),
            "$iothub/methods/POST/#" => return Ok(Self::Methods),
            _ => {}
        }
        let rest = filter.strip_prefix("devices/").ok_or_else(unknown)?;
        let (device_id, rest) = rest.split_once('/').ok_or_else(unknown)?;
        let device_id = device_id.parse().map_err(|_| unknown())?;
        if rest == "messages/devicebound/#" {
            return Ok(Self::CloudToDevice { device_id });
        }
        let module_id = rest
            .strip_prefix("modules/")
            .and_then(|rest| rest.strip_suffix("/#"))
            .ok_or_else(unknown)?;
        Ok(Self::ModuleInputs {
            device_id,
            module_id: module_id.parse().map_err(|_| unknown())?,
        })
    }
}
