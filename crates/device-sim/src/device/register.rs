//! The step from nothing to an assigned hub: from the cache, or by asking DPS.

use std::io;
use std::sync::Arc;

use fleet_protocol::lines::{Phase, State, counter};
use iot_protocol::id::{DeviceId, RegistrationId};
use mqtt_link::Credentials;
use provisioning::assignment::{Assignment, AssignmentCache, AssignmentKey};
use provisioning::certificate::load::Identity;
use provisioning::register::{Registered, Registration, RegistrationError, RegistrationOptions};
use rand::Rng;
use tokio::time::Instant;
use tracing::{info, warn};

use super::faults::Network;
use super::{Device, DeviceError, Loaded};
use crate::context::{Assigned, Context};
use crate::mailbox::Mailbox;
use crate::metrics::Counter;
use crate::outcome::Step;

impl Device {
    pub(super) async fn register(&mut self) {
        let identity = match self.load_identity().await {
            Ok(identity) => identity,
            Err(error) => {
                self.register_failed(error);
                return;
            }
        };
        let loaded = Instant::now();
        let key = self.assignment_key(&identity);
        if let Some(hub) = self.group().hub.clone() {
            let device_id = DeviceId::from(self.id.clone());
            let assigned = Assigned {
                hub,
                device_id,
                leaf_sha256: key.leaf_sha256,
            };
            self.accept(assigned, identity, loaded);
            return;
        }
        if self.ask_dps {
            // The cached assignment is no longer valid, also for the next run.
            self.remember(|cache| cache.remove(&key));
        } else if !self.is_negative()
            && let Some(assigned) = self.remembered(&key)
        {
            if !self.registered {
                self.context.metrics.count(self.group, Counter::DevicesAssignmentReused);
            }
            self.accept(assigned, identity, loaded);
            return;
        }
        self.move_to(State::Registering);
        self.step = Step::RegisterTurn;
        let context = Arc::clone(&self.context);
        if self
            .alongside(context.register_limiter.turn(), Mailbox::ends_registration)
            .await
            .is_none()
        {
            return;
        }
        info!(device_id = %self.id, "registers with {}", context.target.dps_endpoint);
        self.step = Step::Registration;
        let begun = Instant::now();
        let credentials = Credentials::X509(identity.certified_key());
        let (id, jitter_seed) = (self.id.clone(), self.random.next_u64());
        let network = self.faults.as_mut().map(|faults| faults.network());
        let asking = ask_dps(&context, self.group, &id, &credentials, (jitter_seed, network));
        match self.alongside(asking, Mailbox::ends_registration).await {
            // An unfinished first registration is counted where the device ends, with all its waiting time.
            None => self.unfinished(Phase::Register, self.registered.then_some(begun)),
            Some(Ok(registered)) if self.is_negative() => {
                self.let_in(&format!("DPS assigned it to {}", registered.assigned_hub));
            }
            Some(Ok(registered)) => {
                self.measure_registration(begun, &registered);
                let assignment = Assignment {
                    assigned_hub: registered.assigned_hub.to_string(),
                    device_id: registered.device_id.to_string(),
                };
                self.remember(|cache| cache.store(&key, assignment));
                info!(device_id = %self.id, assigned_hub = %registered.assigned_hub, "registered");
                let assigned = Assigned {
                    hub: registered.assigned_hub,
                    device_id: registered.device_id,
                    leaf_sha256: key.leaf_sha256,
                };
                self.accept(assigned, identity, loaded);
            }
            Some(Err(error)) => {
                self.register_failed(DeviceError::registration(&error));
            }
        }
    }

    fn accept(&mut self, assigned: Assigned, identity: Identity, loaded: Instant) {
        self.identity = Some(Box::new(Loaded { identity, at: loaded }));
        self.ask_dps = false;
        self.not_before = None;
        self.step = Step::ConnectTurn;
        if !std::mem::replace(&mut self.registered, true) && !self.is_negative() {
            self.context.metrics.count(self.group, Counter::DevicesRegistered);
        }
        let (hub, leaf_sha256) = (assigned.hub.to_string(), assigned.leaf_sha256.clone());
        self.assigned = Some(assigned);
        self.report(State::Pending, |line| {
            line.hub = Some(hub);
            line.leaf_sha256 = Some(leaf_sha256);
        });
        self.settle();
    }

    fn register_failed(&mut self, error: DeviceError) {
        self.count_failure(counter::REGISTER_FAILED, error.reason);
        self.failed(error);
        self.settle();
    }

    pub(super) fn measure_registration(&self, begun: Instant, registered: &Registered) {
        let metrics = &self.context.metrics;
        metrics.record(self.group, Phase::Register, begun.elapsed());
        metrics.record(self.group, Phase::DpsWait, registered.waited);
    }

    pub(super) fn assignment_key(&self, identity: &Identity) -> AssignmentKey {
        let target = &self.context.target;
        AssignmentKey {
            dps_endpoint: target.dps_endpoint.clone(),
            id_scope: target.id_scope.to_string(),
            registration_id: self.id.to_string(),
            leaf_sha256: identity.leaf.sha256.clone(),
        }
    }

    /// Writes to the assignment cache, where there is one. A run goes on without it.
    pub(super) fn remember(&self, write: impl FnOnce(&AssignmentCache) -> io::Result<()>) {
        if let Some(Err(error)) = self.context.assignments.as_ref().map(write) {
            warn!(device_id = %self.id, "assignment cache can't be written: {error}");
        }
    }

    /// The assignment of an earlier run, if it is still readable.
    fn remembered(&self, key: &AssignmentKey) -> Option<Assigned> {
        let assignment = self.context.assignments.as_ref()?.lookup(key)?;
        Some(Assigned {
            hub: assignment.assigned_hub.parse().ok()?,
            device_id: assignment.device_id.parse().ok()?,
            leaf_sha256: key.leaf_sha256.clone(),
        })
    }
}

/// The whole exchange with DPS.
pub(super) async fn ask_dps(
    context: &Context,
    group: usize,
    id: &RegistrationId,
    credentials: &Credentials,
    (jitter_seed, network): (u64, Option<Network>),
) -> Result<Registered, RegistrationError> {
    context.metrics.count(group, Counter::RegistrationsBegun);
    let own_way = network.map(|network| network.of(context.dps.clone()));
    let registration = Registration {
        endpoint: own_way.as_ref().unwrap_or(&context.dps),
        id_scope: &context.target.id_scope,
        registration_id: id,
        model_id: context.groups[group].model_id.as_ref(),
        credentials,
        jitter_seed,
    };
    let options = RegistrationOptions {
        connect_timeout: context.patience.connect,
        answer_timeout: context.patience.answer,
        ..RegistrationOptions::default()
    };
    // Counted as it happens: a throttled device may wait for minutes before anything else is reported of it.
    let count = || context.metrics.count(group, Counter::DpsThrottled);
    registration.run_reporting(&options, count).await
}
