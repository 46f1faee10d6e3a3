//! The hubs and their identity registry. It is separate from the enrollments: DPS writes to it when it assigns a device,
//! and a change of an enrollment does not reach it. Identities change only under the lock of the application, which thus
//! gives their changes in the store an order.

use std::collections::{BTreeMap, btree_map};
use std::sync::{Arc, PoisonError, RwLock};

use iot_protocol::dps::Substatus;
use iot_protocol::id::{DeviceId, HubHost};

use super::allocation::{Current, Reprovision, place};
use super::device::Device;
use super::hubs::Hubs;
use super::records;
use super::restore::restore;
use super::twin::Twin;
use crate::certificate::Thumbprint;
use crate::error::StartError;
use crate::journal::DisconnectReason;
use crate::store::{Changes, Content, Store};

/// The hubs, and the devices that they have. An identity is in one hub at a time.
#[derive(Debug)]
pub(crate) struct Registry {
    hubs: Hubs,
    devices: RwLock<Devices>,
}

#[derive(Debug, Default)]
struct Devices {
    /// By their case-sensitive id.
    by_id: BTreeMap<DeviceId, Arc<Device>>,
    /// How many each hub has.
    loads: Vec<usize>,
}

/// Where a device is now, and how that came.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) hub: HubHost,
    pub(crate) substatus: Substatus,
}

/// Which hub a device is to go to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    Named(&'a HubHost),
    /// The one after its own.
    Next,
    /// The one after its own, until a failback.
    FailOver,
    /// The one from which it was failed over.
    FailBack,
}

/// Why a device can't be given to another hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CantMove {
    #[error("no hub has the device")]
    UnknownDevice,
    #[error("there is no hub `{0}` here")]
    UnknownHub(HubHost),
    #[error("the device is at hub `{0}` already")]
    AlreadyThere(HubHost),
    #[error("there is no other hub than `{0}`")]
    OnlyHub(HubHost),
    #[error("no failover has moved the device")]
    NotFailedOver,
    #[error("devices are never provisioned again (`--reprovision never`)")]
    Never,
}

impl Registry {
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn new(hubs: Hubs) -> Self {
        let devices = Devices {
            by_id: BTreeMap::new(),
            loads: vec![0; hubs.count()],
        };
        Self {
            hubs,
            devices: RwLock::new(devices),
        }
    }

    /// The registry as it was stored.
    pub(crate) fn restore(hubs: Hubs, content: &mut Content) -> Result<Self, StartError> {
        let by_id = restore(&hubs, content)?;
        let mut loads = vec![0; hubs.count()];
        for device in by_id.values() {
            if let Some(hub) = hubs.position(&device.lock().hub) {
                loads[hub] += 1;
            }
        }
        Ok(Self {
            hubs,
            devices: RwLock::new(Devices { by_id, loads }),
        })
    }

    pub(crate) fn hubs(&self) -> &Hubs {
        &self.hubs
    }

    pub(crate) fn has_hub(&self, name: &HubHost) -> bool {
        self.hubs.position(name).is_some()
    }

    /// Writes what DPS decided about a device, in the hub that is to have it.
    pub(crate) fn enroll(
        &self,
        id: &DeviceId,
        thumbprint: Thumbprint,
        policy: Reprovision,
        store: &Store,
        changes: &mut Changes,
    ) -> Placed {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let Devices { by_id, loads } = &mut *devices;
        let entry = by_id.entry(id.clone());
        let current = match &entry {
            btree_map::Entry::Occupied(known) => {
                let state = known.get().lock();
                let next = state.next_hub.as_ref();
                Some(Current {
                    hub: self.hubs.position(&state.hub),
                    next: next.and_then(|hub| self.hubs.position(hub)),
                })
            }
            btree_map::Entry::Vacant(_) => None,
        };
        let placement = place(current, loads, policy);
        let hub = &self.hubs[placement.hub];
        let is_new = current.is_none();
        if is_new || placement.moves {
            loads[placement.hub] += 1;
        }
        if let Some(old) = current.and_then(|current| current.hub).filter(|_| placement.moves) {
            loads[old] -= 1;
        }
        let device = match entry {
            btree_map::Entry::Occupied(known) => known.into_mut(),
            btree_map::Entry::Vacant(new) => {
                new.insert(Arc::new(Device::new(id.clone(), Some(thumbprint), Arc::clone(hub))))
            }
        };
        let mut state = device.lock();
        if placement.moves || placement.resets {
            state.leave(id, placement.resets, store);
        }
        if is_new || placement.moves || state.next_hub.is_some() || state.thumbprint != Some(thumbprint) {
            state.hub = Arc::clone(hub);
            state.next_hub = None;
            state.thumbprint = Some(thumbprint);
            state.put_identity(id, changes);
        }
        Placed {
            hub: HubHost::clone(hub),
            substatus: placement.substatus,
        }
    }

