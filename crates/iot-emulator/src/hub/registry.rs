//! The identity registry. It is separate from the enrollments: DPS writes to it when it assigns a device, and a change
//! of an enrollment does not reach it. Identities change only under the lock of the application, which thus gives their
//! changes in the store an order.

use std::collections::{BTreeMap, btree_map};
use std::sync::{Arc, PoisonError, RwLock};

use iot_protocol::id::DeviceId;

use super::device::Device;
use super::stored;
use crate::certificate::Thumbprint;
use crate::error::StartError;
use crate::journal::Why;
use crate::store::{Changes, Content};

/// The devices that the hub knows, by their case-sensitive id.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<BTreeMap<DeviceId, Arc<Device>>>);

impl Registry {
    /// The registry as it was stored.
    pub(crate) fn restore(content: &mut Content) -> Result<Self, StartError> {
        Ok(Self(RwLock::new(stored::restore(content)?)))
    }

    /// Writes what DPS says about a device. Its twin stays, if it has one.
    pub(crate) fn enroll(&self, id: &DeviceId, thumbprint: Thumbprint, changes: &mut Changes) {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (is_new, device) = match devices.entry(id.clone()) {
            btree_map::Entry::Occupied(known) => (false, known.into_mut()),
            btree_map::Entry::Vacant(new) => (true, new.insert(Arc::new(Device::new(id.clone(), thumbprint)))),
        };
        let mut state = device.lock();
        if is_new || state.thumbprint != thumbprint {
            state.thumbprint = thumbprint;
            stored::put_identity(id, &state, changes);
        }
    }

    pub(crate) fn device(&self, id: &DeviceId) -> Option<Arc<Device>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Enables or disables an identity. A live connection of a disabled one is dropped.
    pub(crate) fn set_enabled(&self, id: &DeviceId, enabled: bool, changes: &mut Changes) {
        if let Some(device) = self.device(id) {
            {
                let mut state = device.lock();
                state.enabled = enabled;
                stored::put_identity(id, &state, changes);
            }
            if !enabled {
                device.disconnect(Why::Disabled);
            }
        }
    }

    /// Forgets an identity with its twin, and drops its connection.
    pub(crate) fn remove(&self, id: &DeviceId, changes: &mut Changes) {
        let removed = self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(device) = removed {
            device.forget(changes);
            device.disconnect(Why::Deleted);
        }
    }
}
