//! What an operator does while a run lasts: the table `[operator]`.

use fleet_protocol::plan::Model;
use schemars::JsonSchema;
use serde::Serialize;
use settings::Rate;

/// Commands and properties that the launcher sends to devices through the application's REST API while the stages hold or
/// raise the share of devices online. The devices are drawn from the seed, among those that are online.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Operator {
    /// Commands sent; none when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_rate: Option<Rate>,
    /// Which command; getMaxMinReport when left out.
    #[schemars(with = "Option<OperatorCommand>")]
    pub command: OperatorCommand,
    /// Changes of the property targetTemperature; none when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub property_rate: Option<Rate>,
    /// The least and the greatest value of the property; [18, 24] when left out. A device refuses what is not from -30 to
    /// 60.
    #[schemars(with = "Option<[f64; 2]>")]
    pub values: [f64; 2],
    /// Looks at the last telemetry that the application has of a device; none when left out. How many find it no older than
    /// two intervals is an estimate of what arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_rate: Option<Rate>,
    /// Cloud-to-device messages sent; none when left out. Only with a target of kind "emulator": IoT Central's REST API has
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_rate: Option<Rate>,
    /// The devices of this group only, `individual` for those with enrollments of their own; all devices when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A share of the devices, such as "10%" or 0.1: by seed and device id, so the same every time; all when left out.
    #[schemars(with = "Option<super::event_forms::ShareForm>")]
    pub share: f64,
}

/// A command that a model has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum OperatorCommand {
    /// A thermostat's report of the last minutes; each model has it.
    #[default]
    #[serde(rename = "getMaxMinReport")]
    GetMaxMinReport,
    /// The restart of a temperature controller.
    #[serde(rename = "reboot")]
    Reboot,
}

/// The values of the property where a manifest has none.
pub(super) const VALUES: [f64; 2] = [18.0, 24.0];

impl OperatorCommand {
    /// The word for it in a model.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GetMaxMinReport => "getMaxMinReport",
            Self::Reboot => "reboot",
        }
    }

    /// Whether devices of this model have it.
    #[must_use]
    pub fn is_of(self, model: Model) -> bool {
        match (self, model) {
            (_, Model::EdgeIdentity | Model::Own(_)) => false,
            (Self::GetMaxMinReport, _) | (Self::Reboot, Model::TemperatureController) => true,
            (Self::Reboot, Model::Thermostat) => false,
        }
    }
}

impl Operator {
    /// Commands in a second.
    #[must_use]
    pub fn commands_per_s(&self) -> f64 {
        self.command_rate.map_or(0.0, Rate::hertz)
    }

    /// Changes of properties in a second.
    #[must_use]
    pub fn properties_per_s(&self) -> f64 {
        self.property_rate.map_or(0.0, Rate::hertz)
    }

    /// Cloud-to-device messages in a second.
    #[must_use]
    pub fn messages_per_s(&self) -> f64 {
        self.message_rate.map_or(0.0, Rate::hertz)
    }

    /// Looks at a device's last telemetry in a second.
    #[must_use]
    pub fn looks_per_s(&self) -> f64 {
        self.arrival_rate.map_or(0.0, Rate::hertz)
    }
}
