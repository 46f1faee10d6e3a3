use super::ToHub;
use crate::id::DeviceId;
use crate::properties::{MESSAGE_ID, PropertyBag};
use crate::query;

/// The most digits that a number has.
const DIGITS: usize = 20;

/// The topic of a stream of messages that differ only in the number at the end of their message id: everything else is
/// written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryTopic {
    /// The topic of the last message.
    topic: String,
    up_to_number: usize,
}

impl TelemetryTopic {
    /// The topic of `device_id`'s messages that all carry `properties`, and whose ids begin with `of_ids`.
    #[must_use]
    pub fn new(device_id: &DeviceId, properties: &PropertyBag, of_ids: &str) -> Self {
        let topic = ToHub::Telemetry {
            device_id: device_id.clone(),
            module_id: None,
            properties: properties.clone(),
        };
        let separator = if properties.is_empty() { "" } else { "&" };
        let (key, of_ids) = (query::encode(MESSAGE_ID), query::encode(of_ids));
        let mut topic = format!("{topic}{separator}{key}={of_ids}");
        // There is one with each device that is online, and it never grows.
        topic.reserve_exact(DIGITS);
        Self {
            up_to_number: topic.len(),
            topic,
        }
    }

    /// What the topics of all messages have in common: all but the number.
    #[must_use]
    pub fn up_to_number(&self) -> &str {
        &self.topic[..self.up_to_number]
    }

    /// The topic of one message, whose id ends in its number.
    pub fn of(&mut self, number: u64) -> &str {
        self.topic.truncate(self.up_to_number);
        self.topic.push_str(itoa::Buffer::new().format(number));
        &self.topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prepared_topic_is_the_topic_that_the_enum_writes() {
        let device_id: DeviceId = "thermo-0001".parse().unwrap();
        for properties in [PropertyBag::new(), PropertyBag::json()] {
            let mut prepared = TelemetryTopic::new(&device_id, &properties, "run 1-");
            let common = prepared.up_to_number().to_owned();
            assert_eq!(prepared.of(u64::MAX), format!("{common}{}", u64::MAX));
            let prepared = prepared.of(7);
            let properties = properties.with(MESSAGE_ID, "run 1-7");
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
