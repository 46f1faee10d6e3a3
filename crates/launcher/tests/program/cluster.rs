//! Shards that a scheduler numbers and that share no folder: their records come from their logs.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::sims::World;
use crate::support::{Finished, Fleet, Running, signal};

/// As Kubernetes sets it in the pods of an Indexed Job.
const KUBERNETES: (&str, &str) = ("JOB_COMPLETION_INDEX", "1");
/// What `{{.Task.Slot}}` is for the first task of a replicated job in Swarm.
const SWARM: (&str, &str) = ("FLEET_SLOT", "q6vhfkyhf6zydjkjxa6f4c2yt");
const SCHEDULED: [&str; 6] = [
    "JOB_COMPLETION_INDEX",
    "FLEET_SLOT",
    "NOMAD_ALLOC_INDEX",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "CLOUD_RUN_TASK_INDEX",
    "SLURM_ARRAY_TASK_ID",
];

/// A container of its own folder, with what it wrote to stdout.
struct Container {
    name: &'static str,
    sim: Running,
}

impl Container {
    fn start(world: &World, name: &'static str, (variable, value): (&str, &str), arguments: &[&str]) -> Self {
        let plan = world.fleet.path("plan.json");
        let fixed = [
            "sim",
            "--shard",
            "auto/2",
            "--results",
            name,
            "--plan",
            plan.to_str().unwrap(),
        ];
        let mut command = world.fleet.command(&[&fixed, arguments].concat());
        command.env(variable, value);
        let log = File::create(world.fleet.path(&format!("{name}.out"))).unwrap();
        Self {
            name,
            sim: Running::spawn_into(&mut command, log),
        }
    }

    /// All its processes vanish together, as when its node does.
    fn vanish(&mut self, world: &World, shard: &str) {
        // The one that would start another in the place of its child must not see it die.
        signal(i32::try_from(self.sim.pid()).unwrap(), Signal::STOP);
        signal(world.fleet.process(&format!("--shard {shard}")), Signal::KILL);
        self.sim.kill();
    }

    /// Asks it to stop, and returns its log with the words that `docker service logs` puts before each line.
    fn stop(self, world: &World) -> String {
        self.sim.interrupt();
        let (code, stderr) = self.sim.end();
        assert_eq!(code, Some(0), "{stderr}");
        log(self.name, &stderr) + &log(self.name, &stdout(world, self.name))
    }
}

fn stdout(world: &World, name: &str) -> String {
    fs::read_to_string(world.fleet.path(&format!("{name}.out"))).unwrap()
}

fn log(name: &str, text: &str) -> String {
    let mut log = String::new();
    for line in text.lines() {
        writeln!(log, "{name}.q6vhfkyhf6zyd@node-1    | {line}").unwrap();
    }
    log
}

/// `fleet report merge` with this on its stdin.
fn merge(fleet: &Fleet, log: &str, arguments: &[&str]) -> Finished {
    let mut command = fleet.command(&[&["report", "merge"], arguments].concat());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut merging = command.spawn().unwrap();
    merging.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    merging.wait_with_output().unwrap().into()
}

#[test]
fn shards_without_a_shared_folder_are_merged_from_their_logs_and_no_message_id_is_used_twice() {
    let world = World::new();
    // One instant for all of them, also for the one that begins later.
    let start = jiff::Timestamp::now().to_string();
    let start = ["--start-at", &start];
    let first = &["--termination-log", "zero.txt", start[0], start[1]];
    let mut zero = Container::start(&world, "zero", SWARM, first);
    let taken = zero.sim.wait_for("taking shard 0/2");
    let by = "by FLEET_SLOT=q6vhfkyhf6zydjkjxa6f4c2yt, a node of Swarm, which stands for slot 0";
    assert!(taken.contains(by), "{taken}");
    zero.sim.wait_for("are joined where they are");
    let mut lost = Container::start(&world, "lost", KUBERNETES, &start);
    let taken = lost.sim.wait_for("taking shard 1/2");
    assert!(taken.contains("by JOB_COMPLETION_INDEX=1"), "{taken}");
    world.wait_until_online_in(&["zero", "lost"], 6);

    lost.vanish(&world, "1/2");
    assert_eq!(stdout(&world, "lost"), "", "it had no time for a record");
    let mut again = Container::start(&world, "again", KUBERNETES, &start);
    again.sim.wait_for("shard 1/2: 3 devices");
    world.wait_until_online_in(&["again"], 3);

    let logs = zero.stop(&world) + &again.stop(&world);
    let figures = world.figures(|figures| figures["connected"] == 0);
    // The folder of the lost node is known to the test only.
    let all = merge(&world.fleet, &logs, &["-", "lost", "--report", "report"]).expect(0);
    for (word, count) in [("asked", 6), ("registered", 6), ("connected", 6), ("failed", 0)] {
        assert_eq!(all.figure(word), count, "{word} in\n{}", all.stdout);
    }
    let report = world.fleet.report();
    assert_eq!(report["merged"]["processes"], 3);
    let sent = |figure: &str| report["telemetry"][figure].as_u64().unwrap();
    let received = |figure: &str| figures[figure].as_u64().unwrap();
    let unique = received("telemetry_received_unique");
    assert!(sent("acked") > 0 && sent("acked") <= unique, "{report:#} {figures}");
    assert!(unique <= sent("offered") + sent("unreported"), "{report:#} {figures}");
    assert!(
        received("telemetry_received") - unique <= sent("resent"),
        "ids were used twice: {report:#} {figures}"
    );

    // A cluster has the logs only; what they hold is whole for the shards' last processes.
    let merged = merge(&world.fleet, &logs, &["-"]).expect(0);
    for (word, count) in [("asked", 6), ("connected", 6), ("failed", 0)] {
        assert_eq!(merged.figure(word), count, "{word} in\n{}", merged.stdout);
    }
    assert_eq!(
        merged.figure("offered"),
        merged.figure("acknowledged"),
        "{}",
        merged.stdout
    );
    // The same log twice, as of two readers, is the same record.
    let twice = merge(&world.fleet, &(logs.clone() + &logs), &["-", "-"]).expect(0);
    assert_eq!(twice.figure("acknowledged"), merged.figure("acknowledged"));

    let words = fs::read_to_string(world.fleet.path("zero.txt")).unwrap();
    assert!(words.starts_with("run "), "{words}");
    assert!(
        words.contains(by) && words.contains("\nexit 0\nshard 0/2, incarnation "),
        "{words}"
    );
    assert!(
        words.contains(": stopped; 3 devices: 3 registered, 3 connected, 0 failed; telemetry: "),
        "{words}"
    );
}

