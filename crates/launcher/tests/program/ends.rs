//! How a run ends when something is in the way: bounded, with its figures, and whatever becomes of those who read it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::{EMULATOR, Fleet, LONG, Running, SHORT, manifest, signal};

/// A full disk, as far as whoever writes can see.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

#[test]
fn a_command_whose_reader_has_gone_ends_quietly_and_one_whose_disk_is_full_says_so() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    fleet.fleet(&["cert", "root", "made"]).expect(0);
    for arguments in [
        &["plan", "fleet.toml"][..],
        &["cert", "root", "again", "--force"],
        &["cert", "device", "many-", "made", "--count", "2"],
        &["cert", "inspect", "made_cert.pem"],
        &["cert", "status", "--all", "."],
        &["enroll", "fleet.toml", "--dry-run"],
    ] {
        let quiet = fleet.command(arguments).stdout(closed()).output().unwrap();
        let words = String::from_utf8(quiet.stderr).unwrap();
        assert!(
            quiet.status.code() != Some(101) && !words.contains("panicked"),
            "{words}"
        );
        assert!(!words.contains("stdout"), "{arguments:?}: {words}");
        let full_disk = fleet.command(arguments).stdout(full()).output().unwrap();
        let words = String::from_utf8(full_disk.stderr).unwrap();
        assert_eq!(full_disk.status.code(), Some(1), "{arguments:?}: {words}");
        assert!(words.contains("error: can't write to stdout: No space left"), "{words}");
        // With nowhere to complain to, it is the code that tells.
        let mute = fleet.command(arguments).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(mute.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn a_run_whose_terminal_and_log_are_gone_goes_on_to_its_report() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    for (folder, stdout, stderr) in [("closed", closed(), closed()), ("full", full(), full())] {
        let mut run = fleet.command(&["run", "fleet.toml", "--report", folder]);
        let status = run.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(1), "the summary could not be written");
        let report = fs::read(fleet.path(folder).join("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(
            (&report["devices"]["connected"], &report["exit"]),
            (&6.into(), &0.into())
        );
    }
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_starts() {
    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    fs::write(fleet.path("file"), "").unwrap();
    let refused = fleet.fleet(&["run", "fleet.toml", "--report", "file"]).expect(2);
    assert!(
        refused.stderr.contains("error: --report: can't make the folder `file`"),
        "{}",
        refused.stderr
    );
    assert_eq!(fleet.entries(), ["file", "fleet.toml"]);
}

#[test]
fn a_report_that_is_lost_at_the_end_leaves_the_summary_and_is_named() {
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut run = fleet.command(&["run", "fleet.toml", "--report", "report"]);
    let summary = File::create(fleet.path("summary")).unwrap();
    let mut running = Running::spawn_into(run.args(["--stop-within", "20s"]), summary);
    running.wait_for("all 6 devices online");
    fs::remove_dir(fleet.path("report")).unwrap();
    fs::write(fleet.path("report"), "in the way").unwrap();
    running.interrupt();
    let (code, progress) = running.end();
    assert_eq!(code, Some(1), "{progress}");
    assert!(
        progress.contains("error: the report is missing: can't make the folder `report`"),
        "{progress}"
    );
    let summary = fs::read_to_string(fleet.path("summary")).unwrap();
    assert!(summary.contains("  connected               6"), "{summary}");
}

/// A run of six devices that is asked to end by `asked` after `meanwhile`. Its code, progress, summary and report.
fn ended(
    target: &str,
    asked: Signal,
    meanwhile: impl FnOnce(&Fleet, &mut Running),
) -> (Option<i32>, String, String, serde_json::Value) {
    let fleet = Fleet::new(&manifest(target, LONG));
    let summary = File::create(fleet.path("summary")).unwrap();
    let mut run = fleet.command(&["run", "fleet.toml", "--report", "report", "--stop-within", "6s"]);
    let mut running = Running::spawn_into(&mut run, summary);
    running.wait_for("all 6 devices online");
    running.wait_for("acknowledged");
    meanwhile(&fleet, &mut running);
    signal(i32::try_from(running.pid()).unwrap(), asked);
    let (code, progress) = running.end_in_time();
    fleet.wait_until_nothing_runs();
    let summary = fs::read_to_string(fleet.path("summary")).unwrap();
    (code, progress, summary, fleet.report())
}

/// The REST interface falls silent when a run is under way, or refuses for ever.
const FAULTS: &str = r#"
[[rule]]
id = "switch"
phase = "rest"
after = "5s"
VERDICT
"#;

#[test]
fn a_stopped_shard_does_not_keep_a_run_from_its_report() {
    let (code, progress, summary, report) = ended(EMULATOR, Signal::TERM, |fleet, _| {
        signal(fleet.process("--shard 1/2"), Signal::STOP);
    });
    // Asked for or not, a process that had to be killed is a failure of the machinery.
    assert_eq!((code, &report["exit"]), (Some(1), &1.into()), "{progress}");
    assert!(
        progress.contains("device-sim 1/2 has not stopped within 4s and is killed"),
        "{progress}"
    );
    assert!(summary.contains("  connected               6"), "{summary}");
}

#[test]
fn a_stopped_emulator_does_not_keep_a_run_from_its_report_and_what_it_received_is_unknown() {
    let (code, progress, summary, report) = ended(EMULATOR, Signal::INT, |fleet, _| {
        signal(fleet.process(" emulator "), Signal::STOP);
    });
    assert_eq!((code, &report["exit"]), (Some(1), &1.into()), "{progress}");
    assert!(
        progress.contains("the emulator did not stop and was killed"),
        "{progress}"
    );
    assert!(
        progress.contains("what Central shows of thermo-0001 is unknown"),
        "{progress}"
    );
    assert!(summary.contains("  received          unknown"), "{summary}");
}

#[test]
fn a_rest_interface_that_is_silent_or_refuses_for_ever_does_not_keep_a_run_from_its_report() {
    for verdict in [
        "verdict = \"black-hole\"",
        "verdict = \"answer\"\nstatus = 429\nretry_after = \"1s\"",
    ] {
        let target = format!("{EMULATOR}\nfaults = \"faults.toml\"");
        let fleet = Fleet::new(&manifest(&target, SHORT));
        fs::write(fleet.path("faults.toml"), FAULTS.replace("VERDICT", verdict)).unwrap();
        let arguments = [
            "run",
            "fleet.toml",
            "--duration=9s",
            "--report",
            "report",
            "--stop-within",
            "6s",
        ];
        let (code, progress) = fleet.start(&arguments).end_in_time();
        assert_eq!((code, &fleet.report()["exit"]), (Some(0), &0.into()), "{progress}");
        assert!(
            progress.contains("what Central shows of thermo-0001 is unknown"),
            "{progress}"
        );
    }
}

#[test]
fn a_hangup_is_a_request_to_stop_and_nohup_keeps_it_away() {
    let (code, progress, _, report) = ended(EMULATOR, Signal::HUP, |_, _| {});
    assert_eq!((code, &report["exit"]), (Some(130), &130.into()), "{progress}");
    assert!(progress.contains("interrupted: devices drain"), "{progress}");

    let fleet = Fleet::new(&manifest(EMULATOR, SHORT));
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "trap '' HUP; exec \"$0\" run fleet.toml --duration=5s",
        env!("CARGO_BIN_EXE_fleet"),
    ]);
    let mut running = Running::spawn({
        shell.current_dir(fleet.path(""));
        shell
    });
    running.wait_for("all 6 devices online");
    signal(i32::try_from(running.pid()).unwrap(), Signal::HUP);
    let (code, progress) = running.end();
    assert_eq!(code, Some(0), "{progress}");
    assert!(!progress.contains("interrupted"), "{progress}");
}

