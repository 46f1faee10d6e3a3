//! The one interface of a device for its session, outbox and recovery, whichever model it is of.

use std::fmt::Debug;

use iot_protocol::command::CommandName;
use iot_protocol::pnp::reported_patch;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{CommandResponse, Measured};

/// A device of some model. What a model does not have, it leaves as it is here.
pub(super) trait Simulated: Debug {
    /// Lets `seconds` pass and measures.
    fn measure(&mut self, _seconds: f64, _now: Timestamp) -> Measured {
        Measured::default()
    }

    /// Handles the twin at the beginning of a session; `anew` reports also what the twin has already.
    fn take_up(
        &mut self,
        _desired: &Map<String, Value>,
        _reported: &Map<String, Value>,
        _version: u64,
        _anew: bool,
    ) -> Map<String, Value> {
        Map::new()
    }

    /// Handles a change of desired properties.
    fn desired_changed(&mut self, _patch: &Map<String, Value>, _version: u64) -> Map<String, Value> {
        Map::new()
    }

    /// Answers a command; `None` where the model does not have it.
    fn command(&mut self, _command: &CommandName, _payload: &[u8]) -> Option<CommandResponse> {
        None
    }

    /// The properties that it measures, as they are now.
    fn properties(&self) -> Map<String, Value> {
        Map::new()
    }

    /// What it kept in memory is lost.
    fn restarted(&mut self) {}

    /// What is reported when it has restarted by a command.
    fn reboot_completed(&self, _now: Timestamp) -> Map<String, Value> {
        Map::new()
    }
}

/// What is reported of a part of a model; a component of which nothing is to be reported is left out.
pub(super) fn wrapped(component: Option<&str>, properties: Map<String, Value>) -> Map<String, Value> {
    match properties.is_empty() {
        true => properties,
        false => reported_patch(component, properties),
    }
}

/// An IoT Edge device, of which nothing but its identity is simulated.
#[derive(Debug, Clone)]
pub(super) struct EdgeIdentity;

impl Simulated for EdgeIdentity {}