#[test]
fn a_record_that_is_not_there_or_cut_is_named() {
    let fleet = Fleet::new("");
    let mut words = String::new();
    for (kind, log) in [
        (
            "a log without a record",
            "[   0.0s] run 1: taking shard 0/2\n".to_owned(),
        ),
        (
            "a record that is cut",
            "other\nsim-1 | {\"type\":\"record\",\"version\":1,\"run_id\":\"2026".to_owned(),
        ),
        ("a record of another version", another_version()),
        ("a record without its second part", one_part()),
    ] {
        let refused = merge(&fleet, &log, &["-"]).expect(2);
        assert_eq!(refused.stdout, "");
        writeln!(words, "== {kind}\n{}", refused.stderr).unwrap();
    }
    insta::assert_snapshot!(words);
}

fn one_part() -> String {
    let part = r#"{"type":"record_part","of":"20261127T055202000/1-of-8/7","part":1,"parts":2,"text":"{"}"#;
    format!("sim-1 | {part}\n")
}

fn another_version() -> String {
    let record = serde_json::json!({
        "version": 99, "run_id": "1", "index": 0, "count": 2, "incarnation": 7, "fleet_devices": 6,
        "stats": {"seq": 1, "t": 1.0, "counters": {}, "states": {}, "histograms": {}},
    });
    format!("{{\"type\":\"record\",{}\n", record.to_string().trim_start_matches('{'))
}

#[test]
fn a_sim_waits_for_the_start_with_its_devices_registered_and_none_of_them_connected() {
    let world = World::new();
    let start = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    let mut sim = Container::start(&world, "early", KUBERNETES, &["--start-at", &start.to_string()]);
    sim.sim.wait_for(&format!("the stages begin at {start}, in "));
    sim.sim.wait_for("shard 1/2: 3 devices");
    let registered = |merged: &Finished| merged.stdout.contains("registered") && merged.figure("registered") == 3;
    world.figures(|_| registered(&world.fleet.fleet(&["report", "merge", "early"])));
    let log = sim.stop(&world);
    let record = log.split_once("{\"type\":\"record\",").unwrap().1;
    let record: Value = serde_json::from_str(&format!("{{{}", record.lines().next().unwrap())).unwrap();
    assert_eq!(record["ended"], "stopped");
    for name in ["devices_wanted", "devices_connected", "telemetry_offered"] {
        let count = record["stats"]["counters"].get(name).and_then(Value::as_u64);
        assert_eq!(count.unwrap_or_default(), 0, "{name} in {record:#}");
    }
    assert_eq!(world.figures(|_| true)["connects"], 0);
}

