//! The transparent gateway: a listener that stands for an IoT Edge device, as the devices behind it see it. They trust
//! the root of its chain, name the hub in their user names, and are known by a relationship to the Edge device.
//!
//! Sources: [Connect downstream devices](https://learn.microsoft.com/azure/iot-edge/how-to-connect-downstream-device),
//! [Authenticate downstream devices](https://learn.microsoft.com/azure/iot-edge/how-to-authenticate-downstream-device).

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use iot_protocol::IdError;
use iot_protocol::id::{DeviceId, HubHost};
use serde::Serialize;

/// A transparent gateway: which Edge device it stands for, by which name devices reach it, and where it listens.
///
/// Its text form is `[DEVICE@]NAME=ADDR`; the Edge device is called like the first label of the name unless it is named:
///
/// ```
/// use iot_emulator::Gateway;
///
/// let gateway: Gateway = "gw-7.local=127.0.0.1:0".parse()?;
/// assert_eq!(gateway.device.as_str(), "gw-7");
/// let gateway: Gateway = "edge-1@gw.local=127.0.0.1:0".parse()?;
/// assert_eq!((gateway.device.as_str(), gateway.hostname.as_str()), ("edge-1", "gw.local"));
/// # Ok::<(), iot_emulator::InvalidGateway>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gateway {
    /// The Edge device, whose children may connect here.
    pub device: DeviceId,
    /// The name in the certificate.
    pub hostname: HubHost,
    /// Where it listens for MQTT over TLS.
    pub mqtt: SocketAddr,
}

/// Why a text names no gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGateway {
    /// There is no `=` in it.
    #[error("`{0}` has no address; accepted: [DEVICE@]NAME=ADDR, e.g. gw.local=127.0.0.1:8884")]
    NoAddress(String),
    /// What follows the `=` is not an address with a port.
    #[error("`{0}` is not an address with a port; accepted: e.g. 127.0.0.1:8884")]
    Address(String),
    /// The name or the device is not one.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl FromStr for Gateway {
    type Err = InvalidGateway;

    fn from_str(text: &str) -> Result<Self, InvalidGateway> {
        // A device id may hold both marks; an address and a host name hold neither.
        let (name, address) = text
            .rsplit_once('=')
            .ok_or_else(|| InvalidGateway::NoAddress(text.into()))?;
        let mqtt = address.parse().map_err(|_| InvalidGateway::Address(address.into()))?;
        let (device, hostname) = match name.rsplit_once('@') {
            Some((device, hostname)) => (device, hostname),
            None => (name.split('.').next().unwrap_or(name), name),
        };
        Ok(Self {
            device: device.parse()?,
            hostname: hostname.parse()?,
            mqtt,
        })
    }
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}={}", self.device, self.hostname, self.mqtt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_read_and_written_in_one_form() {
        for (text, whole) in [
            ("gw.local=127.0.0.1:0", "gw@gw.local=127.0.0.1:0"),
            ("gateway=[::1]:8884", "gateway@gateway=[::1]:8884"),
            ("a=b@c@gw.local=127.0.0.1:1", "a=b@c@gw.local=127.0.0.1:1"),
        ] {
            let gateway: Gateway = text.parse().unwrap();
            assert_eq!(gateway.to_string(), whole);
            assert_eq!(whole.parse(), Ok(gateway));
        }
        for text in [
            "gw.local",
            "gw.local=here",
            "=127.0.0.1:0",
            "@gw.local=127.0.0.1:0",
            "a b=127.0.0.1:0",
        ] {
            assert!(text.parse::<Gateway>().is_err(), "{text}");
        }
    }
}
