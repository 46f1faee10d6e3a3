//! Messages as devices sent them.

use std::borrow::Cow;

use iot_protocol::properties::PropertyBag;
use jiff::Timestamp;

use crate::hub;

/// A telemetry message. Of long properties and a long body, the beginning is kept.
#[derive(Debug, Clone)]
pub struct Message {
    /// When it came.
    pub at: Timestamp,
    /// What stands in its topic behind `devices/{id}/messages/events/`.
    pub properties: String,
    /// The same taken apart: names, and values where there are some. None if it was cut.
    pub taken_apart: Option<Vec<(String, Option<String>)>>,
    /// The body as text, in which what is not UTF-8 is replaced.
    pub body: String,
    /// Bytes of the whole body.
    pub size: usize,
    /// Whether something is missing at the end of the body.
    pub is_cut: bool,
}

impl Message {
    pub(super) fn of(message: &hub::Message) -> Self {
        let text = |bytes| Cow::into_owned(String::from_utf8_lossy(bytes));
        let properties = text(message.properties());
        let bag = properties.parse::<PropertyBag>().ok();
        let pairs = |bag: PropertyBag| {
            let pairs = bag.iter().map(|(name, value)| (name.into(), value.map(Into::into)));
            pairs.collect()
        };
        Self {
            at: message.at,
            taken_apart: bag.map(pairs),
            properties,
            body: text(message.body()),
            size: message.size,
            is_cut: message.body().len() < message.size,
        }
    }
}
