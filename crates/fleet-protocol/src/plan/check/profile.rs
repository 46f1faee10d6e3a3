//! The check of a profile's values.

use super::Problems;
use crate::plan::{Payload, Profile};

/// A topic holds 65,535 bytes, and escapes can make three of one.
const MOST_PROPERTY_BYTES: usize = 16 * 1024;

pub(super) fn problems_of(key: &str, profile: &Profile, problems: &mut Problems) {
    let mut number = |name: &str, value: f64, from: f64, to: f64| {
        if !(from..=to).contains(&value) {
            problems.push(
                &format!("{key}.{name}"),
                format!("{value}, it must be from {from} to {to}"),
            );
        }
    };
    number("weight", profile.weight, 1e-6, 1e6);
    number("burst", f64::from(profile.burst), 1.0, 64.0);
    number("properties_per_minute", profile.properties_per_minute, 0.0, 60_000.0);
    if let Some(change) = &profile.on_change {
        number("on_change.by", change.by, 0.0, 1e6);
    }
    if let Some(day) = &profile.day {
        number("day.online", day.online, 1e-6, 1.0);
    }
    problems.millis(
        &format!("{key}.telemetry.interval_ms"),
        profile.telemetry.interval_ms,
        1,
    );
    problems.fraction(&format!("{key}.telemetry.jitter"), profile.telemetry.jitter);
    if let Some(change) = &profile.on_change {
        problems.millis(&format!("{key}.on_change.heartbeat_ms"), change.heartbeat_ms, 1);
    }
    if let Some(day) = &profile.day {
        problems.millis(&format!("{key}.day.length_ms"), day.length_ms, 1000);
    }
    let fields = serde_json::Value::from(profile.payload.fields.clone())
        .to_string()
        .len();
    let bytes = profile.payload.bytes.unwrap_or(0) as usize;
    if bytes.max(fields + 64) > Payload::MOST_BYTES as usize {
        problems.push(
            &format!("{key}.payload"),
            format!("a message has more than {} bytes", Payload::MOST_BYTES),
        );
    }
    let message = &profile.message;
    let said = [&message.content_type, &message.content_encoding];
    let properties = message.properties.iter().flat_map(|(key, value)| [key, value]);
    let size: usize = said.into_iter().chain(properties).map(String::len).sum();
    if size > MOST_PROPERTY_BYTES {
        problems.push(
            &format!("{key}.message"),
            format!("its properties have {size} bytes, it must be at most {MOST_PROPERTY_BYTES}"),
        );
    }
}
