//! `fleet roll` beside a live `fleet run`: real programs, real certificates, the emulator as a real process.

use serde_json::Value;

use crate::support::{EMULATOR, Finished, Fleet, LONG, Running};

/// Ten devices of a group and three of their own, which report often.
fn manifest(more: &str) -> String {
    format!(
        r#"
[fleet]
name = "small"
seed = 7

[target]
{EMULATOR}

[[group]]
id = "thermostats"
devices = {{ prefix = "thermo-", count = 10 }}
telemetry = {{ interval = "500ms", jitter = 0.1 }}

[[individual]]
devices = {{ prefix = "lab-", count = 3 }}
telemetry = {{ interval = "500ms", jitter = 0.1 }}
{more}
"#
    )
}

struct Rolling {
    fleet: Fleet,
    run: Running,
}

impl Rolling {
    fn begin() -> Self {
        let fleet = Fleet::new(&(manifest("") + &format!("[load]\nstages = [{LONG}]\n")));
        let mut run = fleet.start(&["run", "fleet.toml", "--report", "report"]);
        run.wait_for("all 13 devices online");
        Self { fleet, run }
    }

    fn roll(&self, arguments: &[&str]) -> Finished {
        self.fleet
            .fleet(&[&["roll", "fleet.toml", "--report", "roll"], arguments].concat())
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.fleet.path("roll/roll.json")).unwrap()).unwrap()
    }

    /// The roll went through: all devices are there with new certificates, and old ones are refused.
    #[track_caller]
    fn expect_done(&self, case: &str, devices: usize) -> Value {
        let report = self.report();
        assert_eq!(
            (&report["case"], &report["outcome"]),
            (&case.into(), &"done".into()),
            "{report:#}"
        );
        assert_eq!(report["devices"].as_object().unwrap().len(), devices, "{report:#}");
        assert!(report["missing"].as_object().unwrap().is_empty(), "{report:#}");
        assert!(report["blocked"].as_array().unwrap().is_empty(), "{report:#}");
        let trials = report["trials"].as_array().unwrap();
        assert!(!trials.is_empty());
        for trial in trials {
            assert_eq!(trial["hub"]["verdict"], "refused", "{trial:#}");
            let device = trial["device"].as_str().unwrap();
            assert_ne!(
                trial["old_sha256"], report["devices"][device]["leaf_sha256"],
                "{report:#}"
            );
        }
        assert!(
            !self.fleet.path("state/small/roll-thermostats.json").exists()
                && !self.fleet.path("state/small/roll-individual.json").exists(),
            "a roll that is done leaves no journal"
        );
        report
    }

    /// Ends the run. Whatever was rolled, no telemetry is lost and none is doubled.
    #[track_caller]
    fn end(self) {
        self.run.interrupt();
        let (code, words) = self.run.end();
        assert_eq!(code, Some(130), "{words}");
        let report = self.fleet.report();
        let telemetry = &report["telemetry"];
        assert_eq!(telemetry["offered"], telemetry["acked"], "{telemetry:#}");
        assert_eq!(report["target"]["received_unique"], telemetry["acked"], "{report:#}");
        self.fleet.wait_until_nothing_runs();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.fleet.path(path)).unwrap()
    }
}

#[track_caller]
fn dps_verdicts(report: &Value, expected: &str) {
    for trial in report["trials"].as_array().unwrap() {
        assert_eq!(trial["dps"]["verdict"], expected, "{trial:#}");
    }
}

#[test]
fn a_groups_ca_is_rolled_before_it_expires_and_back_into_the_first_place_the_next_time() {
    let rolling = Rolling::begin();
    let first = rolling.roll(&["--case", "group-expiry", "--wave", "50%"]).expect(0);
    for words in [
        "uploaded as secondary certificate",
        "5 of a wave of 5 use their new certificate, 5 of 10 in all",
        "5 of a wave of 5 use their new certificate, 10 of 10 in all",
        "the old certificate of thermo-0001: DPS refused it",
    ] {
        assert!(first.stderr.contains(words), "no `{words}` in\n{}", first.stderr);
    }
    assert!(
        first
            .stdout
            .starts_with("roll of group thermostats (group-expiry): done\n"),
        "{}",
        first.stdout
    );
    let report = rolling.expect_done("group-expiry", 10);
    dps_verdicts(&report, "refused");
    assert_eq!(report["offline"]["count"], 10, "{report:#}");
    assert_eq!(rolling.read("certs/small/thermostats/current"), "0002\n");

    let second = rolling.roll(&["--case", "group-expiry"]).expect(0);
    assert!(
        second.stderr.contains("uploaded as primary certificate"),
        "{}",
        second.stderr
    );
    rolling.expect_done("group-expiry", 10);
    assert_eq!(rolling.read("certs/small/thermostats/current"), "0003\n");
    rolling.end();
}

#[test]
fn after_a_breach_a_groups_devices_are_blocked_until_they_register_with_leaves_of_another_ca() {
    let rolling = Rolling::begin();
    let roll = rolling.roll(&["--case", "group-breach"]).expect(0);
    for words in [
        "10 devices blocked",
        "uploaded as primary certificate",
        "10 devices let in again",
    ] {
        assert!(roll.stderr.contains(words), "no `{words}` in\n{}", roll.stderr);
    }
    let report = rolling.expect_done("group-breach", 10);
    dps_verdicts(&report, "refused");
    rolling.end();
}

#[test]
fn single_devices_are_rolled_before_their_certificates_expire_and_the_old_one_stays_until_it_is_to_go() {
    let rolling = Rolling::begin();
    let kept = rolling.roll(&["--case", "individual-expiry"]).expect(0);
    assert!(
        kept.stderr.contains("2 certificates of device lab-0001 uploaded"),
        "{}",
        kept.stderr
    );
    let report = rolling.expect_done("individual-expiry", 3);
    dps_verdicts(&report, "not_tried");
    assert_eq!(rolling.read("certs/small/individual/lab-0001/current"), "secondary\n");

    rolling
        .roll(&["--case", "individual-expiry", "--device", "lab-0001", "--remove-old"])
        .expect(0);
    let report = rolling.expect_done("individual-expiry", 1);
    dps_verdicts(&report, "refused");
    assert_eq!(rolling.read("certs/small/individual/lab-0001/current"), "primary\n");
    assert_eq!(rolling.read("certs/small/individual/lab-0002/current"), "secondary\n");
    rolling.end();
}

#[test]
fn after_a_breach_single_devices_are_blocked_until_they_register_with_another_certificate() {
    let rolling = Rolling::begin();
    let roll = rolling
        .roll(&[
            "--case",
            "individual-breach",
            "--device",
            "lab-0001",
            "--device",
            "lab-0003",
        ])
        .expect(0);
    for words in [
        "2 devices blocked",
        "certificate of device lab-0001 uploaded",
        "2 devices let in again",
    ] {
        assert!(roll.stderr.contains(words), "no `{words}` in\n{}", roll.stderr);
    }
    let report = rolling.expect_done("individual-breach", 2);
    dps_verdicts(&report, "refused");
    assert!(
        rolling
            .fleet
            .path("certs/small/individual/lab-0001/retired/0001/primary_key.pem")
            .exists()
    );
    assert!(!rolling.fleet.path("certs/small/individual/lab-0002/retired").exists());
    rolling.end();
}
