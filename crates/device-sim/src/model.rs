//! What a device is: the IoT Plug and Play models, behind one interface. No I/O, no clock.
//!
//! A model is made of a root and components. Telemetry goes out per component, properties of a component are wrapped
//! and marked, and its commands are called `component*command`
//! (<https://learn.microsoft.com/azure/iot/concepts-convention>).

mod blueprint;
mod controller;
mod own;
mod simulated;
mod thermostat;

use std::time::Duration;

use bytes::Bytes;
use iot_protocol::command::CommandName;
use iot_protocol::twin::{Section, TwinDocument};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use smallvec::SmallVec;

pub use blueprint::{Blueprint, Models};
pub use controller::TemperatureController;
use own::OwnDevice;
pub use own::{Kit, KitProblem};
use simulated::{EdgeIdentity, Simulated};
pub use thermostat::Thermostat;

/// A device of one of the models.
#[derive(Debug, Clone)]
pub struct Model {
    kind: Kind,
    /// The highest desired `$version` that has been handled; earlier patches are out of date.
    desired_version: u64,
}

#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every device of a fleet is a thermostat, so a box would only add to it"
)]
enum Kind {
    Thermostat(Thermostat),
    TemperatureController(Box<TemperatureController>),
    Own(Box<OwnDevice>),
    EdgeIdentity(EdgeIdentity),
}

impl Kind {
    fn device(&self) -> &dyn Simulated {
        match self {
            Self::Thermostat(thermostat) => thermostat,
            Self::TemperatureController(controller) => &**controller,
            Self::Own(own) => &**own,
            Self::EdgeIdentity(edge) => edge,
        }
    }

    fn device_mut(&mut self) -> &mut dyn Simulated {
        match self {
            Self::Thermostat(thermostat) => thermostat,
            Self::TemperatureController(controller) => &mut **controller,
            Self::Own(own) => &mut **own,
            Self::EdgeIdentity(edge) => edge,
        }
    }
}

/// What a tick produced.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Bodies of telemetry, each with the index of its component in [`Blueprint::components`].
    pub telemetry: SmallVec<[(u8, Bytes); 1]>,
    /// Properties to report.
    pub report: Map<String, Value>,
}

/// The result of a desired patch.
#[derive(Debug, Clone, PartialEq)]
pub enum Desired {
    /// Properties to report; may be empty.
    Report(Map<String, Value>),
    /// A patch in between was missed, so the whole twin has to be fetched.
    Missed,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandResponse {
    /// HTTP-like.
    pub status: u16,
    /// JSON, where there is a body.
    pub body: Option<Value>,
    /// The device restarts after this time.
    pub reboot: Option<Duration>,
    /// It takes this time to answer.
    pub delay: Option<Duration>,
}

impl CommandResponse {
    fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body: Some(body),
            reboot: None,
            delay: None,
        }
    }

    fn error(status: u16, message: &str) -> Self {
        Self {
            status,
            body: Some(json!({ "error": message })),
            reboot: None,
            delay: None,
        }
    }
}

impl Model {
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            desired_version: 0,
        }
    }

    /// Lets `seconds` pass and measures.
    pub fn measure(&mut self, seconds: f64, now: Timestamp) -> Measured {
        self.kind.device_mut().measure(seconds, now)
    }

    /// Handles the twin at the beginning of a session: applies the desired properties that changed while the device was
    /// away, and reports what the device is and which values it chose where none was desired. Returns what is to be
    /// reported.
    pub fn take_up(&mut self, twin: &TwinDocument) -> Map<String, Value> {
        self.handle_twin(twin, false)
    }

    /// The same at the first session after a restart: it reports as a new device does, also what the twin has already.
    pub fn start_up(&mut self, twin: &TwinDocument) -> Map<String, Value> {
        self.handle_twin(twin, true)
    }

    fn handle_twin(&mut self, twin: &TwinDocument, anew: bool) -> Map<String, Value> {
        let (desired, reported) = (&twin.desired, &twin.reported.properties);
        self.desired_version = desired.version;
        let device = self.kind.device_mut();
        device.take_up(&desired.properties, reported, desired.version, anew)
    }

    /// Handles a change of desired properties. Properties that the model does not have are ignored.
    pub fn desired_changed(&mut self, patch: &Section) -> Desired {
        if patch.version <= self.desired_version {
            return Desired::Report(Map::new());
        }
        if patch.version > self.desired_version + 1 {
            return Desired::Missed;
        }
        self.desired_version = patch.version;
        let device = self.kind.device_mut();
        Desired::Report(device.desired_changed(&patch.properties, patch.version))
    }

    /// The thermostats of the device, each with its component; for callers that need their rooms.
    pub fn thermostats(&self) -> impl Iterator<Item = (Option<&'static str>, &Thermostat)> {
        let (root, components) = match &self.kind {
            Kind::Thermostat(thermostat) => (Some((None, thermostat)), None),
            Kind::TemperatureController(controller) => (None, Some(controller.thermostats())),
            Kind::Own(_) | Kind::EdgeIdentity(_) => (None, None),
        };
        root.into_iter().chain(components.into_iter().flatten())
    }

    /// Answers a command. An empty payload is a request without a value.
    #[must_use]
    pub fn command(&mut self, command: &CommandName, payload: &[u8]) -> CommandResponse {
        let response = self.kind.device_mut().command(command, payload);
        response.unwrap_or_else(|| CommandResponse::error(404, &format!("command {command} is not in the model")))
    }

    /// The properties that it measures, as they are now.
    #[must_use]
    pub fn properties(&self) -> Map<String, Value> {
        self.kind.device().properties()
    }

    /// The device has restarted: it has lost what it kept in memory, and counts from now.
    pub fn restarted(&mut self) {
        self.kind.device_mut().restarted();
    }

    /// The same by a command. Returns what is to be reported to complete it.
    pub fn rebooted(&mut self, now: Timestamp) -> Map<String, Value> {
        self.restarted();
        self.kind.device().reboot_completed(now)
    }
}
