//! Models of the user's own, and how their capabilities behave.
//!
//! The doc comments are the descriptions in the JSON Schema, as those of the other types are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fleet_protocol::plan::{Behaviour, Behaviours, Model, Process, Recording};
use iot_protocol::id::ModelId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use settings::Span;

/// What devices are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum DeviceModel {
    /// A model that is shipped.
    Shipped(Model),
    /// A model in DTDL of your own: `{ dtdl = "models/pump.json" }`.
    File(ModelFile),
    /// A device template of the application: `{ template = "dtmi:contoso:pump;2" }`.
    Template(ModelTemplate),
}

/// A model in a file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModelFile {
    /// A file, or a folder in the layout of the public model repository; relative to the manifest.
    pub dtdl: PathBuf,
    /// Which of its interfaces; the one that is no part of another when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub id: Option<ModelId>,
    /// Its index among the manifest's models.
    #[serde(skip)]
    pub index: u16,
}

/// A model that the application has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModelTemplate {
    /// The id of the template, or of its model.
    #[schemars(with = "String")]
    pub template: ModelId,
    /// Its index among the manifest's models.
    #[serde(skip)]
    pub index: u16,
}

impl DeviceModel {
    /// As the plan has it.
    #[must_use]
    pub fn in_plan(&self) -> Model {
        match self {
            Self::Shipped(model) => *model,
            Self::File(ModelFile { index, .. }) | Self::Template(ModelTemplate { index, .. }) => Model::Own(*index),
        }
    }
}

/// A model that is not shipped, each of a manifest's once.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetModel {
    /// Where it is from, for messages: a file, or a template's id.
    pub source: String,
    /// What was read; nothing yet of a template.
    pub read: Option<ReadModel>,
}

/// A model that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadModel {
    /// The model.
    pub model: Arc<dtdl::Model>,
    /// Its interface with everything in place.
    pub document: Value,
    /// What is left out of it.
    pub notes: Vec<String>,
}

impl From<dtdl::Parsed> for ReadModel {
    fn from(parsed: dtdl::Parsed) -> Self {
        Self {
            model: Arc::new(parsed.model),
            document: parsed.document,
            notes: parsed.notes.iter().map(ToString::to_string).collect(),
        }
    }
}

impl ReadModel {
    /// Why no number says whether a message differs from the one before it; `None` where each message is one number.
    #[must_use]
    pub fn not_one_number(&self) -> Option<String> {
        let is_one_number = |part: &&dtdl::Part| match part.telemetry.as_slice() {
            [] => true,
            [only] => only.schema.is_number(),
            _ => false,
        };
        let part = self.model.parts.iter().find(|part| !is_one_number(part))?;
        let names: Vec<_> = part.telemetry.iter().map(|one| part.full_name(&one.name)).collect();
        Some(match names.as_slice() {
            [only] => format!("`{only}` of `{}` is no number", self.model.id),
            several => format!("a message of `{}` has {}", self.model.id, several.join(", ")),
        })
    }
}

/// What helps where the messages of a profile are not one number each.
pub(crate) const ON_CHANGE_OF_CAPABILITIES: &str =
    "accepted: `on_change` of each capability, such as [group.capability] pressure = { on_change = 0.1 }";

/// How a capability behaves; what is left out is guessed from its schema, its unit and its name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Capability {
    /// How its values go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The least value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest value; of a counter, by how much it grows in an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The first value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// The width of the disturbances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// How long a ramp or a sine takes; 1h when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Span>,
    /// How often it is sent or reported; telemetry goes with each message, and properties stay as they are, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Send it only where it differs by this from what was sent last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_change: Option<f64>,
    /// Values as they were recorded, each device at a place of its own in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The status with which a command is answered; 200 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 599))]
    pub status: Option<u16>,
    /// How long a command takes to be answered; nothing when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// The share of a command's calls that fail, with 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub fail_share: Option<f64>,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Replay {
    /// CSV with a header and the columns of time and value, or JSON lines; relative to the manifest. Times are seconds or
    /// RFC 3339.
    pub file: PathBuf,
    /// Seconds of the recording in a second; 1 when left out.
    #[schemars(with = "Option<f64>")]
    pub speed: f64,
    /// Whether it begins again at its end, instead of staying there; true when left out.
    #[serde(rename = "loop")]
    #[schemars(with = "Option<bool>")]
    pub loops: bool,
    /// What it holds.
    #[serde(skip)]
    pub samples: Vec<(f64, Value)>,
}

/// What stands in `[group.capability]`: a capability of the root, or a table of those of a component.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its JSON Schema is of use")]
pub(super) enum CapabilityForm {
    /// A capability.
    One(Box<Capability>),
    /// The capabilities of a component.
    Component(BTreeMap<String, Capability>),
}

/// The capabilities of a group as the plan has them.
#[must_use]
pub fn behaviours(capabilities: &BTreeMap<String, Capability>) -> Behaviours {
    let each = capabilities.iter();
    each.map(|(name, capability)| (name.clone(), capability.in_plan()))
        .collect()
}

impl Capability {
    fn in_plan(&self) -> Behaviour {
        Behaviour {
            process: self.process,
            min: self.min,
            max: self.max,
            start: self.start,
            noise: self.noise,
            period_ms: self.period.map(|span| span.millis()),
            interval_ms: self.interval.map(|span| span.millis()),
            on_change: self.on_change,
            replay: self.replay.as_ref().map(|replay| Recording {
                samples: replay.samples.clone(),
                speed: replay.speed,
                loops: replay.loops,
            }),
            status: self.status,
            delay_ms: self.delay.map(|span| span.millis()),
            fail_share: self.fail_share,
        }
    }
}
