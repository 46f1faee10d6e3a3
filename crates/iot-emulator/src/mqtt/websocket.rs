//! MQTT over WebSocket, as DPS and IoT Hub offer it beside MQTT on a port of its own.
//!
//! Sources: [Communicate with an IoT hub using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub),
//! [MQTT 3.1.1, section 6](https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718127).

mod frames;
mod upgrade;

pub(crate) use frames::{WebSocket, WebSocketFault};
pub(crate) use upgrade::{Spoken, upgrade};