#[test]
fn two_signals_of_one_moment_are_one_request() {
    // As `timeout` does: the process, and its group.
    let fleet = Fleet::new(&manifest(EMULATOR, LONG));
    let mut run = fleet.command(&["run", "fleet.toml", "--report", "report"]);
    run.process_group(0);
    let mut running = Running::spawn(run);
    running.wait_for("all 6 devices online");
    let pid = i32::try_from(running.pid()).unwrap();
    signal(pid, Signal::INT);
    rustix::process::kill_process_group(rustix::process::Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
    let (code, progress) = running.end();
    assert_eq!((code, &fleet.report()["exit"]), (Some(130), &130.into()), "{progress}");
    assert!(!progress.contains("leaving at once"), "{progress}");
}

#[test]
fn whoever_waits_for_an_application_that_does_not_answer_is_told() {
    // It takes connections and never says a word.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = format!(
        "kind = \"iot-central\"\napp = \"http://127.0.0.1:{port}\"\napi_token = {{ file = \"token\" }}\nid_scope = \"0ne1\""
    );
    let fleet = Fleet::new(&manifest(&target, SHORT));
    fs::write(fleet.path("token"), "a secret").unwrap();
    let mut running = fleet.start(&["enroll", "fleet.toml"]);
    running.wait_for("no answer from 127.0.0.1 for 5 s");
    running.interrupt();
    assert_eq!(running.end().0, Some(130));
}
