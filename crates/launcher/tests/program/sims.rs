//! `fleet prepare`, `fleet sim` in several processes, and `fleet report merge`, with a real emulator beside them.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Fleet, LONG, Running, manifest, signal};

/// An emulator, and a fleet of six devices prepared for it.
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    app: String,
    emulator: Running,
}

impl Drop for World {
    fn drop(&mut self) {
        self.emulator.kill();
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let fleet = Fleet::new("");
        let mut emulator = fleet.start_service(&[
            "emulator",
            "--mqtt=127.0.0.1:0",
            "--https=127.0.0.1:0",
            "--http=127.0.0.1:0",
            "--dps-retry-after=1",
            "--state=emulator",
        ]);
        let ready: Value = serde_json::from_str(&emulator.wait_for("ready")).unwrap();
        let port = |service: &str| {
            let address = ready[service].as_str().unwrap();
            address.rsplit_once(':').unwrap().1.to_owned()
        };
        let app = format!("https://localhost:{}", port("https"));
        let target = format!(
            "kind = \"iot-central\"\napp = \"{app}\"\napi_token = {{ file = \"emulator/api_token\" }}\n\
             dps_endpoint = \"localhost\"\nport = {}\nca = \"emulator/ca_cert.pem\"",
            port("mqtt")
        );
        let text = manifest(&target, LONG) + "register_rate = \"50/s\"\n";
        std::fs::write(fleet.path("fleet.toml"), text).unwrap();
        fleet.fleet(&["prepare", "fleet.toml", "--plan", "plan.json"]).expect(0);
        Self { fleet, app, emulator }
    }

    pub(crate) fn kill_emulator(&mut self) {
        self.emulator.kill();
    }

    pub(crate) fn sim(&self, arguments: &[&str]) -> Running {
        let (plan, results) = (self.fleet.path("plan.json"), self.fleet.path("results"));
        let (plan, results) = (plan.to_str().unwrap(), results.to_str().unwrap());
        let fixed = ["sim", "--plan", plan, "--results", results];
        self.fleet.start(&[&fixed, arguments].concat())
    }

    /// What the emulator counts, asked until `enough`.
    pub(crate) fn figures(&self, enough: impl Fn(&Value) -> bool) -> Value {
        let ask = ["health", "emulator", "--state", "emulator", "--app", &self.app];
        for _ in 0..3_000 {
            let figures: Value = serde_json::from_str(&self.fleet.fleet(&ask).expect(0).stdout).unwrap();
            if enough(&figures) {
                return figures;
            }
        }
        panic!("the emulator never counted enough");
    }

    /// What a sim says that it has.
    fn shards_of(&self, sim: &Running) -> String {
        let members = std::fs::read_dir(self.fleet.path("results/leases/members")).unwrap();
        let name = format!("-{}", sim.pid());
        let path = members.map(|entry| entry.unwrap().path());
        let mut path = path.filter(|path| path.to_str().unwrap().ends_with(&name));
        std::fs::read_to_string(path.next().unwrap()).unwrap()
    }

    /// Waits until the sims have counted `devices` as online, and an acknowledged message with them. For the emulator, a
    /// device is connected before it has subscribed and fetched its twin, so its count is ahead of theirs.
    fn wait_until_online(&self, devices: u64) {
        self.wait_until_online_in(&["results"], devices);
    }

    /// The same, where they write into these folders.
    pub(crate) fn wait_until_online_in(&self, results: &[&str], devices: u64) {
        for _ in 0..3_000 {
            // It fails while there is no record yet, or a shard has none.
            let merged = self.fleet.fleet(&[&["report", "merge"], results].concat());
            let online = |word, least| merged.stdout.contains(word) && merged.figure(word) >= least;
            if online("connected", devices) && online("acknowledged", 1) {
                return;
            }
        }
        panic!("the sims never counted {devices} devices as online");
    }
}

#[test]
fn sims_share_a_fleet_take_over_from_the_dead_and_their_merged_account_closes() {
    let world = World::new();
    let mut first = world.sim(&["--shards", "3"]);
    first.wait_for(": 2 devices");
    let mut second = world.sim(&["--shards", "3"]);
    second.wait_for(": 2 devices");
    world.wait_until_online(6);
    let health = ["health", "sim", "--results", "results", "--pid"];
    world
        .fleet
        .fleet(&[&health[..], &[&second.pid().to_string()]].concat())
        .expect(0);

    // A sim that has devices keeps others from sharing them otherwise.
    let mut other = world.sim(&["--shards", "2"]);
    other.wait_for("waiting: another run, or the same in another number of shards, is still going on here");
    other.interrupt();
    assert_eq!(other.end().0, Some(0));

    let before = first.pid();
    first.kill();
    let all_of_them = || world.shards_of(&second) == "[0,1,2]";
    world.figures(|figures| all_of_them() && figures["connected"] == 6);
    let dead = world
        .fleet
        .fleet(&[&health[..], &[&before.to_string()]].concat())
        .expect(1);
    assert!(dead.stderr.contains("has ended"), "{}", dead.stderr);

    second.interrupt();
    let (code, words) = second.end();
    assert_eq!(code, Some(0), "{words}");
    let figures = world.figures(|figures| figures["connected"] == 0);

    let merged = world
        .fleet
        .fleet(&["report", "merge", "results", "--report", "report"])
        .expect(0);
    for (word, count) in [("asked", 6), ("registered", 6), ("connected", 6), ("failed", 0)] {
        assert_eq!(merged.figure(word), count, "{word} in\n{}", merged.stdout);
    }
    let (received, acked) = (&figures["telemetry_received_unique"], merged.figure("acknowledged"));
    assert!(
        acked > 0 && acked <= received.as_u64().unwrap(),
        "{acked} of {received}"
    );
    assert_eq!(world.fleet.report()["merged"]["missing"], serde_json::json!([]));
}

