//! Values with units, written as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use fleet_protocol::plan;
use jiff::{SignedDuration, SpanRelativeTo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use settings::reading::from_percent;
use settings::{Span, written_as_text};

/// How long a certificate is valid, such as `365d` or `12h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValidityPeriod(pub SignedDuration);

/// A piece of the load profile, such as `100%@10s`: the share of the fleet that is online at its end, and how long it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// 0 to 1.
    pub share: f64,
    /// How long it takes.
    pub over: Span,
}

/// How many device-sim processes share the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    /// Two, or as many as it takes until each may open a connection for each of its devices.
    Auto,
    /// So many, from 1 to [`Processes::MOST`].
    Number(u32),
}

impl Processes {
    /// More than that is refused.
    pub const MOST: u32 = 256;
    /// As many as `auto` has on each machine: one for each core of a small one.
    pub const USUALLY: u32 = 2;
    /// How a manifest leaves the number to the program.
    pub(super) const AUTO: &'static str = "auto";
}

impl Serialize for Processes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(Self::AUTO),
            Self::Number(number) => serializer.serialize_u32(*number),
        }
    }
}

impl JsonSchema for Processes {
    fn schema_name() -> Cow<'static, str> {
        "Processes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "const": Self::AUTO }, { "type": "integer", "minimum": 1, "maximum": Self::MOST }],
        })
    }
}

/// The accepted forms, as problems and the JSON Schema name them.
pub(super) const VALIDITY_PERIOD_FORM: &str = r#"a time from "1m" to "36500d", such as "365d" or "12h""#;
pub(super) const STAGE_FORM: &str = r#"a share of the fleet and the time in which it is reached, such as "100%@10s""#;

impl FromStr for ValidityPeriod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Err(format!(
                "`{text}` has no unit; write {text}d for days, {text}h for hours"
            ));
        }
        let span: jiff::Span = text.parse().map_err(|_| format!("`{text}` is not a time"))?;
        if span.get_months() != 0 || span.get_years() != 0 {
            return Err(format!(
                "`{text}`: months and years are not all of one length; use days"
            ));
        }
        // Days of 24 hours: a certificate has neither time zones nor summer time.
        let period = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| format!("`{text}` is too long"))?;
        match period {
            _ if period.is_negative() => Err(format!("`{text}` is negative")),
            _ if period < SignedDuration::from_mins(1) => Err(format!("`{text}` is shorter than a minute")),
            _ if period > SignedDuration::from_hours(36_500 * 24) => {
                Err(format!("`{text}` is longer than a hundred years"))
            }
            _ => Ok(Self(period)),
        }
    }
}

impl fmt::Display for ValidityPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_mins();
        let seconds = self.0.as_secs() % 60;
        for (count, unit) in [
            (minutes / 1440, "d"),
            (minutes / 60 % 24, "h"),
            (minutes % 60, "m"),
            (seconds, "s"),
        ] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Default for ValidityPeriod {
    /// A year.
    fn default() -> Self {
        Self(SignedDuration::from_hours(365 * 24))
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (share, over) = text.split_once('@').ok_or_else(|| format!("`{text}` is not a stage"))?;
        let written = share.trim();
        let share = from_percent(written).ok_or_else(|| format!("`{written}` is not a share in percent"))?;
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("`{written}` is not from 0% to 100%"));
        }
        Ok(Self {
            share,
            over: over.trim().parse()?,
        })
    }
}

impl From<Stage> for plan::Stage {
    fn from(stage: Stage) -> Self {
        Self {
            share: stage.share,
            over_ms: stage.over.millis(),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded, or 0.07 × 100 would be written with seventeen digits.
        let percent = (self.share * 100.0 * 1e6).round() / 1e6;
        write!(f, "{percent}%@{}", self.over)
    }
}

written_as_text!(ValidityPeriod, VALIDITY_PERIOD_FORM, r"^\s*([0-9.]+\s*[a-z]+\s*)+$");
written_as_text!(Stage, STAGE_FORM, r"^[0-9.]+\s*%\s*@\s*([0-9.]+\s*[a-zµ]+\s*)+$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validities_are_days_hours_and_minutes() {
        for (text, hours, shown) in [
            ("365d", 8760, "365d"),
            ("12h", 12, "12h"),
            ("90d 12h", 2172, "90d12h"),
            ("2w", 336, "14d"),
            ("36500d", 876_000, "36500d"),
            ("48h", 48, "2d"),
        ] {
            let period: ValidityPeriod = text.parse().unwrap();
            let read = (period.0.as_hours(), period.to_string());
            assert_eq!(read, (hours, shown.to_owned()), "{text}");
        }
        assert_eq!("90s".parse::<ValidityPeriod>().unwrap().to_string(), "1m30s");
        for text in [
            "",
            "365",
            "-1d",
            "0d",
            "59s",
            "36501d",
            "1y",
            "3mo",
            "999999999d",
            "soon",
            "d",
        ] {
            assert!(text.parse::<ValidityPeriod>().is_err(), "{text}");
        }
    }

    #[test]
    fn stages_are_a_share_and_a_time() {
        let stage: Stage = "7%@1m30s".parse().unwrap();
        assert_eq!((stage.share, stage.over), (0.07, Span::seconds(90)));
        assert_eq!(stage.to_string(), "7%@1m30s");
        for text in ["100%", "101%@5s", "-1%@5s", "1@5s", "100%@5", "@", "50%@-1s"] {
            assert!(text.parse::<Stage>().is_err(), "{text}");
        }
    }
}
