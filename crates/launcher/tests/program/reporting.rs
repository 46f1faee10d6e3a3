//! `fleet sim --collector`, with real devices and a collector that does what no good one would.

use fleet_protocol::histogram::decode;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scripted_collector::{ScriptedCollector, Sim};
use crate::sims::World;
use crate::support::{Fleet, Running, signal};

/// A fleet of six devices in two shards, and a collector of theirs.
struct Reporting {
    world: World,
    collector: ScriptedCollector,
}

const GO: i64 = 0;

impl Reporting {
    fn new() -> Self {
        let world = World::new();
        prepare(&world.fleet, "collector", "plan.json");
        let collector = ScriptedCollector::new(&world.fleet.path("collector"));
        Self { world, collector }
    }

    fn sim(&self, arguments: &[&str]) -> Running {
        let address = self.collector.address();
        let fixed = ["--collector", &address, "--termination-log", "last-words"];
        self.world.sim(&[&fixed, arguments].concat())
    }

    /// A sim of the first shard, which is let in and may go.
    fn going(&self, arguments: &[&str]) -> (Running, Sim, Value) {
        let mut running = self.sim(&[&["--shard", "0/2"], arguments].concat());
        let (mut sim, hello) = self.collector.welcome(0);
        running.wait_for("shard 0/2 is let in");
        sim.send(&json!({"type": "go", "stages_in_ms": GO}));
        (running, sim, hello)
    }

    fn last_words(&self) -> String {
        std::fs::read_to_string(self.world.fleet.path("last-words")).unwrap()
    }

    /// The record that the only process of the first shard has left in the folder of results.
    fn record(&self) -> Value {
        let run: Value = serde_json::from_slice(&std::fs::read(self.world.fleet.path("plan.json")).unwrap()).unwrap();
        let folder = format!("results/{}/0-of-2", run["run_id"].as_str().unwrap());
        let files = std::fs::read_dir(self.world.fleet.path(&folder)).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let files: Vec<_> = files
            .filter(|path| path.extension().is_some_and(|is| is == "json"))
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap()
    }

    fn wait_until_connected(&self, devices: u64) {
        self.world.figures(|figures| figures["connected"] == devices);
    }
}

fn prepare(fleet: &Fleet, credentials: &str, plan: &str) {
    let arguments = [
        "prepare",
        "fleet.toml",
        "--plan",
        plan,
        "--collector",
        "localhost",
        "--collector-credentials",
        credentials,
        "--shards",
        "2",
    ];
    let prepared = fleet.fleet(&arguments).expect(0);
    let said = "the credentials of the collector and of 2 sims are in ";
    assert!(prepared.stderr.contains(said), "{}", prepared.stderr);
}

#[track_caller]
fn ended(running: Running, expected: i32) -> String {
    let (code, words) = running.end_in_time();
    assert_eq!(code, Some(expected), "{words}");
    words
}

fn offered(figures: &Value) -> u64 {
    figures["counters"]["telemetry_offered"].as_u64().unwrap()
}

/// How many values are in the histograms of figures.
fn timed(figures: &Value) -> u64 {
    let texts = figures["histograms"].as_object().unwrap().values();
    texts.map(|text| decode(text.as_str().unwrap()).unwrap().len()).sum()
}

#[test]
fn a_sim_starts_with_go_obeys_and_ends_when_all_of_it_is_taken() {
    let reporting = Reporting::new();
    let (mut running, mut sim, hello) = reporting.going(&[]);
    let run_id = hello["run_id"].as_str().unwrap();
    assert!(run_id.starts_with("20"), "{run_id}");
    let seen = ["version", "index", "count", "devices"].map(|key| hello[key].as_u64().unwrap());
    assert_eq!(seen, [1, 0, 2, 3]);
    assert!(hello.get("stages_in_ms").is_none(), "{hello}");
    running.wait_for("shard 0/2 starts: the stages began at");
    assert_eq!(sim.next()["line"]["type"], "ready");
    sim.read_until_online(3);

    sim.send(&json!({"type": "control", "id": 7, "do": "disconnect"}));
    let done = sim.read_until(|message| message["line"]["type"] == "done" || message["line"]["type"] == "refused");
    assert_eq!(
        (&done["line"]["id"], &done["line"]["devices"]),
        (&json!(7), &json!(3)),
        "{done}"
    );

    sim.send(&json!({"type": "stop"}));
    running.wait_for("stopping: the collector ends the run; devices drain and disconnect");
    let figures = sim.read_to_the_end();
    let words = ended(running, 0);
    assert!(!words.contains("has not taken"), "{words}");
    assert!(reporting.last_words().contains("; the collector has taken all of it"));
    assert_eq!(offered(&figures), offered(&reporting.record()["stats"]));
    sim.wait_for_close();
}

