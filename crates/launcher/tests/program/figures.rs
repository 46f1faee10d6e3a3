//! What summary and report say of a run that did not go well.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{EMULATOR, Fleet, LONG, Running, SHORT, central, failures, manifest, signal};

/// A fleet whose emulator obeys `rules`.
fn with_rules(rules: &str, stages: &str) -> Fleet {
    let fleet = Fleet::new(&manifest(&format!("{EMULATOR}\nfaults = \"rules.toml\""), stages));
    std::fs::write(fleet.path("rules.toml"), rules).unwrap();
    fleet
}

/// The hub never answers two of the six, and their patience is longer than the run.
#[test]
fn a_device_that_still_connects_when_the_stages_end_has_failed() {
    let hole = "[[rule]]\nid = \"hole\"\ndevice = \"lab-*\"\nphase = \"hub-connect\"\nverdict = \"black-hole\"";
    let fleet = with_rules(hole, r#""100%@1s", "100%@9s", "0%@1s""#);
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(1);
    for (word, count) in [("asked", 6), ("wanted", 6), ("connected", 4), ("failed", 2)] {
        assert_eq!(run.figure(word), count, "{word} in\n{}", run.stdout);
    }
    let head = "FAILED: 2 of 6 wanted devices never came online\n";
    assert!(run.stdout.starts_with(head), "{}", run.stdout);
    assert!(run.stdout.contains("(still_connecting 2)"), "{}", run.stdout);
    assert!(
        run.stdout.contains("2 never online, the oldest after "),
        "{}",
        run.stdout
    );
    let report = fleet.report();
    assert_eq!(
        failures(&report, "devices_failed", Some("still_connecting")),
        2,
        "{report:#}"
    );
    let to_online = &report["latency"]["time_to_online"]["all"];
    assert_eq!(
        (&to_online["count"], &to_online["unfinished"]["count"]),
        (&4.into(), &2.into())
    );
    assert!(
        to_online["unfinished"]["oldest_s"].as_f64().unwrap() >= 9.0,
        "{to_online}"
    );
}

#[test]
fn a_device_that_waits_for_the_connect_rate_when_the_stages_end_has_failed() {
    let fleet = Fleet::new(&(manifest(EMULATOR, SHORT) + "connect_rate = \"1/h\"\n"));
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(1);
    let (connected, failed) = (run.figure("connected"), run.figure("failed"));
    assert!(failed > 0 && connected + failed == 6, "{}", run.stdout);
    let waiting = failures(&fleet.report(), "devices_failed", Some("waiting_for_connect_rate"));
    assert_eq!(waiting, failed, "{}", run.stdout);
}

/// The first device needs no waiting, and where a second begins is not exact: one more or less is as planned.
#[test]
fn as_many_devices_come_online_as_the_plan_says() {
    let stages = r#""100%@1s", "100%@2s", "0%@500ms""#;
    let fleet = Fleet::new(&(manifest(EMULATOR, stages) + "connect_rate = \"1/s\"\n"));
    let plan = fleet.fleet(&["plan", "fleet.toml", "--format=json"]).expect(0);
    let plan: fleet_report::plan::PlanSummary = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!((plan.wanted_peak, plan.online_at_end, plan.all_online_s), (6, 4, 6));
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(1);
    assert!(
        run.stderr.contains("4 of 6 devices will be online when the stages end"),
        "{}",
        run.stderr
    );
    assert!((3..=5).contains(&run.figure("connected")), "{}", run.stdout);
}

#[test]
fn devices_that_the_stages_never_wanted_do_not_fail() {
    let fleet = Fleet::new(&manifest(EMULATOR, r#""50%@1s", "50%@4s", "0%@500ms""#));
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert_eq!((run.figure("asked"), run.figure("failed")), (6, 0), "{}", run.stdout);
    assert!(run.figure("wanted") < 6, "{}", run.stdout);
    assert_eq!(run.figure("wanted"), run.figure("connected"), "{}", run.stdout);
}

/// From the second second of a connection on, nothing is acknowledged.
#[test]
fn messages_that_are_never_acknowledged_stand_beside_the_percentiles_and_in_the_progress() {
    let fleet = with_rules(
        "[[rule]]\nid = \"deaf\"\nphase = \"telemetry\"\nverdict = \"no-ack\"",
        r#""100%@1s", "100%@12s", "0%@500ms""#,
    );
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(0);
    assert!(run.stderr.contains(" acknowledged; no answer since "), "{}", run.stderr);
    let report = fleet.report();
    let telemetry = &report["telemetry"];
    let (offered, acked) = (
        telemetry["offered"].as_u64().unwrap(),
        telemetry["acked"].as_u64().unwrap(),
    );
    assert!(acked < offered, "{telemetry}");
    let unfinished = &report["latency"]["publish"]["all"]["unfinished"];
    assert_eq!(unfinished["count"], offered - acked, "{}", run.stdout);
    assert!(unfinished["oldest_s"].as_f64().unwrap() >= 10.0, "{unfinished}");
    assert!(
        run.stdout.contains("never acknowledged, the oldest after "),
        "{}",
        run.stdout
    );
    let dropped = failures(&report, "telemetry_dropped", None);
    assert_eq!(telemetry["dropped"], dropped, "{report:#}");
}

#[test]
fn a_process_that_stops_reporting_is_named_while_the_run_goes_on() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut running = fleet.start(&["run", "fleet.toml"]);
    running.wait_for("all 6 devices online");
    let process = fleet.process("--shard 1/2");
    signal(process, Signal::STOP);
    running.wait_for("no word from device-sim 1/2 since ");
    signal(process, Signal::CONT);
    running.interrupt();
    assert_eq!(running.end().0, Some(130));
}

#[test]
fn a_death_tells_what_it_took_along_in_summary_and_report() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    running.wait_for("all 6 devices online");
    running.wait_for("acknowledged");
    signal(fleet.process("--shard 0/2"), Signal::KILL);
    let (code, progress) = running.end();
    assert_eq!(code, Some(1), "{progress}");
    let report: Value = fleet.report();
    let telemetry = |name: &str| report["telemetry"][name].as_u64().unwrap();
    assert_eq!(
        telemetry("offered"),
        telemetry("acked") + telemetry("dropped") + telemetry("lost"),
        "{report:#}"
    );
    // What was received beyond what was acknowledged is explained.
    let received = report["target"]["received_unique"].as_u64().unwrap();
    assert!(received >= telemetry("acked"), "{report:#}");
    assert!(telemetry("unreported") > 0, "{report:#}");
}

/// An emulator on its own, and a target table for it.
pub(crate) fn emulator(fleet: &Fleet) -> (Running, String) {
    let (emulator, ready) = fleet.start_emulator(&[
        "emulator",
        "--mqtt=127.0.0.1:0",
        "--https=127.0.0.1:0",
        "--http=127.0.0.1:0",
        "--dps-retry-after=1",
        "--state=emulator",
    ]);
    (emulator, central(&ready))
}

#[test]
fn of_two_runs_on_one_emulator_each_is_told_what_was_received_of_its_own() {
    let fleet = Fleet::new("");
    let (mut emulator, target) = emulator(&fleet);
    let one = manifest(&target, r#""100%@1s", "100%@6s", "0%@500ms""#);
    let other = [("small", "other"), ("thermo", "pump"), ("lab", "desk")];
    let other = other
        .iter()
        .fold(one.clone(), |text, (from, to)| text.replace(from, to));
    std::fs::write(fleet.path("one.toml"), one).unwrap();
    std::fs::write(fleet.path("other.toml"), other).unwrap();
    let mut running = fleet.start(&["run", "other.toml", "--report", "report"]);
    running.wait_for("all 6 devices online");
    let one = fleet.fleet(&["run", "one.toml"]).expect(0);
    assert_eq!(running.end().0, Some(0));
    assert_eq!(one.figure("received"), one.figure("acknowledged"), "{}", one.stdout);
    let report = fleet.report();
    assert_eq!(report["target"]["received"], report["telemetry"]["acked"], "{report:#}");
    emulator.kill();
}

#[test]
fn a_sim_whose_devices_never_came_online_fails_and_so_does_the_merged_report() {
    let fleet = Fleet::new("");
    let (mut emulator, target) = emulator(&fleet);
    let text = manifest(&target, SHORT) + "register_rate = \"50/s\"\nconnect_rate = \"1/h\"\n";
    std::fs::write(fleet.path("fleet.toml"), text).unwrap();
    fleet.fleet(&["prepare", "fleet.toml", "--plan", "plan.json"]).expect(0);
    let sim = ["sim", "--plan", "plan.json", "--results", "results", "--shards", "2"];
    let sim = fleet.fleet(&sim).expect(1);
    assert!(sim.stderr.contains("(waiting_for_connect_rate "), "{}", sim.stderr);
    let merged = fleet.fleet(&["report", "merge", "results"]).expect(1);
    let (connected, failed) = (merged.figure("connected"), merged.figure("failed"));
    assert_eq!(merged.figure("wanted"), 6, "{}", merged.stdout);
    assert!(failed > 0 && connected + failed == 6, "{}", merged.stdout);
    assert!(merged.stdout.contains("  began  "), "{}", merged.stdout);
    emulator.kill();
}

/// Nothing is enrolled, which no waiting mends.
#[test]
fn a_run_whose_devices_all_fail_for_one_reason_gives_it_first() {
    let fleet = Fleet::new("");
    let (mut emulator, central) = emulator(&fleet);
    let (_, reach) = central.split_once("dps_endpoint").unwrap();
    let dps = format!("kind = \"dps\"\nid_scope = \"0ne00EMULATOR\"\ndps_endpoint{reach}");
    std::fs::write(fleet.path("fleet.toml"), manifest(&dps, LONG)).unwrap();
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(1);
    emulator.kill();
    let reason = "all devices failed for the same reason, mqtt_not_authorized, which waiting does not mend";
    let head = format!("FAILED: {reason}\n        6 of 6 wanted devices never came online\n");
    assert!(run.stdout.starts_with(&head), "{}", run.stdout);
    assert_eq!(fleet.report()["run"]["end_reason"], "all_failed");
}
