//! What all connections share.

use std::time::Duration;

use iot_protocol::id::{HubHost, IdScope};

use crate::central::Central;
use crate::dps::Registrations;
use crate::hub::Registry;
use crate::journal::Journal;
use crate::stats::Counters;
use crate::store::Store;
use crate::token::ApiToken;

/// One tenant: its DPS, its hub and its IoT Central application.
#[derive(Debug)]
pub(crate) struct Services {
    /// The only hub, and the name of this machine.
    pub(crate) hub: HubHost,
    pub(crate) id_scope: IdScope,
    pub(crate) dps_retry_after: Duration,
    pub(crate) token: ApiToken,
    pub(crate) central: Central,
    pub(crate) registrations: Registrations,
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    pub(crate) counters: Counters,
    pub(crate) journal: Journal,
}