#[test]
fn a_collector_that_comes_back_with_or_without_what_it_had_counts_everything_once() {
    let reporting = Reporting::new();
    let (mut running, mut sim, hello) = reporting.going(&[]);
    let mut lines = vec![sim.read_until_online(3)["line"].clone()];
    let mut times = 0;
    // Until here it has taken everything, and so has its successor.
    let taken = sim.last;
    drop(sim);
    running.wait_for(" is gone: it has closed the connection; the devices go on");
    let (mut sim, again) = reporting.collector.welcome(taken);
    assert_eq!(again["incarnation"], hello["incarnation"]);
    assert!(again["stages_in_ms"].as_i64().unwrap() <= 0, "{again}");
    running.wait_for(" is back after ");
    lines.push(sim.read_until(|message| message["line"]["type"] == "stats")["line"].clone());
    sim.take();
    // The line after it was not the one that was taken before.
    assert!(lines[1]["seq"].as_u64() > lines[0]["seq"].as_u64());

    // This one knows nothing, as one that was started again.
    drop(sim);
    running.wait_for(" is gone: ");
    let (mut sim, _) = reporting.collector.welcome(0);
    let snapshot = sim.next();
    assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
    assert_eq!(snapshot["devices"].as_array().unwrap().len(), 3);
    times += timed(&snapshot["stats"]);
    running.wait_for(" is back after ");
    running.interrupt();
    let mut last = Value::Null;
    loop {
        let message = sim.next();
        if message["type"] == "ended" {
            break;
        }
        if message["line"]["type"] == "stats" {
            times += timed(&message["line"]);
            last = message["line"].clone();
        }
    }
    sim.take();
    ended(running, 0);
    let record = reporting.record()["stats"].clone();
    assert_eq!((offered(&last), times), (offered(&record), timed(&record)));
}

#[test]
fn what_is_no_collector_is_named_and_waited_for_and_no_device_starts() {
    let reporting = Reporting::new();
    let collector = &reporting.collector;
    let mut running = reporting.sim(&["--shard", "0/2"]);
    running.wait_for("taking shard 0/2");
    running.wait_for("waiting for the collector at localhost:");

    drop(collector.accept_socket());
    running.wait_for("it has closed the connection");
    let (mut sim, _) = collector.accept();
    sim.write("HTTP/1.1 400 Bad Request\r\n");
    running.wait_for("it has written a line that isn't part of the protocol: HTTP/1.1 400 Bad Request");
    let (mut sim, _) = collector.welcome(0);
    running.wait_for("shard 0/2 is let in");
    sim.write(&"x".repeat(70_000));
    running.wait_for("it has written a line of more than 64 KiB");
    let (_sim, _) = collector.welcome(9);
    running.wait_for("it has number 9 of this process, which has written 0");

    prepare(&reporting.world.fleet, "of-another", "another.json");
    let credentials = reporting.world.fleet.path("of-another");
    collector.with(&credentials).refused_handshake();
    running.wait_for("its certificate is not signed by the CA in the credentials");

    // It is silent, first below TLS and then above.
    let _socket = collector.accept_socket();
    running.wait_for("it has not answered within 10s");
    assert_eq!(reporting.world.figures(|_| true)["connected"], 0);
    // It waits, and is well.
    let pid = running.pid().to_string();
    let health = ["health", "sim", "--results", "results", "--pid", &pid];
    reporting.world.fleet.fleet(&health).expect(0);
    running.interrupt();
    let words = ended(running, 0);
    assert!(words.ends_with("stopped"), "{words}");
}

