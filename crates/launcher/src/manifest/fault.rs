//! Faults of the devices themselves, as a manifest has them.
//!
//! The doc comments are the descriptions in the JSON Schema, as those of the other types are.

use fleet_protocol::plan::{DeviceFault, Fault};
use schemars::JsonSchema;
use serde::Serialize;
use settings::Span;

use super::fault_forms::Bandwidth;
use super::values::ValidityPeriod;

/// A fault that some devices have on purpose. Seed and device id decide which, and when it shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct OwnFault {
    /// The share of the devices, above 0 and up to 1. Faults of one kind never meet in one device; their shares are at most
    /// 1 together.
    #[schemars(with = "super::event_forms::ShareForm")]
    pub share: f64,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What is wrong with a device.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// Its network is slow, handshakes included.
    Slow(Slow),
    /// Now and then it stops reading from its connection, which stays open.
    Stalled(Stalled),
    /// Its connection is cut without a DISCONNECT, at random times.
    Cut(Cut),
    /// Its clock is wrong: by it, it judges the certificates of servers, and dates what it reports.
    Clock(Clock),
}

/// A slow network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Slow {
    /// How long what is sent is on its way, in each direction, up to 1m; none when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Span>,
    /// What passes in a second, in each direction; as much as there is when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
}

/// A program that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Stalled {
    /// Once in so long it stops reading.
    pub every: Span,
    /// For so long.
    #[serde(rename = "for")]
    pub lasts: Span,
}

/// Connections that are cut.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Cut {
    /// The mean time between two cuts, in which the device is online.
    pub every: Span,
}

/// A wrong clock: one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Clock {
    /// How far it is ahead of the right time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<ValidityPeriod>,
    /// How far it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<ValidityPeriod>,
}

impl OwnFault {
    /// As the plan has it.
    pub(crate) fn in_plan(&self) -> DeviceFault {
        let fault = match self.kind {
            FaultKind::Slow(Slow { latency, bandwidth }) => Fault::Slow {
                latency_ms: latency.map_or(0, Span::millis),
                bytes_per_s: bandwidth.map(|bandwidth| bandwidth.0),
            },
            FaultKind::Stalled(Stalled { every, lasts }) => Fault::Stalled {
                every_ms: every.millis(),
                for_ms: lasts.millis(),
            },
            FaultKind::Cut(Cut { every }) => Fault::Cut {
                every_ms: every.millis(),
            },
            FaultKind::Clock(Clock { ahead, behind }) => {
                let seconds = |period: Option<ValidityPeriod>| period.map_or(0, |period| period.0.as_secs());
                Fault::Clock {
                    ahead_s: seconds(ahead) - seconds(behind),
                }
            }
        };
        DeviceFault {
            share: self.share,
            fault,
        }
    }
}
