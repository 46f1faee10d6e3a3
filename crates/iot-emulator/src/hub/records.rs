//! A device as it is stored: who it is, its session, its twin and its messages, each on its own, since each changes at
//! its own pace.

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

use super::device::{Device, DeviceState};
use super::queue::{CloudMessage, Queue};
use super::registry::Hubs;
use super::twin::Twin;
use crate::certificate::Thumbprint;
use crate::error::StartError;
use crate::store::{Changes, Content, Record, Table};

/// What DPS and the application say about a device.
#[derive(Serialize, Deserialize)]
struct Identity {
    enabled: bool,
    /// Base64 of the SHA-256 thumbprint.
    thumbprint: Option<String>,
    /// None in what was stored when there was one hub only.
    #[serde(default)]
    hub: Option<HubHost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_hub: Option<HubHost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    home: Option<HubHost>,
}

/// What a device said at its last connects.
#[derive(Default, Serialize, Deserialize)]
struct Session {
    model_id: Option<ModelId>,
    /// Whether there is a session to resume.
    kept: bool,
    /// The session's topic filters, each with its QoS.
    #[serde(default)]
    subscriptions: BTreeMap<String, u8>,
    /// The QoS of the subscription to cloud-to-device messages, which was once the only one to be kept. Read, never
    /// written.
    #[serde(default, skip_serializing)]
    messages: Option<u8>,
}

/// A waiting cloud-to-device message.
#[derive(Serialize, Deserialize)]
struct Message {
    properties: Vec<(String, Option<String>)>,
    /// In base64.
    body: String,
    /// None in what was stored when messages did not expire.
    #[serde(default)]
    expires: Option<Timestamp>,
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

pub(crate) fn put_identity(id: &DeviceId, state: &DeviceState, changes: &mut Changes) {
    let identity = Identity {
        enabled: state.enabled,
        thumbprint: state.thumbprint.map(|thumbprint| BASE64_STANDARD.encode(thumbprint)),
        hub: Some(HubHost::clone(&state.hub)),
        next_hub: state.next_hub.as_deref().cloned(),
        home: state.home.as_deref().cloned(),
    };
    changes.put(id.as_str(), &identity);
}

pub(crate) fn put_session(id: &DeviceId, state: &DeviceState, changes: &mut Changes) {
    let session = Session {
        model_id: state.model_id.clone(),
        kept: state.session.is_some(),
        subscriptions: state
            .session
            .as_deref()
            .into_iter()
            .flatten()
            .map(|(subscription, qos)| (subscription.to_string(), *qos as u8))
            .collect(),
        messages: None,
    };
    changes.put(id.as_str(), &session);
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

/// Removes all that is stored of a device.
pub(crate) fn remove(id: &DeviceId, state: &DeviceState, changes: &mut Changes) {
    for number in state.queue.numbers() {
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

/// The devices as they were stored.
pub(crate) fn restore(hubs: &Hubs, content: &mut Content) -> Result<BTreeMap<DeviceId, Arc<Device>>, StartError> {
    let mut twins: BTreeMap<String, Twin> = content.take()?.into_iter().collect();
    let mut sessions: BTreeMap<String, Session> = content.take()?.into_iter().collect();
    let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
    for (key, message) in content.take::<Message>()? {
        let (id, number, message) =
            read_message(&key, message).ok_or_else(|| content.bad::<Message>(&key, "not a message"))?;
        queues.entry(id).or_default().restore(number, message);
    }
    let mut devices = BTreeMap::new();
    for (key, identity) in content.take::<Identity>()? {
        let (id, thumbprint) =
            read_identity(&key, &identity).ok_or_else(|| content.bad::<Identity>(&key, "not an identity"))?;
        let device = Device::new(id.clone(), thumbprint, hubs.restore(identity.hub));
        {
            let mut state = device.lock();
            let session = sessions.remove(&key).unwrap_or_default();
            state.enabled = identity.enabled;
            state.next_hub = identity.next_hub.map(|hub| hubs.restore(Some(hub)));
            state.home = identity.home.map(|hub| hubs.restore(Some(hub)));
            state.session = session
                .kept
                .then(|| read_subscriptions(&id, &session))
                .map(|subscriptions| subscriptions.ok_or_else(|| content.bad::<Session>(&key, "not a session")))
                .transpose()?;
            state.model_id = session.model_id;
            state.twin = twins.remove(&key).unwrap_or_else(Twin::new);
            state.queue = queues.remove(&key).unwrap_or_default();
        }
        devices.insert(id, Arc::new(device));
    }
    Ok(devices)
}

fn read_identity(key: &str, identity: &Identity) -> Option<(DeviceId, Option<Thumbprint>)> {
    let thumbprint = match &identity.thumbprint {
        Some(text) => Some(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?),
        None => None,
    };
    Some((DeviceId::new(key).ok()?, thumbprint))
}

fn read_subscriptions(id: &DeviceId, session: &Session) -> Option<Arc<[(Subscription, QoS)]>> {
    let messages = Subscription::CloudToDevice { device_id: id.clone() };
    let old = session.messages.map(|number| Some((messages, qos(number).ok()?)));
    let kept = session.subscriptions.iter();
    old.into_iter()
        .chain(kept.map(|(filter, number)| Some((filter.parse().ok()?, qos(*number).ok()?))))
        .collect()
}

fn read_message(key: &str, message: Message) -> Option<(String, u64, CloudMessage)> {
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
