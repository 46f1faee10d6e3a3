//! What all connections share.

use std::sync::Arc;
use std::time::Duration;

use iot_protocol::id::{DeviceId, HubHost, IdScope};

use crate::central::{Approval, Central};
use crate::gate::Gate;
use crate::hub::Reprovision;
use crate::hub::{CantMove, Registry, Room, Target};
use crate::journal::{Event, Journal};
use crate::refused_devices::RefusedDevices;
use crate::registrations::Registrations;
use crate::runs::Runs;
use crate::sign_in::SignIn;
use crate::stats::Counters;
use crate::store::Store;
use crate::token::ApiToken;

mod gate;

pub(crate) use gate::{Decision, ErrorResponse};

/// One tenant: its DPS, its hubs and its IoT Central application.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) hostname: HubHost,
    pub(crate) id_scope: IdScope,
    pub(crate) dps_retry_after: Duration,
    pub(crate) reprovision: Reprovision,
    pub(crate) approval: Approval,
    pub(crate) token: ApiToken,
    pub(crate) central: Central,
    pub(crate) registrations: Registrations,
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    pub(crate) counters: Counters,
    pub(crate) runs: Runs,
    /// What the last messages of all devices take.
    pub(crate) room: Arc<Room>,
    pub(crate) journal: Journal,
    pub(crate) refused: RefusedDevices,
    /// Who may look at the page.
    pub(crate) sign_in: SignIn,
    /// What keeps all of it from working as it should.
    pub(crate) gate: Gate,
}

impl Services {
    /// Gives a device to the hub `to`, or to the next one: its own drops and refuses it from now on, and its next
    /// registration assigns it. Takes the lock of the application.
    pub(crate) fn reassign(&self, id: &DeviceId, to: Target<'_>) -> Result<HubHost, CantMove> {
        if self.reprovision == Reprovision::Never {
            return Err(CantMove::Never);
        }
        let _order = self.central.write();
        let mut changes = self.store.changes();
        let hub = self.registry.reassign(id, to, &mut changes)?;
        self.store.write(changes);
        let event = Event::Reassigned { hub: hub.to_string() };
        self.journal.record(Some(id.as_str()), event);
        Ok(hub)
    }
}
