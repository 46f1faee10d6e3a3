use std::fmt;

use super::ToHub;
use crate::id::DeviceId;
use crate::properties::{MESSAGE_ID, PropertyBag};
use crate::query;

/// The topic of a stream of messages that differ only in their message id: everything but the id is written once, so
/// that a message costs one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryTopic(Box<str>);

impl TelemetryTopic {
    /// The topic of `device_id`'s messages that all carry `properties`.
    #[must_use]
    pub fn new(device_id: &DeviceId, properties: &PropertyBag) -> Self {
        let topic = ToHub::Telemetry {
            device_id: device_id.clone(),
            module_id: None,
            properties: properties.clone(),
        };
        let separator = if properties.is_empty() { "" } else { "&" };
        Self(format!("{topic}{separator}{}=", query::encode(MESSAGE_ID)).into())
    }

    /// The topic of one message.
    #[must_use]
    pub fn with_message_id(&self, message_id: &impl fmt::Display) -> String {
        use fmt::Write;
        let mut topic = String::with_capacity(self.0.len() + 24);
        topic.push_str(&self.0);
        write!(topic, "{}", query::encode(&message_id.to_string())).expect("writing to a string does not fail");
        topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prepared_topic_is_the_topic_that_the_enum_writes() {
        let device_id: DeviceId = "thermo-0001".parse().unwrap();
        for properties in [PropertyBag::new(), PropertyBag::json()] {
            let prepared = TelemetryTopic::new(&device_id, &properties).with_message_id(&"run-7");
            let properties = properties.with(MESSAGE_ID, "run-7");
            let device_id = device_id.clone();
            assert_eq!(
                prepared,
                ToHub::Telemetry {
                    device_id,
                    module_id: None,
                    properties
                }
                .to_string()
            );
        }
    }
}
