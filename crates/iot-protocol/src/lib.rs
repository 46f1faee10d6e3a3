//! What goes over the wire between a device, the Device Provisioning Service (DPS), IoT Hub and IoT Central.
//!
//! Everything here is pure: no sockets, no clock, no async. Both ends of the wire use it (the simulated devices and the
//! emulator), so a shared mistake would go unnoticed between them; the referee is `tests/wire`, golden cases with
//! literal topics and payloads that are written from the public documentation, each naming its source.
//!
//! # Layout
//!
//! | module | holds |
//! | --- | --- |
//! | [`id`] | id scope, registration id, device id, hub host, model id, request id: parsed once, then valid |
//! | [`username`] | the MQTT user names with which a client connects to DPS or to a hub |
//! | [`dps`] | topics and bodies of a registration, and the service's error answer |
//! | [`hub`] | topics from device to hub and from hub to device, and the subscriptions a hub grants |
//! | [`properties`] | the property bag at the end of a telemetry or cloud-to-device topic |
//! | [`twin`] | twin documents, merge patches and versions |
//! | [`command`] | direct method names as IoT Plug and Play writes them |
//! | [`pnp`] | acknowledgement of writable properties, and the component marker |
//! | [`shown`] | text from outside as it may be shown: no terminal control characters, nothing secret |
//!
//! # Example
//!
//! ```
//! use iot_protocol::dps::{RequestTopic, ResponseTopic};
//! use iot_protocol::id::RequestId;
//!
//! let register = RequestTopic::Register { request_id: RequestId::new("1")? };
//! assert_eq!(register.to_string(), "$dps/registrations/PUT/iotdps-register/?$rid=1");
//!
//! let answer: ResponseTopic = "$dps/registrations/res/202/?$rid=1&retry-after=3".parse()?;
//! assert_eq!((answer.status, answer.retry_after), (202, Some(3)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod command;
pub mod dps;
pub mod hub;
pub mod id;
pub mod pnp;
pub mod properties;
mod query;
pub mod shown;
pub mod twin;
pub mod username;

mod error;
pub use error::{IdError, TopicError, TwinError, UserNameError};
