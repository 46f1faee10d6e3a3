//! Values that change: how the value of a schema is made, advanced and written. Pure; all randomness is handed in.
//!
//! What the devices of a group share is here, once; what a device remembers is a few numbers in a row, which each shape
//! takes its part of. Only the four basic operations and the square root are used, so that the same seed gives the same
//! values on every machine.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;

use super::process::{Form, Place, Process};
use crate::random::DeviceRng;

/// How the value of a schema is made.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A number, rounded to so many decimal places.
    Number { process: Process, decimals: u8 },
    /// One of some values, written as JSON, each for a while: so many seconds on average.
    State { values: Vec<Box<str>>, dwell: Vec<f64> },
    /// A value that is there now and then: after so many seconds on average, and not otherwise.
    Event { gap: f64, value: Box<Shape> },
    /// Something that moves, in one of the forms of a place.
    Position { place: Place, form: Form },
    /// A time, at which it is written.
    Now(TimeForm),
    /// A time that stays.
    Moment(TimeForm),
    /// A text with a number of the device in it.
    Label { before: Box<str> },
    /// Values as they were recorded, each with its second.
    Replay(Replay),
    /// Fields with their keys as JSON.
    Object(Vec<(Box<str>, Shape)>),
    /// A list.
    Array(Vec<Shape>),
}

/// Recorded values.
#[derive(Debug, Clone)]
pub(super) struct Replay {
    pub(super) samples: Arc<[(f64, Box<str>)]>,
    /// Whether its values are numbers of which one is nearer than another.
    pub(super) is_number: bool,
    /// Seconds of the recording in a second.
    pub(super) speed: f64,
    /// It begins again at its end. Otherwise the last value stays.
    pub(super) loops: bool,
}

/// What a change of a value is noticed by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    /// A number, which can differ by so much.
    Number(f64),
    /// A number that stands for a value of another kind, which differs or does not.
    Other(f64),
}

impl Mark {
    pub(super) fn value(self) -> f64 {
        match self {
            Self::Number(value) | Self::Other(value) => value,
        }
    }

    /// Whether it differs from what was sent, which is NaN before anything was.
    pub(super) fn differs(self, sent: f64, by: f64) -> bool {
        match self {
            Self::Number(value) => {
                let distance = (value - sent).abs();
                // Tenths, and not what floating-point arithmetic makes of them.
                sent.is_nan() || (distance > 0.0 && distance >= by - 1e-9)
            }
            Self::Other(value) => value.to_bits() != sent.to_bits(),
        }
    }
}

/// How a time is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum TimeForm {
    DateTime,
    Date,
    Time,
    Duration,
}

/// The first of the moments that stay: the beginning of 2025.
const FIRST_MOMENT: i64 = 1_735_689_600;

impl Shape {
    /// How many numbers a device remembers for it.
    pub(super) fn slots(&self) -> usize {
        match self {
            Self::Number { .. } | Self::State { .. } => 2,
            Self::Event { value, .. } => 1 + value.slots(),
            Self::Position { .. } => Place::SLOTS,
            Self::Now(_) => 0,
            Self::Moment(_) | Self::Label { .. } | Self::Replay(_) => 1,
            Self::Object(fields) => fields.iter().map(|(_, shape)| shape.slots()).sum(),
            Self::Array(elements) => elements.iter().map(Self::slots).sum(),
        }
    }

