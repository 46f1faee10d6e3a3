//! Values with units, written as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, SpanRelativeTo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// A time such as `5s`, `1m30s` or `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// How long a certificate is valid, such as `365d` or `12h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lasting(pub SignedDuration);

/// How often something may happen, such as `200/min` or `50/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    count: f64,
    unit: RateUnit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RateUnit {
    Second,
    Minute,
    Hour,
}

/// A piece of the load profile, such as `100%@10s`: the share of the fleet that is online at its end, and how long it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// 0 to 1.
    pub share: f64,
    /// How long it takes.
    pub over: Span,
}

/// The accepted forms, as problems and the JSON Schema name them.
pub(super) const SPAN_FORM: &str = r#"a time such as "5s", "1m30s" or "250ms""#;
pub(super) const LASTING_FORM: &str = r#"a time from "1m" to "36500d", such as "365d" or "12h""#;
pub(super) const RATE_FORM: &str = r#"a rate such as "200/min" or "50/s", at least "1/h""#;
pub(super) const STAGE_FORM: &str = r#"a share of the fleet and the time in which it is reached, such as "100%@10s""#;

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// In milliseconds, as the plan has it.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Err(format!("`{text}` has no unit"));
        }
        let span = text
            .parse::<jiff::SignedDuration>()
            .map_err(|_| format!("`{text}` is not a time"))?;
        Duration::try_from(span)
            .map(Self)
            .map_err(|_| format!("`{text}` is negative"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_millis();
        let (hours, minutes) = (total / 3_600_000, total / 60_000 % 60);
        let (seconds, millis) = (total / 1000 % 60, total % 1000);
        for (count, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s"), (millis, "ms")] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        if total == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

impl FromStr for Lasting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Err(format!("`{text}` has no unit"));
        }
        let span: jiff::Span = text.parse().map_err(|_| format!("`{text}` is not a time"))?;
        if span.get_months() != 0 || span.get_years() != 0 {
            return Err(format!(
                "`{text}`: months and years are not all of one length; say days"
            ));
        }
        // Days of 24 hours: a certificate knows neither time zones nor summer time.
        let lasting = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| format!("`{text}` is too long"))?;
        match lasting {
            _ if lasting.is_negative() => Err(format!("`{text}` is negative")),
            _ if lasting < SignedDuration::from_mins(1) => Err(format!("`{text}` is shorter than a minute")),
            _ if lasting > SignedDuration::from_hours(36_500 * 24) => {
                Err(format!("`{text}` is longer than a hundred years"))
            }
            _ => Ok(Self(lasting)),
        }
    }
}

impl fmt::Display for Lasting {
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

impl Default for Lasting {
    /// A year.
    fn default() -> Self {
        Self(SignedDuration::from_hours(365 * 24))
    }
}

impl Rate {
    /// One in an hour, as [`Rate::hertz`] gives it.
    const LEAST: f64 = 1.0 / 3600.0;

    /// So many per second.
    #[must_use]
    pub const fn per_second(count: f64) -> Self {
        Self {
            count,
            unit: RateUnit::Second,
        }
    }

    /// So many per minute.
    #[must_use]
    pub const fn per_minute(count: f64) -> Self {
        Self {
            count,
            unit: RateUnit::Minute,
        }
    }

    /// In events per second, as the plan has it.
    #[must_use]
    pub fn hertz(self) -> f64 {
        self.count / self.unit.seconds()
    }
}

impl RateUnit {
    fn seconds(self) -> f64 {
        match self {
            Self::Second => 1.0,
            Self::Minute => 60.0,
            Self::Hour => 3600.0,
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_rate = || format!("`{text}` is not a rate");
        let (count, unit) = text.split_once('/').ok_or_else(no_rate)?;
        let unit = match unit.trim() {
            "s" | "sec" | "second" => RateUnit::Second,
            "min" | "m" | "minute" => RateUnit::Minute,
            "h" | "hour" => RateUnit::Hour,
            other => return Err(format!("`{other}` is not one of the units s, min and h")),
        };
        let count: f64 = count.trim().parse().map_err(|_| no_rate())?;
        let rate = Self { count, unit };
        // Less is a slip of the pen: a run would not get beyond its first device.
        if count.is_finite() && rate.hertz() >= Self::LEAST {
            Ok(rate)
        } else {
            Err(format!("`{text}` is less than one in an hour"))
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            RateUnit::Second => "s",
            RateUnit::Minute => "min",
            RateUnit::Hour => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (share, over) = text.split_once('@').ok_or_else(|| format!("`{text}` is not a stage"))?;
        let percent: f64 = share
            .trim()
            .strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| format!("`{}` is not a share in percent", share.trim()))?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("`{}` is not from 0% to 100%", share.trim()));
        }
        Ok(Self {
            share: percent / 100.0,
            over: over.trim().parse()?,
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded, or 0.07 × 100 would be written with seventeen digits.
        let percent = (self.share * 100.0 * 1e6).round() / 1e6;
        write!(f, "{percent}%@{}", self.over)
    }
}

macro_rules! written_as_text {
    ($type:ident, $form:expr, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $form })
            }
        }
    };
}

written_as_text!(Span, SPAN_FORM, r"^\s*([0-9.]+\s*[a-zµ]+\s*)+$");
written_as_text!(Lasting, LASTING_FORM, r"^\s*([0-9.]+\s*[a-z]+\s*)+$");
written_as_text!(Rate, RATE_FORM, r"^[0-9.]+\s*/\s*(s|sec|second|m|min|minute|h|hour)$");
written_as_text!(Stage, STAGE_FORM, r"^[0-9.]+\s*%\s*@\s*([0-9.]+\s*[a-zµ]+\s*)+$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis, shown) in [
            ("5s", 5_000, "5s"),
            ("1m30s", 90_000, "1m30s"),
            ("90s", 90_000, "1m30s"),
            ("250ms", 250, "250ms"),
            ("2h", 7_200_000, "2h"),
            ("0s", 0, "0s"),
            ("1.5s", 1_500, "1s500ms"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.millis(), span.to_string().as_str()), (millis, shown), "{text}");
        }
        for text in ["", "5", "-5s", "5 fortnights", "s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

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
            let lasting: Lasting = text.parse().unwrap();
            let read = (lasting.0.as_hours(), lasting.to_string());
            assert_eq!(read, (hours, shown.to_owned()), "{text}");
        }
        assert_eq!("90s".parse::<Lasting>().unwrap().to_string(), "1m30s");
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
            assert!(text.parse::<Lasting>().is_err(), "{text}");
        }
    }

    #[test]
    fn rates_carry_their_unit() {
        for (text, hertz, shown) in [
            ("50/s", 50.0, "50/s"),
            ("200/min", 200.0 / 60.0, "200/min"),
            ("0.5/s", 0.5, "0.5/s"),
            ("3600 / h", 1.0, "3600/h"),
            ("1/h", 1.0 / 3600.0, "1/h"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert!((rate.hertz() - hertz).abs() < 1e-9, "{text}");
            assert_eq!(rate.to_string(), shown);
        }
        for text in [
            "50",
            "0/s",
            "-1/s",
            "50/fortnight",
            "NaN/s",
            "inf/s",
            "/s",
            "1e-300/s",
            "0.9/h",
            "0.01/min",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
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
