//! What devices send, by their group or by their profile. It is prepared once and shared by all of them.

use bytes::{BufMut, Bytes, BytesMut};
use fleet_protocol::plan::{Day, Group, MessageProperties, OnChange, Payload, Profile, Telemetry};
use iot_protocol::properties::{CONTENT_ENCODING, CONTENT_TYPE, PropertyBag};

/// What the devices of a group send, or those of one of its profiles.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) telemetry: Telemetry,
    /// How many measurements go out together.
    pub(crate) burst: u32,
    /// What each message says of itself.
    pub(crate) properties: PropertyBag,
    pub(crate) on_change: Option<OnChange>,
    /// Reports of unchanged properties at each measurement; less than one is one from time to time.
    pub(crate) reports: f64,
    pub(crate) extras: Option<Extras>,
    pub(crate) day: Option<Day>,
}

/// The loads of a group: one, or one for each profile.
pub(crate) fn loads(group: &Group) -> Vec<Load> {
    match group.profiles.as_slice() {
        [] => vec![Load {
            telemetry: group.telemetry,
            burst: 1,
            properties: PropertyBag::json(),
            on_change: None,
            reports: 0.0,
            extras: None,
            day: None,
        }],
        profiles => profiles.iter().map(Load::of).collect(),
    }
}

impl Load {
    fn of(profile: &Profile) -> Self {
        let minutes = profile.telemetry.interval_ms as f64 / 60_000.0;
        Self {
            telemetry: profile.telemetry,
            burst: profile.burst.max(1),
            properties: bag(&profile.message),
            on_change: profile.on_change,
            reports: profile.properties_per_minute * minutes,
            extras: Extras::of(&profile.payload),
            day: profile.day,
        }
    }

    /// Whether a device has to remember something of what it has sent.
    pub(crate) fn remembers(&self) -> bool {
        self.on_change.is_some() || self.reports > 0.0
    }
}

fn bag(message: &MessageProperties) -> PropertyBag {
    let mut bag = PropertyBag::new();
    for (key, value) in [
        (CONTENT_TYPE, &message.content_type),
        (CONTENT_ENCODING, &message.content_encoding),
    ] {
        if !value.is_empty() {
            bag.push(key, Some(value));
        }
    }
    for (key, value) in &message.properties {
        bag.push(key, Some(value));
    }
    bag
}

/// What the body of each message holds besides the measurement.
#[derive(Debug)]
pub struct Extras {
    /// The fields as JSON, with a comma before each.
    fields: Box<str>,
    /// The size to which a body is filled up.
    bytes: usize,
}

/// The field that fills a body up.
const BEFORE_PADDING: &str = ",\"padding\":\"";
const AFTER_PADDING: &str = "\"}";

impl Extras {
    /// None where a message is the measurement alone.
    #[must_use]
    pub fn of(payload: &Payload) -> Option<Self> {
        if payload.is_empty() {
            return None;
        }
        let fields = payload.fields.iter();
        let fields = fields.map(|(key, value)| format!(",{}:{value}", serde_json::Value::from(key.as_str())));
        Some(Self {
            fields: fields.collect::<String>().into(),
            bytes: payload.bytes.map_or(0, |bytes| bytes as usize),
        })
    }

    /// The body of a message, from the JSON object of its measurement.
    #[must_use]
    pub fn body(&self, measured: &Bytes) -> Bytes {
        let Some(open) = measured.strip_suffix(b"}") else {
            return measured.clone();
        };
        let mut body = BytesMut::with_capacity((open.len() + self.fields.len() + 1).max(self.bytes));
        body.put_slice(open);
        body.put_slice(self.fields.as_bytes());
        let around = BEFORE_PADDING.len() + AFTER_PADDING.len();
        match self.bytes.checked_sub(body.len() + around) {
            Some(padding) => {
                body.put_slice(BEFORE_PADDING.as_bytes());
                body.put_bytes(b'x', padding);
                body.put_slice(AFTER_PADDING.as_bytes());
            }
            None => body.put_u8(b'}'),
        }
        body.freeze()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn extras(payload: serde_json::Value) -> Option<Extras> {
        Extras::of(&serde_json::from_value(payload).unwrap())
    }

    #[test]
    fn a_body_has_its_fields_and_its_size() {
        let measured = Bytes::from_static(br#"{"temperature":21.5}"#);
        assert!(extras(json!({})).is_none());
        let fields = extras(json!({ "fields": { "site": "a \"b\"", "floor": 3 } })).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&fields.body(&measured)).unwrap();
        assert_eq!(read, json!({ "temperature": 21.5, "site": "a \"b\"", "floor": 3 }));
        for bytes in [64, 4096, Payload::MOST_BYTES] {
            let filled = extras(json!({ "fields": { "floor": 3 }, "bytes": bytes }))
                .unwrap()
                .body(&measured);
            assert_eq!(filled.len(), bytes as usize);
            let read: serde_json::Value = serde_json::from_slice(&filled).unwrap();
            assert_eq!((&read["temperature"], &read["floor"]), (&json!(21.5), &json!(3)));
        }
        let small = extras(json!({ "bytes": 8 })).unwrap();
        assert_eq!(small.body(&measured), measured, "a measurement is never cut");
    }

    #[test]
    fn a_message_says_what_its_profile_has_it_say() {
        let message = |value| bag(&serde_json::from_value(value).unwrap()).to_string();
        assert_eq!(bag(&MessageProperties::default()), PropertyBag::json());
        let said = message(
            json!({ "content_type": "text/csv", "content_encoding": "", "properties": { "b": "2", "a": "x y" } }),
        );
        assert_eq!(said, "%24.ct=text%2Fcsv&a=x%20y&b=2");
    }
}
