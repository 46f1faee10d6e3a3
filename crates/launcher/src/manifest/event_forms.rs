//! The values that only events have, and the form in which each is written.

use std::borrow::Cow;

use fleet_protocol::lines::Churn;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use settings::reading::{from_percent, number, text, whole, word};
use settings::{DeValue, Span, Unreadable};

use super::forms::Value;

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventAction {
    Roll,
    Disconnect,
    Reconnect,
    Reregister,
    Reboot,
    Storm,
    Churn,
    Retry,
}

impl Value for EventAction {
    const FORM: &'static str =
        "\"roll\", \"disconnect\", \"reconnect\", \"reregister\", \"reboot\", \"storm\", \"churn\" or \"retry\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let words = [
            ("roll", Self::Roll),
            ("disconnect", Self::Disconnect),
            ("reconnect", Self::Reconnect),
            ("reregister", Self::Reregister),
            ("reboot", Self::Reboot),
            ("storm", Self::Storm),
            ("churn", Self::Churn),
            ("retry", Self::Retry),
        ];
        word(value, &words)
    }
}

/// The devices of an enrollment group, or those with enrollments of their own. That it is there is checked beside the
/// devices.
pub(super) struct EventGroup(pub(super) String);

impl Value for EventGroup {
    const FORM: &'static str = "the id of a group, or \"individual\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        text(value).map(|id| Self(id.to_owned()))
    }
}

/// The number of a stage. That it is there is checked beside the stages.
pub(super) struct StageNumber(pub(super) u32);

impl Value for StageNumber {
    const FORM: &'static str = "the number of a stage, from 1";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let number = whole(value, 1, i128::from(u32::MAX))?;
        Ok(Self(u32::try_from(number).expect("the number was just bounded")))
    }
}

/// The time after which an event happens again.
pub(super) struct Every(pub(super) Span);

impl Value for Every {
    const FORM: &'static str = "a time of at least 1s, such as \"5m\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let span: Span = text(value)?.parse()?;
        match span < Span::seconds(1) {
            true => Err(Unreadable::Value(format!("{span} is shorter than 1s"))),
            false => Ok(Self(span)),
        }
    }
}

/// A share of devices, from 0 to 1.
pub(super) struct EventShare(pub(super) f64);

impl Value for EventShare {
    const FORM: &'static str = "a share from 0 to 1, such as 0.1 or \"10%\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        match share(value)? {
            share if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            share => Err(Unreadable::Value(format!("{share} is not from 0 to 1"))),
        }
    }
}

/// A share of devices in each minute.
pub(super) struct SharePerMinute(pub(super) f64);

impl Value for SharePerMinute {
    const FORM: &'static str = "a share in each minute, above 0 and up to 60, such as 0.1 or \"10%\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        match share(value)? {
            share if share > 0.0 && share <= Churn::MOST => Ok(Self(share)),
            share => Err(Unreadable::Value(format!(
                "{share} is not above 0 and up to {}",
                Churn::MOST
            ))),
        }
    }
}

/// `0.1`, or the same as `"10%"`.
pub(super) fn share(value: &DeValue<'_>) -> Result<f64, Unreadable> {
    let Ok(written) = text(value) else {
        return number(value);
    };
    match from_percent(written.trim()) {
        Some(share) if share.is_finite() => Ok(share),
        _ => Err(Unreadable::Value(format!("`{written}` is not a share in percent"))),
    }
}

/// A share that is something: above 0 and up to 1.
pub(super) fn positive_share(value: &DeValue<'_>) -> Result<f64, Unreadable> {
    match share(value)? {
        share if share > 0.0 && share <= 1.0 => Ok(share),
        share => Err(Unreadable::Value(format!("{share} is not above 0 and up to 1"))),
    }
}

/// Both forms of a share of devices, for the JSON Schema.
pub(super) struct ShareForm;

/// Both forms of a share in each minute.
pub(super) struct SharePerMinuteForm;

/// As the text of a share is written.
const PERCENT: &str = r"^\s*[0-9.]+\s*%\s*$";

impl JsonSchema for ShareForm {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, { "type": "string", "pattern": PERCENT }],
        })
    }
}

impl JsonSchema for SharePerMinuteForm {
    fn schema_name() -> Cow<'static, str> {
        "SharePerMinute".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "number", "exclusiveMinimum": 0, "maximum": Churn::MOST },
                { "type": "string", "pattern": PERCENT },
            ],
        })
    }
}
