//! What a device is: the IoT Plug and Play models, behind one interface. No I/O, no clock.
//!
//! A model is made of a root and components. Telemetry goes out per component, properties of a component are wrapped
//! and marked, and its commands are called `component*command`
//! (<https://learn.microsoft.com/azure/iot/concepts-convention>).

mod controller;
mod thermostat;

use std::time::Duration;

use bytes::Bytes;
use iot_protocol::command::CommandName;
use iot_protocol::twin::{Section, TwinDocument};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::random::DeviceRng;
use crate::weather::Weather;
pub use controller::TemperatureController;
use fleet_protocol::plan;
use fleet_protocol::room::Overrides;
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
    /// Empty: apart from its identity, nothing of an IoT Edge device is simulated.
    EdgeIdentity,
}

/// What a tick produced.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Bodies of telemetry, each with the index of its component in [`components`].
    pub telemetry: Vec<(u8, Bytes)>,
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
}

impl CommandResponse {
    fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body: Some(body),
            reboot: None,
        }
    }

    fn error(status: u16, message: &str) -> Self {
        Self {
            status,
            body: Some(json!({ "error": message })),
            reboot: None,
        }
    }
}

/// The components of a model that send telemetry, in the order of the indices in [`Measured::telemetry`]; `None` is the
/// root.
#[must_use]
pub fn components(model: plan::Model) -> &'static [Option<&'static str>] {
    match model {
        plan::Model::Thermostat => &[None],
        plan::Model::TemperatureController => controller::COMPONENTS,
        plan::Model::EdgeIdentity => &[],
    }
}

impl Model {
    /// A device whose rooms, first targets and serial number come from the random stream.
    #[must_use]
    pub fn new(model: plan::Model, overrides: &Overrides, weather: Weather, random: DeviceRng) -> Self {
        let kind = match model {
            plan::Model::Thermostat => Kind::Thermostat(Thermostat::new(overrides, weather, random)),
            plan::Model::TemperatureController => {
                Kind::TemperatureController(Box::new(TemperatureController::new(overrides, weather, random)))
            }
            plan::Model::EdgeIdentity => Kind::EdgeIdentity,
        };
        Self {
            kind,
            desired_version: 0,
        }
    }

    /// Lets `seconds` pass and measures.
    pub fn measure(&mut self, seconds: f64, now: Timestamp) -> Measured {
        match &mut self.kind {
            Kind::Thermostat(thermostat) => {
                let (body, report) = thermostat.measure(seconds, now);
                Measured {
                    telemetry: vec![(0, body)],
                    report,
                }
            }
            Kind::TemperatureController(controller) => controller.measure(seconds, now),
            Kind::EdgeIdentity => Measured::default(),
        }
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
        match &mut self.kind {
            Kind::Thermostat(thermostat) => thermostat.take_up(&desired.properties, reported, desired.version, anew),
            Kind::TemperatureController(controller) => {
                controller.take_up(&desired.properties, reported, desired.version, anew)
            }
            Kind::EdgeIdentity => Map::new(),
        }
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
        Desired::Report(match &mut self.kind {
            Kind::Thermostat(thermostat) => thermostat.desired_changed(&patch.properties, patch.version),
            Kind::TemperatureController(controller) => controller.desired_changed(&patch.properties, patch.version),
            Kind::EdgeIdentity => Map::new(),
        })
    }

    /// The thermostats of the device, each with its component; for callers that need their rooms.
    pub fn thermostats(&self) -> impl Iterator<Item = (Option<&'static str>, &Thermostat)> {
        let (root, components) = match &self.kind {
            Kind::Thermostat(thermostat) => (Some((None, thermostat)), None),
            Kind::TemperatureController(controller) => (None, Some(controller.thermostats())),
            Kind::EdgeIdentity => (None, None),
        };
        root.into_iter().chain(components.into_iter().flatten())
    }

    /// Answers a command. An empty payload is a request without a value.
    #[must_use]
    pub fn command(&self, command: &CommandName, payload: &[u8]) -> CommandResponse {
        let response = match &self.kind {
            Kind::Thermostat(thermostat) if command.component.is_none() => thermostat.command(&command.name, payload),
            Kind::Thermostat(_) | Kind::EdgeIdentity => None,
            Kind::TemperatureController(controller) => controller.command(command, payload),
        };
        response.unwrap_or_else(|| CommandResponse::error(404, &format!("command {command} is not in the model")))
    }

    /// The properties that it measures, as they are now.
    #[must_use]
    pub fn properties(&self) -> Map<String, Value> {
        match &self.kind {
            Kind::Thermostat(thermostat) => thermostat.properties(),
            Kind::TemperatureController(controller) => controller.properties(),
            Kind::EdgeIdentity => Map::new(),
        }
    }

    /// The device has restarted: it has lost what it kept in memory, and counts from now.
    pub fn restarted(&mut self) {
        match &mut self.kind {
            Kind::Thermostat(thermostat) => thermostat.reset(),
            Kind::TemperatureController(controller) => controller.restarted(),
            Kind::EdgeIdentity => {}
        }
    }

    /// The same by a command. Returns what is to be reported to complete it.
    pub fn rebooted(&mut self, now: Timestamp) -> Map<String, Value> {
        self.restarted();
        match &self.kind {
            Kind::TemperatureController(_) => TemperatureController::reboot_completed(now),
            Kind::Thermostat(_) | Kind::EdgeIdentity => Map::new(),
        }
    }
}
