//! The IoT Hub: device identities and twins, and the MQTT sessions of devices.
//!
//! Source: [Communicate with an IoT hub using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub).

mod admission;
mod device;
mod inbox;
mod mailbox;
mod method;
mod queue;
mod registry;
mod seen;
mod session;
mod stored;
mod twin;

pub(crate) use admission::admit;
pub(crate) use device::Device;

pub(crate) use method::{InvokeError, invoke};
pub(crate) use queue::{CloudMessage, DEFAULT_TTL};
pub(crate) use registry::{CantMove, Hubs, Registry, Target};
pub(crate) use session::{Session, begin, serve};
pub(crate) use twin::{BadPatch, Twin, is_component};
