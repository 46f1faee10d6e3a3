//! What `fleet` says: help, plans, and that the shipped manifests are accepted.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn fleet(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fleet"))
        .current_dir(root())
        .args(arguments)
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every command, with those below it, as the help of the one above lists them.
fn commands(of: &[&str]) -> Vec<Vec<String>> {
    let help = fleet(&[of, &["--help"]].concat());
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let listed = listed.lines().take_while(|line| !line.is_empty());
    // A description that goes on is indented more.
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let mut commands = vec![of.iter().map(|word| (*word).to_owned()).collect()];
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        commands.extend(self::commands(&[of, &[name]].concat()));
    }
    commands
}

#[test]
fn help_names_only_what_is_built() {
    let commands = commands(&[]);
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let mut arguments: Vec<_> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let name = ["help_of"].into_iter().chain(command.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join("_").replace('-', "_");
        let name = if command.is_empty() { "help".to_owned() } else { name };
        insta::assert_snapshot!(name, fleet(&arguments));
    }
}

#[test]
fn the_shipped_manifests_are_plans() {
    for entry in std::fs::read_dir(root().join("configs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let plan = fleet(&["plan", &format!("configs/{name}.toml")]);
            insta::assert_snapshot!(format!("plan_of_{}", name.replace('-', "_")), plan);
        }
    }
}

#[test]
fn a_plan_tells_what_is_more_than_the_quota() {
    let words = fleet(&[
        "plan",
        "configs/iot-central.toml",
        "--set=group.thermostats.devices.count=10000",
        "--set=load.register_rate=5/s",
        "--duration=1h",
    ]);
    insta::assert_snapshot!(words);
}

#[test]
fn the_plan_as_json_is_what_device_sim_reads() {
    let text = fleet(&["plan", "configs/dps.toml", "--json"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    std::fs::write(&path, text).unwrap();
    let plan = device_sim::plan_file::read(&path).unwrap();
    assert_eq!(plan.device_count(), 20);
    assert!(plan.state.as_ref().is_some_and(|state| state.is_absolute()));
    assert!((plan.rates.register_per_s - 1000.0 / 60.0).abs() < 1e-9);
}
