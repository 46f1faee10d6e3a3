//! The Device Provisioning Service: one, with two doors, MQTT (`crate::mqtt::dps`) and HTTPS (`https`).
//!
//! Source: [Communicate with DPS using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-dps).

pub(crate) mod https;
mod register;
pub(crate) mod request;
