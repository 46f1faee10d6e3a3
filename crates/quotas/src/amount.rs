//! How much a limit allows: a count or a size, alone or in a time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use settings::Span;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Messages, devices, connections.
    Count,
    /// Bytes, of which 1024 are a KB.
    Bytes,
}

/// How much, and in which time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amount {
    /// In `unit`.
    pub count: f64,
    /// What is counted.
    pub unit: Unit,
    /// The time in which there may be so much; `None` for what is not a rate.
    pub per: Option<Duration>,
}

/// The accepted form, for problems.
pub(crate) const AMOUNT_FORM: &str = r#"a number, a size such as "256 KB", or a rate such as "1.67/s" or "5/10s""#;

const SIZES: [(&str, f64); 3] = [("MB", 1_048_576.0), ("KB", 1024.0), ("B", 1.0)];
const PERIODS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3600), ("day", 86_400)];

impl Amount {
    /// A plain number.
    #[must_use]
    pub fn count(count: f64) -> Self {
        Self {
            count,
            unit: Unit::Count,
            per: None,
        }
    }

    /// The same for `times` as much.
    #[must_use]
    pub fn times(self, times: f64) -> Self {
        let count = self.count * times;
        Self { count, ..self }
    }

    /// Per second, for what is a rate; otherwise the count itself.
    #[must_use]
    pub fn hertz(self) -> f64 {
        self.per.map_or(self.count, |per| self.count / per.as_secs_f64())
    }

    /// The time that it is per, as it is written: `s`, `min`, `h`, `day` or `10s`.
    #[must_use]
    pub fn per_word(self) -> Option<String> {
        let per = self.per?;
        let named = PERIODS.iter().find(|(_, seconds)| Duration::from_secs(*seconds) == per);
        Some(named.map_or_else(|| Span(per).to_string(), |(word, _)| (*word).to_owned()))
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (amount, per) = match text.split_once('/') {
            Some((amount, per)) => (amount, Some(period(per.trim())?)),
            None => (text, None),
        };
        let amount = amount.trim();
        let size = SIZES
            .iter()
            .find_map(|(word, bytes)| Some((amount.strip_suffix(word)?, *bytes)));
        let (number, factor) = size.unwrap_or((amount, 1.0));
        let number: f64 = number
            .trim()
            .parse()
            .map_err(|_| format!("`{text}` is not an amount"))?;
        if !number.is_finite() || number <= 0.0 {
            return Err(format!("`{text}` is not above 0"));
        }
        Ok(Self {
            count: number * factor,
            unit: if size.is_some() { Unit::Bytes } else { Unit::Count },
            per,
        })
    }
}

fn period(text: &str) -> Result<Duration, String> {
    if let Some((_, seconds)) = PERIODS.iter().find(|(word, _)| *word == text) {
        return Ok(Duration::from_secs(*seconds));
    }
    match text.parse::<Span>()?.0 {
        Duration::ZERO => Err(format!("`{text}` is no time")),
        per => Ok(per),
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = match self.unit {
            Unit::Count => None,
            Unit::Bytes => SIZES.iter().find(|(_, bytes)| self.count >= *bytes),
        };
        match size {
            Some((word, bytes)) => write!(f, "{} {word}", rounded(self.count / bytes))?,
            None => write!(f, "{}", rounded(self.count))?,
        }
        match self.per_word() {
            Some(per) => write!(f, "/{per}"),
            None => Ok(()),
        }
    }
}

/// To two digits after the point.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_counts_sizes_and_rates() {
        for (text, hertz, shown) in [
            ("200000", 200_000.0, "200000"),
            ("256 KB", 262_144.0, "256 KB"),
            ("0.5KB", 512.0, "512 B"),
            ("1.67/s", 1.67, "1.67/s"),
            ("5/10s", 0.5, "5/10s"),
            ("30/min", 0.5, "30/min"),
            ("400000/day", 400_000.0 / 86_400.0, "400000/day"),
            ("160 KB/s", 163_840.0, "160 KB/s"),
            ("24 MB/s", 25_165_824.0, "24 MB/s"),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert!((amount.hertz() - hertz).abs() < 1e-9, "{text}: {amount:?}");
            assert_eq!(amount.to_string(), shown);
        }
        for text in [
            "",
            "many",
            "-1",
            "0/s",
            "NaN",
            "inf/s",
            "1/",
            "1/fortnight",
            "1/0s",
            "KB",
            "5/10",
        ] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
