//! The shipped scenarios: each is a plan, runs on the emulator, made short, and shows what its comment promises.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Fleet, failures};

/// Those with a test here. Their runs are longer than a test may be, or are no plain success.
pub(crate) const SCENARIOS: [&str; 7] = [
    "bad-devices.toml",
    "certificate-expiry.toml",
    "hub-failover.toml",
    "morning-rush.toml",
    "power-cut.toml",
    "slow-network.toml",
    "throttled.toml",
];

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
    // A busy machine connects late and misses a tick now and then, and a plan that forgets a profile is further off.
    let planned = report["plan"]["traffic"]["run_messages"].as_u64().unwrap();
    let offered = report["telemetry"]["offered"].as_u64().unwrap();
    assert!(offered.abs_diff(planned) <= planned / 2, "{offered} of {planned}");
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

#[test]
fn a_slow_network_makes_a_fleet_slow_and_nothing_else() {
    let report = run(
        "slow-network.toml",
        &[
            "group.cellars.devices.count=10",
            "group.cellars.telemetry.interval=1s",
            r#"load.stages=["100%@2s", "100%@6s", "0%@1s"]"#,
        ],
    );
    assert_eq!(failures(&report, "connect", None), 0);
    assert_eq!(report["latency"]["connect"]["all"]["count"], 10);
}

#[test]
fn a_throttled_fleet_waits_and_comes_online() {
    let report = run(
        "throttled.toml",
        &[
            "group.newcomers.devices.count=10",
            "group.newcomers.telemetry.interval=1s",
            r#"load.stages=["100%@1s", "100%@4s", "0%@1s"]"#,
        ],
    );
    assert!(count(&report, "dps_throttled") >= 10);
    assert_eq!(report["latency"]["connect"]["all"]["count"], 10);
}

#[test]
fn devices_that_are_moved_to_another_hub_find_it() {
    let report = run(
        "hub-failover.toml",
        &[
            "group.moving.devices.count=10",
            "group.moving.telemetry.interval=1s",
            r#"load.stages=["100%@1s", "100%@40s", "0%@1s"]"#,
        ],
    );
    let connects = report["latency"]["connect"]["all"]["count"].as_u64().unwrap();
    assert!(connects > 10, "{connects}");
}

#[test]
fn bad_devices_are_slow_or_refused_and_the_good_ones_do_their_work() {
    let report = run(
        "bad-devices.toml",
        &[
            "group.troubled.devices.count=30",
            "group.troubled.telemetry.interval=1s",
            "group.troubled.fault.2.every=5s",
            r#"load.stages=["100%@1s", "100%@20s", "0%@1s"]"#,
        ],
    );
    let devices = &report["devices"];
    let expected = json!({ "asked": 12, "refused": 12, "refused_otherwise": 0, "not_judged": 0, "let_in": 0 });
    assert_eq!(devices["negative"], expected);
    // They are asked for, and neither wanted nor failed.
    assert_eq!([&devices["asked"], &devices["wanted"], &devices["failed"]], [42, 30, 0]);
    assert_eq!(
        devices["faulty"],
        json!({ "clock": 2, "cut": 3, "slow": 6, "stalled": 3 })
    );
    let refused = |group: &str| report["counters"][group]["devices_refused/mqtt_not_authorized"].as_u64();
    assert_eq!(
        ["expired", "early", "strangers"].map(refused),
        [Some(4), Some(2), Some(4)]
    );
    assert_eq!(
        report["counters"]["wrong-clock"]["devices_refused/tls_server_expired"],
        2
    );
    assert_eq!(failures(&report, "register", None), 0, "their refusals are no failures");
}

#[test]
fn a_fleet_whose_certificates_are_rolled_in_time_survives_their_expiry() {
    let report = run(
        "certificate-expiry.toml",
        &[
            "group.expiring.devices.count=6",
            "group.expiring.validity=1m",
            r#"load.stages=["100%@1s", "100%@75s", "0%@1s"]"#,
            "event.0.at=25s",
            "event.1.at=65s",
        ],
    );
    let storm = marks(&report, "storm");
    assert!(matches!(storm[..], [mark] if mark["devices"] == 6), "{storm:?}");
    // At first, with new leaves, and after the storm.
    let connects = report["latency"]["connect"]["all"]["count"].as_u64().unwrap();
    assert!(connects >= 18, "{connects}");
}
