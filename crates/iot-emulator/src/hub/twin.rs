//! Twins, with the dates and versions that IoT Central shows, and the limits of what a device may report.
//!
//! Source: [Understand and use device twins](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-device-twins).

use std::collections::BTreeMap;

use bytes::Bytes;
use iot_protocol::pnp::{COMPONENT_MARKER, COMPONENT_MARKER_VALUE};
use iot_protocol::twin::{Section, TwinDocument};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const MAX_SECTION: usize = 32 * 1024;
const MAX_DEPTH: usize = 10;
const MAX_KEY: usize = 1024;
const MAX_STRING: usize = 4096;
const MAX_INTEGER: u64 = 4_503_599_627_370_496;

/// A twin and when each property of it was last set.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Twin {
    pub(crate) document: TwinDocument,
    #[serde(with = "stamps")]
    desired: BTreeMap<Path, Stamp>,
    #[serde(with = "stamps")]
    reported: BTreeMap<Path, Stamp>,
}

/// Component and property.
type Path = (Option<String>, String);

/// When a property was set, and at which version of its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) version: u64,
    pub(crate) at: Timestamp,
}

/// A patch is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPatch {
    #[error("the patch is not a JSON object")]
    NotAnObject,
    #[error("the key `{0}` is not allowed in a twin")]
    Key(String),
    #[error("a twin is at most 10 levels deep")]
    TooDeep,
    #[error("the value of `{0}` is too long or too large for a twin")]
    Value(String),
    #[error("a section of a twin holds at most 32 KB")]
    TooLarge,
}

impl Twin {
    pub(super) fn new() -> Self {
        let empty = || Section {
            version: 1,
            properties: Map::new(),
        };
        Self {
            document: TwinDocument {
                desired: empty(),
                reported: empty(),
            },
            desired: BTreeMap::new(),
            reported: BTreeMap::new(),
        }
    }

    /// Merges what the device reports; gives the new version.
    pub(super) fn report(&mut self, body: &[u8], now: Timestamp) -> Result<u64, BadPatch> {
        let mut patch: Map<String, Value> = serde_json::from_slice(body).map_err(|_| BadPatch::NotAnObject)?;
        patch.remove("$version");
        let version = apply(&mut self.document.reported, &patch)?;
        stamp(&mut self.reported, &patch, Stamp { version, at: now });
        Ok(version)
    }

    /// Merges what the solution wants; gives the new version and the patch as the device gets it.
    pub(super) fn change_desired(
        &mut self,
        mut patch: Map<String, Value>,
        now: Timestamp,
    ) -> Result<(u64, Bytes), BadPatch> {
        let version = apply(&mut self.document.desired, &patch)?;
        stamp(&mut self.desired, &patch, Stamp { version, at: now });
        patch.insert("$version".into(), version.into());
        Ok((version, Bytes::from(Value::Object(patch).to_string())))
    }

    pub(crate) fn desired_stamp(&self, component: Option<&str>, name: &str) -> Option<Stamp> {
        self.desired.get(&(component.map(Into::into), name.into())).copied()
    }

    pub(crate) fn reported_stamp(&self, component: Option<&str>, name: &str) -> Option<Stamp> {
        self.reported.get(&(component.map(Into::into), name.into())).copied()
    }
}

/// In JSON only texts are keys, so a map by component and property is stored as a list.
mod stamps {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Path, Stamp};

    pub(super) fn serialize<S: Serializer>(stamps: &BTreeMap<Path, Stamp>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(stamps)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Path, Stamp>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}

/// Patches a section if patch and result keep the limits; gives the new version.
fn apply(section: &mut Section, patch: &Map<String, Value>) -> Result<u64, BadPatch> {
    check(patch, 1)?;
    let mut patched = section.clone();
    patched.patch(patch);
    if size(&patched.properties) > MAX_SECTION {
        return Err(BadPatch::TooLarge);
    }
    *section = patched;
    Ok(section.version)
}

fn stamp(stamps: &mut BTreeMap<Path, Stamp>, patch: &Map<String, Value>, now: Stamp) {
    let mut set = |component: Option<&str>, name: &str, value: &Value| {
        let path = (component.map(Into::into), name.into());
        match value {
            Value::Null => stamps.remove(&path),
            _ => stamps.insert(path, now),
        };
    };
    for (name, value) in patch {
        match value {
            Value::Object(component) if is_component(component) => {
                for (property, value) in component.iter().filter(|(key, _)| *key != COMPONENT_MARKER) {
                    set(Some(name), property, value);
                }
            }
            _ => set(None, name, value),
        }
    }
}

