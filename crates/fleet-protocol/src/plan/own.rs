//! Models of a user's own, and how their devices behave where a manifest says so.

use std::collections::BTreeMap;

use iot_protocol::id::ModelId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A model that is not shipped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnModel {
    /// What its devices announce.
    pub id: ModelId,
    /// Its DTDL interface, with what it extends and its components in place.
    pub document: Value,
}

/// How capabilities behave, by `name` or `component.name`.
pub type Behaviours = BTreeMap<String, Behaviour>;

/// How a capability behaves; what is left out is guessed from its schema, unit and name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// How its values go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The least value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The first value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// The width of the disturbances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// How long a ramp or a sine takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_ms: Option<u64>,
    /// How often it is sent; with each message when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// It is sent only where it differs from what was sent last by this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_change: Option<f64>,
    /// What was recorded, in place of a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Recording>,
    /// What a command answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long a command takes to be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Share of the calls of a command that fail, with 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_share: Option<f64>,
}

/// How values go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// It wanders between min and max, around a value of the device's own.
    Walk,
    /// From min to max in a period, and again.
    Ramp,
    /// Between min and max and back in a period.
    Sine,
    /// It stays at start, or at a value of the device's own between min and max.
    Constant,
    /// It only grows, by max in an hour.
    Counter,
    /// As it was recorded.
    Replay,
}

/// Values as they were recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Seconds from the beginning, in order, each with its value.
    pub samples: Vec<(f64, Value)>,
    /// Seconds of the recording in a second.
    pub speed: f64,
    /// It begins again at its end. Otherwise the last value stays.
    pub loops: bool,
}
