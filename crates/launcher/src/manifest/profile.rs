//! Profiles: how the devices of a group differ.
//!
//! The doc comments are the descriptions in the JSON Schema, as those of the other types are.

use std::collections::BTreeMap;

use fleet_protocol::plan::{self, Day, MessageProperties, OnChange, Shape};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use settings::Span;

/// What some of a group's devices do.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Profile {
    /// A name within the group: letters, digits, `-` and `_`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    pub name: String,
    /// Its part of the group's devices, in proportion to the weights of the other profiles; 1 when left out.
    #[schemars(with = "Option<f64>", extend("exclusiveMinimum" = 0))]
    pub weight: f64,
    /// Time between two messages; that of the group when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Share of the interval by which a message may come earlier or later; that of the group when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub jitter: Option<f64>,
    /// Several messages at once, instead of an interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
    /// Send only what has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_change: Option<Change>,
    /// How often in a minute properties are reported that have not changed; at most once with each measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub properties_per_minute: Option<f64>,
    /// What a message holds besides the measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// What a message says of itself, for routing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The share of the day that each device is online; always when left out, and 10 hours of 24 with `shape = "office"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<super::event_forms::ShareForm>")]
    pub online: Option<f64>,
    /// How the times at which devices are online lie in the day: evenly (flat), or around noon (office); flat when left
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// How long a day takes; 24h when left out. The first one begins with the stages, at midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<Span>,
}

/// Several messages at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Burst {
    /// How many measurements are taken and sent together.
    #[schemars(range(min = 1, max = 64))]
    pub messages: u32,
    /// How often.
    pub every: Span,
}

/// Sending only what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Change {
    /// How far a value has to be from the last one that was sent, in its own unit.
    #[schemars(range(min = 0))]
    pub by: f64,
    /// After so long without a message, one is sent all the same.
    pub heartbeat: Span,
}

/// What a message holds besides the measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Payload {
    /// The size to which the body is filled up, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 64, max = 261_120))]
    pub bytes: Option<u32>,
    /// Fields that are the same in each message: texts, numbers, true and false.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(default)]
    pub fields: Map<String, Value>,
}

/// What a message says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Message {
    /// `$.ct`; application/json when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `$.ce`; utf-8 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// Application properties, which routes can ask for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub properties: BTreeMap<String, String>,
}

/// The share of the day that an office's devices are online, where a manifest has none.
const OFFICE_HOURS: f64 = 10.0 / 24.0;
/// How long a day takes, where a manifest does not say.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Profile {
    /// As the plan has it, in a group with this interval and jitter.
    #[must_use]
    pub fn in_plan(&self, (interval, jitter): (Span, f64)) -> plan::Profile {
        let telemetry = plan::Telemetry {
            interval_ms: self.interval_in(interval).millis(),
            jitter: self.jitter.unwrap_or(jitter),
        };
        let payload = self.payload.clone().unwrap_or_default();
        plan::Profile {
            name: self.name.clone(),
            weight: self.weight,
            telemetry,
            burst: self.burst.map_or(1, |burst| burst.messages),
            on_change: self.on_change.map(|change| OnChange {
                by: change.by,
                heartbeat_ms: change.heartbeat.millis(),
            }),
            properties_per_minute: self.properties_per_minute.unwrap_or(0.0),
            payload: plan::Payload {
                fields: payload.fields,
                bytes: payload.bytes,
            },
            message: self.message.clone().map(Message::in_plan).unwrap_or_default(),
            day: self.day_in_plan(),
        }
    }

    /// The time between two measurements, or between two bursts, in a group with this interval.
    pub(super) fn interval_in(&self, group: Span) -> Span {
        let burst = self.burst.map(|burst| burst.every);
        burst.or(self.interval).unwrap_or(group)
    }

    fn day_in_plan(&self) -> Option<Day> {
        let shape = self.shape.unwrap_or_default();
        let hours = (shape == Shape::Office).then_some(OFFICE_HOURS);
        Some(Day {
            shape,
            online: self.online.or(hours)?,
            length_ms: self.day.map_or(DAY_MS, |day| day.millis()),
        })
    }
}

impl Message {
    fn in_plan(self) -> MessageProperties {
        let usual = MessageProperties::default();
        MessageProperties {
            content_type: self.content_type.unwrap_or(usual.content_type),
            content_encoding: self.content_encoding.unwrap_or(usual.content_encoding),
            properties: self.properties,
        }
    }
}
