//! Rates, written as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::written_as_text;

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
    Day,
}

/// The accepted form, for problems and the JSON Schema.
pub const RATE_FORM: &str = r#"a rate such as "200/min" or "50/s", at least "1/h""#;

impl Rate {
    /// One per hour, as [`Rate::hertz`] returns it.
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

    /// In events per second, as in the plan.
    #[must_use]
    pub fn hertz(self) -> f64 {
        self.count / self.period().as_secs_f64()
    }

    /// How many there may be in each [`Rate::period`].
    #[must_use]
    pub fn count(self) -> f64 {
        self.count
    }

    /// The second, minute, hour or day that the rate is per.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_secs(match self.unit {
            RateUnit::Second => 1,
            RateUnit::Minute => 60,
            RateUnit::Hour => 3600,
            RateUnit::Day => 86_400,
        })
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
            "day" | "d" => RateUnit::Day,
            other => return Err(format!("`{other}` is not one of the units s, min, h and day")),
        };
        let count: f64 = count.trim().parse().map_err(|_| no_rate())?;
        let rate = Self { count, unit };
        // Anything slower is a typing error: a run would not get beyond its first device.
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
            RateUnit::Day => "day",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

written_as_text!(
    Rate,
    RATE_FORM,
    r"^[0-9.]+\s*/\s*(s|sec|second|m|min|minute|h|hour|d|day)$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_carry_their_unit() {
        for (text, hertz, shown) in [
            ("50/s", 50.0, "50/s"),
            ("200/min", 200.0 / 60.0, "200/min"),
            ("0.5/s", 0.5, "0.5/s"),
            ("3600 / h", 1.0, "3600/h"),
            ("1/h", 1.0 / 3600.0, "1/h"),
            ("400000/day", 400_000.0 / 86_400.0, "400000/day"),
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
            "23/day",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
