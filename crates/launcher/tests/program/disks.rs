//! Disks that are full or read-only, and files whose modes matter.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use testing::skip;

use crate::figures::emulator;
use crate::support::{EMULATOR, Finished, Fleet, LONG, Running, SHORT, manifest};

/// The arguments with which `unshare` gives a program mounts of its own, which end with it. Where the system allows that to
/// root alone, the tests that need it say so and pass.
fn own_mounts() -> Option<&'static [&'static str]> {
    static WAY: OnceLock<Option<&[&str]>> = OnceLock::new();
    *WAY.get_or_init(|| {
        // As root, and as a user who may be root in a namespace.
        let ways: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
        let works = |way: &&&[&str]| {
            let mut command = Command::new("unshare");
            let try_out = command.args(**way).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
            try_out
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        let found = ways.iter().find(works).copied();
        if found.is_none() {
            skip("no mounts of our own here: `unshare --mount` does not work");
        }
        found
    })
}

/// The program, once the shell has carried out `mounts` in the fleet's folder.
fn with_mounts(fleet: &Fleet, mounts: &str, arguments: &[&str]) -> Option<Command> {
    let mut command = Command::new("unshare");
    command
        .args(own_mounts()?)
        .args(["sh", "-c", &format!("{mounts} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_fleet"))
        .args(arguments)
        .current_dir(fleet.path(""))
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1");
    Some(command)
}

/// Fills the disk under a folder, as the process sees it.
fn fill(process: u32, folder: &Path) {
    let inside = PathBuf::from(format!("/proc/{process}/root")).join(folder.strip_prefix("/").unwrap());
    let mut file = File::create(inside.join("fill")).unwrap();
    let full = io::copy(&mut io::repeat(0), &mut file).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
}

#[test]
fn a_report_on_a_full_disk_leaves_the_summary_and_says_what_is_missing() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mounts = "mkdir report && mount -t tmpfs -o size=64k tmpfs report";
    let run = ["run", "fleet.toml", "--report", "report", "--stop-within", "20s"];
    let Some(mut command) = with_mounts(&fleet, mounts, &run) else {
        return;
    };
    let summary = File::create(fleet.path("summary")).unwrap();
    let mut running = Running::spawn_into(&mut command, summary);
    running.wait_for("all 6 devices online");
    fill(running.pid(), &fleet.path("report"));
    running.interrupt();
    let (code, progress) = running.end();
    assert_eq!(code, Some(1), "{progress}");
    for words in [
        "error: the report is missing: can't write `report/report.json`",
        "No space left on device",
    ] {
        assert!(progress.contains(words), "{words} in {progress}");
    }
    let summary = fs::read_to_string(fleet.path("summary")).unwrap();
    assert!(summary.contains("  connected               6"), "{summary}");
}

#[test]
fn a_sim_on_a_full_disk_backs_off_and_gives_up_with_the_reason() {
    let fleet = Fleet::new("");
    let (_emulator, target) = emulator(&fleet);
    let text = manifest(&target, LONG) + "register_rate = \"50/s\"\n";
    fs::write(fleet.path("fleet.toml"), text).unwrap();
    fleet.fleet(&["prepare", "fleet.toml", "--plan", "plan.json"]).expect(0);
    let mounts = "mkdir results && mount -t tmpfs -o size=256k tmpfs results";
    let sim = ["sim", "--plan", "plan.json", "--results", "results", "--shards", "1"];
    let Some(command) = with_mounts(&fleet, mounts, &sim) else {
        return;
    };
    let mut running = Running::spawn(command);
    running.wait_for("shard 0/1: 6 devices");
    fill(running.pid(), &fleet.path("results"));
    let (code, progress) = running.end();
    assert_eq!(code, Some(1), "{progress}");
    assert_eq!(progress.matches("device-sim 0/1 died: ").count(), 5, "{progress}");
    let last = progress.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(
        last.starts_with("error: shard 0/1 is given up: 5 processes in a row died"),
        "{progress}"
    );
    assert!(progress.contains("No space left on device"), "{progress}");
}

#[test]
fn certificates_that_are_complete_are_used_from_a_read_only_folder() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    fleet.fleet(&["run", "fleet.toml"]).expect(0);
    let read_only = "mount --bind certs certs && mount -o remount,bind,ro certs";
    let run = |more: &[&str]| -> Option<Finished> {
        let mut command = with_mounts(&fleet, read_only, &[&["run", "fleet.toml"], more].concat())?;
        Some(command.output().unwrap().into())
    };
    let Some(again) = run(&[]) else { return };
    let again = again.expect(0);
    assert_eq!(again.figure("connected"), 6, "{}", again.stdout);

    // One leaf is missing, and can't be made.
    let refused = run(&["--set", "group.thermostats.devices.count=5"]).unwrap().expect(2);
    for words in ["thermo-0005", "Read-only file system", "--set fleet.certs=PATH"] {
        assert!(refused.stderr.contains(words), "{words} in {}", refused.stderr);
    }
}