#[test]
fn a_refusal_before_go_ends_the_sim_or_has_it_stand_by() {
    let reporting = Reporting::new();
    let refuse = |why: &str, message: &str| {
        let (mut sim, _) = reporting.collector.accept();
        sim.send(&json!({"type": "refused", "why": why, "message": message}));
    };
    for (why, code) in [
        ("version", 2),
        ("other_run", 2),
        ("other_shards", 2),
        ("not_its_shard", 2),
        ("over", 1),
    ] {
        let running = reporting.sim(&["--shard", "0/2"]);
        refuse(why, "it says why");
        let words = ended(running, code);
        let error = "error: the collector has refused shard 0/2: it says why";
        assert!(words.contains(error), "{why}: {words}");
        assert!(
            reporting.last_words().contains(&format!("exit {code}: ")),
            "{}",
            reporting.last_words()
        );
    }
    let mut running = reporting.sim(&["--shard", "0/2"]);
    refuse("claimed", "another process has it");
    running.wait_for("shard 0/2 stands by: another process has it");
    refuse("claimed", "another process has it");
    let (mut sim, _) = reporting.collector.welcome(0);
    running.wait_for("shard 0/2 is let in");
    sim.send(&json!({"type": "stop"}));
    let words = ended(running, 0);
    assert_eq!(words.matches("stands by").count(), 1, "{words}");
}

#[test]
fn a_process_whose_place_another_has_taken_stops_and_leaves_its_record() {
    let reporting = Reporting::new();
    let (mut running, mut sim, _) = reporting.going(&[]);
    sim.read_until_online(3);
    drop(sim);
    running.wait_for(" is gone: ");
    let (mut sim, _) = reporting.collector.accept();
    // What is not ours any more may be again.
    sim.send(&json!({"type": "refused", "why": "other_run", "message": "another run is here"}));
    let (mut sim, _) = reporting.collector.accept();
    sim.send(&json!({"type": "refused", "why": "superseded", "message": "another process has shard 0/2"}));
    running.wait_for("shard 0/2 stops: another process has shard 0/2");
    let words = ended(running, 0);
    assert!(
        words.contains("the collector has not taken all of it; its record is on stdout"),
        "{words}"
    );
    reporting.wait_until_connected(0);
}

#[test]
fn a_collector_that_takes_nothing_holds_no_end_up() {
    let reporting = Reporting::new();
    let (mut running, mut sim, _) = reporting.going(&["--stop-within", "6s"]);
    sim.read_until_online(3);
    running.interrupt();
    running.wait_for("stopping: devices drain and disconnect");
    let words = ended(running, 0);
    assert!(
        words.contains("the collector has not taken all of it; its record is on stdout"),
        "{words}"
    );
    assert!(
        reporting
            .last_words()
            .contains("; the collector has not taken all of it")
    );
    sim.wait_for_close();
    reporting.wait_until_connected(0);
}

#[test]
fn a_collector_that_reads_late_has_everything_in_the_end() {
    let reporting = Reporting::new();
    let (mut running, mut sim, _) = reporting.going(&[]);
    let many = |figures: &Value| figures["telemetry_received_unique"].as_u64().unwrap() > 40;
    reporting.world.figures(many);
    assert_eq!(sim.next()["line"]["type"], "ready");
    sim.read_until_online(3);
    running.interrupt();
    running.wait_for("stopping: devices drain and disconnect");
    let figures = sim.read_to_the_end();
    ended(running, 0);
    assert_eq!(offered(&figures), offered(&reporting.record()["stats"]));
    assert!(reporting.last_words().contains("; the collector has taken all of it"));
}

#[test]
fn devices_go_on_without_their_collector_and_a_second_request_leaves_at_once() {
    let reporting = Reporting::new();
    let (mut running, mut sim, _) = reporting.going(&[]);
    sim.read_until_online(3);
    sim.write("{\"type\":\"nonsense\"}\n");
    running.wait_for(" is gone: it has written a line that isn't part of the protocol");
    let sent = reporting.world.figures(|_| true)["telemetry_received_unique"]
        .as_u64()
        .unwrap();
    let more = |figures: &Value| figures["telemetry_received_unique"].as_u64().unwrap() > sent + 10;
    reporting.world.figures(more);
    running.interrupt();
    running.wait_for("stopping: devices drain and disconnect");
    // Their record is written, and only the collector is waited for.
    reporting.wait_until_connected(0);
    while !reporting.record()["ended"].is_string() {}
    // Signals of one moment are one request, and the second of these pauses is longer than that.
    for _ in 0..3 {
        drop(reporting.collector.accept());
    }
    running.interrupt();
    ended(running, 130);
}

