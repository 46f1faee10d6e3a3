//! Wrong inputs that end a run with exit code 2 before anything is started.

use std::net::TcpListener;
use std::process::Command;

use crate::support::{EMULATOR, Finished, Fleet, SHORT, manifest};
use jiff::Timestamp;
use provisioning::identities::{GroupIdentities, Issuer};

/// Refused, with nothing on stdout and without an emulator or a device having been started.
#[track_caller]
fn refused(fleet: &Fleet, finished: Finished) -> String {
    let finished = finished.expect(2);
    assert_eq!(finished.stdout, "");
    assert!(!finished.stderr.contains("emulator ready"), "{}", finished.stderr);
    // The state folder may be there: a run takes it for itself before it checks certificates.
    for started in ["state/small/emulator", "state/small/plan.json"] {
        assert!(!fleet.path(started).exists());
    }
    finished.stderr
}

#[test]
fn a_manifest_that_does_not_exist() {
    let fleet = Fleet::new("");
    let words = refused(&fleet, fleet.fleet(&["run", "other.toml"]));
    assert!(
        words.starts_with("error: can't read the manifest `other.toml`: No such file"),
        "{words}"
    );
}

#[test]
fn a_manifest_with_mistakes_is_shown_with_file_line_and_column() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT).replace("seed = 7", "sed = 7"));
    let words = refused(&fleet, fleet.fleet(&["run", "fleet.toml"]));
    assert!(words.contains("fleet.toml:4:1"), "{words}");
    assert!(words.contains("did you mean `seed`?"), "{words}");
    assert!(!words.contains('\u{1b}'), "no colour where nobody sees it");
}

#[test]
fn a_port_that_is_busy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let words = refused(
        &fleet,
        fleet.fleet(&["run", "fleet.toml", "--set", &format!("target.port={port}")]),
    );
    assert!(
        words.starts_with(&format!("error: port {port} of this machine")),
        "{words}"
    );
    assert!(words.contains("hint: "), "{words}");
}

#[test]
fn too_few_file_handles_once_the_soft_limit_is_raised() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let run = |limits: &str, count: u32| {
        let set = format!("group.thermostats.devices.count={count}");
        let mut shell = Command::new("sh");
        shell
            .current_dir(fleet.path("."))
            .args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_fleet"))
            .args(["run", "fleet.toml", "--set", &set]);
        shell
    };
    let words = refused(&fleet, run("ulimit -n 100", 200).output().unwrap().into());
    assert!(
        words.starts_with("error: too few file handles for 202 devices"),
        "{words}"
    );
    assert!(words.contains("hint: raise it"), "{words}");

    // A soft limit alone is no reason to refuse: 70 handles would not do for six devices.
    let finished = Finished::from(run("ulimit -Sn 40", 4).output().unwrap()).expect(0);
    assert_eq!(finished.figure("connected"), 6);
}

#[test]
fn certificates_that_cannot_be_used_are_reported_all_at_once() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let now = Timestamp::now();
    let certs = fleet.path("certs/small");
    let ids = ["thermo-0001", "thermo-0002", "thermo-0003"];
    GroupIdentities::open_or_create(&certs, "thermostats", Issuer::Intermediate, ids, now, &|_, _| {}).unwrap();
    let leaf = |name: &str| certs.join("thermostats/leaves/0001").join(name);
    std::fs::copy(leaf("thermo-0001_key.pem"), leaf("thermo-0002_key.pem")).unwrap();
    std::fs::write(leaf("thermo-0003_key.pem"), "not a key").unwrap();

    let words = refused(&fleet, fleet.fleet(&["run", "fleet.toml"]));
    for file in ["thermo-0002_key.pem", "thermo-0003_key.pem"] {
        assert!(words.contains(file), "no `{file}` in\n{words}");
    }
    assert!(!words.contains("thermo-0001_cert"), "{words}");
    assert!(words.contains("hint: nothing that exists is overwritten"), "{words}");
}

#[test]
fn a_leaf_that_has_expired() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let two_years_ago = Timestamp::now() - jiff::SignedDuration::from_hours(2 * 365 * 24);
    let certs = fleet.path("certs/small");
    let ids = ["thermo-0001"];
    GroupIdentities::open_or_create(&certs, "thermostats", Issuer::Root, ids, two_years_ago, &|_, _| {}).unwrap();

    let words = refused(
        &fleet,
        fleet.fleet(&["run", "fleet.toml", "--set", "group.thermostats.issuer=root"]),
    );
    assert!(words.contains("thermo-0001"), "{words}");
    assert!(words.contains("expired"), "{words}");
}

#[test]
fn a_token_that_is_not_there() {
    let target = "kind = \"iot-central\"\napp = \"https://localhost:1\"\napi_token = { env = \"FLEET_TEST_TOKEN\" }";
    let fleet = Fleet::new(&manifest(target, SHORT));
    let words = refused(&fleet, fleet.fleet(&["run", "fleet.toml"]));
    assert!(words.contains("FLEET_TEST_TOKEN"), "{words}");
    assert!(words.contains("hint: export FLEET_TEST_TOKEN="), "{words}");
}

#[test]
fn a_wrong_command_line() {
    let fleet = Fleet::new("");
    for arguments in [
        &["run"][..],
        &["run", "fleet.toml", "--duration", "soon"],
        &["fly"],
        &[],
    ] {
        fleet.fleet(arguments).expect(2);
    }
}
