//! `fleet collect` with sims that a test has in its hand, over real TLS, and with real ones.

mod real;
mod scale;
mod scripted;
mod strangers;

use std::net::SocketAddr;
use std::path::PathBuf;

use fleet_protocol::collect::{Hello, Refusal, Snapshot, ToCollector, ToSim};
use fleet_protocol::lines::{Action, EndReason, Line};
use serde_json::Value;

use crate::support::{Fleet, LONG, Running, manifest};
use scripted::{Sim, device, hello, stats};

/// A DPS that no test asks: it is only in the plan.
const DPS: &str = "kind = \"dps\"\nid_scope = \"0ne00ABCDEF\"";

/// Six devices in three shards, prepared.
struct World {
    fleet: Fleet,
    run_id: String,
}

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// With more in the manifest.
    fn with(more: &str) -> Self {
        let fleet = Fleet::new(&(manifest(DPS, LONG) + more));
        let prepare = ["prepare", "fleet.toml", "--plan", "plan.json"];
        let names = ["--collector", "collector.example.net", "--shards", "3"];
        fleet.fleet(&[prepare, names].concat()).expect(0);
        let plan: Value = serde_json::from_slice(&std::fs::read(fleet.path("plan.json")).unwrap()).unwrap();
        let run_id = plan["run_id"].as_str().unwrap().to_owned();
        Self { fleet, run_id }
    }

    fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let all = ["collect", "fleet.toml", "--plan=plan.json", "--report=report"];
        [&all, more].concat()
    }

    /// Starts a collector, and reads where it listens.
    fn collect(&self, more: &[&str]) -> (Running, SocketAddr) {
        let mut collector = self
            .fleet
            .start(&Self::arguments(&[&["--listen=0", "--shards=3"], more].concat()));
        let line = collector.wait_for("collecting at ");
        let address = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        (collector, address)
    }

    /// The credentials of a shard's sim.
    fn credentials(&self, index: u32) -> PathBuf {
        self.fleet.path(&format!("collector/sim-{index}-of-3"))
    }

    /// Introduces the sim of a shard.
    fn sim(&self, address: SocketAddr, index: u32, incarnation: u32) -> Sim {
        let hello = hello(&self.run_id, index, incarnation);
        Sim::connect(address, &self.credentials(index), hello)
    }

    /// The same sim again: its process has been told when the stages begin.
    fn again(&self, address: SocketAddr, index: u32, incarnation: u32) -> Sim {
        let hello = Hello {
            stages_in_ms: Some(1_000),
            ..hello(&self.run_id, index, incarnation)
        };
        Sim::connect(address, &self.credentials(index), hello)
    }

    /// All three sims, with the processes 10, 11 and 12, that have been told to go.
    fn all(&self, address: SocketAddr) -> [Sim; 3] {
        let mut sims = [0, 1, 2].map(|index| self.sim(address, index, 10 + index));
        for sim in &mut sims {
            assert_eq!(sim.welcome(), 0);
            let stages_in_ms = sim.go();
            assert!((1..60_000).contains(&stages_in_ms), "{stages_in_ms}");
        }
        sims
    }

    /// The marks of these kinds in the report, in words.
    fn marks(&self, kinds: &[&str]) -> Vec<String> {
        let report = self.fleet.report();
        let events = report["events"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let of_kind = events.iter().filter(|event| kinds.contains(&&*text(&event["kind"])));
        of_kind.map(|event| text(&event["what"])).collect()
    }
}

/// What the report counts of telemetry that was acknowledged, and how many times were measured.
#[track_caller]
fn account(report: &Value) -> (u64, u64) {
    assert_eq!(report["devices"]["connected"], 6, "{report:#}");
    assert_eq!(report["devices"]["failed"], 0);
    let acked = report["telemetry"]["acked"].as_u64().unwrap();
    assert_eq!(report["telemetry"]["offered"], acked);
    (
        acked,
        report["latency"]["publish"]["all"]["count"]
            .as_u64()
            .unwrap_or_default(),
    )
}

