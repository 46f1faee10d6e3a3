//! `fleet run` as a person starts it: the real program, the emulator and device-sim as real processes.

use std::io::Read;
use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{EMULATOR, Fleet, LONG, SHORT, manifest, signal};

#[test]
fn a_fleet_registers_reports_and_leaves_nothing_behind_and_a_second_run_reuses_it() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let first = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(0);

    for words in [
        "small: 6 devices in 2 processes, target emulator",
        "test CA made: `thermostats root` and below it `thermostats intermediate`",
        "4 leaves of thermostats made, 0 reused",
        "2 self-signed certificates made, 0 reused",
        "emulator ready",
        "enrollment group thermostats created",
        "uploaded as primary certificate of group thermostats",
        "verification code",
        "verified",
        "device lab-0001 is enrolled individually",
        "first device assigned",
        "all 6 devices online",
        "Central shows thermo-0001 at ",
    ] {
        assert!(first.stderr.contains(words), "no `{words}` in\n{}", first.stderr);
    }
    for (word, count) in [
        ("asked", 6),
        ("registered", 6),
        ("connected", 6),
        ("failed", 0),
        ("dropped", 0),
    ] {
        assert_eq!(first.figure(word), count, "{word} in\n{}", first.stdout);
    }
    assert!(first.figure("offered") > 6, "{}", first.stdout);
    // Devices drain before they leave, and on a quiet emulator nothing is lost or doubled.
    for word in ["sent", "acknowledged", "received"] {
        assert_eq!(
            first.figure(word),
            first.figure("offered"),
            "{word} in\n{}",
            first.stdout
        );
    }

    let report = fleet.report();
    let counts = |devices: u64| json!({ "asked": devices, "registered": devices, "wanted": devices, "connected": devices, "failed": 0 });
    let mut devices = counts(6);
    devices["by_group"] = json!({ "individual": counts(2), "thermostats": counts(4) });
    assert_eq!(report["devices"], devices);
    let timeline = &report["timeline"];
    assert_eq!(
        timeline["counts"]["registered"]
            .as_array()
            .map(|counts| counts.iter().filter_map(Value::as_u64).sum()),
        Some(6_u64)
    );
    assert_eq!(
        timeline["online"].as_array().map(Vec::len),
        timeline["points"].as_u64().map(|points| points as usize)
    );
    let shards = report["generator"]["shards"].as_array().unwrap();
    assert!(
        shards.iter().all(|shard| shard["rss_bytes"].as_u64() > Some(1 << 20)),
        "{shards:#?}"
    );
    assert_eq!(report["environment"]["hosts"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["schema_version"], 2);
    assert_eq!(report["exit"], 0);
    assert!(first.stdout.starts_with("PASSED\nGenerator  CPU "), "{}", first.stdout);
    let run = &report["run"];
    assert_eq!(
        (&run["end_reason"], &run["failures"]),
        (&json!("stages_over"), &json!([]))
    );
    assert_eq!(run["command"], "fleet run fleet.toml --report report");
    assert!(run["duration_s"].as_f64().unwrap() > 3.0, "{run}");
    assert_eq!(report["tool"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["latency"]["time_to_online"]["all"]["count"], 6);
    assert_eq!(report["telemetry"]["acked"], first.figure("acknowledged"));
    assert_eq!(report["target"]["received_unique"], report["telemetry"]["acked"]);
    assert_eq!(report["latency"]["register"]["all"]["count"], 6);
    assert!(report["latency"]["publish"]["all"]["p99"].as_f64().unwrap() > 0.0);
    assert_eq!(report["manifest"]["fleet"]["name"], "small");

    fleet.wait_until_nothing_runs();
    assert_eq!(fleet.entries(), ["certs", "fleet.toml", "report", "state"]);

    let leaf = || std::fs::read(fleet.path("certs/small/thermostats/leaves/0001/thermo-0001_cert.pem")).unwrap();
    let before = leaf();
    // The emulator of a run forgets its hub's devices, so those that reuse their assignment are refused and register again;
    // that a hub which remembers takes them at once is shown below, with an emulator that keeps running.
    let second = fleet.fleet(&["run", "fleet.toml", "--duration=8s"]).expect(0);
    assert!(
        second.stderr.contains("0 leaves of thermostats made, 4 reused"),
        "{}",
        second.stderr
    );
    assert!(second.stdout.contains("(6 from an earlier run)"), "{}", second.stdout);
    assert_eq!(leaf(), before);
}

#[test]
fn a_fleet_is_spread_over_two_hubs_and_every_device_finds_its_own() {
    let fleet = Fleet::new(&manifest(&format!("{EMULATOR}\nhubs = 2"), SHORT));
    let finished = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert_eq!((finished.figure("connected"), finished.figure("failed")), (6, 0));
    assert_eq!(finished.figure("received"), finished.figure("acknowledged"));
    let assignments: String = (0..2)
        .map(|shard| fleet.path(&format!("state/small/assignments-{shard}-of-2.jsonl")))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for hub in ["\"hub-1.localhost\"", "\"hub-2.localhost\""] {
        assert_eq!(assignments.matches(hub).count(), 3, "{hub} in {assignments}");
    }
}

#[test]
fn a_fleet_on_a_slow_network_comes_online_and_loses_nothing() {
    let target = format!("{EMULATOR}\nfaults = \"slow-network\"");
    let fleet = Fleet::new(&manifest(&target, SHORT));
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert_eq!(
        (run.figure("connected"), run.figure("failed")),
        (6, 0),
        "{}",
        run.stdout
    );
    assert!(run.figure("offered") > 6, "{}", run.stdout);
    assert_eq!(run.figure("received"), run.figure("offered"), "{}", run.stdout);
}

#[test]
fn a_fleet_within_the_quota_of_iot_central_loses_nothing() {
    let target = format!("{EMULATOR}\nquota = \"iot-central\"");
    let fleet = Fleet::new(&manifest(&target, SHORT));
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert_eq!(
        (run.figure("connected"), run.figure("failed")),
        (6, 0),
        "{}",
        run.stdout
    );
    assert_eq!(run.figure("received"), run.figure("offered"), "{}", run.stdout);
}

#[test]
fn a_fleet_over_websocket_needs_no_more_than_the_word_in_its_manifest() {
    let target = format!("{EMULATOR}\ntransport = \"websocket\"");
    let fleet = Fleet::new(&manifest(&target, SHORT));
    let run = fleet.fleet(&["run", "fleet.toml"]).expect(0);
    assert_eq!(run.figure("connected"), 6, "{}", run.stdout);
    assert!(run.figure("offered") > 6, "{}", run.stdout);
    assert_eq!(run.figure("received"), run.figure("offered"), "{}", run.stdout);
    let plan = std::fs::read_to_string(fleet.path("state/small/plan.json")).unwrap();
    assert!(plan.contains("\"transport\": \"websocket\""), "{plan}");
    fleet.wait_until_nothing_runs();
}

#[test]
fn ctrl_c_drains_the_fleet_and_still_writes_the_report() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    running.wait_for("all 6 devices online");
    running.wait_for("acknowledged");
    running.interrupt();
    let (code, progress) = running.end();
    assert_eq!(code, Some(130), "{progress}");
    assert!(progress.contains("interrupted: devices drain"), "{progress}");

    let report = fleet.report();
    assert_eq!(report["exit"], 130);
    assert_eq!(report["run"]["end_reason"], "interrupted");
    assert_eq!(report["devices"]["connected"], 6);
    assert_eq!(report["devices"]["failed"], 0);
    assert!(report["telemetry"]["acked"].as_u64().unwrap() > 0);
    assert_eq!(report["telemetry"]["acked"], report["telemetry"]["offered"], "drained");
    fleet.wait_until_nothing_runs();
}

