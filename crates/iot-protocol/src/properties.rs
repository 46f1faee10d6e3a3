//! The property bag at the end of a telemetry or cloud-to-device topic.
//!
//! System properties start with `$.`; the rest is the application's. Keys and values are URL-encoded, with `%20` for a
//! space. See [Communicate with an IoT hub using
//! MQTT](https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub#send-device-to-cloud-messages).

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::query;

mod written;

pub use written::WrittenProperties;

/// Message id: unique per device, kept when a message is sent again.
pub const MESSAGE_ID: &str = "$.mid";
/// Correlation id.
pub const CORRELATION_ID: &str = "$.cid";
/// Content type, e.g. `application/json`. Without it and [`CONTENT_ENCODING`] the hub does not read a body.
pub const CONTENT_TYPE: &str = "$.ct";
/// Content encoding, e.g. `utf-8`.
pub const CONTENT_ENCODING: &str = "$.ce";
/// The component that sent the telemetry (IoT Plug and Play).
pub const COMPONENT: &str = "$.sub";
/// The receiver of a cloud-to-device message, e.g. `/devices/thermo-0001/messages/devicebound`.
pub const TO: &str = "$.to";
/// Name of an offline command that IoT Central queued as a cloud-to-device message.
pub const METHOD_NAME: &str = "method-name";

/// Keys and values in the order in which they were written. A key can have no value (`key`), which is not the same as
/// an empty one (`key=`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PropertyBag(Vec<(String, Option<String>)>);

/// The bag is not readable: an escape is not UTF-8, or a value has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("property bag `{0}` is not readable")]
pub struct PropertyBagError(String);

impl PropertyBag {
    /// An empty bag.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bag of a JSON message: content type and encoding.
    #[must_use]
    pub fn json() -> Self {
        Self::new()
            .with(CONTENT_TYPE, "application/json")
            .with(CONTENT_ENCODING, "utf-8")
    }

    /// The bag with one more property. An empty key has no form on the wire and is left out.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.push(key, Some(value));
        self
    }

    /// Adds a property; `None` is a key without a value. An empty key has no form on the wire and is left out.
    pub fn push(&mut self, key: &str, value: Option<&str>) {
        if !key.is_empty() {
            self.0.push((key.into(), value.map(Into::into)));
        }
    }

    /// The value of `key`, if it has one. Of several, the last counts.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .and_then(|(_, value)| value.as_deref())
    }

    /// All properties in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// Whether there is no property.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for PropertyBag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("&")?;
            }
            write!(f, "{}", query::encode(key))?;
            if let Some(value) = value {
                write!(f, "={}", query::encode(value))?;
            }
        }
        Ok(())
    }
}

impl FromStr for PropertyBag {
    type Err = PropertyBagError;

    fn from_str(text: &str) -> Result<Self, PropertyBagError> {
        WrittenProperties::new(text).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_properties_are_escaped_as_the_documentation_shows() {
        let bag = PropertyBag::json().with(COMPONENT, "thermostat1");
        assert_eq!(
            bag.to_string(),
            "%24.ct=application%2Fjson&%24.ce=utf-8&%24.sub=thermostat1"
        );
    }

    #[test]
    fn raw_and_escaped_dollars_are_the_same_key() {
        let bag: PropertyBag = "$.mid=a%20b&%24.cid=c+d".parse().unwrap();
        assert_eq!(bag.value(MESSAGE_ID), Some("a b"));
        assert_eq!(bag.value(CORRELATION_ID), Some("c+d"), "a plus is a plus, not a space");
    }

    #[test]
    fn a_key_without_a_value_is_not_an_empty_value() {
        let bag: PropertyBag = "a&b=".parse().unwrap();
        assert_eq!(bag.iter().collect::<Vec<_>>(), [("a", None), ("b", Some(""))]);
        assert_eq!(bag.to_string(), "a&b=");
    }

    #[test]
    fn what_is_not_utf8_or_has_no_key_is_refused() {
        assert!("a=%FF".parse::<PropertyBag>().is_err());
        assert!("=b".parse::<PropertyBag>().is_err());
    }
}
