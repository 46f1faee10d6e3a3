//! `fleet roll` beside a live `fleet run`: real programs, real certificates, the emulator as a real process.

use serde_json::Value;

use crate::support::{EMULATOR, Finished, Fleet, LONG, Running, central};

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
fn a_groups_ca_is_rolled_before_it_expires_and_back_into_the_first_slot_the_next_time() {
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

    let second = rolling.roll(&["--case", "group-expiry", "--format", "json"]).expect(0);
    assert!(
        second.stderr.contains("uploaded as primary certificate"),
        "{}",
        second.stderr
    );
    let report = rolling.expect_done("group-expiry", 10);
    assert_eq!(serde_json::from_str::<Value>(&second.stdout).unwrap(), report);
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

/// Rolls with a roll that is killed as soon as it says something with `words`; the same command then finishes it.
fn interrupted(rolling: &Rolling, case: &[&str], words: &str) {
    let arguments = [&["roll", "fleet.toml", "--report", "roll", "--case"], case].concat();
    let mut first = rolling.fleet.start(&arguments);
    first.wait_for(words);
    first.kill();
    let name = if case[0].starts_with("group") {
        "thermostats"
    } else {
        "individual"
    };
    // It may have come to its end between its words and ours.
    let unfinished = rolling.fleet.path(&format!("state/small/roll-{name}.json")).exists();
    let second = rolling.fleet.fleet(&arguments).expect(0);
    assert_eq!(
        second.stderr.contains(&format!("goes on with the {}", case[0])),
        unfinished,
        "{words}:\n{}",
        second.stderr
    );
}

#[test]
fn a_roll_of_a_group_that_is_killed_after_any_step_finishes_when_it_is_run_again() {
    let rolling = Rolling::begin();
    for words in [
        "stands in",
        "verification code",
        "signed by",
        "leaves issued",
        "5 of a wave of 5",
        "removed",
    ] {
        interrupted(&rolling, &["group-expiry", "--wave", "50%"], words);
        rolling.expect_done("group-expiry", 10);
    }
    rolling.end();
}

#[test]
fn a_roll_after_a_breach_that_is_killed_after_any_step_finishes_and_leaves_no_device_blocked() {
    let rolling = Rolling::begin();
    for words in ["devices blocked", "uploaded as", "leaves issued", "let in again"] {
        interrupted(&rolling, &["group-breach"], words);
        rolling.expect_done("group-breach", 10);
    }
    let devices = ["individual-breach", "--device", "lab-0001", "--device", "lab-0002"];
    for words in [
        "devices blocked",
        "certificates made",
        "lab-0001 uploaded",
        "let in again",
    ] {
        interrupted(&rolling, &devices, words);
        rolling.expect_done("individual-breach", 2);
    }
    rolling.end();
}

#[test]
fn another_roll_of_the_same_has_to_wait_until_the_one_that_was_begun_is_finished() {
    let rolling = Rolling::begin();
    let mut first = rolling
        .fleet
        .start(&["roll", "fleet.toml", "--case", "individual-expiry"]);
    first.wait_for("certificates made");
    first.kill();
    let other = rolling
        .roll(&["--case", "individual-expiry", "--device", "lab-0001"])
        .expect(2);
    assert!(
        other
            .stderr
            .contains("the individual-expiry of lab-0001, lab-0002, lab-0003 that was begun at"),
        "{}",
        other.stderr
    );
    // After a breach there is no time for that.
    let breach = rolling
        .roll(&["--case", "individual-breach", "--device", "lab-0001"])
        .expect(0);
    assert!(breach.stderr.contains("is given up for this"), "{}", breach.stderr);
    rolling.expect_done("individual-breach", 1);
    rolling.end();
}

#[test]
fn what_can_not_be_rolled_is_refused_before_anything_is_asked() {
    let fleet = Fleet::new(&manifest(""));
    for (arguments, words) in [
        (&["--case", "group-expiry"][..], "there is no run of this manifest"),
        (
            &["--case", "group-expiry", "--device", "lab-0001"],
            "group-expiry is about a whole group",
        ),
        (&["--case", "individual-breach"], "which devices? there are 3"),
        (
            &["--case", "group-breach", "--group", "others"],
            "there is no group `others`",
        ),
        (&["--case", "expiry"], "possible values: group-expiry"),
        (
            &["--case", "group-expiry", "--wave", "120%"],
            "expected a share above 0%",
        ),
    ] {
        let refused = fleet.fleet(&[&["roll", "fleet.toml"], arguments].concat()).expect(2);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    assert_eq!(fleet.entries(), ["fleet.toml"], "it leaves nothing behind");
}

#[test]
fn a_run_rolls_by_itself_when_its_manifest_has_the_event_and_reports_it() {
    let events = r#"
[load]
stages = ["100%@1s", "100%@12s", "0%@500ms"]

[[event]]
at = "1s"
action = "roll"
case = "group-expiry"

[[event]]
at = "7s"
action = "reconnect"
group = "thermostats"
share = 0.5

[[event]]
at = "1h"
action = "disconnect"
"#;
    let fleet = Fleet::new(&manifest(events));
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(0);
    assert!(
        run.stdout.contains("roll of group thermostats (group-expiry): done\n"),
        "{}",
        run.stdout
    );
    for words in ["event.1, reconnect, reached ", "event.2 did not happen"] {
        assert!(run.stderr.contains(words), "no `{words}` in\n{}", run.stderr);
    }
    let roll: Value = serde_json::from_slice(&std::fs::read(fleet.path("report/roll.json")).unwrap()).unwrap();
    assert_eq!(roll["outcome"], "done");
    let telemetry = &fleet.report()["telemetry"];
    assert_eq!(telemetry["offered"], telemetry["acked"], "{telemetry:#}");

    // The next run takes the rolled certificates as they are.
    std::fs::write(fleet.path("next.toml"), manifest("")).unwrap();
    let next = fleet.fleet(&["run", "next.toml", "--duration=3s"]).expect(0);
    assert!(
        next.stderr.contains("0 leaves of thermostats made, 10 reused"),
        "{}",
        next.stderr
    );
}

#[test]
fn without_a_run_an_expiry_is_made_ready_and_finished_later_and_a_breach_is_dealt_with_at_once() {
    let fleet = Fleet::new("");
    let (mut emulator, ready) = fleet.start_emulator(&[
        "emulator",
        "--mqtt=127.0.0.1:0",
        "--https=127.0.0.1:0",
        "--http=127.0.0.1:0",
        "--dps-retry-after=1",
        "--state=emulator",
    ]);
    let central = central(&ready);
    let stages = format!("[load]\nregister_rate = \"50/s\"\nstages = [{LONG}]\n");
    std::fs::write(fleet.path("fleet.toml"), manifest(&stages).replace(EMULATOR, &central)).unwrap();
    fleet.fleet(&["run", "fleet.toml", "--duration=3s"]).expect(0);

    let expiry = ["roll", "fleet.toml", "--report", "roll", "--case", "group-expiry"];
    let ready = fleet.fleet(&expiry).expect(0);
    assert!(
        ready.stdout.contains("ready; the devices have not been asked yet"),
        "{}",
        ready.stdout
    );
    assert!(!ready.stderr.contains("removed"), "{}", ready.stderr);
    let breach = fleet
        .fleet(&[
            "roll",
            "fleet.toml",
            "--case",
            "individual-breach",
            "--device",
            "lab-0001",
        ])
        .expect(0);
    assert!(
        breach
            .stderr
            .contains("the old certificate of lab-0001: DPS refused it"),
        "{}",
        breach.stderr
    );
    assert!(
        breach
            .stdout
            .contains("roll of device lab-0001 (individual-breach): done"),
        "{}",
        breach.stdout
    );

    let mut run = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    run.wait_for("all 13 devices online");
    let rolling = Rolling { fleet, run };
    // They have registered with their new certificates when they started, so no device has to be asked.
    let finished = rolling.fleet.fleet(&expiry).expect(0);
    assert!(!finished.stderr.contains("wave"), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("goes on with the group-expiry"),
        "{}",
        finished.stderr
    );
    rolling.expect_done("group-expiry", 10);
    rolling.run.interrupt();
    assert_eq!(rolling.run.end().0, Some(130));
    emulator.kill();
}

#[test]
fn a_roll_beside_a_run_of_other_figures_takes_those_or_is_refused() {
    let fleet = Fleet::new(&(manifest("") + &format!("[load]\nstages = [{LONG}]\n")));
    let more = ["--set", "group.thermostats.devices.count=14"];
    let mut run = fleet.start(&[&["run", "fleet.toml", "--report", "report"][..], &more].concat());
    run.wait_for("all 17 devices online");
    let rolling = Rolling { fleet, run };
    let other = rolling
        .roll(&["--case", "group-expiry", "--set", "group.thermostats.devices.count=12"])
        .expect(2);
    assert!(
        other
            .stderr
            .contains("group.thermostats.devices.count is 14 in the run and 12 here"),
        "{}",
        other.stderr
    );
    let taken = rolling.roll(&["--case", "group-expiry", "--wave", "100%"]).expect(0);
    assert!(
        taken
            .stderr
            .contains("takes the figures of the run: --set group.thermostats.devices.count=14"),
        "{}",
        taken.stderr
    );
    rolling.expect_done("group-expiry", 14);
    rolling.end();
}

#[test]
fn a_run_reports_at_its_start_which_devices_a_roll_without_a_journal_has_blocked() {
    let rolling = Rolling::begin();
    let mut stopped = rolling.fleet.start(&["roll", "fleet.toml", "--case", "group-breach"]);
    stopped.wait_for("10 devices blocked");
    stopped.interrupt();
    assert_eq!(stopped.end().0, Some(130));
    let journal = rolling.fleet.path("state/small/roll-thermostats.json");
    let text = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &text[..60]).unwrap();
    rolling.run.interrupt();
    assert_eq!(rolling.run.end().0, Some(130));

    let fleet = rolling.fleet;
    let begin = || {
        let mut run = fleet.start(&["run", "fleet.toml", "--report", "report"]);
        let blocked = run.wait_for("10 devices of group thermostats are blocked");
        assert!(blocked.contains("thermo-0001, thermo-0002"), "{blocked}");
        let hint = run.wait_for("hint: ");
        assert!(
            hint.contains("`fleet roll … --case group-breach --group thermostats --let-in` rolls anew"),
            "{hint}"
        );
        (run, blocked)
    };
    let (run, blocked) = begin();
    assert!(blocked.contains("is damaged"), "{blocked}");
    run.interrupt();
    assert_eq!(run.end().0, Some(130));

    std::fs::remove_file(&journal).unwrap();
    let (mut run, blocked) = begin();
    assert!(blocked.contains("there is no journal of a roll"), "{blocked}");
    // Who is blocked is asked beside the run, which may not listen for a roll yet.
    run.wait_for("3 online");
    let again = fleet
        .fleet(&["roll", "fleet.toml", "--case", "group-breach", "--let-in"])
        .expect(0);
    assert!(again.stderr.contains("10 devices let in again"), "{}", again.stderr);
    run.interrupt();
    assert_eq!(run.end().0, Some(130));
}

#[test]
fn a_breach_roll_that_was_stopped_and_whose_journal_is_damaged_still_lets_its_devices_in_again() {
    let rolling = Rolling::begin();
    let mut stopped = rolling.fleet.start(&["roll", "fleet.toml", "--case", "group-breach"]);
    stopped.wait_for("10 devices blocked");
    stopped.interrupt();
    let (code, words) = stopped.end();
    assert_eq!(code, Some(130), "{words}");
    assert!(
        words.contains("stopped on the way: the same command goes on with it"),
        "{words}"
    );

    let journal = rolling.fleet.path("state/small/roll-thermostats.json");
    let text = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &text[..60]).unwrap();
    let refused = rolling.roll(&["--case", "group-breach"]).expect(1);
    for words in [
        "can't read the journal",
        "the roll may have blocked thermo-0001, thermo-0002, thermo-0003, thermo-0004, thermo-0005 and 5 more",
        "hint: `fleet roll … --case group-breach --group thermostats --let-in`",
    ] {
        assert!(refused.stderr.contains(words), "no `{words}` in\n{}", refused.stderr);
    }
    let again = rolling.roll(&["--case", "group-breach", "--let-in"]).expect(0);
    assert!(again.stderr.contains("10 devices let in again"), "{}", again.stderr);
    rolling.expect_done("group-breach", 10);
    rolling.end();
}
