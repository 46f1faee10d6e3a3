//! The telemetry of a device: what came last, by name, and how much.

use std::collections::BTreeMap;

use iot_protocol::properties::{COMPONENT, MESSAGE_ID, PropertyBag};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::seen::Seen;

/// Names that are remembered of one device; more than a model would have.
const NAMES: usize = 256;

/// Received telemetry.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    received: u64,
    seen: Seen,
    values: BTreeMap<Key, (Timestamp, Value)>,
    last: Option<(Timestamp, PropertyBag)>,
}

/// Component and name.
type Key = (Option<Box<str>>, Box<str>);

impl Inbox {
    /// Takes a message in and says whether its id is new.
    pub(super) fn receive(&mut self, properties: PropertyBag, body: &[u8], now: Timestamp) -> bool {
        self.received += 1;
        let component = properties.value(COMPONENT);
        // A body that is no JSON object is a message all the same; it has just no values to show.
        if let Ok(values) = serde_json::from_slice::<Map<String, Value>>(body) {
            for (name, value) in values {
                let key = (component.map(Into::into), name.into());
                if self.values.len() < NAMES || self.values.contains_key(&key) {
                    self.values.insert(key, (now, value));
                }
            }
        }
        let is_new = self.seen.is_new(properties.value(MESSAGE_ID));
        self.last = Some((now, properties));
        is_new
    }

    /// The last value of one name.
    pub(crate) fn value(&self, component: Option<&str>, name: &str) -> Option<(Timestamp, Value)> {
        self.values.get(&(component.map(Into::into), name.into())).cloned()
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// When the last message came, and its properties.
    pub(crate) fn last(&self) -> Option<&(Timestamp, PropertyBag)> {
        self.last.as_ref()
    }
}
