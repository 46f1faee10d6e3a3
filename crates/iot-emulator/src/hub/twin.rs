//! Twins, with the dates and versions that IoT Central shows, and the limits of what a device may report.
//!
//! Source: [Understand and use device twins](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-device-twins).

use bytes::Bytes;
use iot_protocol::pnp::{COMPONENT_MARKER, COMPONENT_MARKER_VALUE};
use iot_protocol::twin::{Section, TwinDocument};
use jiff::Timestamp;
use serde::ser::{Error as _, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

const MAX_SECTION: usize = 32 * 1024;
const MAX_DEPTH: usize = 10;
const MAX_KEY: usize = 1024;
const MAX_STRING: usize = 4096;
const MAX_INTEGER: u64 = 4_503_599_627_370_496;

/// A twin and when each property of it was last set. It is kept as text: it is looked at seldom, there is one for each
/// device, and what JSON takes when it is parsed is ten times as much.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Stored")]
pub(crate) struct Twin {
    desired: Half,
    reported: Half,
}

/// One of the two sections.
#[derive(Debug, Clone)]
struct Half {
    version: u64,
    /// A JSON object.
    properties: Box<str>,
    /// In the order of the paths.
    stamps: Vec<(Path, Stamp)>,
}

/// Component and property.
type Path = (Option<Box<str>>, Box<str>);

/// When a property was set, and at which version of its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) version: u64,
    pub(crate) at: Timestamp,
}

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
    pub(crate) fn new() -> Self {
        Stored::default().into()
    }

    pub(crate) fn document(&self) -> TwinDocument {
        TwinDocument {
            desired: self.desired.section(),
            reported: self.reported.section(),
        }
    }

    /// The same as the device gets it.
    pub(crate) fn document_json(&self) -> String {
        let [desired, reported] = [&self.desired, &self.reported].map(Half::json);
        format!(r#"{{"desired":{desired},"reported":{reported}}}"#)
    }

    /// Merges what the device reports; gives the new version.
    pub(crate) fn report(&mut self, body: &[u8], now: Timestamp) -> Result<u64, BadPatch> {
        let mut patch: Map<String, Value> = serde_json::from_slice(body).map_err(|_| BadPatch::NotAnObject)?;
        patch.shift_remove("$version");
        self.reported.change(&patch, now)
    }

    /// Merges what the solution wants; gives the new version and the patch as the device gets it.
    pub(crate) fn change_desired(
        &mut self,
        mut patch: Map<String, Value>,
        now: Timestamp,
    ) -> Result<(u64, Bytes), BadPatch> {
        let version = self.desired.change(&patch, now)?;
        // Last, also where the patch has one of its own.
        patch.shift_remove("$version");
        patch.insert("$version".into(), version.into());
        Ok((version, Bytes::from(Value::Object(patch).to_string())))
    }

    pub(crate) fn desired_stamp(&self, component: Option<&str>, name: &str) -> Option<Stamp> {
        self.desired.stamp(component, name)
    }

    pub(crate) fn reported_stamp(&self, component: Option<&str>, name: &str) -> Option<Stamp> {
        self.reported.stamp(component, name)
    }
}

impl Half {
    fn new(section: Section, mut stamps: Vec<(Path, Stamp)>) -> Self {
        stamps.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self {
            version: section.version,
            properties: text(section.properties),
            stamps,
        }
    }

    fn section(&self) -> Section {
        Section {
            version: self.version,
            properties: serde_json::from_str(&self.properties).expect("it was written from a JSON object"),
        }
    }