/// Whether an object of a twin is marked as a component.
pub(crate) fn is_component(object: &Map<String, Value>) -> bool {
    object
        .get(COMPONENT_MARKER)
        .is_some_and(|marker| marker == COMPONENT_MARKER_VALUE)
}

fn check(object: &Map<String, Value>, depth: usize) -> Result<(), BadPatch> {
    if depth > MAX_DEPTH {
        return Err(BadPatch::TooDeep);
    }
    for (key, value) in object {
        if key.is_empty() || key.len() > MAX_KEY || key.chars().any(|c| c.is_control() || matches!(c, '.' | '$' | ' '))
        {
            return Err(BadPatch::Key(key.clone()));
        }
        check_value(key, value, depth)?;
    }
    Ok(())
}

fn check_value(key: &str, value: &Value, depth: usize) -> Result<(), BadPatch> {
    let fits = match value {
        Value::Object(object) => return check(object, depth + 1),
        Value::Array(items) => {
            if depth >= MAX_DEPTH {
                return Err(BadPatch::TooDeep);
            }
            return items.iter().try_for_each(|item| check_value(key, item, depth + 1));
        }
        Value::String(text) => text.len() <= MAX_STRING,
        Value::Number(number) => {
            number.is_f64()
                || number
                    .as_i64()
                    .is_some_and(|number| number.unsigned_abs() <= MAX_INTEGER)
        }
        Value::Null | Value::Bool(_) => true,
    };
    if fits { Ok(()) } else { Err(BadPatch::Value(key.into())) }
}

/// How the service counts: keys and texts by their bytes, a number as 8, a truth value as 4.
fn size(object: &Map<String, Value>) -> usize {
    object.iter().map(|(key, value)| key.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(value_size).sum(),
        Value::Object(object) => size(object),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_report_merges_counts_up_and_is_dated_by_property() {
        let mut twin = Twin::new();
        assert_eq!(twin.report(br#"{"a":1,"t1":{"__t":"c","b":2}}"#, at(1)), Ok(2));
        assert_eq!(twin.report(br#"{"a":3,"$version":7}"#, at(2)), Ok(3));
        assert_eq!(
            serde_json::to_value(&twin.document.reported).unwrap(),
            json!({"a": 3, "t1": {"__t": "c", "b": 2}, "$version": 3})
        );
        assert_eq!(twin.reported_stamp(None, "a"), Some(Stamp { version: 3, at: at(2) }));
        assert_eq!(
            twin.reported_stamp(Some("t1"), "b"),
            Some(Stamp { version: 2, at: at(1) })
        );
    }

    #[test]
    fn a_desired_change_carries_its_version() {
        let mut twin = Twin::new();
        let patch = json!({"targetTemperature": 21.5}).as_object().unwrap().clone();
        let (version, body) = twin.change_desired(patch, at(1)).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((version, body), (2, json!({"targetTemperature": 21.5, "$version": 2})));
    }

    #[test]
    fn what_breaks_a_limit_is_refused_and_changes_nothing() {
        let nested = (0..11).fold(json!(1), |inner, _| json!({ "a": inner }));
        for (patch, error) in [
            (json!([1]), BadPatch::NotAnObject),
            (json!({"a.b": 1}), BadPatch::Key("a.b".into())),
            (json!({"a": {"$b": 1}}), BadPatch::Key("$b".into())),
            (json!({"a": "x".repeat(4097)}), BadPatch::Value("a".into())),
            (json!({"a": 4_503_599_627_370_497_i64}), BadPatch::Value("a".into())),
            (nested, BadPatch::TooDeep),
        ] {
            let mut twin = Twin::new();
            assert_eq!(twin.report(patch.to_string().as_bytes(), at(1)), Err(error), "{patch}");
            assert_eq!(twin.document.reported.version, 1);
        }
        let mut twin = Twin::new();
        for i in 0..8 {
            let key = char::from(b'a' + i).to_string();
            assert!(
                twin.report(json!({ key: "x".repeat(4000) }).to_string().as_bytes(), at(1))
                    .is_ok()
            );
        }
        assert_eq!(
            twin.report(json!({"z": "x".repeat(4000)}).to_string().as_bytes(), at(1)),
            Err(BadPatch::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn no_body_makes_a_report_panic(body: Vec<u8>, text in r#"\{"[a-z$.]{0,3}":[\[{"0-9a-z}\]:,]{0,20}\}"#) {
            let mut twin = Twin::new();
            let _ = twin.report(&body, at(1));
            let _ = twin.report(text.as_bytes(), at(1));
        }
    }
}