#[test]
fn a_run_begins_when_all_shards_are_there_and_its_report_adds_them_up() {
    let world = World::new();
    let (mut collector, address) = world.collect(&["--formats=csv", "--web=0", "--metrics=0"]);
    collector.wait_for("3 of 3 are missing: shards 0 to 2");
    let mut first = world.sim(address, 1, 5);
    assert_eq!(first.welcome(), 0);
    collector.wait_for("shard 1/3 is there: 2 devices on host-1");
    collector.wait_for("2 of 3 are missing: shards 0, 2");
    // Another process with the same shard stands by. When the first leaves, it gets in.
    let claimed = world.sim(address, 1, 6).refused();
    assert_eq!(claimed.0, Refusal::Claimed);
    assert_eq!(claimed.1, "another process has shard 1/3, and is connected");
    drop(first);
    collector.wait_for("shard 1/3 has left: ");
    let mut sims = world.all(address);
    collector.wait_for("all 3 shards are there: the stages begin in ");
    for (sim, index) in sims.iter_mut().zip(1..) {
        for name in ["thermo", "lab"] {
            sim.line(Line::Device(device(&format!("{name}-000{index}"))));
        }
        sim.stats(index, &[1_000]);
        sim.stats(index * 10, &[2_000, 3_000]);
    }
    collector.wait_for("all 6 devices online");
    for sim in &mut sims {
        sim.end(EndReason::StagesOver);
    }
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(0), "{words}");
    let report = world.fleet.report();
    assert_eq!(account(&report), (60, 9));
    assert_eq!(report["run"]["id"], world.run_id.as_str());
    assert_eq!(report["run"]["end_reason"], "stages_over");
    assert_eq!(report["manifest"]["load"]["processes"], 3);
    let rows = std::fs::read_to_string(world.fleet.path("report/devices.csv")).unwrap();
    assert_eq!(rows.lines().count(), 7, "{rows}");
}

#[test]
fn a_shard_that_is_lost_and_comes_back_is_counted_once() {
    let world = World::new();
    let (mut collector, address) = world.collect(&[]);
    let [mut zero, mut one, two] = world.all(address);
    one.stats(10, &[1_000]);
    // What it writes now may have arrived or not: it is sent again.
    one.line(Line::Stats(stats(20, &[2_000, 2_000])));
    drop(one);
    collector.wait_for("shard 1/3 is lost, with 2 devices (thermo-0002 to lab-0001, one in 3) on host-1: ");
    let mut one = world.again(address, 1, 11);
    let taken = one.welcome();
    assert!((1..=2).contains(&taken), "{taken}");
    for n in 1..=2 {
        let line = Line::Stats(stats(n * 10, if n == 1 { &[1_000] } else { &[2_000, 2_000] }));
        one.send(&ToCollector::Line { n, line });
    }
    one.taken(2);
    // A shard whose machine has forgotten all but the sum sends that.
    drop(two);
    collector.wait_for("shard 2/3 is lost");
    let mut two = world.again(address, 2, 12);
    assert_eq!(two.welcome(), 0);
    let snapshot = Snapshot {
        n: 7,
        stats: stats(70, &[500; 7]),
        devices: vec![device("thermo-0003")],
        end: None,
    };
    two.send(&ToCollector::Snapshot(snapshot));
    two.taken(7);
    drop(two);
    let mut two = world.again(address, 2, 12);
    assert_eq!(two.welcome(), 7);
    two.stats(80, &[500]);
    zero.stats(5, &[]);
    one.goes_on_after(2);
    for sim in [&mut zero, &mut one, &mut two] {
        sim.end(EndReason::StagesOver);
    }
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(account(&world.fleet.report()), (105, 11));
    let lost = world.marks(&["shard_lost"]);
    assert!(lost.len() >= 2, "{lost:?}");
    assert_eq!(world.marks(&["shard_back"]).len(), lost.len());
}

#[test]
fn another_process_takes_the_place_of_a_lost_one_which_is_refused_when_it_comes_back() {
    let world = World::new();
    let (mut collector, address) = world.collect(&[]);
    let [mut zero, mut one, mut two] = world.all(address);
    one.stats(10, &[1_000]);
    drop(one);
    collector.wait_for("shard 1/3 is lost");
    let mut instead = world.sim(address, 1, 99);
    assert_eq!(instead.welcome(), 0);
    instead.go();
    collector.wait_for("shard 1/3 goes on in another process, on host-1");
    instead.stats(3, &[4_000]);
    let (why, words) = world.again(address, 1, 11).refused();
    assert_eq!(why, Refusal::Superseded);
    assert_eq!(words, "another process has taken the place of this one as shard 1/3");
    for sim in [&mut zero, &mut instead, &mut two] {
        sim.stats(100, &[1]);
        sim.end(EndReason::StagesOver);
    }
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(0), "{words}");
    let report = world.fleet.report();
    assert_eq!(account(&report), (310, 5));
    // What it may have sent after its last line is not known.
    assert_eq!(report["telemetry"]["unreported"], 10);
    assert_eq!(
        world.marks(&["shard_replaced"]),
        ["shard 1/3 goes on in another process, on host-1"]
    );
}

