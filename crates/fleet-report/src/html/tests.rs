use std::collections::BTreeMap;

use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{Phase, State};
use serde_json::{Value, json};

use super::html;
use crate::compare::{Bounds, compare};
use crate::junit::junit;
use crate::markdown::markdown;
use crate::report::Report;
use crate::summary::summary;
use crate::thresholds::Marks;

const SCRIPT: &str = "<script>alert(1)</script>\"'&";

/// A report of `points` points and `groups` groups with something in every section, and markup wherever text can be.
fn report(points: u64, groups: u64) -> Report {
    let mut histogram = Phase::histogram();
    (1..=500_u64).for_each(|value| histogram.record(value * value).unwrap());
    let text = Encoder::deflating().encode(&histogram);
    let latency = json!({
        "count": 500, "min": 1e-6, "mean": 0.05, "stddev": 0.05, "p50": 0.0625, "p90": 0.2, "p95": 0.22, "p99": 0.24,
        "p999": 0.25, "p9999": 0.25, "max": 0.25, "failed": 3, "unfinished": {"count": 1, "oldest_s": 9.0}, "clipped": 0,
        "histogram": text, "blocks": vec![text; 20],
    });
    let names: Vec<String> = (0..groups).map(|group| format!("{group}{SCRIPT}")).collect();
    let of_groups: BTreeMap<_, _> = names.iter().map(|name| (name, latency.clone())).collect();
    let phases: BTreeMap<_, _> = Phase::ALL
        .iter()
        .map(|phase| (phase.word(), json!({"all": latency, "groups": of_groups})))
        .collect();
    let counts: Vec<u64> = (0..points).map(|point| point * 7_919 % 1_000).collect();
    let times: Vec<f64> = counts.iter().map(|count| 0.001 + *count as f64 / 37.0).collect();
    let series: BTreeMap<_, _> = Phase::ALL
        .iter()
        .map(|phase| {
            (
                phase.word(),
                json!({"n": counts, "p50": times, "p95": times, "p99": times, "max": times}),
            )
        })
        .collect();
    let states: BTreeMap<_, _> = State::ALL.iter().map(|state| (state.word(), &counts)).collect();
    let names_of_counts = [
        "begun",
        "registered",
        "throttled",
        "offered",
        "sent",
        "acked",
        "resent",
        "dropped",
        "missed",
        "errors",
    ];
    let events: Vec<_> = (0..20)
        .map(|event| json!({"at_s": event, "kind": SCRIPT, "what": SCRIPT, "devices": 3}))
        .collect();
    let devices = json!({"asked": 9, "wanted": 9, "registered": 9, "connected": 8, "failed": 1});
    let mut all_devices = devices.clone();
    all_devices["by_group"] = names.iter().map(|name| (name.clone(), devices.clone())).collect();
    let report = json!({
        "schema_version": 2,
        "tool": {"version": "0.0.0", "target": "x86_64-linux", "git": SCRIPT},
        "run": {"id": SCRIPT, "started": "2026-11-24T02:00:00Z", "ended": "2026-11-24T02:10:00Z", "duration_s": 600.0,
                "time_to_online_s": 5.0, "end_reason": "stages_over", "failures": [SCRIPT], "command": SCRIPT},
        "environment": {"os": SCRIPT, "cores": 2, "memory_bytes": 8 << 30_u64, "nofile": 1024, "hosts": [SCRIPT]},
        "manifest": {"fleet": {"name": SCRIPT}, "group": names},
        "exit": 99,
        "thresholds": [{"metric": "publish_duration", "labels": {"group": SCRIPT}, "expression": "p(95) < 500ms",
                        "actual": 0.7, "unit": "s", "verdict": "failed", "first_crossed_s": 3, "abort": false}],
        "devices": all_devices,
        "telemetry": {"offered": 100, "sent": 90, "acked": 80, "resent": 1, "dropped": 5, "lost": 15, "missed": 2,
                      "unreported": 1},
        "latency": phases,
        "errors": [{"operation": SCRIPT, "reason": SCRIPT, "count": 3, "first_s": 1.0, "last_s": 9.0, "remedy": SCRIPT}],
        "counters": {},
        "events": events,
        "timeline": {"t0": null, "seconds": points, "step_s": 1, "points": points, "stage": counts,
                     "held": vec![true; counts.len()], "online": counts, "wanted": counts, "states": states,
                     "counts": names_of_counts.iter().map(|name| (*name, &counts)).collect::<BTreeMap<_, _>>(),
                     "latency": series, "groups": {}, "quota": {"dps.registrations": times}},
        "quotas": [{"id": "dps.registrations", "what": SCRIPT, "allowed": 1000.0, "per": "min", "peak": 1.2,
                    "peak_at_s": 9, "mean": 0.5}],
        "generator": {"verdict": "fit", "strained": 0.0, "cpu": 0.4, "cores": 2, "lag_p99_s": 0.002,
                      "shards": [{"shard": 0, "host": SCRIPT, "cpu_s": 1.0, "rss_bytes": 1, "lag_p99_s": null,
                                  "nofile_used": 9, "nofile_limit": 1024, "verdict": "fit"}]},
    });
    serde_json::from_value(report).unwrap()
}

