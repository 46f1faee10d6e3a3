//! The first commands of a newcomer, and what a script reads of others.

use serde_json::Value;

use crate::figures::emulator;
use crate::support::{Fleet, SHORT, manifest};

#[test]
fn a_first_manifest_is_a_plan_and_is_not_written_over() {
    let fleet = Fleet::new("");
    let init = ["init", "lab.toml", "--group", "lab=3", "--yes"];
    let written = fleet.fleet(&init).expect(0);
    assert!(written.stderr.contains("fleet run lab.toml"), "{}", written.stderr);
    fleet.fleet(&["plan", "lab.toml"]).expect(0);
    std::fs::write(fleet.path("lab.toml"), "# mine").unwrap();
    let refused = fleet.fleet(&init).expect(2);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(fleet.path("lab.toml")).unwrap(), "# mine");
    fleet.fleet(&[&init[..], &["--force"]].concat()).expect(0);
    let printed = fleet.fleet(&["init", "--stdout", "--yes"]).expect(0);
    assert!(printed.stdout.starts_with("# A fleet"), "{}", printed.stdout);
    // There is no terminal here.
    let refused = fleet
        .fleet(&["init", "central.toml", "--target", "iot-central"])
        .expect(2);
    assert!(refused.stderr.contains("--app is missing"), "{}", refused.stderr);
    assert!(!fleet.path("central.toml").exists());
}

#[test]
fn a_first_manifest_runs() {
    let fleet = Fleet::new("");
    fleet
        .fleet(&[
            "init",
            "lab.toml",
            "--group",
            "lab=2",
            "--interval",
            "500ms",
            "--stay",
            "1s",
            "--yes",
        ])
        .expect(0);
    let run = fleet.fleet(&["run", "lab.toml", "--duration", "3s"]).expect(0);
    assert!(run.stdout.starts_with("PASSED: 2 thresholds"), "{}", run.stdout);
}

#[test]
fn notes_in_json_are_a_line_each_with_a_level() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    std::fs::write(fleet.path("fleet.toml"), manifest(&target, SHORT)).unwrap();
    let run = fleet.fleet(&["run", "fleet.toml", "--log-format", "json"]).expect(0);
    let lines: Vec<Value> = run
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let online = lines
        .iter()
        .find(|line| line["message"].as_str().unwrap().contains("all 6 devices online"));
    let online = online.unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(online["level"], "INFO");
    assert!(online["elapsed_s"].as_f64().unwrap() > 0.0, "{online:#}");
    let failed = fleet.fleet(&["--log-format", "json", "plan", "missing.toml"]).expect(2);
    let error: Value = serde_json::from_str(failed.stderr.trim()).unwrap();
    assert!(error["message"].as_str().unwrap().contains("missing.toml"), "{error:#}");
}

#[test]
fn what_is_enrolled_and_what_expires_is_json_for_a_program() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    std::fs::write(fleet.path("fleet.toml"), manifest(&target, SHORT)).unwrap();
    let enroll = |more: &[&str]| -> Value {
        let finished = fleet
            .fleet(&[&["enroll", "fleet.toml", "--format", "json"], more].concat())
            .expect(0);
        serde_json::from_str(&finished.stdout).unwrap()
    };
    let looked = enroll(&["--dry-run"]);
    assert_eq!(
        (&looked["dry_run"], &looked["changed"]),
        (&true.into(), &true.into()),
        "{looked:#}"
    );
    assert!(!looked["changes"].as_array().unwrap().is_empty(), "{looked:#}");
    let enrolled = enroll(&[]);
    assert_eq!(enrolled["id_scope"], "0ne00EMULATOR");
    assert_eq!(
        (&enrolled["changed"], &enrolled["individuals"]),
        (&true.into(), &2.into())
    );
    assert_eq!(enroll(&[])["changed"], false);

    let status = fleet.fleet(&["cert", "status", "certs", "--format", "json"]).expect(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let certificates = status["certificates"].as_array().unwrap();
    assert!(certificates.len() >= 6, "{status:#}");
    assert!(
        certificates.iter().all(|certificate| certificate["state"] == "good"),
        "{status:#}"
    );
}
