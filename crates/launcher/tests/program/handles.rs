//! More devices than one process may open files for: a fleet is split further, and an emulator can't be.

use std::process::Command;

use crate::support::{Finished, Fleet, ON_FREE_PORTS, central, manifest};

/// 62 devices. A process with 84 handles holds 18 of them, since 64 are for other things and a tenth stays free.
const DEVICES: &str = "group.thermostats.devices.count=60";

/// Runs the program where a process may open `handles` files, and no shell can raise that.
fn with_handles(fleet: &Fleet, handles: u32, arguments: &[&str]) -> Finished {
    let inside = fleet.command(arguments);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("ulimit -n {handles} && exec \"$0\" \"$@\"")])
        .arg(inside.get_program())
        .args(inside.get_args())
        .current_dir(fleet.path("."))
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1");
    shell.output().unwrap().into()
}

#[test]
fn a_fleet_is_split_into_as_many_processes_as_their_handles_ask_for() {
    let fleet = Fleet::new("");
    let (_emulator, ready) = fleet.start_emulator(ON_FREE_PORTS);
    let stages = r#""100%@2s", "100%@3s", "0%@1s""#;
    let load = "[load]\nregister_rate = \"100/s\"\nconnect_rate = \"100/s\"\n";
    let text = manifest(&central(&ready), stages).replace("[load]\n", load);
    std::fs::write(fleet.path("fleet.toml"), text).unwrap();
    let plan = |handles, more: &[&str]| {
        let arguments = [&["plan", "fleet.toml", "--set", DEVICES], more].concat();
        with_handles(&fleet, handles, &arguments).expect(0).stdout
    };
    assert!(plan(200, &[]).contains("\n  in 2 processes\n"));
    let split = plan(84, &[]);
    assert!(
        split.contains("\n  in 4 processes, as file handles ask for\n"),
        "{split}"
    );
    let by_hand = plan(84, &["--set", "load.processes=2"]);
    assert!(
        by_hand.contains("the largest of 2 processes needs 95 file handles and may open 84 here"),
        "{by_hand}"
    );

    let run = [
        "run",
        "fleet.toml",
        "--set",
        DEVICES,
        "--report",
        "report",
        "--web",
        "off",
    ];
    let refused = with_handles(&fleet, 84, &[&run[..], &["--set", "load.processes=2"]].concat()).expect(2);
    assert!(
        refused.stderr.contains("--set load.processes=auto"),
        "{}",
        refused.stderr
    );
    let finished = with_handles(&fleet, 84, &run).expect(0);
    assert_eq!(finished.figure("connected"), 62);
    let report = fleet.report();
    let shards = report["generator"]["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 4, "{shards:#?}");
    assert!(shards.iter().all(|shard| shard["nofile_limit"] == 84), "{shards:#?}");
    assert_eq!(report["manifest"]["load"]["processes"], "auto");
}

#[test]
fn an_emulator_is_one_process_and_a_plan_says_so() {
    let fleet = Fleet::new(&manifest("kind = \"emulator\"", r#""100%@1s""#));
    let plan = with_handles(&fleet, 84, &["plan", "fleet.toml", "--set", DEVICES]).expect(0);
    assert!(
        plan.stdout.contains(
            "it needs 126 file handles and may open 84 here, so the run will not start. One emulator holds 20 devices"
        ),
        "{}",
        plan.stdout
    );
    let refused = with_handles(&fleet, 84, &["run", "fleet.toml", "--set", DEVICES]).expect(2);
    assert!(
        refused.stderr.contains("or start several with `fleet emulator`"),
        "{}",
        refused.stderr
    );
}
