use crate::TopicError;
use crate::properties::WrittenProperties;

/// The parts of a telemetry topic, borrowed: a hub reads one topic for each message, and [`ToHub`](super::ToHub) would
/// copy all of it. The ids are not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telemetry<'a> {
    /// The sender.
    pub device_id: &'a str,
    /// The module, where one sends.
    pub module_id: Option<&'a str>,
    /// System and application properties.
    pub properties: WrittenProperties<'a>,
}

impl<'a> Telemetry<'a> {
    /// Reads a topic; none if it is not a topic of a device's messages.
    ///
    /// # Errors
    ///
    /// The topic begins like a telemetry topic, but is not one.
    pub fn read(topic: &'a str) -> Result<Option<Self>, TopicError> {
        let Some(rest) = topic.strip_prefix("devices/") else {
            return Ok(None);
        };
        let unknown = || TopicError::Unknown(topic.into());
        let (device_id, rest) = rest.split_once('/').ok_or_else(unknown)?;
        let (module_id, rest) = match rest.strip_prefix("modules/") {
            Some(rest) => {
                let (module_id, rest) = rest.split_once('/').ok_or_else(unknown)?;
                (Some(module_id), rest)
            }
            None => (None, rest),
        };
        // The slash before the bag may be missing when there is no bag.
        let bag = match rest.strip_prefix("messages/events") {
            Some("") => "",
            Some(rest) => rest.strip_prefix('/').ok_or_else(unknown)?,
            None => return Err(unknown()),
        };
        let malformed = |_| TopicError::Malformed {
            topic: topic.into(),
            part: "property bag",
        };
        Ok(Some(Self {
            device_id,
            module_id,
            properties: WrittenProperties::new(bag).map_err(malformed)?,
        }))
    }
}
