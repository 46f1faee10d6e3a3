//! The identity registry. It is separate from the enrollments: DPS writes to it when it assigns a device, and a change
//! of an enrollment does not reach it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use iot_protocol::id::DeviceId;

use super::device::Device;
use crate::certificate::Thumbprint;
use crate::journal::Why;

/// The devices that the hub knows, by their case-sensitive id.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<BTreeMap<DeviceId, Arc<Device>>>);

impl Registry {
    /// Writes what DPS says about a device. Its twin stays, if it has one.
    pub(crate) fn enroll(&self, id: &DeviceId, thumbprint: Thumbprint) {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match devices.get(id) {
            Some(device) => device.lock().thumbprint = thumbprint,
            None => {
                devices.insert(id.clone(), Arc::new(Device::new(id.clone(), thumbprint)));
            }
        }
    }

    pub(crate) fn device(&self, id: &DeviceId) -> Option<Arc<Device>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Enables or disables an identity. A live connection of a disabled one is dropped.
    pub(crate) fn set_enabled(&self, id: &DeviceId, enabled: bool) {
        if let Some(device) = self.device(id) {
            device.lock().enabled = enabled;
            if !enabled {
                device.disconnect(Why::Disabled);
            }
        }
    }

    /// Forgets an identity with its twin, and drops its connection.
    pub(crate) fn remove(&self, id: &DeviceId) {
        let removed = self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(device) = removed {
            device.disconnect(Why::Deleted);
        }
    }
}