#[test]
fn a_long_run_of_many_groups_fits_into_a_megabyte() {
    let page = html(&report(600, 10));
    assert!(page.len() <= 1 << 20, "{} bytes", page.len());
}

#[test]
fn no_text_becomes_markup_and_nothing_is_asked_for() {
    let page = html(&report(30, 2));
    assert!(page.contains("&lt;script&gt;"), "{page}");
    for refused in [
        "<script", "http:", "https:", "src=", "url(", "@import", "onload", "<link", "<img",
    ] {
        assert!(!page.contains(refused), "{refused}");
    }
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"), "{page}");
}

#[test]
fn each_section_has_its_place_and_headings_never_skip_a_level() {
    let page = html(&report(30, 2));
    let ids = page
        .match_indices("<section id=\"")
        .filter_map(|(at, tag)| page[at + tag.len()..].split('"').next());
    let expected = [
        "thresholds",
        "run",
        "devices",
        "registration",
        "messages",
        "latency",
        "distribution",
        "phases",
        "errors",
        "quotas",
        "events",
        "generator",
        "manifest",
    ];
    assert_eq!(ids.collect::<Vec<_>>(), expected);
    let levels: Vec<u32> = page
        .match_indices("<h")
        .filter_map(|(at, _)| page[at + 2..].chars().next()?.to_digit(10))
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

#[test]
fn a_report_with_nothing_in_it_is_a_page_that_says_so() {
    let mut empty = report(1, 0);
    (empty.timeline, empty.manifest, empty.generator) = (None, None, None);
    empty.latency.clear();
    empty.events.clear();
    empty.errors.clear();
    empty.quotas.clear();
    empty.thresholds.clear();
    empty.telemetry = serde_json::from_value(json!({
        "offered": 0, "sent": 0, "acked": 0, "resent": 0, "dropped": 0, "lost": 0, "missed": 0, "unreported": 0
    }))
    .unwrap();
    let page = html(&empty);
    for words in [
        "has no thresholds",
        "no timeline",
        "No message was due.",
        "Nothing was timed.",
        "Nothing failed.",
        "No limit was measured",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("<svg") && !page.contains("NaN"), "{page}");
}

/// All places of whole numbers below a value.
fn whole_numbers(value: &Value, place: &str, places: &mut Vec<String>) {
    match value {
        Value::Number(number) if number.is_u64() => places.push(place.to_owned()),
        Value::Array(values) => (0..values.len()).for_each(|index| {
            whole_numbers(&values[index], &format!("{place}/{index}"), places);
        }),
        Value::Object(values) => values.iter().for_each(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            whole_numbers(value, &format!("{place}/{key}"), places);
        }),
        _ => {}
    }
}

/// Without debug assertions sums would wrap, and the figures be wrong.
#[test]
fn numbers_as_large_as_they_may_be_are_shown_in_every_form_and_larger_ones_are_refused() {
    let whole = serde_json::to_value(report(3, 1)).unwrap();
    let mut places = Vec::new();
    whole_numbers(&whole, "", &mut places);
    // Those that decide how the others are read.
    places.retain(|place| !["/schema_version", "/timeline/points"].contains(&place.as_str()));
    let read = |value: &Value| Report::read(value.to_string().as_bytes());
    let with = |number: u64, place: &str| {
        let mut changed = whole.clone();
        *changed.pointer_mut(place).unwrap() = number.into();
        changed
    };
    let mut largest = whole.clone();
    for place in &places {
        let number = match place.as_str() {
            "/exit" => u64::from(u8::MAX),
            place if place.ends_with("/cores") || place.ends_with("/shard") => u32::MAX.into(),
            place if place.starts_with("/timeline/stage/") => u32::MAX.into(),
            _ => 1 << 48,
        };
        *largest.pointer_mut(place).unwrap() = number.into();
    }
    assert!(places.len() > 100, "{places:?}");
    let report = read(&largest).unwrap();
    for text in [
        html(&report),
        markdown(&report),
        summary(&report, Marks::Ascii),
        junit(&report),
    ] {
        assert!(!text.is_empty());
    }
    let same = std::slice::from_ref(&report);
    assert!(!compare(same, same, Bounds::default()).is_regression());

    let error = read(&with((1 << 48) + 1, "/telemetry/offered")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/telemetry/offered` is 281474976710657, and nothing in a report is larger than 281474976710656"
    );
    let mut manifest = whole.clone();
    manifest["manifest"]["fleet"]["seed"] = u64::MAX.into();
    read(&manifest).unwrap();
}
