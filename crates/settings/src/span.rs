//! Times, written as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::written_as_text;

/// A time such as `5s`, `1m30s` or `250ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// The accepted form, for problems and the JSON Schema.
pub const SPAN_FORM: &str = r#"a time such as "5s", "1m30s" or "250ms""#;

/// Longer than any run, and far from where sums of times overflow.
const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 3600);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// In milliseconds, as in the plan.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            return Err(format!(
                "`{text}` has no unit; write {text}s for seconds, {text}m for minutes"
            ));
        }
        let span = text
            .parse::<jiff::SignedDuration>()
            .map_err(|_| format!("`{text}` is not a time"))?;
        let span = Duration::try_from(span).map_err(|_| format!("`{text}` is negative"))?;
        match span <= LONGEST {
            true => Ok(Self(span)),
            false => Err(format!("`{text}` is longer than a hundred years")),
        }
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

written_as_text!(Span, SPAN_FORM, r"^\s*([0-9.]+\s*[a-zµ]+\s*)+$");

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
        assert_eq!("876000h".parse(), Ok(Span(LONGEST)));
        for text in ["", "5", "-5s", "5 fortnights", "s", "876001h", "2562047788015215h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        let refusal = "2".parse::<Span>().unwrap_err();
        assert_eq!(refusal, "`2` has no unit; write 2s for seconds, 2m for minutes");
    }
}
