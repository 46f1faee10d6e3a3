//! The Device Provisioning Service: one, with two doors, MQTT (`session`) and HTTPS (`https`).
//!
//! Source: [Communicate with DPS using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-dps).

mod allocation;
pub(crate) mod https;
mod register;
mod registrations;
mod request;
mod session;
mod weather;

pub use allocation::Reprovision;
pub(crate) use allocation::{Current, place};
#[cfg(test)]
pub(crate) use registrations::Polled;
pub(crate) use registrations::Registrations;
pub(crate) use session::serve;
