//! Topics between a device and its hub, as two enums: upstream and downstream. `Display` and `FromStr` are
//! inverses of each other.
//!
//! Source: [Communicate with an IoT hub using MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub).

mod downstream;
mod subscription;
mod telemetry;
mod telemetry_topic;
mod upstream;

pub use downstream::FromHub;
pub use subscription::{MAX_SUBSCRIPTIONS, Subscription};
pub use telemetry::Telemetry;
pub use telemetry_topic::TelemetryTopic;
pub use upstream::ToHub;