#[test]
fn a_record_that_can_not_be_delivered_makes_the_process_fail() {
    let world = World::new();
    let plan = world.fleet.path("plan.json");
    let arguments = [
        "sim",
        "--shard",
        "0/2",
        "--results",
        "results",
        "--plan",
        plan.to_str().unwrap(),
    ];
    let (reader, writer) = std::io::pipe().unwrap();
    let mut sim = Running::spawn_into(&mut world.fleet.command(&arguments), OwnedFd::from(writer).into());
    drop(reader);
    world.wait_until_online_in(&["results"], 3);
    sim.wait_for("shard 0/2: 3 devices");
    sim.interrupt();
    let (code, words) = sim.end();
    assert_eq!(code, Some(1), "{words}");
    let failed = "the record of shard 0/2 can't be written to stdout: Broken pipe";
    assert!(words.contains(failed), "{words}");

    // A container that is started again has the folder of the one before.
    let again = File::create(world.fleet.path("again.out")).unwrap();
    let mut again = Running::spawn_into(&mut world.fleet.command(&arguments), again);
    again.wait_for("shard 0/2: 3 devices");
    again.interrupt();
    assert_eq!(again.end().0, Some(0));
    let records = stdout(&world, "again");
    assert_eq!(records.matches(r#"{"type":"record","#).count(), 2, "{records}");
    let (folder, log) = (&["results"][..], &["-", "results"][..]);
    let acknowledged = |arguments| {
        merge(&world.fleet, &records, arguments)
            .expect(1)
            .figure("acknowledged")
    };
    assert_eq!(acknowledged(log), acknowledged(folder));
    assert_eq!(acknowledged(&["-"]), acknowledged(folder));
}

#[test]
fn a_shard_by_number_is_not_started_again_for_what_its_record_says() {
    let mut world = World::new();
    let arguments = ["prepare", "fleet.toml", "--plan", "plan.json", "--duration", "3s"];
    world.fleet.fleet(&arguments).expect(0);
    world.kill_emulator();
    let plan = world.fleet.path("plan.json");
    let sim = ["sim", "--plan", plan.to_str().unwrap(), "--results"];
    let by_number = world
        .fleet
        .fleet(&[&sim[..], &["one", "--shard", "0/1"]].concat())
        .expect(0);
    assert!(
        by_number.stderr.contains("6 devices never came online"),
        "{}",
        by_number.stderr
    );
    let merged = merge(&world.fleet, &by_number.stdout, &["-"]).expect(1);
    assert_eq!(merged.figure("failed"), 6, "{}", merged.stdout);
    // With others, on one folder, each process judges what it had.
    world
        .fleet
        .fleet(&[&sim[..], &["two", "--shards", "1"]].concat())
        .expect(1);
}

#[test]
fn a_device_sim_that_a_scheduler_numbers_draws_the_number_of_its_attempt() {
    let world = World::new();
    let plan = world.fleet.path("plan.json");
    let attempt = || {
        let arguments = ["device-sim", "--shard", "auto/2", "--plan", plan.to_str().unwrap()];
        let mut command = world.fleet.command(&arguments);
        command.env(KUBERNETES.0, KUBERNETES.1);
        let line = Running::spawn(command).wait_for("shard 1/2, by JOB_COMPLETION_INDEX=1; incarnation ");
        line.rsplit_once(' ').unwrap().1.parse::<u32>().unwrap()
    };
    assert_ne!(attempt(), attempt());
}

/// What a scheduler sets that does not fit, and instants at which no stages can begin.
#[test]
fn what_a_scheduler_or_a_clock_gives_that_can_not_be_used_is_refused_with_what_helps() {
    let fleet = Fleet::new("");
    let plan = include_str!("../../../fleet-protocol/tests/data/plan.json");
    fs::write(fleet.path("plan.json"), plan).unwrap();
    let mut words = String::new();
    let auto = &["--shard", "auto/4"][..];
    let started = |at| ["--shard", "0/4", "--start-at", at];
    let (over, far) = (started("2026-11-23T15:00:00Z"), started("2126-11-23T15:00:00Z"));
    let (bad, local) = (started("+5m"), started("2026-11-23T15:00:00"));
    for (environment, arguments) in [
        ("", auto),
        ("JOB_COMPLETION_INDEX=4", auto),
        ("JOB_COMPLETION_INDEX=-1", auto),
        ("FLEET_SLOT=4", auto),
        ("FLEET_SLOT={{.Task.Slot}}", auto),
        ("NOMAD_ALLOC_INDEX=one", auto),
        ("AWS_BATCH_JOB_ARRAY_INDEX=9", auto),
        ("CLOUD_RUN_TASK_INDEX=4", auto),
        ("SLURM_ARRAY_TASK_ID=4", auto),
        ("", &over),
        ("", &far),
        ("", &bad),
        ("", &local),
        ("FLEET_TERMINATION_LOG=no/such/folder", &["--shard", "0/4"]),
    ] {
        let refused = |program: &[&str]| {
            let mut command = fleet.command(&[program, &["--plan", "plan.json"], arguments].concat());
            for variable in SCHEDULED {
                command.env_remove(variable);
            }
            command.envs(environment.split_once('='));
            let refused = Finished::from(command.output().unwrap()).expect(2);
            assert_eq!(refused.stdout, "");
            without_clock(&refused.stderr)
        };
        let stderr = refused(&["sim", "--results", "results"]);
        if !environment.contains("TERMINATION") {
            assert_eq!(refused(&["device-sim"]), stderr);
        }
        writeln!(words, "$ {environment} fleet sim … {}\n{stderr}", arguments.join(" ")).unwrap();
    }
    let host = device_sim::shard::host_name().unwrap();
    insta::assert_snapshot!(words.replace(&format!("`{host}`"), "`[HOST]`"));
}

/// The clock of this machine is in some errors.
fn without_clock(words: &str) -> String {
    match words.split_once("; it is ") {
        Some((before, after)) => format!("{before}; it is [NOW]\n{}", after.split_once('\n').unwrap().1),
        None => words.to_owned(),
    }
}
