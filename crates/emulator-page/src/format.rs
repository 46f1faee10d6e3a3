//! How values are written for people.

use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// What has to be written otherwise in a part of an address: all but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn device_path(id: &str) -> String {
    format!("/devices/{}", encoded(id))
}

pub(crate) fn group_path(id: &str) -> String {
    format!("/groups/{}", encoded(id))
}

/// A text as a part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A moment: the time today, the date otherwise, and all of it for machines.
pub(crate) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    let today = now.strftime("%Y-%m-%d").to_string() == at.strftime("%Y-%m-%d").to_string();
    let text = at
        .strftime(if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" })
        .to_string();
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (text) } }
}

/// A date, and the whole moment for machines.
pub(crate) fn date(at: Timestamp) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (at.strftime("%-d %B %Y").to_string()) } }
}

/// A date that matters because it comes nearer.
pub(crate) fn expiry(at: Timestamp, now: Timestamp) -> Markup {
    let soon = now.checked_add((24 * 30).hours()).is_ok_and(|limit| at < limit);
    html! {
        (date(at))
        @if at < now { " " span.badge.bad { "expired" } }
        @else if soon { " " span.badge.wait { "soon" } }
    }
}

/// A JSON value as short as it can be shown.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number with its thousands apart.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn rules(number: usize) -> String {
    format!("{} rule{}", count(number), if number == 1 { "" } else { "s" })
}

/// A part of a whole, from 0 to 1, in percent.
pub(crate) fn percent(share: f64) -> String {
    let digits = format!("{:.2}", share * 100.0);
    match digits.trim_end_matches('0').trim_end_matches('.') {
        "0" if share > 0.0 => "less than 0.01\u{202f}%".into(),
        digits => format!("{digits}\u{202f}%"),
    }
}

pub(crate) fn celsius(degrees: f64) -> String {
    format!("{degrees:.1}\u{202f}°C")
}

/// What a thermostat is called: its component, or the device itself.
pub(crate) fn thermostat(component: Option<&str>) -> &str {
    component.unwrap_or("device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_read_them() {
        assert_eq!(count(0_u64), "0");
        assert_eq!(count(999_usize), "999");
        assert_eq!(count(15_000_u64), "15\u{202f}000");
        assert_eq!(count(1_234_567_u64), "1\u{202f}234\u{202f}567");
        assert_eq!((rules(0), rules(1)), ("0 rules".into(), "1 rule".into()));
        for (share, text) in [
            (0.2, "20"),
            (0.07, "7"),
            (0.125, "12.5"),
            (1.0, "100"),
            (0.000_01, "less than 0.01"),
        ] {
            assert_eq!(percent(share), format!("{text}\u{202f}%"));
        }
        assert_eq!(celsius(21.04), "21.0\u{202f}°C");
        assert_eq!(device_path("a/b?#%"), "/devices/a%2Fb%3F%23%25");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-23T22:00:00Z");
        assert!(moment(at("2026-11-23T21:05:09Z"), now).0.contains(">21:05:09<"));
        assert!(moment(at("2026-11-22T21:05:09Z"), now).0.contains(">2026-11-22 21:05<"));
        assert!(expiry(at("2026-11-22T21:05:09Z"), now).0.contains("expired"));
        assert!(expiry(at("2026-12-01T21:05:09Z"), now).0.contains("soon"));
        assert!(!expiry(at("2027-12-01T21:05:09Z"), now).0.contains("badge"));
    }
}
