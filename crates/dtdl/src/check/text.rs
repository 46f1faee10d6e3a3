//! Texts that stand for times.

use jiff::Timestamp;
use jiff::civil::{Date, Time};

/// RFC 3339's full-date.
pub(super) fn is_date(text: &str) -> bool {
    // A longer text would be read as far as its date goes.
    text.len() == 10 && text.parse::<Date>().is_ok()
}

/// RFC 3339's date-time.
pub(super) fn is_date_time(text: &str) -> bool {
    // jiff reads the name of a time zone too.
    !text.contains('[')
        && text.get(10..11).is_some_and(|t| t.eq_ignore_ascii_case("t"))
        && text.parse::<Timestamp>().is_ok()
}

/// RFC 3339's full-time, or without its offset.
pub(super) fn is_time(text: &str) -> bool {
    let digits = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (time, offset) = text.split_at(digits);
    let is_time = time.len() >= 8 && !time.starts_with(['T', 't']) && time.parse::<Time>().is_ok();
    is_time && (offset.is_empty() || is_date_time(&format!("2000-01-02T{time}{offset}")))
}

/// An ISO 8601 duration.
pub(super) fn is_duration(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    unsigned.starts_with('P') && text.parse::<jiff::Span>().is_ok()
}
