//! Registering again while the session with the hub goes on: the device is offline only for the change from one
//! connection to the next, and not for as long as DPS takes. A hub that gets another certificate from DPS meanwhile
//! keeps the open session; it checks certificates when a device connects. Should a hub end the session, the device
//! registers as usual.
//!
//! Where DPS refuses, the device stays connected: what it has still works.

use std::sync::Arc;

use fleet_protocol::lines::{State, counter};
use iot_protocol::shown;
use mqtt_link::Credentials;
use provisioning::assignment::Assignment;
use provisioning::certificate::load::Identity;
use provisioning::register::Registered;
use rand::Rng;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use super::register::ask_dps;
use super::{Device, DeviceError, Loaded, load_identity};
use crate::context::Assigned;

/// A registration beside a session. It ends with its holder.
pub(super) type Ahead = AbortOnDropHandle<Result<Box<Done>, Box<DeviceError>>>;

/// It went well.
pub(super) struct Done {
    identity: Identity,
    loaded: Instant,
    begun: Instant,
    registered: Registered,
}

impl Device {
    /// Begins to register beside the session.
    pub(super) fn register_ahead(&mut self) -> Ahead {
        let (context, group, id) = (Arc::clone(&self.context), self.group, self.id.clone());
        let jitter_seed = self.random.next_u64();
        let network = self.faults.as_mut().map(|faults| faults.network());
        info!(device_id = %self.id, "registers again with {} while it stays online", context.target.dps_endpoint);
        AbortOnDropHandle::new(tokio::spawn(async move {
            context.register_limiter.turn().await;
            let loading = load_identity(&context, group, &id).await;
            let identity = loading.map_err(Box::new)?;
            let (loaded, credentials) = (Instant::now(), Credentials::X509(identity.certified_key()));
            let begun = Instant::now();
            match ask_dps(&context, group, &id, &credentials, (jitter_seed, network)).await {
                Ok(registered) => Ok(Box::new(Done {
                    identity,
                    loaded,
                    begun,
                    registered,
                })),
                Err(error) => Err(Box::new(DeviceError::registration(&error))),
            }
        }))
    }

    /// Handles the result. Returns whether the device now has to connect again.
    pub(super) fn registered_ahead(&mut self, ended: Result<Result<Box<Done>, Box<DeviceError>>, JoinError>) -> bool {
        match ended.expect("registering does not panic, and is not ended while it is waited for") {
            Ok(done) => {
                let Done {
                    identity,
                    loaded,
                    begun,
                    registered,
                } = *done;
                self.measure_registration(begun, &registered);
                // The device turns here: DPS has accepted the new leaf, and its hub has the new thumbprint, which
                // refuses the old one at the next connect. Before this point nothing of the device has changed.
                let key = self.assignment_key(&identity);
                let assignment = Assignment {
                    assigned_hub: registered.assigned_hub.to_string(),
                    device_id: registered.device_id.to_string(),
                };
                self.remember(|cache| cache.store(&key, assignment));
                info!(device_id = %self.id, assigned_hub = %registered.assigned_hub, "registered");
                self.assigned = Some(Assigned {
                    hub: registered.assigned_hub,
                    device_id: registered.device_id,
                    leaf_sha256: key.leaf_sha256,
                });
                self.identity = Some(Box::new(Loaded { identity, at: loaded }));
                true
            }
            Err(error) => {
                let metrics = &self.context.metrics;
                metrics.count_reason(self.group, counter::REGISTER_FAILED, error.reason);
                info!(device_id = %self.id, reason = error.reason, "{}; stays as it is", shown::text(&error.message));
                let assigned = self.assigned.clone();
                self.report(State::Online, |line| {
                    line.hub = assigned.as_ref().map(|assigned| assigned.hub.to_string());
                    line.leaf_sha256 = assigned.map(|assigned| assigned.leaf_sha256);
                    line.reason = Some(error.reason.into());
                    line.message = Some(error.message);
                });
                false
            }
        }
    }
}
