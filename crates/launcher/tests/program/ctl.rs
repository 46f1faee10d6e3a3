//! `fleet ctl`: orders to a live run, from another terminal.

use crate::support::{EMULATOR, Fleet, LONG, manifest};

#[test]
fn a_live_run_obeys_orders_and_marks_them_in_its_report() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    running.wait_for("all 6 devices online");
    let ctl = |arguments: &[&str]| fleet.fleet(&[&["ctl", "fleet.toml"], arguments].concat());

    let status = ctl(&["status"]).expect(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["devices"], 6, "{status:#}");
    let storm = ctl(&["storm"]).expect(0);
    assert_eq!(
        storm.stderr,
        "6 devices reached: they connect again at once, past connect_rate\n"
    );
    let some = ctl(&["disconnect", "--group", "thermostats", "--share", "50%"]).expect(0);
    assert_eq!(some.stderr, "2 devices reached\n");
    let one = ctl(&["reconnect", "--device", "lab-0001", "--over", "1s"]).expect(0);
    assert_eq!(one.stderr, "1 device reached\n");
    let reboot = ctl(&["reboot", "--device", "thermo-0001"]).expect(0);
    assert_eq!(
        reboot.stderr,
        "1 device reached: it lost its connection, and starts again\n"
    );
    let retry = ctl(&["retry"]).expect(0);
    assert_eq!(
        retry.stderr,
        "no device waits after a failure: there is nothing to try again\n"
    );
    // Each device leaves once a second.
    let churn = ["--share-per-minute", "6000%", "--for", "1s", "--away", "200ms"];
    let churn = ctl(&[&["churn", "--device", "lab-0001", "--device", "lab-0002"], &churn[..]].concat()).expect(0);
    assert_eq!(
        churn.stderr,
        "devices leave for 1s, each for 200ms; Ctrl-C leaves this command and not the churn\n\
         2 devices reached: they left and came back\n"
    );
    let absent = ctl(&["reboot", "--device", "lab-0001", "--for", "500ms"]).expect(0);
    assert_eq!(
        absent.stderr,
        "devices stay offline for 500ms; Ctrl-C leaves this command and not the order\n1 device reached: it was offline\n"
    );
    assert_eq!(ctl(&["pause"]).expect(0).stderr, "the stages stand still\n");
    assert_eq!(ctl(&["resume"]).expect(0).stderr, "the stages go on\n");
    for (arguments, words) in [
        (&["pause", "--share", "10%"][..], "this order is for the whole run"),
        (&["storm", "--over", "5s"], "a storm is of one moment"),
        (
            &["disconnect", "--group", "pumps"],
            "there is no group `pumps` in the manifest",
        ),
        (&["disconnect", "--share", "200%"], "accepted: from 0% to 100%"),
        (&["explode"], "invalid value 'explode'"),
        (
            &["churn", "--share-per-minute", "10%"],
            "a churn needs --for: for how long devices leave",
        ),
        (
            &["churn", "--for", "5m"],
            "a churn needs --share-per-minute: which share",
        ),
        (
            &["churn", "--share-per-minute", "400%", "--for", "5m", "--away", "15s"],
            "each device is to leave every 15s, and can't stay away for 15s",
        ),
        (
            &["churn", "--share-per-minute", "0%", "--for", "5m"],
            "--share-per-minute must be above 0% and at most 6000%",
        ),
        (
            &["churn", "--share-per-minute", "1%", "--for", "5m", "--over", "1s"],
            "--over is of no use with a churn",
        ),
        (
            &["storm", "--for", "5m"],
            "--for with `churn`, `disconnect` and `reboot`",
        ),
        (&["reboot", "--for", "0s"], "--for must not be 0"),
        (&["reboot", "--away", "5s"], "are of use with `churn` only"),
        (
            &["pause", "--for", "5s"],
            "--for with `churn`, `disconnect` and `reboot`",
        ),
        (&["pause", "--away", "5s"], "are of use with `churn` only"),
    ] {
        let refused = ctl(arguments).expect(2);
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
    }

    assert!(ctl(&["stop"]).expect(0).stderr.ends_with(" has ended\n"));
    let (code, progress) = running.end();
    assert_eq!(code, Some(130), "{progress}");
    let report = fleet.report();
    let marks: Vec<_> = report["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mark| &mark["what"])
        .collect();
    for what in [
        "storm all devices",
        "reboot thermo-0001",
        "retry all devices",
        "churn 2 devices, 6000 % a minute for 1s, each away for 200ms",
        "disconnect 50 % of thermostats",
        "reconnect lab-0001 over 1s",
        "reboot lab-0001 for 500ms",
        "the stages pause",
        "the stages go on",
    ] {
        assert!(marks.iter().any(|mark| *mark == what), "{what} in {marks:?}");
    }
    let dropped = report["telemetry"]["dropped"].as_u64().unwrap();
    let telemetry = &report["telemetry"];
    assert_eq!(
        telemetry["offered"].as_u64().unwrap(),
        telemetry["acked"].as_u64().unwrap() + dropped,
        "{telemetry:#}"
    );
    let gone = ctl(&["storm"]).expect(2);
    assert!(
        gone.stderr.starts_with("error: there is no run of small\n"),
        "{}",
        gone.stderr
    );
    fleet.wait_until_nothing_runs();
}