/// The program as a user for whom the modes of files count, which they do not for root with all its capabilities.
fn bound_by_modes(fleet: &Fleet, arguments: &[&str]) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return Some(fleet.command(arguments));
    }
    let bound = ["--bounding-set", "-dac_override,-dac_read_search"];
    let works = Command::new("setpriv")
        .args(bound)
        .arg("true")
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        skip("`setpriv` is not here, and modes mean nothing to root");
        return None;
    }
    let mut command = Command::new("setpriv");
    command
        .args(bound)
        .arg(env!("CARGO_BIN_EXE_fleet"))
        .args(arguments)
        .current_dir(fleet.path(""))
        .env("NO_COLOR", "1");
    Some(command)
}

#[test]
fn certificates_of_another_user_are_used_where_they_can_be_read_and_named_where_not() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    fleet.fleet(&["run", "fleet.toml"]).expect(0);
    let group = fleet.path("certs/small/thermostats");
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // As if the owner were another: it can be read, and the lock can't be opened.
    set(&group, 0o500);
    set(&group.join(".lock"), 0o000);
    let Some(mut run) = bound_by_modes(&fleet, &["run", "fleet.toml"]) else {
        return;
    };
    let again = Finished::from(run.output().unwrap()).expect(0);
    assert_eq!(again.figure("connected"), 6, "{}", again.stdout);

    let folder = fleet.path("certs/small");
    set(&folder, 0o000);
    let refused = Finished::from(run.output().unwrap()).expect(2);
    set(&folder, 0o700);
    set(&group, 0o700);
    for words in [
        "cannot read `",
        "certs/small/thermostats`: Permission denied",
        "hint: it may belong to another user",
    ] {
        assert!(refused.stderr.contains(words), "{words} in {}", refused.stderr);
    }
}

#[test]
fn what_a_run_keeps_is_private_whatever_the_umask() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 000; exec \"$0\" run fleet.toml"])
        .arg(env!("CARGO_BIN_EXE_fleet"))
        .current_dir(fleet.path(""));
    Finished::from(command.output().unwrap()).expect(0);
    let mut files = Vec::new();
    for kept in ["state/small", "certs/small"] {
        walk(&fleet.path(kept), &mut files);
    }
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let public = |path: &Path| {
        // Certificates are for all who may enter the folder, and the folders are for the owner.
        let extension = path.extension() == Some(OsStr::new("pem"));
        let name = path.file_name().and_then(OsStr::to_str).unwrap();
        (extension && !name.ends_with("_key.pem")) || ["ca", "current"].contains(&name)
    };
    assert!(files.iter().any(|path| path.ends_with("plan.json")), "{files:?}");
    assert!(files.iter().any(|path| path.ends_with(".lock")), "{files:?}");
    for path in &files {
        let allowed = match path.is_dir() {
            true => 0o700,
            false if public(path) => 0o644,
            false => 0o600,
        };
        assert_eq!(mode(path) & !allowed, 0, "{} is {:o}", path.display(), mode(path));
    }
    for parent in ["state", "certs"] {
        let mode = mode(&fleet.path(parent));
        assert_eq!(
            mode & 0o022,
            0,
            "others could put a folder of theirs into {parent}: {mode:o}"
        );
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    found.push(folder.to_owned());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}
