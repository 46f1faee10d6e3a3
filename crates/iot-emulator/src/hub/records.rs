//! A device as it is stored: its identity, its session, its twin and its messages, each on its own, since each changes
//! at its own pace.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use iot_protocol::hub::Subscription;
use iot_protocol::id::{DeviceId, HubHost, ModelId};
use iot_protocol::properties::PropertyBag;
use jiff::Timestamp;
use rumqttc::mqttbytes::{QoS, qos};
use serde::{Deserialize, Serialize};

use super::queue::CloudMessage;
use super::twin::Twin;
use crate::certificate::Thumbprint;
use crate::store::{Changes, Record, Table};

/// What DPS and the application store about a device.
#[derive(Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) enabled: bool,
    /// Base64 of the SHA-256 thumbprint.
    pub(super) thumbprint: Option<String>,
    /// None in what was stored when there was one hub only.
    #[serde(default)]
    pub(super) hub: Option<HubHost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next_hub: Option<HubHost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) home: Option<HubHost>,
}

/// What a device sent at its last connects.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) model_id: Option<ModelId>,
    /// Whether there is a session to resume.
    pub(super) kept: bool,
    /// The session's topic filters, each with its QoS.
    #[serde(default)]
    pub(super) subscriptions: BTreeMap<String, u8>,
    /// The QoS of the subscription to cloud-to-device messages, which was once the only one to be kept. Read, never
    /// written.
    #[serde(default, skip_serializing)]
    pub(super) messages: Option<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) properties: Vec<(String, Option<String>)>,
    /// In base64.
    pub(super) body: String,
    /// None in what was stored when messages did not expire.
    #[serde(default)]
    pub(super) expires: Option<Timestamp>,
}

impl Record for Identity {
    const TABLE: Table = Table::Identities;
}

impl Record for Session {
    const TABLE: Table = Table::Sessions;
}

impl Record for Twin {
    const TABLE: Table = Table::Twins;
}

impl Record for Message {
    const TABLE: Table = Table::Messages;
}

impl Identity {
    /// As thumbprints are stored.
    pub(super) fn thumbprint(thumbprint: Option<Thumbprint>) -> Option<String> {
        thumbprint.map(|thumbprint| BASE64_STANDARD.encode(thumbprint))
    }
}

pub(crate) fn put_twin(id: &DeviceId, twin: &Twin, changes: &mut Changes) {
    changes.put(id.as_str(), twin);
}

pub(crate) fn put_message(id: &DeviceId, number: u64, message: &CloudMessage, changes: &mut Changes) {
    let properties = message.properties.iter();
    let message = Message {
        properties: properties
            .map(|(key, value)| (key.to_owned(), value.map(Into::into)))
            .collect(),
        body: BASE64_STANDARD.encode(&message.body),
        expires: Some(message.expires),
    };
    changes.put(&message_key(id, number), &message);
}

pub(crate) fn remove_message(id: &DeviceId, number: u64, changes: &mut Changes) {
    changes.remove::<Message>(&message_key(id, number));
}

/// Removes all that is stored of a device, whose messages have these numbers.
pub(super) fn remove(id: &DeviceId, messages: impl Iterator<Item = u64>, changes: &mut Changes) {
    for number in messages {
        remove_message(id, number, changes);
    }
    changes.remove::<Twin>(id.as_str());
    changes.remove::<Session>(id.as_str());
    changes.remove::<Identity>(id.as_str());
}

/// Keys are in the order of texts, so that numbers need all their digits. No device id has a slash.
fn message_key(id: &DeviceId, number: u64) -> String {
    format!("{id}/{number:020}")
}

pub(super) fn read_identity(key: &str, identity: &Identity) -> Option<(DeviceId, Option<Thumbprint>)> {
    let thumbprint = match &identity.thumbprint {
        Some(text) => Some(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?),
        None => None,
    };
    Some((DeviceId::new(key).ok()?, thumbprint))
}

pub(super) fn read_subscriptions(id: &DeviceId, session: &Session) -> Option<Arc<[(Subscription, QoS)]>> {
    let messages = Subscription::CloudToDevice { device_id: id.clone() };
    let old = session.messages.map(|number| Some((messages, qos(number).ok()?)));
    let kept = session.subscriptions.iter();
    old.into_iter()
        .chain(kept.map(|(filter, number)| Some((filter.parse().ok()?, qos(*number).ok()?))))
        .collect()
}

pub(super) fn read_message(key: &str, message: Message) -> Option<(String, u64, CloudMessage)> {
    let (id, number) = key.split_once('/')?;
    let mut properties = PropertyBag::new();
    for (key, value) in &message.properties {
        properties.push(key, value.as_deref());
    }
    let expires = message.expires.unwrap_or(Timestamp::MAX);
    let message = CloudMessage {
        properties,
        body: BASE64_STANDARD.decode(message.body).ok()?.into(),
        expires,
    };
    Some((id.into(), number.parse().ok()?, message))
}