    /// The first value of a device.
    pub(super) fn begin(&self, state: &mut [f64], random: &mut DeviceRng) {
        match self {
            Self::Number { process, .. } => process.begin(state, random),
            Self::State { values, dwell } => {
                // The first is the usual one.
                state[0] = 0.0;
                state[1] = gap(dwell.first().copied().unwrap_or(1.0), random);
                if values.len() > 2 {
                    state[0] = random.random_range(0..values.len()) as f64;
                }
            }
            Self::Event { gap: mean, value } => {
                state[0] = gap(*mean, random);
                value.begin(&mut state[1..], random);
            }
            Self::Position { place, .. } => place.begin(state, random),
            Self::Now(_) => {}
            Self::Moment(_) => state[0] = random.random_range(0..86_400 * 300_i64) as f64,
            Self::Label { .. } => state[0] = f64::from(random.random_range(0..1_000_000_u32)),
            Self::Replay(replay) => state[0] = random.random_range(0.0..1.0) * replay.length(),
            Self::Object(fields) => each(fields.iter().map(|(_, shape)| shape), state, |shape, state| {
                shape.begin(state, random);
            }),
            Self::Array(elements) => each(elements.iter(), state, |shape, state| shape.begin(state, random)),
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&self, state: &mut [f64], seconds: f64, random: &mut DeviceRng) {
        match self {
            Self::Number { process, .. } => process.advance(state, seconds, random),
            Self::State { values, dwell } => {
                state[1] -= seconds;
                if state[1] <= 0.0 && values.len() > 1 {
                    // Another one than now.
                    let step = random.random_range(1..values.len());
                    let next = (index(state[0], values.len()) + step) % values.len();
                    state[0] = next as f64;
                    state[1] = gap(dwell.get(next).copied().unwrap_or(60.0), random);
                }
            }
            Self::Event { gap: mean, value } => {
                if state[0] <= 0.0 {
                    state[0] = gap(*mean, random);
                }
                state[0] -= seconds;
                value.advance(&mut state[1..], seconds, random);
            }
            Self::Position { place, .. } => place.advance(state, seconds, random),
            Self::Now(_) | Self::Moment(_) | Self::Label { .. } => {}
            Self::Replay(replay) => state[0] += seconds * replay.speed,
            Self::Object(fields) => each(fields.iter().map(|(_, shape)| shape), state, |shape, state| {
                shape.advance(state, seconds, random);
            }),
            Self::Array(elements) => each(elements.iter(), state, |shape, state| {
                shape.advance(state, seconds, random);
            }),
        }
    }

    /// Whether there is nothing to send now.
    pub(super) fn is_silent(&self, state: &[f64]) -> bool {
        matches!(self, Self::Event { .. } if state[0] > 0.0)
    }

    /// What a change of the value is noticed by; `None` where it always counts as changed.
    pub(super) fn mark(&self, state: &[f64]) -> Option<Mark> {
        match self {
            Self::Number { .. } => Some(Mark::Number(state[0])),
            // Numbers of an Enum are names: none is nearer to another.
            Self::State { .. } | Self::Moment(_) | Self::Label { .. } => Some(Mark::Other(state[0])),
            Self::Replay(replay) => Some(replay.mark(state[0])),
            Self::Event { value, .. } => value.mark(&state[1..]),
            Self::Now(_) | Self::Position { .. } | Self::Object(_) | Self::Array(_) => None,
        }
    }

    /// Whether it has several values in one, of which none can be compared for all.
    pub(super) fn is_composite(&self) -> bool {
        match self {
            Self::Event { value, .. } => value.is_composite(),
            Self::Position { .. } | Self::Object(_) | Self::Array(_) => true,
            _ => false,
        }
    }

    /// Writes the value as JSON.
    pub(super) fn write(&self, state: &[f64], now: Timestamp, out: &mut String) {
        // Writing to a String does not fail.
        let _ = match self {
            Self::Number { decimals: 0, .. } => write!(out, "{}", state[0].round() as i64),
            Self::Number { decimals, .. } => {
                write!(out, "{:.*}", usize::from(*decimals), state[0] + 0.0)
            }
            Self::State { values, .. } => out.write_str(&values[index(state[0], values.len())]),
            Self::Event { value, .. } => {
                value.write(&state[1..], now, out);
                Ok(())
            }
            Self::Position { place, form } => {
                place.write(state, *form, out);
                Ok(())
            }
            Self::Now(form) => form.write(now, out),
            Self::Moment(form) => {
                let moment = Timestamp::from_second(FIRST_MOMENT + state[0] as i64);
                form.write(moment.unwrap_or(Timestamp::UNIX_EPOCH), out)
            }
            Self::Label { before } => write!(out, "\"{before}{:06}\"", state[0] as u32),
            Self::Replay(replay) => out.write_str(&replay.samples[replay.index(state[0])].1),
            Self::Object(fields) => {
                out.push('{');
                let (mut first, mut rest) = (true, state);
                for (key, shape) in fields {
                    let (own, others) = rest.split_at(shape.slots());
                    rest = others;
                    if !std::mem::take(&mut first) {
                        out.push(',');
                    }
                    out.push_str(key);
                    out.push(':');
                    shape.write(own, now, out);
                }
                out.write_char('}')
            }
            Self::Array(elements) => {
                out.push('[');
                let mut rest = state;
                for (index, shape) in elements.iter().enumerate() {
                    let (own, others) = rest.split_at(shape.slots());
                    rest = others;
                    if index > 0 {
                        out.push(',');
                    }
                    shape.write(own, now, out);
                }
                out.write_char(']')
            }
        };
    }
}

impl Replay {
    /// Seconds from the first value to the end: the last value lasts as long as the one before it.
    fn length(&self) -> f64 {
        match self.samples.as_ref() {
            [.., (before, _), (last, _)] => last + (last - before).max(1e-3),
            _ => 1.0,
        }
    }

    /// The number itself, or one that only the same value has; chance makes two values the same once in 2^52.
    fn mark(&self, at: f64) -> Mark {
        let text = &self.samples[self.index(at)].1;
        if self.is_number
            && let Ok(number) = text.parse()
        {
            return Mark::Number(number);
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Mark::Other((hasher.finish() >> 12) as f64)
    }

    fn index(&self, at: f64) -> usize {
        let length = self.length();
        let at = match self.loops {
            true => at - (at / length).floor() * length,
            false => at,
        };
        let after = self.samples.partition_point(|(second, _)| *second <= at);
        after.saturating_sub(1)
    }
}

impl TimeForm {
    fn write(self, at: Timestamp, out: &mut String) -> std::fmt::Result {
        match self {
            Self::DateTime => write!(out, "\"{at:.0}\""),
            Self::Date => write!(out, "\"{}\"", at.strftime("%F")),
            Self::Time => write!(out, "\"{}Z\"", at.strftime("%T")),
            Self::Duration => {
                let seconds = at.as_second().rem_euclid(7_200);
                write!(out, "\"{}\"", SignedDuration::from_secs(seconds))
            }
        }
    }
}

/// Each shape with its own part of the state.
fn each<'a>(shapes: impl Iterator<Item = &'a Shape>, state: &mut [f64], mut of: impl FnMut(&Shape, &mut [f64])) {
    let mut rest = state;
    for shape in shapes {
        let (own, others) = rest.split_at_mut(shape.slots());
        of(shape, own);
        rest = others;
    }
}

/// A time around `mean`.
fn gap(mean: f64, random: &mut DeviceRng) -> f64 {
    mean * random.random_range(0.2..1.8)
}

fn index(state: f64, of: usize) -> usize {
    (state as usize).min(of - 1)
}
