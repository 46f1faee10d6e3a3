//! The devices, as they were stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use iot_protocol::id::DeviceId;

use super::device::Device;
use super::hubs::Hubs;
use super::queue::Queue;
use super::records::{Identity, Message, Session, read_identity, read_message, read_subscriptions};
use super::twin::Twin;
use crate::error::StartError;
use crate::store::Content;

/// The devices as they were stored.
pub(super) fn restore(hubs: &Hubs, content: &mut Content) -> Result<BTreeMap<DeviceId, Arc<Device>>, StartError> {
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