#[test]
fn a_sim_of_one_shard_takes_its_number_from_the_job_and_a_report_names_what_is_missing() {
    let world = World::new();
    let refused = world.fleet.fleet(&["report", "merge", "."]).expect(2);
    assert!(
        refused.stderr.contains("there is nothing of a run in `.`"),
        "{}",
        refused.stderr
    );

    let plan = world.fleet.path("plan.json");
    let arguments = ["sim", "--results", "results", "--shard", "auto/2", "--plan"];
    let mut job = world.fleet.command(&arguments);
    job.arg(&plan).env("JOB_COMPLETION_INDEX", "1");
    let mut sim = Running::spawn(job);
    sim.wait_for("taking shard 1/2");
    sim.wait_for("shard 1/2: 3 devices");
    world.wait_until_online(3);
    sim.interrupt();
    assert_eq!(sim.end().0, Some(0));

    let merged = world.fleet.fleet(&["report", "merge", "results"]).expect(1);
    assert!(merged.stdout.contains("nothing of shard 0\n"), "{}", merged.stdout);
    assert_eq!(merged.figure("asked"), 6);
    assert_eq!(merged.figure("connected"), 3);
}

#[test]
fn a_merged_report_has_what_the_emulator_received_if_its_state_folder_is_named() {
    let mut world = World::new();
    let sims = ["first", "second"].map(|results| {
        let shard = if results == "first" { "0/2" } else { "1/2" };
        world
            .fleet
            .start(&["sim", "--plan", "plan.json", "--results", results, "--shard", shard])
    });
    world.wait_until_online_in(&["first", "second"], 6);
    for sim in sims {
        sim.interrupt();
        assert_eq!(sim.end().0, Some(0));
    }
    let app = world.app.clone();
    let merge = |state: &str| {
        let of_emulator = ["--emulator-state", state, "--emulator-app", &app];
        let arguments = [
            &["report", "merge", "first", "second", "--report", "report"][..],
            &of_emulator,
        ];
        world.fleet.fleet(&arguments.concat())
    };
    let merged = merge("emulator").expect(0);
    let (received, acked) = (merged.figure("received"), merged.figure("acknowledged"));
    assert!(acked > 0 && received >= acked, "{acked} of {received}");
    assert_eq!(world.fleet.report()["target"]["received_unique"], received);
    assert_eq!(world.fleet.report()["merged"]["missing"], serde_json::json!([]));
    // Without its folder nobody is asked, and nothing is claimed.
    let alone = ["report", "merge", "first", "second", "--report", "report"];
    world.fleet.fleet(&alone).expect(0);
    assert_eq!(world.fleet.report()["target"], Value::Null);

    std::fs::remove_dir_all(world.fleet.path("report")).unwrap();
    std::fs::create_dir(world.fleet.path("half")).unwrap();
    std::fs::write(world.fleet.path("half/api_token"), "SharedAccessSignature sr=1").unwrap();
    for (state, file) in [
        ("missing", "missing/api_token"),
        ("first", "first/api_token"),
        ("half", "half/ca_cert.pem"),
    ] {
        let refused = merge(state).expect(2);
        let hint = "hint: give the state folder of a `fleet emulator` that runs";
        let words = &refused.stderr;
        assert!(words.contains(file) && words.contains(hint), "{words}");
        assert!(!world.fleet.path("report/report.json").exists(), "{state}");
    }

    // An emulator that has ended is no reason to do without a report, which has to name what it lacks.
    world.kill_emulator();
    let merge = ["--emulator-state", "emulator", "--emulator-app", &app];
    let merged = world.fleet.fleet(&[&alone[..], &merge].concat()).expect(0);
    let words = "what has arrived is unknown: the emulator at https://localhost:";
    assert!(merged.stderr.contains(words), "{}", merged.stderr);
    assert_eq!(world.fleet.report()["target_unknown"], true);
}

#[test]
fn a_shard_that_does_not_end_after_its_stages_is_killed_and_named() {
    let world = World::new();
    // Long enough to find and stop a process before its end, on a busy machine too.
    let arguments = ["prepare", "fleet.toml", "--plan", "plan.json", "--duration", "15s"];
    world.fleet.fleet(&arguments).expect(0);
    let mut sim = world.sim(&["--shards", "2", "--stop-within", "6s"]);
    sim.wait_for(": 3 devices");
    sim.wait_for(": 3 devices");
    world.wait_until_online(6);
    let stopped = world.fleet.process("--shard 1/2");
    signal(stopped, Signal::STOP);
    let (code, words) = sim.end();
    assert_eq!(code, Some(1), "{words}");
    for said in [
        "shard 0/2 is finished",
        "shard 1/2 has not ended within 4s of its stages and is killed; its last figures are missing",
        "error: shard 1 of 2 did not end by itself and was killed",
    ] {
        assert!(words.contains(said), "{said} in {words}");
    }
    let merged = world.fleet.fleet(&["report", "merge", "results"]).expect(1);
    assert!(merged.stdout.contains("no end of shard 1"), "{}", merged.stdout);
}