#[test]
fn ctrl_c_while_enrolling_leaves_with_an_empty_report() {
    // An application and a DPS that take connections and never say a word.
    let [application, dps] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [app, port] = [&application, &dps].map(|listener| listener.local_addr().unwrap().port());
    let target = format!(
        "kind = \"iot-central\"\napp = \"http://127.0.0.1:{app}\"\napi_token = {{ file = \"token\" }}\nid_scope = \"0ne1\"\n\
         dps_endpoint = \"127.0.0.1\"\nport = {port}"
    );
    let fleet = Fleet::new(&manifest(&target, SHORT));
    std::fs::write(fleet.path("token"), "a secret").unwrap();
    let running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    // The check before the run only connects; the first that asks for something is the enrollment.
    let _request = loop {
        let (mut connection, _) = application.accept().unwrap();
        if connection.read(&mut [0]).unwrap() > 0 {
            break connection;
        }
    };
    running.interrupt();
    let (code, progress) = running.end();
    assert_eq!(code, Some(130), "{progress}");
    let report = fleet.report();
    assert_eq!(
        (&report["exit"], &report["devices"]["registered"]),
        (&json!(130), &json!(0))
    );
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut running = fleet.start(&["run", "fleet.toml"]);
    running.wait_for("all 6 devices online");
    // A process that hangs would never drain.
    signal(fleet.process("--shard 1/2"), Signal::STOP);
    running.interrupt();
    running.wait_for("interrupted: devices drain");
    // A signal of the same moment would be the same request; the next line of progress is seconds away.
    running.wait_for("acknowledged");
    running.interrupt();
    let (code, progress) = running.end();
    assert_eq!(code, Some(130), "{progress}");
    assert!(progress.contains("leaving at once"), "{progress}");
    fleet.wait_until_nothing_runs();
}

