//! Twin documents, merge patches and versions.
//!
//! Source: [Understand and use device twins](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-device-twins).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::TwinError;

/// What a device gets for `GET`: both sections, without tags and metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwinDocument {
    /// What the solution wants.
    #[serde(default)]
    pub desired: Section,
    /// What the device reports.
    #[serde(default)]
    pub reported: Section,
}

impl TwinDocument {
    /// Reads the body of an answer to `GET`.
    ///
    /// # Errors
    ///
    /// The body is not JSON, or not of a twin's shape.
    pub fn parse(body: &[u8]) -> Result<Self, TwinError> {
        Ok(serde_json::from_slice(body)?)
    }
}

/// One half of a twin, or a patch of one: properties and the version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The properties, in the order in which they were written. In a patch, `null` deletes one.
    #[serde(flatten)]
    pub properties: Map<String, Value>,
    /// Incremented with every change. It comes last, as in every example of Microsoft's: the Python sample for
    /// components takes the first member of a patch for the component's name
    /// (<https://learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub#receive-desired-properties-update-notifications>).
    #[serde(rename = "$version", default)]
    pub version: u64,
}

impl Section {
    /// Reads the body of a desired patch, which carries its `$version`.
    ///
    /// # Errors
    ///
    /// The body is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, TwinError> {
        Ok(serde_json::from_slice(body)?)
    }

    /// Applies a patch and increments the version.
    pub fn patch(&mut self, patch: &Map<String, Value>) {
        merge(&mut self.properties, patch);
        self.version += 1;
    }
}

/// Merges `patch` into `target` (RFC 7396): objects merge key by key, `null` deletes, anything else replaces.
pub fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, change) in patch {
        match change {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(change) => {
                let slot = target.entry(key).or_insert_with(|| Value::Object(Map::new()));
                match slot {
                    Value::Object(existing) => merge(existing, change),
                    other => {
                        let mut fresh = Map::new();
                        merge(&mut fresh, change);
                        *other = Value::Object(fresh);
                    }
                }
            }
            _ => {
                target.insert(key.clone(), change.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(target: &Value, patch: &Value) -> Value {
        let mut target = target.as_object().unwrap().clone();
        merge(&mut target, patch.as_object().unwrap());
        Value::Object(target)
    }

    #[test]
    fn a_patch_merges_deletes_and_replaces_as_rfc_7396_says() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": 1}), json!({"a": null}), json!({"b": 1})),
            (json!({"a": [1]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": 1}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
            (json!({}), json!({"a": {"b": null}}), json!({"a": {}})),
        ] {
            assert_eq!(merged(&target, &patch), result, "{target} + {patch}");
        }
    }

    #[test]
    fn every_patch_counts_the_version_up() {
        let mut section = Section::parse(br#"{"targetTemperature":20,"$version":4}"#).unwrap();
        section.patch(json!({"targetTemperature": null}).as_object().unwrap());
        assert_eq!(serde_json::to_value(&section).unwrap(), json!({"$version": 5}));
    }
}
