//! Thresholds of a manifest, and the exit code that a pipeline reads.

use crate::support::{EMULATOR, Fleet, LONG, SHORT, manifest};

fn with(stages: &str, thresholds: &str) -> Fleet {
    Fleet::new(&format!("{}\n[thresholds]\n{thresholds}\n", manifest(EMULATOR, stages)))
}

#[test]
fn thresholds_that_hold_pass_and_stand_in_the_summary_and_in_the_report() {
    let fleet = with(
        SHORT,
        r#"publish_duration = ["p(95) < 20s"]
           "connect_failed{group:individual}" = ["rate == 0"]
           telemetry_lost = ["count == 0"]
           devices_online = ["value >= 50%"]
           "telemetry_acked{stage:2}" = ["count > 0"]
           time_to_online = ["max < 30s"]
           command_duration = [{ threshold = "p(95) < 1s", allow_empty = true }]"#,
    );
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(0);
    assert!(run.stdout.starts_with("PASSED: 7 thresholds\n  ok "), "{}", run.stdout);
    let report = fleet.report();
    let thresholds = report["thresholds"].as_array().unwrap();
    assert_eq!(thresholds.len(), 7);
    let verdict = |metric: &str| {
        let result = thresholds.iter().find(|result| result["metric"] == metric).unwrap();
        result["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict("command_duration"), "no_data");
    for metric in [
        "publish_duration",
        "telemetry_lost",
        "devices_online",
        "telemetry_acked",
        "time_to_online",
    ] {
        assert_eq!(verdict(metric), "passed", "{report}");
    }
    assert_eq!(
        report["manifest"]["thresholds"]["publish_duration"][0]["threshold"],
        "p(95) < 20s"
    );
}

#[test]
fn a_threshold_that_does_not_hold_or_has_no_data_fails_the_run_with_99() {
    let fleet = with(
        SHORT,
        r#"publish_duration = ["p(95) < 1us"]
           command_duration = ["p(95) < 1s"]
           telemetry_lost = ["count == 0"]"#,
    );
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(99);
    assert!(
        run.stdout.starts_with("FAILED: 2 of 3 thresholds, 1 without data\n"),
        "{}",
        run.stdout
    );
    let report = fleet.report();
    assert_eq!(
        (&report["exit"], &report["run"]["end_reason"]),
        (&99.into(), &"stages_over".into())
    );
    assert_eq!(report["devices"]["failed"], 0);
}

#[test]
fn a_threshold_that_ends_the_run_drains_the_devices_and_keeps_the_figures() {
    let fleet = with(
        LONG,
        r#"telemetry_acked = [{ threshold = "count < 5", abort_on_fail = true }]"#,
    );
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(99);
    let words = "threshold crossed: telemetry_acked count < 5: the run ends here (abort_on_fail)";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let report = fleet.report();
    assert_eq!(report["run"]["end_reason"], "threshold_crossed");
    assert_eq!(report["thresholds"][0]["abort"], true);
    let marks: Vec<_> = report["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mark| mark["kind"].as_str().unwrap())
        .collect();
    assert_eq!(marks.last(), Some(&"threshold_crossed"), "{marks:?}");
    assert!(marks.contains(&"stage"), "{marks:?}");
    assert_eq!(report["telemetry"]["acked"], report["telemetry"]["offered"], "drained");
    fleet.wait_until_nothing_runs();
}

#[test]
fn a_threshold_on_failed_devices_replaces_the_rule_that_none_may_fail() {
    let few = r#"
[fleet]
name = "few"
[target]
kind = "emulator"
[[group]]
id = "thermostats"
devices = { prefix = "t-", count = 20 }
[load]
connect_rate = "1/s"
stages = ["100%@1s", "100%@3s", "0%@500ms"]
[thresholds]
devices_failed = ["rate BOUND"]
"#;
    let fleet = Fleet::new(&few.replace("BOUND", "< 95%"));
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert!(run.figure("failed") > 0, "{}", run.stdout);
    let fleet = Fleet::new(&few.replace("BOUND", "< 1%"));
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(99);
    assert!(run.stdout.starts_with("FAILED: 1 of 1 threshold\n"), "{}", run.stdout);
}

#[test]
fn what_is_used_of_a_limit_is_measured_shown_and_judged() {
    let target = format!("{EMULATOR}\nquota = \"iot-central\"");
    let thresholds = |limit: &str| {
        format!(
            "{}\n[thresholds]\n\"quota_used{{limit:{limit}}}\" = [\"max < 100%\"]\n",
            manifest(&target, SHORT)
        )
    };
    let fleet = Fleet::new(&thresholds("central.messages"));
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(0);
    assert!(run.stdout.contains("\nQuotas     "), "{}", run.stdout);
    let report = fleet.report();
    let used = |id: &str| {
        let rows = report["quotas"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == id).unwrap()["peak"]
            .as_f64()
            .unwrap()
    };
    // Six registrations of 200 a minute, and some messages of 200 a second.
    assert!((0.03..0.1).contains(&used("central.registrations")), "{report:#}");
    assert!((0.001..1.0).contains(&used("central.messages")), "{report:#}");
    let series = report["timeline"]["quota"]["central.messages"].as_array().unwrap();
    assert_eq!(Some(series.len() as u64), report["timeline"]["points"].as_u64());
    assert_eq!(report["plan"]["quota"], "iot-central", "{report:#}");

    let fleet = Fleet::new(&thresholds("hub.sends"));
    let refused = fleet.fleet(&["run", "fleet.toml"]).expect(2);
    assert!(refused.stderr.contains("central.messages"), "{}", refused.stderr);
}
