//! `fleet register`: the registrations of a run ahead of it, against an emulator that runs by itself.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{EMULATOR, Fleet, ON_FREE_PORTS, Running, SHORT, central, dps, manifest, signal};

/// A fleet whose target is an emulator that runs already. Its manifest `dps.toml` enrolls nothing.
fn world() -> (Fleet, Running) {
    let fleet = Fleet::new("");
    let (emulator, ready) = fleet.start_emulator(ON_FREE_PORTS);
    let central = format!("{}\nconnect_host = \"localhost\"", central(&ready));
    let dps = format!(
        "kind = \"dps\"\nid_scope = {}\n{}\nconnect_host = \"localhost\"",
        ready.0["id_scope"],
        dps(&ready)
    );
    std::fs::write(fleet.path("fleet.toml"), manifest(&central, SHORT)).unwrap();
    std::fs::write(fleet.path("dps.toml"), manifest(&dps, SHORT)).unwrap();
    (fleet, emulator)
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

#[test]
fn a_run_after_it_asks_dps_nothing() {
    let (fleet, _emulator) = world();
    let first = fleet.fleet(&["register", "fleet.toml"]).expect(0);
    assert!(
        first.stdout.starts_with("registered 6 of 6 devices in "),
        "{}",
        first.stdout
    );
    for words in [
        "registering all of them takes about 2s, at 200/min",
        "enrollment group thermostats created",
    ] {
        assert!(first.stderr.contains(words), "no `{words}` in\n{}", first.stderr);
    }
    fleet.wait_until_no_device_runs();

    let again = fleet.fleet(&["register", "fleet.toml", "--format", "json"]).expect(0);
    let again = json(again.stdout.as_bytes());
    assert_eq!(
        (&again["devices"], &again["registered"], &again["reused"], &again["end"]),
        (&6.into(), &6.into(), &6.into(), &"done".into())
    );

    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(0);
    assert!(run.stdout.contains("(6 from an earlier run)"), "{}", run.stdout);
    let report = fleet.report();
    assert_eq!(report["devices"]["connected"], 6);
    assert_eq!(report["latency"]["register"], Value::Null, "no device asked DPS");
}

/// Ends it once a device is registered, and returns what the next attempt found.
fn ended_by(sent: Signal) -> (Option<i32>, Value, Value) {
    let (fleet, _emulator) = world();
    let summary = std::fs::File::create(fleet.path("summary.json")).unwrap();
    // The second device has its turn in an hour.
    let slow = ["--set", "load.register_rate=1/h", "--set", "load.processes=1"];
    let arguments = [&["register", "fleet.toml", "--format", "json"], &slow[..]].concat();
    let mut first = Running::spawn_into(&mut fleet.command(&arguments), summary);
    first.wait_for("registered 1 of 6, about ");
    signal(i32::try_from(first.pid()).unwrap(), sent);
    let (code, _) = first.end();
    fleet.wait_until_no_device_runs();
    let first = std::fs::read(fleet.path("summary.json")).unwrap();
    let first = match first.is_empty() {
        true => Value::Null,
        false => json(&first),
    };
    let rest = fleet.fleet(&["register", "fleet.toml", "--format", "json"]).expect(0);
    (code, first, json(rest.stdout.as_bytes()))
}

#[test]
fn what_is_registered_stays_registered_after_ctrl_c() {
    let (code, first, rest) = ended_by(Signal::INT);
    assert_eq!(code, Some(130));
    assert_eq!(
        (&first["registered"], &first["end"]),
        (&1.into(), &"interrupted".into()),
        "{first}"
    );
    assert_eq!((&rest["registered"], &rest["reused"]), (&6.into(), &1.into()), "{rest}");
}

#[test]
fn what_is_registered_stays_registered_after_a_kill() {
    let (code, first, rest) = ended_by(Signal::KILL);
    assert_eq!((code, first), (None, Value::Null));
    assert_eq!((&rest["registered"], &rest["reused"]), (&6.into(), &1.into()), "{rest}");
}

#[test]
fn devices_that_dps_refuses_are_counted_by_reason_and_end_with_1() {
    let (fleet, _emulator) = world();
    let refused = fleet.fleet(&["register", "dps.toml"]).expect(1);
    for words in [
        "registered 0 of 6 devices in ",
        "failed     6 devices: mqtt_not_authorized\n",
        "6 devices are not registered; the same command goes on with the rest\n",
    ] {
        assert!(refused.stdout.contains(words), "no `{words}` in\n{}", refused.stdout);
    }
    assert!(refused.stderr.contains(" is parked: "), "{}", refused.stderr);
}

#[test]
fn an_emulator_of_the_run_itself_would_forget_it() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let refused = fleet.fleet(&["register", "fleet.toml"]).expect(2);
    assert_eq!(
        refused.stderr,
        "error: a target of kind `emulator` lives only as long as the `fleet run` that starts it, and so do its \
         registrations\nhint: start `fleet emulator`, and describe it as a target of kind `iot-central` with its CA\n"
    );
    assert_eq!(fleet.entries(), ["fleet.toml"]);
}
