//! The number that a value is compared with, and the units in which it is written.

use std::fmt;
use std::ops::Range;

use fleet_protocol::lines::Phase;

use super::aggregation::Aggregation;
use super::error::ThresholdError;
use crate::metric::{Kind, Metric, Unit};

/// The longest time that histograms tell from longer ones, in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "ten minutes in microseconds are far below 2^53"
)]
pub(crate) const LONGEST: f64 = Phase::LONGEST_US as f64 / 1e6;

/// The number that a value is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    pub(super) number: f64,
    pub(super) suffix: Suffix,
}

/// What stands behind the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suffix {
    Nothing,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
    Percent,
    PerSecond,
    PerMinute,
}

impl Bound {
    /// In the base unit: seconds, shares of 1, events per second.
    #[must_use]
    pub fn value(self) -> f64 {
        match self.suffix {
            Suffix::Nothing | Suffix::Seconds | Suffix::PerSecond => self.number,
            Suffix::Microseconds => shifted(self.number, -6),
            Suffix::Milliseconds => shifted(self.number, -3),
            Suffix::Percent => shifted(self.number, -2),
            Suffix::Minutes => self.number * 60.0,
            Suffix::Hours => self.number * 3600.0,
            Suffix::PerMinute => self.number / 60.0,
        }
    }
}

/// The number with its decimal point moved, as it would be written: 99.9 % are 0.999, where 99.9 / 100 is a little more
/// in binary, and more than 999 of 1000.
pub(super) fn shifted(number: f64, places: i32) -> f64 {
    let written = format!("{number}e{places}");
    written.parse().unwrap_or_else(|_| number * 10f64.powi(places))
}

impl Suffix {
    pub(super) const ALL: [(&str, Self); 8] = [
        ("us", Self::Microseconds),
        ("ms", Self::Milliseconds),
        ("s", Self::Seconds),
        ("m", Self::Minutes),
        ("h", Self::Hours),
        ("%", Self::Percent),
        ("/s", Self::PerSecond),
        ("/min", Self::PerMinute),
    ];

    fn text(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, suffix)| *suffix == self)
            .map_or("", |(text, _)| text)
    }
}

/// What a bound is counted in, and with that how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Time,
    /// A share that is at most 1.
    Part,
    /// A share that can be greater.
    Share,
    /// A number of devices, or their share.
    Devices,
    Number,
    Rate,
}

impl Quantity {
    pub(super) fn of(metric: Metric, aggregation: Aggregation) -> Self {
        match (metric.kind(), metric.unit(), aggregation) {
            (_, _, Aggregation::Count) => Self::Number,
            (Kind::Ratio, ..) => Self::Part,
            (Kind::Counter, ..) => Self::Rate,
            (_, Unit::Seconds, _) => Self::Time,
            (_, Unit::Ratio, _) => Self::Share,
            (_, Unit::Count | Unit::PerSecond, _) => Self::Devices,
        }
    }

    pub(super) const fn form(self) -> &'static str {
        match self {
            Self::Time => "a time such as 500ms or 1.5s, in us, ms, s, m or h",
            Self::Part => "a share such as 1% or 0.01",
            Self::Share => "a share such as 80%",
            Self::Devices => "a number of devices such as 100, or a share such as 98%",
            Self::Number => "a number such as 5",
            Self::Rate => "a rate such as 5/s or 200/min",
        }
    }

    pub(super) fn takes(self, suffix: Suffix) -> bool {
        use Suffix::{Hours, Microseconds, Milliseconds, Minutes, Nothing, PerMinute, PerSecond, Percent, Seconds};
        match self {
            Self::Time => matches!(suffix, Microseconds | Milliseconds | Seconds | Minutes | Hours),
            Self::Part | Self::Devices => matches!(suffix, Nothing | Percent),
            Self::Share => suffix == Percent,
            Self::Number => suffix == Nothing,
            Self::Rate => matches!(suffix, Nothing | PerSecond | PerMinute),
        }
    }
}

/// Refuses a bound that decides nothing, whatever is measured.
pub(super) fn check(
    quantity: Quantity,
    metric: Metric,
    bound: Bound,
    at: Range<usize>,
) -> Result<Bound, ThresholdError> {
    let (value, form) = (bound.value(), quantity.form());
    let percent = bound.suffix == Suffix::Percent;
    if quantity == Quantity::Part && value > 1.0 {
        let hint = (!percent).then(|| format!("write {}%", bound.number));
        let message = format!("`{bound}` is more than the whole");
        return Err(ThresholdError::new(at, message, form).hint(hint));
    }
    if quantity == Quantity::Devices && percent && value > 1.0 {
        return Err(ThresholdError::new(
            at,
            format!("`{bound}` is more than the whole"),
            form,
        ));
    }
    if quantity == Quantity::Time && metric.kind() == Kind::Trend && value > LONGEST {
        let message = format!("`{bound}` is beyond the longest time that is measured");
        return Err(ThresholdError::new(at, message, "a time of at most 10m"));
    }
    Ok(bound)
}

pub(super) const fn noun(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Time => "a time",
        Quantity::Part | Quantity::Share => "a share",
        Quantity::Devices => "devices",
        Quantity::Number => "a number",
        Quantity::Rate => "a rate",
    }
}

pub(super) fn unit_missing(quantity: Quantity, digits: &str) -> Option<String> {
    match quantity {
        Quantity::Time => Some(format!("k6 counts in milliseconds: write {digits}ms")),
        Quantity::Share => Some(format!("write {digits}%")),
        _ => None,
    }
}

/// What was meant by a unit that is written another way elsewhere.
pub(super) fn unit_slip(quantity: Quantity, digits: &str, suffix: &str) -> Option<String> {
    let meant = match (quantity, suffix) {
        (Quantity::Time, "µs" | "μs" | "usec") => "us",
        (Quantity::Time, "msec" | "MS" | "Ms" | "millis") => "ms",
        (Quantity::Time, "sec" | "S" | "second" | "seconds") => "s",
        (Quantity::Time, "min" | "minute" | "minutes") => "m",
        (Quantity::Time, "hour" | "hours") => "h",
        (Quantity::Rate, "/sec" | "/second" | "s" | "per second") => "/s",
        (Quantity::Rate, "/m" | "/minute" | "m" | "min" | "per minute") => "/min",
        (Quantity::Part | Quantity::Share | Quantity::Devices, "percent" | "pct") => "%",
        _ => return None,
    };
    Some(format!("write {digits}{meant}"))
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.number, self.suffix.text())
    }
}
