//! The shipped manifests that need nothing but this machine do what the commands in their comments promise.

use std::path::Path;

use crate::scenarios::SCENARIOS;
use crate::support::Fleet;

/// Commands stand in the comments like this, as a reader copies them.
const COMMAND: [&str; 2] = ["#   fleet ", "#   cargo run --release -- "];

/// Fails on purpose; see below.
const LOAD_TEST: &str = "load-test.toml";

/// Runs every command of a manifest's comment, in a copy of `configs`, and returns how many runs there were among them.
fn follow(fleet: &Fleet, text: &str) -> usize {
    let mut runs = 0;
    for line in text.lines() {
        let Some(words) = COMMAND.iter().find_map(|start| line.strip_prefix(start)) else {
            continue;
        };
        // What explains a command stands behind it, after two blanks.
        let words = words.split("  ").next().unwrap_or(words);
        let mut words: Vec<&str> = words.split_whitespace().collect();
        let is_run = words[0] == "run";
        // What happens at a time of its own must not be cut off.
        if is_run && !text.contains("[[event]]") {
            words.push("--duration=8s");
        }
        let finished = fleet.fleet(&words).expect(0);
        if is_run {
            runs += 1;
            assert_eq!(finished.figure("failed"), 0, "{}", finished.stdout);
            assert_eq!(
                finished.figure("connected"),
                finished.figure("asked"),
                "{}",
                finished.stdout
            );
            assert!(finished.figure("acknowledged") > 0, "{}", finished.stdout);
            // Delivered is what the emulator has, and nothing else.
            assert_eq!(
                finished.figure("acknowledged"),
                finished.figure("received"),
                "{}",
                finished.stdout
            );
        }
    }
    runs
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        } else if name != "certs" && name != "state" {
            // These two are what earlier runs have left.
            copy(&entry.path(), &target);
        }
    }
}

/// Puts the shipped manifests into a folder, as they are in the repository.
pub(crate) fn copy_configs(fleet: &Fleet) {
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs"),
        &fleet.path("configs"),
    );
}

#[test]
fn every_shipped_manifest_for_the_emulator_does_what_its_comment_says() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let shipped: Vec<(String, String)> = std::fs::read_dir(&configs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .filter(|(name, text)| text.contains("kind = \"emulator\"") && name != LOAD_TEST)
        .filter(|(name, _)| !SCENARIOS.contains(&name.as_str()))
        .collect();
    assert!(shipped.iter().any(|(name, _)| name == "demo.toml"), "{shipped:?}");

    // Each takes up to half a minute and waits most of it, so they run beside each other. A thread that fails prints
    // its name, and the scope fails with it.
    std::thread::scope(|scope| {
        for (name, text) in &shipped {
            let run = move || {
                let fleet = Fleet::new("");
                copy_configs(&fleet);
                assert!(
                    follow(&fleet, text) > 0,
                    "the comment of {name} has no command that runs it"
                );
                fleet.wait_until_nothing_runs();
            };
            std::thread::Builder::new()
                .name(name.clone())
                .spawn_scoped(scope, run)
                .unwrap();
        }
    });
}

/// docs/load-testing.md reads its report, and says what to change.
#[test]
fn the_load_test_fails_where_the_guide_says_that_it_does() {
    let fleet = Fleet::new("");
    copy_configs(&fleet);
    // A tenth of the fleet, and a spike that takes four times as long as the stages want.
    let run = fleet.fleet(&[
        "run",
        "configs/load-test.toml",
        "--set=group.load.devices.count=50",
        "--set=group.load.telemetry.interval=2s",
        "--set=load.connect_rate=5/s",
        r#"--set=load.stages=["60%@8s", "60%@3s", "100%@1s", "100%@8s", "0%@1s"]"#,
        "--report=out",
    ]);
    let run = run.expect(99);
    assert!(run.stdout.starts_with("FAILED: 1 of 7 thresholds\n"), "{}", run.stdout);
    let failed: Vec<_> = run.stdout.lines().filter(|line| line.starts_with("  FAIL")).collect();
    assert!(
        matches!(failed[..], [line] if line.contains(" devices_online ")),
        "{}",
        run.stdout
    );
}
