//! A registration with the Device Provisioning Service: topics and bodies.
//!
//! Source: [Communicate with DPS using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-dps); the
//! bodies are those of the [device registration
//! API](https://learn.microsoft.com/rest/api/iot-dps/device/runtime-registration).

mod message;
mod topic;

pub use message::{Registration, RegistrationRequest, RegistrationState, ServiceError, Status, Substatus};
pub use topic::{RESPONSE_FILTER, RequestTopic, ResponseTopic};
