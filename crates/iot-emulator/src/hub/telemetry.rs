//! The telemetry of a device: what came last, by name, and how much.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use iot_protocol::properties::{COMPONENT, MESSAGE_ID, PropertyBag, WrittenProperties};
use jiff::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::dedup::Seen;
use super::recent::{Message, Recent, Room};
use super::unmodeled::Check;
use crate::runs::Runs;

/// Names that are remembered of one device; more than a model would have.
const NAMES: usize = 256;
/// The longest value that is remembered, as text, and the longest list of a message's properties: all of them together are
/// to stay small, whatever a device sends.
const VALUE: usize = 4096;
/// The longest name of a value or a component that is remembered: that of DTDL version 3.
const NAME: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    received: u64,
    seen: Seen,
    /// A device has a handful of names, so a list does for a map.
    values: Vec<Named>,
    last: Option<Timestamp>,
    /// The properties of the last message as they were written: they are looked at seldom, and a bag of a handful is
    /// half a kilobyte when it is taken apart.
    properties: String,
    /// The last messages themselves, once one has come.
    recent: Option<Box<Recent>>,
}

/// The last value of a name, as text: it is looked at seldom.
#[derive(Debug)]
struct Named {
    component: Option<Box<str>>,
    name: Box<str>,
    at: Timestamp,
    json: String,
}

/// The members of a JSON object, borrowed from its text as far as they can be.
struct Values<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A name, borrowed if there is no escape in it.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Values<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Values<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values<'de>, A::Error> {
                let mut values = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    values.push((name, value));
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Inbox {
    /// Takes a message in and returns whether its id is new.
    pub(crate) fn receive(
        &mut self,
        properties: WrittenProperties<'_>,
        body: &[u8],
        now: Timestamp,
        runs: &Runs,
        mut check: Option<&mut Check<'_>>,
    ) -> bool {
        self.received += 1;
        let [component, message_id] = properties.values([COMPONENT, MESSAGE_ID]);
        // A body that is no JSON object is a message all the same; it has just no values to show.
        match serde_json::from_slice(body) {
            Ok(Values(values)) => {
                for (name, value) in values {
                    if let Some(check) = &mut check {
                        check.telemetry(component.as_deref(), &name, value.get());
                    }
                    self.keep(component.as_deref(), &name, value.get(), now);
                }
            }
            Err(_) => {
                if let Some(check) = check {
                    check.no_object();
                }
            }
        }
        self.last = Some(now);
        self.properties.clear();
        if properties.as_str().len() <= VALUE {
            self.properties.push_str(properties.as_str());
        }
        self.seen.is_new(message_id.as_deref(), runs)
    }

    /// Keeps a message as it came, as far as there is room.
    pub(crate) fn record(&mut self, properties: WrittenProperties<'_>, body: &[u8], now: Timestamp, room: &Arc<Room>) {
        let recent = self.recent.get_or_insert_with(|| Box::new(Recent::new(room)));
        recent.keep(properties, body, now);
    }

    /// The last messages as they came, the newest first.
    pub(crate) fn recent(&mut self) -> impl Iterator<Item = &Message> {
        self.recent.iter_mut().flat_map(|recent| recent.look())
    }

    fn keep(&mut self, component: Option<&str>, name: &str, json: &str, now: Timestamp) {
        if json.len() > VALUE
            || [name, component.unwrap_or_default()]
                .iter()
                .any(|name| name.len() > NAME)
        {
            return;
        }
        if let Some(known) = self.values.iter_mut().find(|known| known.is(component, name)) {
            known.at = now;
            json.clone_into(&mut known.json);
        } else if self.values.len() < NAMES {
            self.values.reserve_exact(1);
            self.values.push(Named {
                component: component.map(Into::into),
                name: name.into(),
                at: now,
                json: json.to_owned(),
            });
        }
    }

    pub(crate) fn value(&self, component: Option<&str>, name: &str) -> Option<(Timestamp, Value)> {
        let known = self.values.iter().find(|known| known.is(component, name))?;
        Some((known.at, serde_json::from_str(&known.json).ok()?))
    }

    /// The last value of every name, as JSON, in the order in which the names came.
    pub(crate) fn values(&self) -> impl Iterator<Item = (Option<&str>, &str, Timestamp, &str)> {
        let values = self.values.iter();
        values.map(|known| (known.component.as_deref(), &*known.name, known.at, &*known.json))
    }

    /// The last numbers of one name, of the root and of each component.
    pub(crate) fn numbers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (Option<&'a str>, Timestamp, f64)> {
        let named = self.values.iter().filter(move |known| *known.name == *name);
        named.filter_map(|known| Some((known.component.as_deref(), known.at, known.json.parse().ok()?)))
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// When the last message came.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    pub(crate) fn last_properties(&self) -> PropertyBag {
        // It was read before it was kept.
        self.properties.parse().unwrap_or_default()
    }
}

impl Named {
    fn is(&self, component: Option<&str>, name: &str) -> bool {
        self.component.as_deref() == component && *self.name == *name
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_value_of_each_name_of_each_component_is_kept() {
        let (mut inbox, runs) = (Inbox::default(), Runs::default());
        let at = |second| Timestamp::from_second(second).unwrap();
        let [root, component] = ["", "%24.sub=c"].map(|text| WrittenProperties::new(text).unwrap());
        inbox.receive(root, br#"{"\u0061":1,"b":{"x":[1, 2]}}"#, at(1), &runs, None);
        inbox.receive(component, br#"{"a":"one"}"#, at(2), &runs, None);
        inbox.receive(root, br#"{"a":2.5}"#, at(3), &runs, None);
        inbox.receive(component, b"no JSON", at(4), &runs, None);
        assert_eq!(inbox.value(None, "a"), Some((at(3), json!(2.5))));
        assert_eq!(inbox.value(None, "b"), Some((at(1), json!({"x": [1, 2]}))));
        assert_eq!(inbox.value(Some("c"), "a"), Some((at(2), json!("one"))));
        assert_eq!(inbox.value(Some("c"), "b"), None);
        assert_eq!(inbox.received(), 4);
        assert_eq!(
            (inbox.last(), inbox.last_properties()),
            (Some(at(4)), PropertyBag::from(component))
        );
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let (mut inbox, runs) = (Inbox::default(), Runs::default());
        let none = WrittenProperties::new("").unwrap();
        let long = format!(r#"{{"long":"{}"}}"#, "x".repeat(VALUE));
        inbox.receive(none, long.as_bytes(), Timestamp::UNIX_EPOCH, &runs, None);
        assert_eq!(inbox.value(None, "long"), None);
        let component = "c".repeat(60_000);
        let text = format!("%24.sub={component}");
        inbox.receive(
            WrittenProperties::new(&text).unwrap(),
            br#"{"a":1}"#,
            Timestamp::UNIX_EPOCH,
            &runs,
            None,
        );
        assert_eq!(inbox.value(Some(&component), "a"), None);
        assert_eq!((inbox.values.len(), inbox.properties.len()), (0, 0));
        for number in 0..2 * NAMES {
            let body = json!({ format!("n{number}"): number }).to_string();
            inbox.receive(none, body.as_bytes(), Timestamp::UNIX_EPOCH, &runs, None);
        }
        assert_eq!(inbox.values.len(), NAMES);
        assert!(inbox.value(None, "n0").is_some());
    }
}
