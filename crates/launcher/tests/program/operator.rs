//! `[operator]`: commands and properties by REST while a run lasts.

use serde_json::Value;

use crate::support::{EMULATOR, Fleet, LONG, ON_FREE_PORTS, SHORT, central, manifest};

/// A run that ends as soon as a threshold is crossed, which is what each test waits for.
fn run_until(target: &str, operator: &str, threshold: &str) -> (Fleet, String) {
    let manifest = manifest(target, LONG);
    let fleet = Fleet::new(&format!(
        "{manifest}\n[operator]\n{operator}\n[thresholds]\n{threshold}\n"
    ));
    if target.contains("faults") {
        std::fs::write(fleet.path("faults.toml"), RULES).unwrap();
    }
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(99);
    (fleet, run.stdout)
}

/// The commands of a group are refused; those of single devices are to be sent again later than the run lasts.
const RULES: &str = r#"
[[rule]]
phase = "command"
device = "thermo-*"
verdict = "answer"
status = 503

[[rule]]
phase = "command"
device = "lab-*"
verdict = "answer"
status = 429
retry_after = "100s"
"#;

fn count(report: &Value, phase: &str, group: &str) -> u64 {
    report["latency"][phase]["groups"][group]["count"].as_u64().unwrap_or(0)
}

#[test]
fn round_trips_are_measured_like_every_other_phase() {
    let (fleet, summary) = run_until(
        EMULATOR,
        "command_rate = \"20/s\"\nproperty_rate = \"20/s\"\nvalues = [15, 25.5]",
        r#"command_roundtrip_duration = [{ threshold = "count < 5", abort_on_fail = true }, "max < 10m"]
           property_roundtrip_duration = ["max < 10m"]
           command_roundtrip_failed = ["rate == 0"]
           property_roundtrip_failed = ["rate == 0"]
           rest_throttled = ["count == 0"]"#,
    );
    let report = fleet.report();
    for (phase, least) in [("command_roundtrip", 5), ("property_roundtrip", 1)] {
        let all = &report["latency"][phase]["all"];
        assert!(all["count"].as_u64() >= Some(least), "{phase}: {all}");
        assert_eq!(all["failed"], 0, "{phase}: {all}");
        assert!(all["p50"].as_f64() > Some(0.0), "{phase}: {all}");
        let series = report["timeline"]["latency"][phase].as_object();
        assert!(series.is_some_and(|series| !series.is_empty()), "{phase} over time");
        assert!(summary.contains(&format!("\n  {phase}")), "{summary}");
    }
    let thresholds = report["thresholds"].as_array().unwrap().iter();
    let failed: Vec<_> = thresholds.filter(|result| result["verdict"] != "passed").collect();
    assert_eq!(failed.len(), 1, "only the one that ends the run: {failed:#?}");
    // A device counts a command as it arrives, also one whose response comes too late for the run.
    let counted = |name: &str| -> u64 {
        let groups = report["counters"].as_object().unwrap().values();
        groups.map(|counters| counters[name].as_u64().unwrap_or(0)).sum()
    };
    let answered = report["latency"]["command_roundtrip"]["all"]["count"].as_u64().unwrap();
    assert!(counted("commands") >= answered, "{} < {answered}", counted("commands"));
    assert!(counted("rest_requests") > answered);
    assert_eq!(report["manifest"]["operator"]["command"], "getMaxMinReport");
}

#[test]
fn cloud_to_device_messages_are_sent_and_counted_on_both_sides() {
    let manifest = manifest(EMULATOR, SHORT);
    let fleet = Fleet::new(&format!("{manifest}\n[operator]\nmessage_rate = \"20/s\"\n"));
    let summary = fleet
        .fleet(&["run", "fleet.toml", "--report", "report"])
        .expect(0)
        .stdout;
    let report = fleet.report();
    let messages = &report["cloud_to_device"];
    let [sent, received] = ["sent", "received"].map(|name| messages[name].as_u64().unwrap());
    // What is on its way when devices leave waits in the hub.
    assert!(sent > 0 && received > 0 && received <= sent, "{messages}");
    assert!(summary.contains("\nCloud-to-device messages\n  sent "), "{summary}");
    assert!(!summary.contains("c2d_failed"), "{summary}");
}

