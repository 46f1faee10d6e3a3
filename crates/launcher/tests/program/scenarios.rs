//! The shipped scenarios: each is a plan, runs on the emulator, made short, and shows what its comment promises.

use std::path::Path;

use serde_json::Value;

use crate::support::{Fleet, failures};

/// Those with a test here. Their runs are longer than a test may be, or are no plain success.
pub(crate) const SCENARIOS: [&str; 2] = ["morning-rush.toml", "power-cut.toml"];

/// Runs a shipped scenario with some of its keys replaced, and returns the report; all of its thresholds hold.
fn run(name: &str, set: &[&str]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let fleet = Fleet::new(&text);
    let set: Vec<_> = set.iter().map(|set| format!("--set={set}")).collect();
    let mut arguments = vec!["run", "fleet.toml", "--report=report"];
    arguments.extend(set.iter().map(String::as_str));
    let finished = fleet.fleet(&arguments).expect(0);
    assert!(finished.stdout.starts_with("PASSED: "), "{}", finished.stdout);
    let report = fleet.report();
    let telemetry = |name: &str| report["telemetry"][name].as_u64().unwrap();
    assert!(telemetry("acked") > 0);
    assert_eq!(telemetry("offered"), telemetry("acked") + telemetry("dropped"));
    fleet.wait_until_nothing_runs();
    report
}

fn marks<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let marks = report["events"].as_array().unwrap().iter();
    marks.filter(|mark| mark["kind"] == kind).collect()
}

#[test]
fn a_fleet_comes_back_from_a_power_cut() {
    let report = run(
        "power-cut.toml",
        &[
            "group.street.devices.count=20",
            "group.street.telemetry.interval=500ms",
            r#"load.stages=["100%@1s", "100%@10s", "0%@1s"]"#,
            "event.0.at=3s",
            "event.0.for=3s",
            "event.1.at=6s",
        ],
    );
    for kind in ["reboot", "storm"] {
        let found = marks(&report, kind);
        assert!(matches!(found[..], [mark] if mark["devices"] == 20), "{found:?}");
    }
    assert_eq!(failures(&report, "connect", None), 0);
    // Each has connected before the cut, and after it.
    let connects = report["latency"]["connect"]["all"]["count"].as_u64().unwrap();
    assert!(connects >= 40, "{connects}");
}

fn count(report: &Value, counter: &str) -> u64 {
    let groups = report["counters"].as_object().unwrap().values();
    groups.filter_map(|group| group[counter].as_u64()).sum()
}

#[test]
fn offices_fill_in_the_morning_and_empty_in_the_afternoon() {
    let report = run(
        "morning-rush.toml",
        &[
            "group.offices.devices.count=20",
            "group.offices.telemetry.interval=1s",
            "group.offices.profile.rooms.day=30s",
            "group.offices.profile.loggers.burst.every=5s",
            r#"load.stages=["100%@1s", "100%@30s", "0%@1s"]"#,
        ],
    );
    // The rooms are wanted when their part of the day begins, and the others with the stages.
    assert_eq!(count(&report, "devices_wanted"), 20);
    assert_eq!(report["latency"]["connect"]["all"]["count"], 20);
    // At night only six are, and around noon all of them.
    let timeline = |name: &str| report["timeline"][name].as_array().unwrap().clone();
    let seconds = timeline("wanted").into_iter().zip(timeline("stage"));
    let wanted: Vec<_> = seconds
        .filter(|(_, stage)| *stage == 2)
        .map(|(wanted, _)| wanted.as_u64())
        .collect();
    let noon = wanted.iter().position(|wanted| *wanted == Some(20));
    let (morning, afternoon) = wanted.split_at(noon.unwrap_or_else(|| panic!("no noon in {wanted:?}")));
    assert!(morning.contains(&Some(6)) && afternoon.contains(&Some(6)), "{wanted:?}");
}
