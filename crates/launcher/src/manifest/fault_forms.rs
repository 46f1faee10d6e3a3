//! The values that only faults and negative devices have, and the form in which each is written.

use std::fmt;
use std::str::FromStr;

use fleet_protocol::plan::Expect;
use settings::reading::{parsed, text, word};
use settings::{DeValue, Span, Unreadable, written_as_text};

use super::event_forms::positive_share;
use super::forms::Value;
use super::negative::WrongCertificate;

/// Bytes in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth(pub u64);

const BANDWIDTH_FORM: &str = r#"a rate from "1B/s" to "1000MB/s", such as "2KB/s" or "64kbit/s""#;

/// The units in which networks are described: bits by thousands, bytes by 1024.
const UNITS: [(&str, f64); 5] = [
    ("B/s", 1.0),
    ("KB/s", 1024.0),
    ("MB/s", 1024.0 * 1024.0),
    ("kbit/s", 125.0),
    ("Mbit/s", 125_000.0),
];

impl FromStr for Bandwidth {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let end = written
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(written.len());
        let (number, unit) = written.split_at(end);
        let unit = UNITS.iter().find(|(word, _)| *word == unit.trim());
        let bytes = number
            .parse::<f64>()
            .ok()
            .zip(unit)
            .map(|(number, (_, unit))| number * unit);
        match bytes {
            Some(bytes) if (1.0..=1000.0 * 1024.0 * 1024.0).contains(&bytes) => Ok(Self(bytes.round() as u64)),
            Some(_) => Err(format!("`{written}` is too little or too much")),
            None => Err(format!("`{written}` is not a rate of bytes")),
        }
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % (1024 * 1024) == 0 => write!(f, "{}MB/s", bytes / 1024 / 1024),
            bytes if bytes % 1024 == 0 => write!(f, "{}KB/s", bytes / 1024),
            bytes => write!(f, "{bytes}B/s"),
        }
    }
}

written_as_text!(Bandwidth, BANDWIDTH_FORM, r"^[0-9.]+\s*(B|KB|MB|kbit|Mbit)/s$");

impl Value for Bandwidth {
    const FORM: &'static str = BANDWIDTH_FORM;
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        parsed(value)
    }
}

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Slow,
    Stalled,
    Cut,
    Clock,
}

impl Value for Kind {
    const FORM: &'static str = "\"slow\", \"stalled\", \"cut\" or \"clock\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let words = [
            ("slow", Self::Slow),
            ("stalled", Self::Stalled),
            ("cut", Self::Cut),
            ("clock", Self::Clock),
        ];
        word(value, &words)
    }
}

/// How many of a group's devices have a fault.
pub(super) struct FaultShare(pub(super) f64);

impl Value for FaultShare {
    const FORM: &'static str = "a share above 0 and up to 1, such as 0.1 or \"10%\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        positive_share(value).map(Self)
    }
}

/// A latency.
pub(super) struct Latency(pub(super) Span);

impl Value for Latency {
    const FORM: &'static str = "a time from \"1ms\" to \"1m\", such as \"300ms\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let span: Span = text(value)?.parse()?;
        match span.millis() {
            1..=60_000 => Ok(Self(span)),
            _ => Err(Unreadable::Value(format!("{span} is not from 1ms to 1m"))),
        }
    }
}

impl Value for WrongCertificate {
    const FORM: &'static str = "\"expired\", \"not-yet-valid\" or \"foreign\"";
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let words = [
            ("expired", Self::Expired),
            ("not-yet-valid", Self::NotYetValid),
            ("foreign", Self::Foreign),
        ];
        word(value, &words)
    }
}

impl Value for Expect {
    const FORM: &'static str = Self::FORM;
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = text(value)?;
        text.parse().map_err(|_| {
            let reasons: Vec<_> = Self::reasons().collect();
            let text = iot_protocol::shown::text(text);
            Unreadable::Value(format!(
                "`{text}` is no such word; the reasons are {}",
                reasons.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bandwidth_is_read_in_bytes_and_bits() {
        for (written, bytes, shown) in [
            ("2KB/s", 2048, "2KB/s"),
            ("64kbit/s", 8000, "8000B/s"),
            ("1.5 MB/s", 1_572_864, "1536KB/s"),
            ("1B/s", 1, "1B/s"),
        ] {
            let bandwidth: Bandwidth = written.parse().unwrap();
            assert_eq!(
                (bandwidth.0, bandwidth.to_string()),
                (bytes, shown.to_owned()),
                "{written}"
            );
        }
        for wrong in [
            "",
            "2",
            "2KB",
            "KB/s",
            "0B/s",
            "2 GB/s",
            "1..2KB/s",
            "-2KB/s",
            "99999MB/s",
        ] {
            assert!(wrong.parse::<Bandwidth>().is_err(), "{wrong}");
        }
    }
}
