//! The IoT Hub: device identities and twins, and the MQTT sessions of devices.
//!
//! Source: [Communicate with an IoT hub using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub).

mod allocation;
mod dedup;
pub(crate) mod device;
mod hubs;
pub(crate) mod mailbox;
mod method;
mod queue;
mod recent;
pub(crate) mod records;
mod registry;
mod restore;
mod telemetry;
mod twin;
mod unmodeled;

pub use allocation::Reprovision;
pub(crate) use device::{Device, DeviceState};

pub(crate) use hubs::Hubs;
pub(crate) use method::{InvokeError, invoke};
pub(crate) use queue::{CloudMessage, DEFAULT_TTL};
pub(crate) use recent::{Message, Room};
pub(crate) use registry::{CantMove, Registry, Target};
pub use twin::is_component;
pub(crate) use twin::{BadPatch, Twin};
pub(crate) use unmodeled::{Check, Mark};