#[test]
fn a_collector_that_is_killed_and_started_again_has_exact_figures_in_the_end() {
    let world = World::new();
    let (mut collector, address) = world.collect(&[]);
    for (sim, index) in world.all(address).iter_mut().zip(1..) {
        sim.stats(index, &[index; 3]);
    }
    collector.kill();
    let (mut collector, address) = world.collect(&[]);
    let mut sims = [0, 1, 2].map(|index| world.again(address, index, 10 + index));
    for (sim, index) in sims.iter_mut().zip(1..) {
        assert_eq!(sim.welcome(), 0, "it has nothing");
        let snapshot = Snapshot {
            n: 4,
            stats: stats(index * 5, &[index; 5]),
            devices: Vec::new(),
            end: None,
        };
        sim.send(&ToCollector::Snapshot(snapshot));
        sim.taken(4);
        sim.goes_on_after(4);
        sim.stats(index * 10, &[index; 2]);
    }
    collector.wait_for("the run is going on: its stages begin in ");
    for sim in &mut sims {
        sim.end(EndReason::StagesOver);
    }
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(0), "{words}");
    let report = world.fleet.report();
    assert_eq!(account(&report), (60, 21));
    assert_eq!(world.marks(&["collector_restarted"]).len(), 1);
    // What was before is of no second.
    let acked = report["timeline"]["counts"]["acked"].as_array().unwrap();
    let acked: u64 = acked.iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(acked, 30, "{report:#}");
}

#[test]
fn a_shard_that_is_lost_for_good_ends_the_run_and_is_named_with_its_devices() {
    let world = World::new();
    let (mut collector, address) = world.collect(&["--lost-after=1s"]);
    let [mut zero, mut one, mut two] = world.all(address);
    for sim in [&mut zero, &mut one, &mut two] {
        sim.stats(10, &[]);
    }
    drop(one);
    let lost = "shard 1/3 is lost for good, with 2 devices (thermo-0002 to lab-0001, one in 3): for 1s, neither it nor \
                another process has come";
    collector.wait_for(lost);
    for sim in [&mut zero, &mut two] {
        sim.stop();
        sim.end(EndReason::Stopped);
    }
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(1), "{words}");
    let report = world.fleet.report();
    assert_eq!(report["run"]["failures"], serde_json::json!([lost]));
    assert_eq!(report["run"]["end_reason"], "process_died");
}

#[test]
fn a_shard_whose_process_dies_and_is_not_replaced_ends_the_run() {
    let world = World::new();
    let (mut collector, address) = world.collect(&["--lost-after=1s"]);
    let [mut zero, mut one, mut two] = world.all(address);
    one.stats(10, &[]);
    one.ended(Some("exit status: 101; its last words:\n  oh"));
    collector.wait_for("shard 1/3 died: exit status: 101; the run waits 1s for another process");
    collector.wait_for("shard 1/3 is lost for good");
    for sim in [&mut zero, &mut two] {
        sim.stop();
        sim.end(EndReason::Stopped);
    }
    assert_eq!(collector.end_in_time().0, Some(1));
}

#[test]
fn a_threshold_that_is_crossed_stops_all_shards() {
    let world =
        World::with("\n[thresholds]\ntelemetry_acked = [{ threshold = \"count < 25\", abort_on_fail = true }]\n");
    let (mut collector, address) = world.collect(&[]);
    let mut sims = world.all(address);
    sims[0].stats(10, &[]);
    sims[1].stats(20, &[]);
    collector.wait_for("threshold crossed: telemetry_acked count < 25: the run ends here (abort_on_fail)");
    for sim in &mut sims {
        sim.stop();
        sim.end(EndReason::Stopped);
    }
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(99), "{words}");
    assert_eq!(world.fleet.report()["run"]["end_reason"], "threshold_crossed");
}

