//! A rule, and whether it is about a moment.

use std::time::Duration;

use iot_protocol::id::HubHost;
use serde_json::{Map, Value, json};

use super::draw::draw;
use super::glob::fits;
use crate::phase::Phase;

/// When something happens, and to which devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its id; empty until it has been added.
    pub id: String,
    /// Whether it is on.
    pub enabled: bool,
    /// A pattern of device ids; none for every device, also for clients that have not identified themselves.
    pub device: Option<String>,
    /// The part of the devices that it is about, from 0 to 1.
    pub share: f64,
    /// At which moment.
    pub phase: Phase,
    /// At which part of these moments, from 0 to 1.
    pub probability: f64,
    /// How often at most, in all.
    pub count: Option<u64>,
    /// How often at most for each device.
    pub count_per_device: Option<u64>,
    /// How long after it was added it begins.
    pub after: Duration,
    /// How long it lasts from then on; none for as long as it is there.
    pub lasts: Option<Duration>,
    /// What happens.
    pub verdict: Verdict,
}

/// From, and to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration, pub Duration);

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The connection ends; nothing was done.
    Drop,
    /// It is done, and the connection ends without the answer.
    DropBeforeAck,
    /// It is done and answered, and the connection ends.
    DropAfterAck,
    /// It is done and never answered; the connection goes on.
    NoAck,
    /// CONNACK with a code.
    Refuse {
        /// The return code of CONNACK.
        code: u8,
    },
    /// An error instead of the answer; nothing was done.
    Answer {
        /// The status, as in HTTP.
        status: u16,
        /// The code of DPS in the body.
        error_code: Option<u32>,
        /// How long the device is asked to wait.
        retry_after: Option<Duration>,
    },
    /// It is done later.
    Delay {
        /// By how much.
        by: Span,
    },
    /// Everything takes longer from here on, each way.
    Slow {
        /// By how much.
        by: Span,
    },
    /// What the client sends is read, and that is all.
    BlackHole,
    /// Nothing is read any more.
    StopReading,
    /// The device is given to a hub, or to the next one.
    Move {
        /// Which hub; none for the next one.
        hub: Option<HubHost>,
    },
    /// The hub does not accept the device's certificate any more, as if it had expired.
    Expire,
    /// The device is blocked, as by an operator.
    Disable,
    /// The hub removes the device.
    Delete,
    /// All connections end, and the ports are closed for a while.
    Restart {
        /// For how long.
        down: Duration,
    },
}

/// A time as rules have it.
pub fn written(time: Duration) -> String {
    settings::Span(time).to_string()
}

impl Span {
    /// A duration of the span, by a number from 0 to 1.
    pub(crate) fn at(self, drawn: f64) -> Duration {
        self.0 + self.1.saturating_sub(self.0).mul_f64(drawn)
    }

    fn json(self) -> Value {
        if self.0 == self.1 {
            written(self.0).into()
        } else {
            json!([written(self.0), written(self.1)])
        }
    }
}

impl Verdict {
    /// As rules and the journal name it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::DropBeforeAck => "drop-before-ack",
            Self::DropAfterAck => "drop-after-ack",
            Self::NoAck => "no-ack",
            Self::Refuse { .. } => "refuse",
            Self::Answer { .. } => "answer",
            Self::Delay { .. } => "delay",
            Self::Slow { .. } => "slow",
            Self::BlackHole => "black-hole",
            Self::StopReading => "stop-reading",
            Self::Move { .. } => "move",
            Self::Expire => "expire",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Restart { .. } => "restart",
        }
    }

    /// Whether something still happens after it, so that the next rule is asked, too.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Self::Delay { .. } | Self::Slow { .. })
    }

    fn write(&self, to: &mut Map<String, Value>) {
        to.insert("verdict".into(), self.as_str().into());
        match self {
            Self::Refuse { code } => {
                to.insert("code".into(), (*code).into());
            }
            Self::Answer {
                status,
                error_code,
                retry_after,
            } => {
                to.insert("status".into(), (*status).into());
                if let Some(error_code) = error_code {
                    to.insert("error_code".into(), (*error_code).into());
                }
                if let Some(retry_after) = retry_after {
                    to.insert("retry_after".into(), written(*retry_after).into());
                }
            }
            Self::Delay { by } | Self::Slow { by } => {
                to.insert("by".into(), by.json());
            }
            Self::Move { hub: Some(hub) } => {
                to.insert("hub".into(), hub.as_str().into());
            }
            Self::Restart { down } => {
                to.insert("down".into(), written(*down).into());
            }
            _ => {}
        }
    }
}

impl Rule {
    /// Whether the rule is about what a device does, apart from chance and counts. `age` is how long the rule is there.
    pub(super) fn is_about(&self, phase: Phase, device: Option<&str>, age: Duration, seed: u64) -> bool {
        self.enabled
            && self.phase == phase
            && age >= self.after
            && self.lasts.is_none_or(|lasts| age - self.after < lasts)
            && match (&self.device, device) {
                (None, _) => true,
                (Some(pattern), Some(device)) => fits(pattern, device),
                (Some(_), None) => false,
            }
            && (self.share >= 1.0 || device.is_some_and(|device| draw(seed, &self.id, device, SHARE) < self.share))
    }

    /// Whether chance is for it, the `number`-th time that the rule is about this device.
    pub(super) fn applies_to(&self, device: &str, number: u64, seed: u64) -> bool {
        self.probability >= 1.0 || draw(seed, &self.id, device, number) < self.probability
    }

    /// As it is written in JSON, with every key that is not at its default.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let mut to = Map::new();
        to.insert("id".into(), self.id.as_str().into());
        to.insert("phase".into(), self.phase.as_str().into());
        to.insert("enabled".into(), self.enabled.into());
        if let Some(device) = &self.device {
            to.insert("device".into(), device.as_str().into());
        }
        for (key, share) in [("share", self.share), ("probability", self.probability)] {
            if share < 1.0 {
                to.insert(key.into(), share.into());
            }
        }
        for (key, count) in [("count", self.count), ("count_per_device", self.count_per_device)] {
            if let Some(count) = count {
                to.insert(key.into(), count.into());
            }
        }
        if !self.after.is_zero() {
            to.insert("after".into(), written(self.after).into());
        }
        if let Some(lasts) = self.lasts {
            to.insert("for".into(), written(lasts).into());
        }
        self.verdict.write(&mut to);
        to
    }
}

/// The number of the draw that decides whether a device belongs to the share. Occasions count up from 0.
const SHARE: u64 = u64::MAX;