/// How many devices each reached is decided by seed and device id, so it is the same in every run.
#[test]
fn orders_come_as_events_at_their_times_and_are_reported_as_they_come() {
    let events = r#"
[[event]]
at = "1500ms"
action = "storm"

[[event]]
at = "2s"
action = "churn"
group = "individual"
share_per_minute = "6000%"
for = "1s"
away = "500ms"

[[event]]
at = "2500ms"
action = "reboot"
group = "thermostats"
share = "50%"

[[event]]
at = "3s"
action = "retry"
"#;
    let stages = r#""100%@1s", "100%@9s", "0%@500ms""#;
    let fleet = Fleet::new(&(manifest(EMULATOR, stages) + events));
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    for words in [
        "event.0, storm, reached 6 devices",
        "event.2, reboot, reached 2 devices",
        "event.3, retry, reached 0 devices",
        "event.1, churn, reached 2 devices",
    ] {
        running.wait_for(words);
    }
    let (code, progress) = running.end();
    assert_eq!(code, Some(0), "{progress}");
    let report = fleet.report();
    let telemetry = |name: &str| report["telemetry"][name].as_u64().unwrap();
    assert_eq!(telemetry("offered"), telemetry("acked") + telemetry("dropped"));
    let kinds: Vec<_> = report["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mark| &mark["kind"])
        .collect();
    for kind in ["storm", "churn", "reboot", "retry"] {
        assert!(kinds.iter().any(|mark| *mark == kind), "{kind} in {kinds:?}");
    }
    fleet.wait_until_nothing_runs();
}

/// Each time of an event is an order of its own, and a mark in the report.
#[test]
fn events_count_from_their_stage_and_repeat_and_last_as_long_as_asked() {
    let events = r#"
[[event]]
stage = 2
at = "1s"
every = "2s"
for = "6s"
action = "storm"
group = "individual"

[[event]]
stage = 2
at = "500ms"
action = "reboot"
group = "thermostats"
for = "2s"

[[event]]
stage = 3
action = "retry"

[[event]]
at = "10h"
action = "storm"
"#;
    let stages = r#""100%@2s", "100%@10s", "0%@1s""#;
    let fleet = Fleet::new(&(manifest(EMULATOR, stages) + events));
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    for words in [
        "event.0 (1), storm, reached 2 devices",
        "event.0 (2), storm, reached 2 devices",
        "event.0 (3), storm, reached 2 devices",
        "event.2, retry, reached 0 devices",
        "event.3 did not happen: the run was over before",
    ] {
        running.wait_for(words);
    }
    let (code, progress) = running.end();
    assert_eq!(code, Some(0), "{progress}");
    assert!(progress.contains("event.1, reboot, reached 4 devices"), "{progress}");
    assert!(!progress.contains("event.0 (4)"), "{progress}");
    let report = fleet.report();
    let marks = report["events"].as_array().unwrap();
    let of = |kind: &str| marks.iter().filter(|mark| mark["kind"] == kind).collect::<Vec<_>>();
    assert_eq!((of("storm").len(), of("reboot").len(), of("retry").len()), (3, 1, 1));
    assert_eq!(of("reboot")[0]["what"], "reboot 100 % of thermostats for 2s");
    assert_eq!(of("reboot")[0]["devices"], 4);
    let at = |mark: &serde_json::Value| mark["at_s"].as_f64().unwrap();
    let times: Vec<f64> = of("reboot").into_iter().chain(of("storm")).map(at).collect();
    assert!(times.is_sorted(), "the reboot comes first: {times:?}");
    let telemetry = |name: &str| report["telemetry"][name].as_u64().unwrap();
    assert_eq!(telemetry("offered"), telemetry("acked") + telemetry("dropped"));
    fleet.wait_until_nothing_runs();
}