#[test]
fn a_process_that_dies_is_reported_and_another_joins_the_stages_where_they_are() {
    let reporting = Reporting::new();
    let (mut running, mut sim, hello) = reporting.going(&[]);
    sim.read_until_online(3);
    signal(reporting.world.fleet.process("--shard 0/2 --lease"), Signal::KILL);
    let end = sim.read_until(|message| message["type"] == "ended");
    assert!(end["died"].as_str().unwrap().contains("signal: 9"), "{end}");
    sim.take();
    running.wait_for("device-sim 0/2 died: ");
    sim.wait_for_close();
    let (mut sim, another) = reporting.collector.welcome(0);
    assert_ne!(another["incarnation"], hello["incarnation"]);
    sim.send(&json!({"type": "go", "stages_in_ms": -5_000}));
    running.wait_for("shard 0/2 starts: the stages began at");
    sim.read_until_online(3);
    running.interrupt();
    sim.read_to_the_end();
    ended(running, 0);

    // Stages that are over are joined by none.
    let running = reporting.sim(&["--shard", "1/2"]);
    let (mut sim, _) = reporting.collector.welcome(0);
    sim.send(&json!({"type": "go", "stages_in_ms": -400_000}));
    let words = ended(running, 1);
    let error = "error: shard 1/2 is not simulated: the stages began 400.0s ago and are over";
    assert!(words.contains(error), "{words}");
}

#[test]
fn shards_of_one_sim_have_connections_of_their_own_and_those_that_wait_change_hands() {
    let reporting = Reporting::new();
    let collector = &reporting.collector;
    let mut first = reporting.sim(&["--shards", "2"]);
    let waiting = [collector.welcome(0), collector.welcome(0)];
    for _ in 0..2 {
        first.wait_for(" is let in");
    }
    let mut second = reporting.sim(&["--shards", "2"]);
    let (mut given, hello) = collector.welcome(0);
    second.wait_for(" is let in");
    let [mut kept, left] = {
        let [one, other] = waiting;
        match one.1["index"] == hello["index"] {
            true => [other.0, one.0],
            false => [one.0, other.0],
        }
    };
    left.wait_for_close();
    for sim in [&mut kept, &mut given] {
        sim.send(&json!({"type": "go", "stages_in_ms": 0}));
    }
    for sim in [&mut kept, &mut given] {
        sim.read_until_online(3);
        sim.send(&json!({"type": "stop"}));
    }
    for sim in [&mut kept, &mut given] {
        sim.read_to_the_end();
    }
    ended(first, 0);
    ended(second, 0);
}

#[test]
fn what_a_sim_can_not_report_with_is_refused_before_anything_starts() {
    let reporting = Reporting::new();
    let refused = |arguments: &[&str], error: &str| {
        let words = ended(reporting.world.sim(arguments), 2);
        assert!(words.contains(error), "{words}");
    };
    let to = ["--shard", "0/2", "--collector", "localhost:1"];
    refused(
        &[&to[..], &["--collector-credentials", "nowhere"]].concat(),
        "there is no folder `nowhere`",
    );
    refused(
        &["--shard", "1/3", "--collector", "localhost:1"],
        "sim-1-of-3/sim.crt` is missing",
    );
    refused(&["--shard", "0/2", "--collector", "localhost"], "accepted: HOST:PORT");
    refused(
        &[&to[..], &["--start-at", "2026-11-27T06:00:00Z"]].concat(),
        "cannot be used with",
    );
    // Without a collector the folder is as it was.
    std::fs::remove_file(reporting.world.fleet.path("collector/sim-0-of-2/sim.key")).unwrap();
    refused(&to, "sim-0-of-2/sim.key` is missing");
}