    /// Makes an identity for a device behind a gateway, if there is none: it need never register. It belongs to the hub of
    /// its parent, if that has one.
    pub(crate) fn adopt(
        &self,
        id: &DeviceId,
        parent: &DeviceId,
        enabled: bool,
        policy: Reprovision,
        changes: &mut Changes,
    ) {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let Devices { by_id, loads } = &mut *devices;
        let of_parent = by_id
            .get(parent)
            .and_then(|parent| self.hubs.position(&parent.lock().hub));
        if let btree_map::Entry::Vacant(new) = by_id.entry(id.clone()) {
            let hub = of_parent.unwrap_or_else(|| place(None, loads, policy).hub);
            loads[hub] += 1;
            let device = new.insert(Arc::new(Device::new(id.clone(), None, Arc::clone(&self.hubs[hub]))));
            let mut state = device.lock();
            state.enabled = enabled;
            state.put_identity(id, changes);
        }
    }

    /// Drops the connections whose epoch is over.
    pub(crate) fn hang_up(&self) {
        let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        for device in devices.by_id.values() {
            device.hang_up();
        }
    }

    /// Drops the connection of a device that is no longer a child of this gateway's, if it came through it.
    pub(crate) fn orphan(&self, id: &DeviceId, gateway: &DeviceId) {
        if let Some(device) = self.device(id) {
            device.orphan(gateway);
        }
    }

    /// Takes a device out of its hub: that refuses it from now on, and the next registration gives it to the hub `to`,
    /// or to the next one of the list.
    pub(crate) fn reassign(&self, id: &DeviceId, to: Target<'_>, changes: &mut Changes) -> Result<HubHost, CantMove> {
        let device = self.device(id).ok_or(CantMove::UnknownDevice)?;
        let mut state = device.lock();
        let own = self.hubs.position(&state.hub);
        let count = self.hubs.count();
        let target = match to {
            Target::Named(name) => self
                .hubs
                .position(name)
                .ok_or_else(|| CantMove::UnknownHub(name.clone()))?,
            Target::Next | Target::FailOver => own.map_or(0, |own| (own + 1) % count),
            Target::FailBack => {
                let home = state.home.as_ref().ok_or(CantMove::NotFailedOver)?;
                self.hubs
                    .position(home)
                    .ok_or_else(|| CantMove::UnknownHub(HubHost::clone(home)))?
            }
        };
        if own == Some(target) {
            let hub = HubHost::clone(&state.hub);
            if matches!(to, Target::FailBack) && state.next_hub.take().is_some() {
                // It was on its way to another hub and has not got there.
                state.home = None;
                state.put_identity(id, changes);
                return Ok(hub);
            }
            return Err(match to {
                Target::Named(_) | Target::FailBack => CantMove::AlreadyThere(hub),
                Target::Next | Target::FailOver => CantMove::OnlyHub(hub),
            });
        }
        let hub = Arc::clone(&self.hubs[target]);
        state.next_hub = Some(Arc::clone(&hub));
        state.home = match to {
            // A second failover does not make the first one's hub a home.
            Target::FailOver => state.home.take().or_else(|| Some(Arc::clone(&state.hub))),
            _ => None,
        };
        state.put_identity(id, changes);
        drop(state);
        device.disconnect(DisconnectReason::Moved);
        Ok(HubHost::clone(&hub))
    }

    /// Gives a device that has just got its first identity the twin that was prepared for it.
    pub(crate) fn prepare(&self, id: &DeviceId, twin: Twin, changes: &mut Changes) {
        if let Some(device) = self.device(id) {
            let mut state = device.lock();
            state.twin = twin;
            records::put_twin(id, &state.twin, changes);
        }
    }

    pub(crate) fn device(&self, id: &DeviceId) -> Option<Arc<Device>> {
        let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        devices.by_id.get(id).cloned()
    }

    /// Enables or disables an identity. A live connection of a disabled one is dropped.
    pub(crate) fn set_enabled(&self, id: &DeviceId, enabled: bool, changes: &mut Changes) {
        if let Some(device) = self.device(id) {
            {
                let mut state = device.lock();
                state.enabled = enabled;
                state.put_identity(id, changes);
            }
            if !enabled {
                device.disconnect(DisconnectReason::Disabled);
            }
        }
    }

    /// Takes the certificate of an identity for expired: its connection is dropped, and no certificate is the right one
    /// until the device has registered again.
    pub(crate) fn expire(&self, id: &DeviceId, changes: &mut Changes) {
        if let Some(device) = self.device(id) {
            {
                let mut state = device.lock();
                state.thumbprint = Some(Thumbprint::default());
                state.put_identity(id, changes);
            }
            device.disconnect(DisconnectReason::Expired);
        }
    }

    /// Removes an identity with its twin, and drops its connection.
    pub(crate) fn remove(&self, id: &DeviceId, changes: &mut Changes) {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let removed = devices.by_id.remove(id);
        if let Some(device) = removed {
            if let Some(hub) = self.hubs.position(&device.lock().hub) {
                devices.loads[hub] -= 1;
            }
            drop(devices);
            device.remove_records(changes);
            device.disconnect(DisconnectReason::Deleted);
        }
    }
}