#[test]
fn what_arrived_is_estimated_from_looks_at_last_values() {
    let (fleet, summary) = run_until(
        EMULATOR,
        "arrival_rate = \"20/s\"",
        r#"arrival_stale = ["rate <= 100%"]
           telemetry_acked = [{ threshold = "count < 100", abort_on_fail = true }]"#,
    );
    let report = fleet.report();
    let arrival = &report["arrival"];
    let (looks, fresh) = (arrival["looks"].as_u64().unwrap(), arrival["fresh"].as_u64().unwrap());
    assert!(looks > 0 && fresh > 0 && fresh <= looks, "{arrival}");
    let [low, share, high] = ["low", "share", "high"].map(|end| arrival[end].as_f64().unwrap());
    assert!(0.0 < low && low <= share && share <= high && high <= 1.0, "{arrival}");
    assert!(
        summary.contains("looks at a device's last value found it fresh"),
        "{summary}"
    );
    assert_eq!(report["latency"]["command_roundtrip"], Value::Null);
}

/// With a token, at the pace that an application accepts, and against the limits that one has.
#[test]
fn an_application_is_served_by_the_same_requests() {
    let fleet = Fleet::new("");
    let (_emulator, ready) = fleet.start_emulator(&[ON_FREE_PORTS, &["--quota", "iot-central"]].concat());
    let target = format!("{}\nconnect_host = \"localhost\"", central(&ready));
    let operator = "command_rate = \"2/s\"\nproperty_rate = \"2/s\"\narrival_rate = \"2/s\"\ngroup = \"individual\"";
    let threshold = "property_roundtrip_duration = [{ threshold = \"count < 3\", abort_on_fail = true }]";
    let manifest = manifest(&target, LONG);
    let text = format!(
        "{manifest}\n[operator]\n{operator}\n[thresholds]\n{threshold}\nproperty_roundtrip_failed = [\"rate == 0\"]\n"
    );
    std::fs::write(fleet.path("fleet.toml"), text).unwrap();
    let plan = fleet.fleet(&["plan", "fleet.toml"]).expect(0);
    assert!(
        plan.stdout
            .contains("REST requests                          10 of 20/s"),
        "{}",
        plan.stdout
    );
    fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(99);
    let report = fleet.report();
    assert!(
        count(&report, "property_roundtrip", "individual") >= 3,
        "{}",
        report["latency"]
    );
    assert_eq!(count(&report, "property_roundtrip", "thermostats"), 0);
    let used = report["quotas"]
        .as_array()
        .unwrap()
        .iter()
        .find(|used| used["id"] == "central.rest");
    assert!(
        used.is_some_and(|used| used["peak"].as_f64() > Some(0.0)),
        "{}",
        report["quotas"]
    );
}

#[test]
fn what_is_refused_is_counted_by_its_status_and_by_group() {
    let target = format!("{EMULATOR}\nfaults = \"faults.toml\"");
    let (fleet, summary) = run_until(
        &target,
        "command_rate = \"20/s\"\ngroup = \"thermostats\"",
        r#""command_roundtrip_failed{reason:503}" = [{ threshold = "count < 3", abort_on_fail = true }]"#,
    );
    let report = fleet.report();
    let counters = &report["counters"]["thermostats"];
    assert!(
        counters["command_roundtrip_failed/503"].as_u64() >= Some(3),
        "{counters}"
    );
    assert_eq!(count(&report, "command_roundtrip", "thermostats"), 0);
    assert_eq!(report["counters"]["individual"]["rest_requests"], Value::Null);
    assert!(summary.contains("command_roundtrip_failed/503"), "{summary}");
}

#[test]
fn a_run_does_not_wait_for_what_the_service_puts_off() {
    let target = format!("{EMULATOR}\nfaults = \"faults.toml\"");
    let (fleet, summary) = run_until(
        &target,
        "command_rate = \"20/s\"\ngroup = \"individual\"",
        r#"rest_throttled = [{ threshold = "count < 1", abort_on_fail = true }]"#,
    );
    let report = fleet.report();
    let all = &report["latency"]["command_roundtrip"]["all"];
    assert_eq!((&all["count"], &all["failed"]), (&0.into(), &0.into()), "{all}");
    assert!(all["unfinished"]["count"].as_u64() >= Some(1), "{all}");
    assert!(summary.contains(" not finished, the oldest after "), "{summary}");
    assert!(report["counters"]["individual"]["rest_throttled"].as_u64() >= Some(1));
    assert_eq!(report["run"]["end_reason"], "threshold_crossed");
}