#[test]
fn a_device_sim_process_that_dies_is_named_and_fails_the_run() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    running.wait_for("emulator ready");
    running.wait_for("first device assigned");
    signal(fleet.process("--shard 1/2"), Signal::KILL);
    let (code, progress) = running.end();
    assert_eq!(code, Some(1), "{progress}");
    assert!(progress.contains("device-sim 1/2 died: signal: 9"), "{progress}");
    let report = fleet.report();
    assert_eq!(report["exit"], 1);
    assert_eq!(report["run"]["end_reason"], "process_died");
    let failure = &report["run"]["failures"][0];
    assert!(
        failure.as_str().unwrap().starts_with("device-sim 1/2 died: signal: 9"),
        "{failure}"
    );
    fleet.wait_until_nothing_runs();
}

#[test]
fn an_emulator_that_dies_is_named_and_fails_the_run() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut running = fleet.start(&["run", "fleet.toml", "--report", "report"]);
    running.wait_for("all 6 devices online");
    signal(fleet.process(" emulator "), Signal::KILL);
    let (code, progress) = running.end();
    assert_eq!(code, Some(1), "{progress}");
    assert!(progress.contains("the emulator died: signal: 9"), "{progress}");
    assert!(
        !progress.contains("no answer from"),
        "it is not asked any more: {progress}"
    );
    let report = fleet.report();
    assert_eq!(report["exit"], 1);
    assert_eq!(report["run"]["end_reason"], "emulator_died");
    assert_eq!(report["devices"]["failed"], 0, "all had been online");
    fleet.wait_until_nothing_runs();
}

#[test]
fn nothing_outlives_a_launcher_that_was_killed() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut running = fleet.start(&["run", "fleet.toml"]);
    running.wait_for("first device assigned");
    assert_eq!(fleet.processes().len(), 3, "{:?}", fleet.processes());
    running.kill();
    fleet.wait_until_nothing_runs();
}