#[test]
fn an_interrupt_lets_all_shards_drain_and_a_second_one_leaves() {
    let world = World::new();
    let (mut collector, address) = world.collect(&[]);
    let mut sims = world.all(address);
    sims[0].stats(10, &[]);
    collector.interrupt();
    sims.iter_mut().for_each(Sim::stop);
    for sim in &mut sims[..2] {
        sim.end(EndReason::Stopped);
    }
    collector.wait_for("interrupted: devices drain and disconnect; once more leaves at once");
    // The third takes its time, and its devices stay. A signal at once would be the same request.
    collector.wait_for("2 online; telemetry 10 acknowledged");
    collector.interrupt();
    assert!(sims[2].message().is_none(), "its connection is closed");
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(130), "{words}");
    assert!(words.contains("leaving at once"), "{words}");
    let report = world.fleet.report();
    assert_eq!(report["run"]["end_reason"], "interrupted");
    assert_eq!(report["telemetry"]["acked"], 10);
}

#[test]
fn an_interrupt_before_all_are_there_stops_those_that_are() {
    let world = World::new();
    let (mut collector, address) = world.collect(&[]);
    let mut sim = world.sim(address, 0, 1);
    sim.welcome();
    collector.wait_for("shard 0/3 is there");
    collector.interrupt();
    sim.stop();
    drop(sim);
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(130), "{words}");
    assert_eq!(world.fleet.report()["run"]["end_reason"], "interrupted");
}

#[test]
fn shards_that_do_not_come_in_time_are_named_and_the_others_stopped() {
    let world = World::new();
    let (collector, address) = world.collect(&["--ready-within=2s"]);
    let mut sim = world.sim(address, 1, 1);
    sim.welcome();
    sim.stop();
    drop(sim);
    let (code, words) = collector.end_in_time();
    assert_eq!(code, Some(1), "{words}");
    let named = "the run has not begun within 2s: 2 of 3 are missing: shards 0, 2";
    assert!(words.contains(named), "{words}");
    let report = world.fleet.report();
    assert_eq!(report["run"]["failures"], serde_json::json!([named]));
    assert_eq!(report["run"]["end_reason"], "shards_missing");
}

#[test]
fn an_order_reaches_all_shards_and_is_answered_with_all_their_devices() {
    let world = World::with("\n[[event]]\nat = \"1s\"\naction = \"storm\"\n");
    let (mut collector, address) = world.collect(&[]);
    let mut sims = world.all(address);
    let order = |sims: &mut [Sim; 3], action: Action| {
        for sim in sims {
            let id = sim.until(|message| match message {
                ToSim::Control(control) if control.action == action => Some(control.id),
                _ => None,
            });
            sim.line(Line::Done { id, devices: 2 });
        }
    };
    // One of the manifest, a second after the stages have begun.
    order(&mut sims, Action::Storm);
    collector.wait_for("event.0, storm, reached 6 devices");
    // One of a person.
    let mut person = world.fleet.start(&["ctl", "fleet.toml", "disconnect"]);
    order(&mut sims, Action::Disconnect);
    person.wait_for("6 devices reached");
    assert_eq!(person.end_in_time().0, Some(0));
    for sim in &mut sims {
        sim.stats(1, &[]);
        sim.end(EndReason::StagesOver);
    }
    assert_eq!(collector.end_in_time().0, Some(0));
    assert_eq!(
        world.marks(&["storm", "disconnect"]),
        ["storm 100 % of the fleet", "disconnect all devices"]
    );
}

#[test]
fn what_can_not_be_collected_is_refused_all_at_once_before_anything_starts() {
    let mut words = String::new();
    let mut refused = |what: &str, world: &World, arguments: &[&str]| {
        let refused = world.fleet.fleet(&World::arguments(arguments)).expect(2);
        assert_eq!(refused.stdout, "");
        let stderr = refused
            .stderr
            .replace(world.fleet.path("").to_str().unwrap(), "[FOLDER]/");
        words += &format!("== {what}\n{stderr}\n");
    };
    let world = World::new();
    let devices = "--set=group.thermostats.devices.count=1";
    let here = ["--listen=0", "--shards=3"];
    refused("other devices, and few", &world, &["--listen=0", "--shards=9", devices]);
    refused("too many shards", &world, &["--listen=0", "--shards=257"]);
    refused("no credentials", &world, &[&here[..], &["--credentials=none"]].concat());
    refused("no address", &world, &["--listen=nowhere", "--shards=3"]);
    std::fs::write(
        world.fleet.path("fleet.toml"),
        manifest("kind = \"emulator\"", "\"100%@5s\"")
            + "\n[[event]]\nat = \"1s\"\naction = \"roll\"\ngroup = \"thermostats\"\ncase = \"group-expiry\"\n",
    )
    .unwrap();
    refused("another manifest", &world, &here);
    insta::assert_snapshot!(words);
}