    /// The text of the section, with the version as its last member.
    fn json(&self) -> String {
        let members = self.properties.strip_suffix('}').unwrap_or(&self.properties);
        let comma = if members == "{" { "" } else { "," };
        format!(r#"{members}{comma}"$version":{}}}"#, self.version)
    }

    /// Applies a patch if patch and result keep the limits; gives the new version.
    fn change(&mut self, patch: &Map<String, Value>, now: Timestamp) -> Result<u64, BadPatch> {
        check(patch, 1)?;
        let mut section = self.section();
        section.patch(patch);
        if size(&section.properties) > MAX_SECTION {
            return Err(BadPatch::TooLarge);
        }
        let version = section.version;
        self.version = version;
        self.date(patch, &section.properties, Stamp { version, at: now });
        self.properties = text(section.properties);
        Ok(version)
    }

    fn stamp(&self, component: Option<&str>, name: &str) -> Option<Stamp> {
        let known = self.find(component, name).ok()?;
        Some(self.stamps[known].1)
    }

    /// Where the property is in the list, or where it would be.
    fn find(&self, component: Option<&str>, name: &str) -> Result<usize, usize> {
        self.stamps
            .binary_search_by(|((of, known), _)| (of.as_deref(), &**known).cmp(&(component, name)))
    }

    /// Dates what a patch has changed, by the properties as they are after it.
    fn date(&mut self, patch: &Map<String, Value>, properties: &Map<String, Value>, now: Stamp) {
        for (name, value) in patch {
            match value {
                Value::Object(component) if is_component(component) => {
                    for (property, value) in component.iter().filter(|(key, _)| *key != COMPONENT_MARKER) {
                        self.date_one(Some(name), property, value, now);
                    }
                }
                _ => self.date_one(None, name, value, now),
            }
        }
        // What a property was part of may have gone as a whole, and its date must go with it, or dates would pile up.
        self.stamps.retain(|((component, name), _)| match component {
            None => properties
                .get(&**name)
                .is_some_and(|value| !value.as_object().is_some_and(is_component)),
            Some(component) => properties
                .get(&**component)
                .and_then(Value::as_object)
                .is_some_and(|component| is_component(component) && component.contains_key(&**name)),
        });
        self.stamps.shrink_to_fit();
    }

    fn date_one(&mut self, component: Option<&str>, name: &str, value: &Value, now: Stamp) {
        match (self.find(component, name), value) {
            (Ok(known), Value::Null) => {
                self.stamps.remove(known);
            }
            (Err(_), Value::Null) => {}
            (Ok(known), _) => self.stamps[known].1 = now,
            (Err(place), _) => self
                .stamps
                .insert(place, ((component.map(Into::into), name.into()), now)),
        }
    }
}

fn text(properties: Map<String, Value>) -> Box<str> {
    Value::Object(properties).to_string().into()
}

/// A twin as it is stored. In JSON only texts are keys, so dates are a list.
#[derive(Deserialize)]
struct Stored {
    document: TwinDocument,
    desired: Vec<(Path, Stamp)>,
    reported: Vec<(Path, Stamp)>,
}

/// Of a device that has never been written to.
impl Default for Stored {
    fn default() -> Self {
        let empty = || Section {
            version: 1,
            properties: Map::new(),
        };
        Self {
            document: TwinDocument {
                desired: empty(),
                reported: empty(),
            },
            desired: Vec::new(),
            reported: Vec::new(),
        }
    }
}

impl From<Stored> for Twin {
    fn from(stored: Stored) -> Self {
        Self {
            desired: Half::new(stored.document.desired, stored.desired),
            reported: Half::new(stored.document.reported, stored.reported),
        }
    }
}

impl Serialize for Twin {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let document = RawValue::from_string(self.document_json()).map_err(S::Error::custom)?;
        let mut stored = to.serialize_struct("Twin", 3)?;
        stored.serialize_field("document", &document)?;
        stored.serialize_field("desired", &self.desired.stamps)?;
        stored.serialize_field("reported", &self.reported.stamps)?;
        stored.end()
    }
}

/// Whether an object of a twin is marked as a component.
pub fn is_component(object: &Map<String, Value>) -> bool {
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
            serde_json::to_value(twin.document().reported).unwrap(),
            json!({"a": 3, "t1": {"__t": "c", "b": 2}, "$version": 3})
        );
        assert_eq!(twin.reported_stamp(None, "a"), Some(Stamp { version: 3, at: at(2) }));
        assert_eq!(
            twin.reported_stamp(Some("t1"), "b"),
            Some(Stamp { version: 2, at: at(1) })
        );
    }

    #[test]
    fn a_device_gets_both_sections_with_their_versions() {
        let mut twin = Twin::new();
        twin.report(br#"{"a":1.0,"b":{"c":"}"}}"#, at(1)).unwrap();
        let text: Value = serde_json::from_str(&twin.document_json()).unwrap();
        assert_eq!(
            text,
            json!({"desired": {"$version": 1}, "reported": {"$version": 2, "a": 1.0, "b": {"c": "}"}}})
        );
        assert_eq!(text, serde_json::to_value(twin.document()).unwrap());
    }

    #[test]
    fn the_date_of_a_property_goes_with_its_component() {
        let mut twin = Twin::new();
        for i in 0..50 {
            let component = format!("c{i}");
            twin.report(
                json!({ &component: {"__t": "c", "b": 2} }).to_string().as_bytes(),
                at(1),
            )
            .unwrap();
            twin.report(json!({ &component: null }).to_string().as_bytes(), at(2))
                .unwrap();
        }
        twin.report(br#"{"a":1,"t1":{"__t":"c","b":2}}"#, at(3)).unwrap();
        assert_eq!(twin.reported.stamps.len(), 2);
        twin.report(br#"{"a":{"__t":"c","b":2},"t1":5}"#, at(4)).unwrap();
        assert_eq!(twin.reported_stamp(None, "a"), None);
        assert_eq!(twin.reported_stamp(Some("t1"), "b"), None);
        assert_eq!(twin.reported.stamps.len(), 2);
    }

    #[test]
    fn what_is_deleted_has_no_date() {
        let mut twin = Twin::new();
        twin.report(br#"{"b":1,"a":1,"c":{"__t":"c","d":1}}"#, at(1)).unwrap();
        twin.report(br#"{"a":null,"c":{"__t":"c","d":null},"x":null}"#, at(2))
            .unwrap();
        assert_eq!(twin.reported_stamp(None, "a"), None);
        assert_eq!(twin.reported_stamp(Some("c"), "d"), None);
        assert_eq!(twin.reported_stamp(None, "b"), Some(Stamp { version: 2, at: at(1) }));
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
            assert_eq!(twin.document().reported.version, 1);
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
