//! A target that can't be reached or trusted is named before anything is made, with what to check.

use jiff::{SignedDuration, Timestamp};

use crate::figures::emulator;
use crate::support::{Finished, Fleet, SHORT, manifest};

/// Refused soon, with nothing left behind but the manifest and what stood there before.
#[track_caller]
fn refused(fleet: &Fleet, arguments: &[&str], words: &[&str]) {
    let (before, begun) = (fleet.entries(), Timestamp::now());
    let finished: Finished = fleet.fleet(arguments).expect(2);
    // Three seconds at most, and a busy machine.
    assert!(
        Timestamp::now().duration_since(begun) < SignedDuration::from_secs(20),
        "{arguments:?}"
    );
    for words in words {
        assert!(finished.stderr.contains(words), "{words} in {}", finished.stderr);
    }
    assert_eq!(finished.stdout, "");
    assert_eq!(fleet.entries(), before, "{arguments:?}");
}

#[test]
fn an_application_that_is_not_trusted_is_refused_by_each_command_that_asks_it() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    fleet.fleet(&["cert", "root", "other"]).expect(0);
    let text = manifest(&target.replace("emulator/ca_cert.pem", "other_cert.pem"), SHORT);
    std::fs::write(fleet.path("fleet.toml"), text).unwrap();
    let words = [
        "can't be trusted: its certificate does not come from a CA in",
        "hint: check `target.ca`",
    ];
    for command in [
        &["run", "fleet.toml"][..],
        &["enroll", "fleet.toml"],
        &["enroll", "fleet.toml", "--dry-run"],
        &["unenroll", "fleet.toml", "--yes"],
        &["prepare", "fleet.toml", "--plan", "plan.json"],
        &["roll", "fleet.toml", "--case", "group-expiry"],
    ] {
        refused(&fleet, command, &words);
    }
}

#[test]
fn a_roll_that_could_not_try_old_certificates_with_dps_is_refused_before_it_begins() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    std::fs::write(fleet.path("fleet.toml"), manifest(&target, SHORT)).unwrap();
    let roll = [
        "roll",
        "fleet.toml",
        "--case",
        "group-expiry",
        "--set",
        "target.dps_endpoint=dps.invalid",
    ];
    refused(&fleet, &roll, &["dps.invalid: ", "check `target.dps_endpoint`"]);
}

#[test]
fn a_dps_that_is_not_trusted_or_not_there_is_refused_before_certificates_are_made() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    fleet.fleet(&["cert", "root", "other"]).expect(0);
    // DPS by itself: no application is asked.
    let port = target.lines().find(|line| line.starts_with("port = ")).unwrap();
    let dps = format!("kind = \"dps\"\nid_scope = \"0ne00EMULATOR\"\ndps_endpoint = \"localhost\"\n{port}\n");
    std::fs::write(
        fleet.path("fleet.toml"),
        manifest(&format!("{dps}ca = \"other_cert.pem\""), SHORT),
    )
    .unwrap();
    let run = ["run", "fleet.toml"];
    refused(
        &fleet,
        &run,
        &[
            "localhost port",
            "does not come from a CA in",
            "hint: check `target.ca`",
        ],
    );
    // Public roots: an emulator's certificate is below none of them.
    std::fs::write(fleet.path("fleet.toml"), manifest(&dps, SHORT)).unwrap();
    refused(
        &fleet,
        &run,
        &["does not come from a public CA", "goes into `target.ca`"],
    );
    refused(
        &fleet,
        &["run", "fleet.toml", "--set", "target.dps_endpoint=dps.invalid"],
        &["dps.invalid: ", "check `target.dps_endpoint`"],
    );
}