#[test]
fn a_running_emulator_is_an_iot_central_application_and_a_dps() {
    let fleet = Fleet::new("");
    let mut emulator = fleet.start_service(&[
        "emulator",
        "--mqtt=127.0.0.1:0",
        "--https=127.0.0.1:0",
        "--http=127.0.0.1:0",
        "--dps-retry-after=1",
        "--state=emulator",
    ]);
    let ready: serde_json::Value = serde_json::from_str(&emulator.wait_for("ready")).unwrap();
    let port = |service: &str| {
        let address = ready[service].as_str().unwrap();
        address.rsplit_once(':').unwrap().1.to_owned()
    };
    let dps = format!(
        "dps_endpoint = \"localhost\"\nport = {}\nca = \"emulator/ca_cert.pem\"",
        port("mqtt")
    );
    let central = format!(
        "kind = \"iot-central\"\napp = \"https://localhost:{}\"\napi_token = {{ file = \"emulator/api_token\" }}\n{dps}",
        port("https")
    );
    let dps = format!("kind = \"dps\"\nid_scope = {}\n{dps}", ready["id_scope"]);
    std::fs::write(fleet.path("central.toml"), manifest(&central, SHORT)).unwrap();
    std::fs::write(fleet.path("dps.toml"), manifest(&dps, SHORT)).unwrap();

    // Nobody has enrolled anything yet, so nobody comes online; and the run says what was needed.
    let alone = fleet
        .fleet(&["run", "dps.toml", "--duration=1s", "--report", "report"])
        .expect(1);
    assert!(
        alone
            .stderr
            .contains("enrollment group thermostats: primary certificate certs/small/thermostats/ca/root_cert.pem"),
        "{}",
        alone.stderr
    );
    assert_eq!(
        (
            alone.figure("registered"),
            alone.figure("connected"),
            alone.figure("failed")
        ),
        (0, 0, 6)
    );
    assert_eq!(fleet.report()["exit"], 1);

    let by_rest = fleet.fleet(&["run", "central.toml", "--report", "report"]).expect(0);
    assert!(
        by_rest.stderr.contains("id scope 0ne00EMULATOR found"),
        "{}",
        by_rest.stderr
    );
    assert_eq!(by_rest.figure("received"), by_rest.figure("acknowledged"));

    // The token went to the application and nowhere else.
    let token = std::fs::read_to_string(fleet.path("emulator/api_token")).unwrap();
    let plan = std::fs::read_to_string(fleet.path("state/small/plan.json")).unwrap();
    let report = std::fs::read_to_string(fleet.path("report/report.json")).unwrap();
    for told in [&by_rest.stdout, &by_rest.stderr, &plan, &report] {
        assert!(!told.contains(token.trim()));
    }

    // What one run has enrolled holds for the next, which reuses the assignments as well.
    let enrolled = fleet.fleet(&["run", "dps.toml"]).expect(0);
    assert_eq!(enrolled.figure("connected"), 6);
    assert!(
        enrolled.stdout.contains("(6 from an earlier run)"),
        "{}",
        enrolled.stdout
    );
    assert!(
        !enrolled.stdout.contains("register  "),
        "no conversation with DPS:\n{}",
        enrolled.stdout
    );
    assert!(
        !enrolled.stdout.contains("received"),
        "DPS does not tell:\n{}",
        enrolled.stdout
    );

    emulator.interrupt();
    assert_eq!(emulator.end().0, Some(0));
}

#[test]
fn a_second_run_on_the_same_state_is_refused_and_leaves_the_first_alone_and_a_killed_one_stands_in_nobodys_way() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut first = fleet.start(&["run", "fleet.toml"]);
    first.wait_for("all 6 devices online");
    assert!(fleet.path("state/small/control.sock").exists());
    let second = fleet.fleet(&["run", "fleet.toml"]).expect(2);
    assert!(
        second
            .stderr
            .contains("is in use by another `fleet run` or `fleet roll`"),
        "{}",
        second.stderr
    );
    first.kill();
    fleet.wait_until_nothing_runs();
    assert!(
        fleet.path("state/small/control.sock").exists(),
        "nobody could remove it"
    );
    fleet.fleet(&["run", "fleet.toml", "--duration=3s"]).expect(0);
    assert!(!fleet.path("state/small/control.sock").exists());
}

/// Two processes share the fleet, and neither knows what the other has sent.
#[test]
fn a_run_ends_when_exactly_its_messages_have_been_sent() {
    let profiles = r#"
messages = 250

[[group]]
id = "loggers"
devices = { prefix = "log-", count = 5 }

[[group.profile]]
name = "bursts"
weight = 3
burst = { messages = 7, every = "1s" }
payload = { bytes = 5000 }

[[group.profile]]
name = "others"
weight = 2
interval = "700ms"
message = { properties = { alert = "true" } }
"#;
    let fleet = Fleet::new(&(manifest(EMULATOR, LONG) + profiles));
    let run = fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(0);
    for word in ["offered", "acknowledged", "received"] {
        assert_eq!(run.figure(word), 250, "{}", run.stdout);
    }
    let report = fleet.report();
    assert_eq!(report["run"]["end_reason"], "messages_sent");
    assert_eq!(report["plan"]["traffic"]["run_messages"], 250);
    assert_eq!(report["plan"]["traffic"]["payload_bytes"], 5000);
    fleet.wait_until_nothing_runs();
}
