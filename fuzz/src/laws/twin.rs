//! Twins under any patches: a patch that is accepted counts the version up by one and leaves a twin within its limits;
//! one that is refused changes nothing; what is stored is restored as the same.
//!
//! Each line of an input is a patch: a desired one after `d`, a reported one otherwise.

use iot_emulator::fuzzing::Twin;
use iot_protocol::twin::{Section, TwinDocument, merge};
use serde_json::{Map, Value};

/// Documented: the most that a section holds, and how deep it goes.
const LARGEST: usize = 32 * 1024;
const DEEPEST: usize = 10;

/// The law.
///
/// # Panics
///
/// It does not hold.
pub fn law(data: &[u8]) {
    let mut twin = Twin::default();
    for line in data.split(|byte| *byte == b'\n') {
        let before = twin.document();
        let patch = line.strip_prefix(b"d");
        let object: Option<Map<String, Value>> = serde_json::from_slice(patch.unwrap_or(line)).ok();
        let accepted = match (patch, object.clone()) {
            (None, _) => {
                let version = twin.report(line);
                assert_eq!(
                    twin.document().desired,
                    before.desired,
                    "a device reports, it does not wish"
                );
                version.map(|version| (version, &before.reported, twin.document().reported))
            }
            (Some(_), None) => None,
            (Some(_), Some(patch)) => {
                let changed = twin.change_desired(patch);
                assert_eq!(twin.document().reported, before.reported);
                changed.map(|(version, sent)| {
                    let sent = Section::parse(&sent).expect("what a device is sent is a patch");
                    assert_eq!(sent.version, version);
                    (version, &before.desired, twin.document().desired)
                })
            }
        };
        match accepted {
            None => assert_eq!(twin.document(), before),
            Some((version, before, after)) => {
                assert_eq!((before.version + 1, version), (version, after.version));
                let mut patch = object.expect("only an object is accepted");
                patch.remove("$version");
                let mut merged = before.properties.clone();
                merge(&mut merged, &patch);
                assert_eq!(after.properties, merged);
                limits(&after.properties);
            }
        }
    }
    let document = serde_json::to_vec(&twin.document()).expect("a twin is JSON");
    assert_eq!(TwinDocument::parse(&document).ok(), Some(twin.document()));
    let stored = twin.stored().expect("a twin can be stored");
    let restored = Twin::restored(stored.clone()).expect("what was stored can be restored");
    assert_eq!(restored.stored().ok().as_ref(), Some(&stored));
    for section in ["desired", "reported"] {
        let dates = stored[section].as_array().map_or(0, Vec::len);
        let values = leaves(&stored["document"][section]);
        assert!(dates <= values, "{dates} dates of {values} values in {section}");
    }
}

fn limits(properties: &Map<String, Value>) {
    // Numbers may be written longer than they were sent, but not without end.
    let size = Value::Object(properties.clone()).to_string().len();
    assert!(size <= 4 * LARGEST, "a section of {size} bytes");
    let depth = properties.values().map(depth).max().unwrap_or_default();
    assert!(depth < DEEPEST, "{depth} levels below the first");
    assert!(properties.values().all(|value| !has_null(value)), "a null is no value");
}

/// Objects and lists around the innermost value.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Whether a property is null. In a list, a null is a value as any other.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

/// At least the number of properties and of components' properties.
fn leaves(section: &Value) -> usize {
    section.as_object().map_or(0, |map| {
        map.values()
            .map(|value| value.as_object().map_or(1, |component| component.len().max(1)))
            .sum()
    })
}
