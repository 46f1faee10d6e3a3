//! IoT Plug and Play conventions: how a device answers a writable property, and how a component's properties are
//! marked.
//!
//! Source: [IoT Plug and Play conventions](https://learn.microsoft.com/azure/iot/concepts-convention).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The key that marks an object in a twin as a component.
pub const COMPONENT_MARKER: &str = "__t";
/// The marker's only value.
pub const COMPONENT_MARKER_VALUE: &str = "c";

/// The answer to a writable property: the value in force, how the request went, and which request it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The value in force, which after a refusal is still the old one.
    pub value: Value,
    /// The result.
    #[serde(rename = "ac")]
    pub code: u16,
    /// The `$version` of the desired properties that this answers.
    #[serde(rename = "av")]
    pub version: u64,
    /// In words.
    #[serde(rename = "ad", default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Acknowledgement {
    /// The request was applied.
    pub const APPLIED: u16 = 200;
    /// The device chose a value itself, since none was requested; its version is 0.
    pub const DEVICE_DEFAULT: u16 = 203;
    /// The request can't be met.
    pub const INVALID: u16 = 400;

    /// The acknowledgement as a property's value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = json!({ "value": self.value, "ac": self.code, "av": self.version });
        if let (Value::Object(map), Some(description)) = (&mut value, &self.description) {
            map.insert("ad".into(), Value::String(description.clone()));
        }
        value
    }
}

/// Wraps properties of a component: `{"thermostat1":{"__t":"c",…}}`. Without a component they stay as they are.
#[must_use]
pub fn reported_patch(component: Option<&str>, mut properties: Map<String, Value>) -> Map<String, Value> {
    match component {
        None => properties,
        Some(component) => {
            properties.insert(COMPONENT_MARKER.into(), COMPONENT_MARKER_VALUE.into());
            Map::from_iter([(component.to_owned(), Value::Object(properties))])
        }
    }
}

/// The value that a desired property asks for. In one place the conventions print it wrapped as `{"value":57}`; a hub
/// delivers what the solution wrote, so both forms occur.
#[must_use]
pub fn desired_value(value: &Value) -> &Value {
    match value {
        Value::Object(map) if map.len() == 1 => map.get("value").unwrap_or(value),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_has_the_four_documented_keys() {
        let acknowledgement = Acknowledgement {
            value: json!(21.3),
            code: 200,
            version: 3,
            description: Some("done".into()),
        };
        assert_eq!(
            acknowledgement.to_value(),
            json!({"value": 21.3, "ac": 200, "av": 3, "ad": "done"})
        );
    }

    #[test]
    fn a_component_is_marked_and_the_root_is_not() {
        let properties = Map::from_iter([("serialNumber".to_owned(), json!("1"))]);
        assert_eq!(
            Value::Object(reported_patch(None, properties.clone())),
            json!({"serialNumber": "1"})
        );
        assert_eq!(
            Value::Object(reported_patch(Some("thermostat1"), properties)),
            json!({"thermostat1": {"__t": "c", "serialNumber": "1"}})
        );
    }

    #[test]
    fn a_desired_value_may_come_wrapped() {
        assert_eq!(desired_value(&json!({"value": 57})), &json!(57));
        assert_eq!(desired_value(&json!(57)), &json!(57));
        assert_eq!(
            desired_value(&json!({"value": 1, "x": 2})),
            &json!({"value": 1, "x": 2})
        );
    }
}
