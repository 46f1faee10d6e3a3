//! The values that only profiles have, and the form in which each is written.

use fleet_protocol::plan::{Payload, Shape};
use serde_json::Value as Json;
use settings::reading::{boolean, number, text, whole, word};
use settings::{DeValue, Span, Unreadable};

use super::event_forms::positive_share;
use super::forms::Value;

/// A weight.
pub(super) struct Weight(pub(super) f64);

impl Value for Weight {
    const FORM: &'static str = "a number above 0 and up to 1000000, such as 70";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        match number(value)? {
            weight if (1e-6..=1e6).contains(&weight) => Ok(Self(weight)),
            weight => Err(Unreadable::Value(format!("{weight} is not above 0 and up to 1000000"))),
        }
    }
}

/// How many messages there are in a burst: as many as a device keeps while its hub is away.
pub(super) struct BurstSize(pub(super) u32);

impl Value for BurstSize {
    const FORM: &'static str = "a whole number from 1 to 64";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 1, 64)?;
        Ok(Self(u32::try_from(number).expect("the number was just bounded")))
    }
}

/// The size of a body.
pub(super) struct BodySize(pub(super) u32);

impl Value for BodySize {
    const FORM: &'static str = "a whole number of bytes from 64 to 261120, which is 255 KB";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 64, i128::from(Payload::MOST_BYTES))?;
        Ok(Self(u32::try_from(number).expect("the number was just bounded")))
    }
}

impl Value for Shape {
    const FORM: &'static str = "\"flat\" or \"office\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        word(value, &[("flat", Self::Flat), ("office", Self::Office)])
    }
}

/// How long a day takes.
pub(super) struct DayLength(pub(super) Span);

impl Value for DayLength {
    const FORM: &'static str = "a time of at least 5s, such as \"24h\", or \"4m\" for a day in four minutes";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let span: Span = text(value)?.parse()?;
        match span < Span::seconds(5) {
            true => Err(Unreadable::Value(format!("{span} is shorter than 5s"))),
            false => Ok(Self(span)),
        }
    }
}

/// The share of the day that a device is online.
pub(super) struct OnlineShare(pub(super) f64);

impl Value for OnlineShare {
    const FORM: &'static str = "a share above 0 and up to 1, such as 0.25 or \"25%\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        positive_share(value).map(Self)
    }
}

/// A field of a payload.
pub(super) struct Field(pub(super) Json);

impl Value for Field {
    const FORM: &'static str = "a text, a number, true or false";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        if let Ok(flag) = boolean(value) {
            return Ok(Self(Json::from(flag)));
        }
        if let Ok(text) = text(value) {
            return Ok(Self(Json::from(text)));
        }
        if let Ok(integer) = whole(value, i128::from(i64::MIN), i128::from(i64::MAX)) {
            return Ok(Self(Json::from(
                i64::try_from(integer).expect("the number was just bounded"),
            )));
        }
        match number(value)? {
            number if number.is_finite() => Ok(Self(Json::from(number))),
            number => Err(Unreadable::Value(format!("{number} has no form in JSON"))),
        }
    }
}

/// A value of a message's property.
pub(super) struct PropertyValue(pub(super) String);

impl Value for PropertyValue {
    const FORM: &'static str = "a text of at most 1024 characters of ASCII";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        match text(value)? {
            text if text.len() > 1024 => Err(Unreadable::Value(format!("it has {} characters", text.len()))),
            text if text.chars().all(|c| c.is_ascii() && !c.is_ascii_control()) => Ok(Self(text.to_owned())),
            text => Err(Unreadable::Value(format!(
                "`{}` is not ASCII",
                iot_protocol::shown::text(text)
            ))),
        }
    }
}

/// How many messages a fleet sends.
pub(super) struct MessageCount(pub(super) u64);

impl Value for MessageCount {
    const FORM: &'static str = "a whole number from 1 to 1000000000000";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 1, 1_000_000_000_000)?;
        Ok(Self(u64::try_from(number).expect("the number was just bounded")))
    }
}
