//! The `device-sim` program: how it starts, ends, and refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::{Output, Stdio};

use common::{World, assert_account_closes, soon};
use fleet_protocol::lines::{EndReason, Line, Stats};
use fleet_protocol::plan::{Devices, Model, OwnModel, Plan};
use iot_emulator::{Entry, Event, RefusalReason};
use jiff::{SignedDuration, Timestamp};
use provisioning::certificate::make::{KeyType, Validity};
use provisioning::identities::Issuer;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn command(plan: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_device-sim"));
    command
        .arg("--plan")
        .arg(plan)
        .env_remove("RUST_LOG")
        .kill_on_drop(true);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Process {
    fn start(plan: &Path, arguments: &[&str]) -> Self {
        let mut child = command(plan).args(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> Line {
        let line = soon("a line", self.lines.next_line())
            .await
            .unwrap()
            .expect("stdout is open");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    async fn stats(&mut self, is_it: impl Fn(&Stats) -> bool) -> Stats {
        loop {
            if let Line::Stats(stats) = self.line().await
                && is_it(&stats)
            {
                return stats;
            }
        }
    }

    /// Reads to the end line, which must be the last, and waits for a clean exit. Nothing may be on stderr.
    async fn end(mut self) -> (Stats, EndReason) {
        let mut last = Stats::default();
        let reason = loop {
            match self.line().await {
                Line::Stats(stats) => last = stats,
                Line::End { reason } => break reason,
                _ => {}
            }
        };
        assert_eq!(soon("the end of stdout", self.lines.next_line()).await.unwrap(), None);
        let mut stderr = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .await
            .unwrap();
        assert_eq!(stderr, "");
        assert!(soon("the exit", self.child.wait()).await.unwrap().success());
        (last, reason)
    }
}

async fn refused(plan: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = soon("the exit", command(plan).args(arguments).output()).await.unwrap();
    assert_eq!(stdout, b"", "nothing was started");
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn ready_comes_first_and_the_end_of_the_control_lines_drains_and_stops() {
    let world = World::new().await;
    world.enroll_group(3).await;
    let plan = world.write_plan(&world.plan(3));
    let mut process = Process::start(&plan, &["--shard", "0/2", "--control", "stdin"]);
    match process.line().await {
        Line::Ready {
            version: 1,
            shard,
            devices: 2,
            pid,
        } => {
            assert_eq!((shard.as_str(), Some(pid)), ("0/2", process.child.id()));
        }
        other => panic!("{other:?}"),
    }
    process
        .stats(|stats| common::counter(stats, "telemetry_acked") > 0)
        .await;
    let mut stdin = process.child.stdin.take().unwrap();
    stdin
        .write_all(b"{\"id\":1,\"do\":\"pause_ramp\"}\nnonsense\n")
        .await
        .unwrap();
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let line = process.line().await;
        if matches!(line, Line::Done { .. } | Line::Refused { .. }) {
            answers.push(line);
        }
    }
    assert!(answers.contains(&Line::Done { id: 1, devices: 0 }), "{answers:?}");
    drop(stdin);
    let (stats, reason) = process.end().await;
    assert_eq!(reason, EndReason::Stopped);
    assert_account_closes(&stats);
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_drains_and_stops() {
    let world = World::new().await;
    world.enroll_group(2).await;
    let plan = world.write_plan(&world.plan(2));
    let mut process = Process::start(&plan, &[]);
    process
        .stats(|stats| common::counter(stats, "telemetry_acked") > 4)
        .await;
    let pid = rustix::process::Pid::from_raw(process.child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (stats, reason) = process.end().await;
    assert_eq!(reason, EndReason::Stopped);
    assert_account_closes(&stats);
    assert_eq!(world.emulator.stats().connected, 0);
}

/// Whatever the number of its groups and devices is.
#[tokio::test]
async fn a_model_is_read_once_in_a_process() {
    let world = World::new().await;
    world.enroll_group(3).await;
    world.enroll_individual("pump-1").await;
    let mut documents = dtdl::Documents::new();
    let text = include_str!("../../../configs/own-models/pump.json");
    documents.add("pump.json", &serde_json::from_str(text).unwrap());
    let parsed = documents.read(None).unwrap();
    let mut plan = world.plan(3);
    plan.groups.push(world.individual_group("pump-1"));
    plan.groups.iter_mut().for_each(|group| group.model = Model::Own(0));
    plan.models = vec![OwnModel {
        id: parsed.model.id.clone(),
        document: parsed.document,
    }];
    let plan = world.write_plan(&plan);
    let mut child = command(&plan)
        .env("RUST_LOG", "device_sim::model=debug")
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut process = Process { child, lines };
    process
        .stats(|stats| common::counter(stats, "telemetry_acked") >= 8)
        .await;
    let mut log = process.child.stderr.take().unwrap();
    process.child.kill().await.unwrap();
    let mut logged = String::new();
    log.read_to_string(&mut logged).await.unwrap();
    assert_eq!(logged.matches("model read").count(), 1, "{logged}");
}

/// A terminal: what is typed on it, and the side for a program's stdin. No session is controlled by it.
#[cfg(unix)]
fn terminal() -> (pty_process::blocking::Pty, std::os::fd::OwnedFd) {
    use std::os::fd::AsFd;
    let (typed, read) = pty_process::blocking::open().unwrap();
    (typed, read.as_fd().try_clone_to_owned().unwrap())
}

#[cfg(unix)]
#[tokio::test]
async fn enter_and_sigusr1_have_refused_devices_try_again_now() {
    use std::io::Write;
    let world = World::new().await;
    let group = world.make_group(2);
    let plan = world.write_plan(&world.plan(2));
    let (mut typed, stdin) = terminal();
    let mut child = command(&plan).stdin(stdin).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The devices may be quicker than the note that they try again.
    let mut logged = async |wanted: &[&str]| {
        let mut wanted = wanted.to_vec();
        let what = wanted.join(", ");
        soon(&what, async {
            while !wanted.is_empty() {
                let line = log.next_line().await.unwrap().expect("stderr is open");
                assert!(
                    !line.contains("; tries again in ") || line.contains("s; Enter tries again now"),
                    "{line}"
                );
                if let Some(found) = wanted.iter().position(|what| line.contains(what)) {
                    wanted.remove(found);
                }
            }
        })
        .await;
    };
    let refused = "; tries again in ";
    logged(&[refused, refused]).await;
    typed.write_all(b"\n").unwrap();
    logged(&["trying again now: 2 devices", refused, refused]).await;
    world.enroll_made(&group).await;
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    logged(&["trying again now: 2 devices"]).await;
    let mut online = 0;
    while online < 2 {
        let line = soon("devices online", lines.next_line())
            .await
            .unwrap()
            .expect("stdout is open");
        online += usize::from(line.contains(r#""state":"online""#));
    }
    typed.write_all(b"\n").unwrap();
    logged(&["nothing to try again: no device waits after a failure"]).await;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // Whatever it still writes has a reader.
    while soon("the end of stdout", lines.next_line()).await.unwrap().is_some() {}
    assert!(soon("the exit", child.wait()).await.unwrap().success());
}

/// Control lines and Enter would take each other's input.
#[cfg(unix)]
#[tokio::test]
async fn where_control_lines_are_read_from_a_terminal_enter_is_not() {
    let world = World::new().await;
    world.make_group(1);
    let plan = world.write_plan(&world.plan(1));
    let (_typed, stdin) = terminal();
    let mut child = command(&plan)
        .args(["--control", "stdin"])
        .stdin(stdin)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = soon("a refusal", log.next_line())
        .await
        .unwrap()
        .expect("stderr is open");
    assert!(line.contains("; tries again in ") && !line.contains("Enter"), "{line}");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn what_can_not_be_started_is_refused_with_the_reason_and_exit_code_2() {
    let world = World::new().await;
    let missing = world.path().join("missing.json");
    let (code, words) = refused(&missing, &[]).await;
    assert_eq!(code, Some(2));
    assert!(
        words.starts_with(&format!(
            "error: can't read the plan `{}`: No such file",
            missing.display()
        )),
        "{words}"
    );

    let plan = world.path().join("other.json");
    std::fs::write(&plan, r#"{"version":99}"#).unwrap();
    let (code, words) = refused(&plan, &[]).await;
    assert_eq!(code, Some(2));
    assert_eq!(
        words,
        format!(
            "error: `{}` is a plan of version 99; this build reads version 1\n",
            plan.display()
        )
    );

    let mut far = world.plan(1);
    far.target.ca = Some(world.path().join("no-ca.pem"));
    let (code, words) = refused(&world.write_plan(&far), &[]).await;
    assert_eq!(code, Some(2));
    assert!(words.contains("the roots to trust can't be used"), "{words}");

    let (code, words) = refused(&world.write_plan(&world.plan(1)), &["--shard", "2/2"]).await;
    assert_eq!(code, Some(2));
    assert!(words.contains("`2/2` is not of the form i/n"), "{words}");
}

#[tokio::test]
async fn a_plan_made_by_hand_is_refused_with_all_that_is_wrong_in_it() {
    let world = World::new().await;
    let mut plan = world.plan(3);
    plan.rates.register_per_s = 0.0;
    if let Devices::Range(range) = &mut plan.groups[0].devices {
        range.width = 1_000_000_000;
    }
    let (code, words) = refused(&world.write_plan(&plan), &[]).await;
    assert_eq!(code, Some(2), "{words}");
    for expected in [
        "plan.json` can't be used\n",
        "\n  `rates.register_per_s`: 0 a second",
        "\n  `groups[0].devices.range.width`: 1000000000, it must be from 0 to 20",
    ] {
        assert!(words.contains(expected), "{expected} in {words}");
    }
    let no_groups = Plan {
        groups: Vec::new(),
        ..world.plan(1)
    };
    let (code, words) = refused(&world.write_plan(&no_groups), &[]).await;
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("`groups`: it is empty"), "{words}");
}

#[cfg(unix)]
#[tokio::test]
async fn too_few_file_handles_are_refused_before_a_device_starts() {
    let world = World::new().await;
    let plan = world.write_plan(&world.plan(5_000));
    let limited = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 1000 && exec \"$0\" --plan \"$1\"",
            env!("CARGO_BIN_EXE_device-sim"),
        ])
        .arg(&plan)
        .output();
    let Output { status, stderr, .. } = soon("the exit", limited).await.unwrap();
    let words = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{words}");
    assert!(
        words.contains("5064 file handles are needed, but this process may open only 1000"),
        "{words}"
    );
    assert!(words.contains("ulimit -n"), "{words}");
}

/// A device by environment, as the how-to starts it; everything else of the machine's environment is left out.
fn single(world: &World, variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_device-sim"));
    let port = world.emulator.mqtt_addr().port().to_string();
    command
        .args(["--interval", "100ms", "--port", &port, "--ca"])
        .arg(world.path().join("ca.pem"));
    command
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts it, waits until a message is acknowledged, stops it with Ctrl-C and returns what it printed.
#[cfg(unix)]
async fn watched(mut command: Command) -> String {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut printed = String::new();
    while let Some(line) = soon("a line of the log", lines.next_line()).await.unwrap() {
        printed.push_str(&line);
        printed.push('\n');
        if line.contains(" acknowledged after ") && child.id().is_some() {
            let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        }
    }
    assert!(soon("the exit", child.wait()).await.unwrap().success(), "{printed}");
    printed
}

#[cfg(unix)]
#[tokio::test]
async fn a_single_device_by_environment_reports_what_it_does_until_ctrl_c() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let leaf = |suffix: &str| {
        let folder = world.path().join("certs/thermostats/leaves/0001");
        folder
            .join(format!("thermo-1_{suffix}.pem"))
            .to_string_lossy()
            .into_owned()
    };
    let certificate = [
        ("IOTHUB_DEVICE_X509_CERT", leaf("fullchain")),
        ("IOTHUB_DEVICE_X509_KEY", leaf("key")),
    ];
    let mut dps = certificate.to_vec();
    dps.extend([
        ("IOTHUB_DEVICE_SECURITY_TYPE", "DPS".to_owned()),
        ("IOTHUB_DEVICE_DPS_ENDPOINT", "localhost".to_owned()),
        ("IOTHUB_DEVICE_DPS_ID_SCOPE", world.emulator.id_scope().to_string()),
    ]);
    // The registration id is not given: the certificate's common name is.
    let printed = watched(single(&world, &dps)).await;
    for words in [
        "registers with localhost",
        "registered",
        "online",
        "telemetry {\"temperature\":",
        "stopped: ",
    ] {
        assert!(printed.contains(words), "{words} in {printed}");
    }

    let mut string = certificate.to_vec();
    let text = "HostName=localhost;DeviceId=thermo-1;x509=true;GatewayHostName=127.0.0.1";
    string.push(("IOTHUB_DEVICE_CONNECTION_STRING", text.to_owned()));
    let printed = watched(single(&world, &string)).await;
    assert!(
        printed.contains("online") && !printed.contains("registers with"),
        "{printed}"
    );
    assert_eq!(world.emulator.stats().registrations, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_single_device_takes_a_pfx_file_with_its_password() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let leaves = world.path().join("certs/thermostats/leaves/0001");
    let pfx = world.path().join("thermo-1.pfx");
    let made = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:1234", "-in"])
        .arg(leaves.join("thermo-1_fullchain.pem"))
        .arg("-inkey")
        .arg(leaves.join("thermo-1_key.pem"))
        .arg("-out")
        .arg(&pfx)
        .output()
        .await;
    if !made.is_ok_and(|made| made.status.success()) {
        return testing::skip("there is no openssl");
    }
    let variables = |password: &str| {
        [
            ("IOTHUB_DEVICE_X509_CERT", pfx.to_string_lossy().into_owned()),
            ("IOTHUB_DEVICE_X509_PASSWORD", password.to_owned()),
            ("IOTHUB_DEVICE_DPS_ENDPOINT", "localhost".to_owned()),
            ("IOTHUB_DEVICE_DPS_ID_SCOPE", world.emulator.id_scope().to_string()),
        ]
    };
    assert!(watched(single(&world, &variables("1234"))).await.contains("online"));

    let refused = soon("the exit", single(&world, &variables("5678")).output())
        .await
        .unwrap();
    let printed = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{printed}");
    assert!(
        printed.contains("thermo-1.pfx") && printed.contains("password") && !printed.contains("5678"),
        "{printed}"
    );
}

#[tokio::test]
async fn a_single_device_reports_everything_that_is_missing_at_once() {
    let world = World::new().await;
    let refused = soon("the exit", single(&world, &[]).output()).await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let printed = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(printed.lines().count(), 3, "{printed}");
    assert!(
        printed.contains("IOTHUB_DEVICE_X509_CERT") && printed.contains("IOTHUB_DEVICE_DPS_ID_SCOPE"),
        "{printed}"
    );
}

/// They would be ignored, without a word.
#[tokio::test]
async fn flags_of_a_fleet_are_refused_with_a_single_device() {
    let world = World::new().await;
    for flags in [["--control", "stdin"], ["--shard", "0/2"], ["--incarnation", "2"]] {
        let mut command = single(&world, &[]);
        command.args(flags);
        let refused = soon("the exit", command.output()).await.unwrap();
        let printed = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{printed}");
        assert!(printed.contains("--plan <FILE>"), "{printed}");
    }
}

/// What a single device prints until a line with `words`; then it is ended.
async fn printed_until(mut command: Command, words: &str) -> String {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut printed = String::new();
    while !printed.contains(words) {
        let line = soon("a line of the log", lines.next_line()).await.unwrap();
        printed.push_str(&line.unwrap_or_else(|| panic!("it ended, and printed {printed}")));
        printed.push('\n');
    }
    child.kill().await.unwrap();
    printed
}

#[tokio::test]
async fn a_single_device_that_is_refused_reports_what_is_likely_behind_it() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let leaf = |suffix: &str| {
        world
            .path()
            .join(format!("certs/thermostats/leaves/0001/thermo-1_{suffix}.pem"))
    };
    let variables = [
        // Without the intermediate between it and the enrolled root.
        ("IOTHUB_DEVICE_X509_CERT", leaf("cert").display().to_string()),
        ("IOTHUB_DEVICE_X509_KEY", leaf("key").display().to_string()),
        ("IOTHUB_DEVICE_DPS_ENDPOINT", "localhost".to_owned()),
        ("IOTHUB_DEVICE_DPS_ID_SCOPE", world.emulator.id_scope().to_string()),
        // As compose makes them of what is not set.
        ("IOTHUB_DEVICE_DPS_DEVICE_ID", String::new()),
        ("IOTHUB_DEVICE_SECURITY_TYPE", String::new()),
    ];
    let printed = printed_until(single(&world, &variables), "hint: ").await;
    for words in [
        "likely cause: its chain ends at `thermo-1`, whose issuer `thermostats intermediate` it did not send",
        "1. an enrollment group has `thermostats intermediate` as its CA",
        "2. that CA is verified, and the group is enabled",
        "thermo-1_cert.pem --ca ENROLLED_CA`",
    ] {
        assert!(printed.contains(words), "no `{words}` in {printed}");
    }
}

#[tokio::test]
async fn a_registration_id_that_the_certificate_can_never_have_is_refused_at_the_start() {
    let world = World::new().await;
    world.make_group(1);
    let leaf = |suffix: &str| {
        world
            .path()
            .join(format!("certs/thermostats/leaves/0001/thermo-1_{suffix}.pem"))
    };
    let variables = [
        ("IOTHUB_DEVICE_X509_CERT", leaf("fullchain").display().to_string()),
        ("IOTHUB_DEVICE_X509_KEY", leaf("key").display().to_string()),
        ("IOTHUB_DEVICE_DPS_ENDPOINT", "localhost".to_owned()),
        ("IOTHUB_DEVICE_DPS_ID_SCOPE", world.emulator.id_scope().to_string()),
        ("IOTHUB_DEVICE_DPS_DEVICE_ID", "pump-9".to_owned()),
    ];
    let refused = soon("the exit", single(&world, &variables).output()).await.unwrap();
    let printed = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{printed}");
    assert!(
        printed.contains("has the common name `thermo-1`, but the registration id is `pump-9`"),
        "{printed}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_shard_under_a_lease_runs_once_and_goes_on_elsewhere_when_its_process_is_killed() {
    let world = World::new().await;
    world.enroll_group(2).await;
    let plan = world.write_plan(&world.plan(2));
    let lease = world.path().join("0-of-1.lease");
    let leased = ["--lease", lease.to_str().unwrap()];
    let mut first = Process::start(&plan, &leased);
    let before = first.stats(|stats| common::counter(stats, "telemetry_acked") > 4).await;

    let (code, words) = refused(&plan, &leased).await;
    assert_eq!(code, Some(2), "{words}");
    assert!(words.ends_with("0-of-1.lease is held by another process\n"), "{words}");

    first.child.kill().await.unwrap();
    let second = [leased[0], leased[1], "--incarnation", "2", "--control", "stdin"];
    let mut second = Process::start(&plan, &second);
    second
        .stats(|stats| common::counter(stats, "telemetry_acked") > 4)
        .await;
    drop(second.child.stdin.take());
    let (after, _) = second.end().await;
    // Ids that the first process had used would count as seen before.
    let acked = common::counter(&before, "telemetry_acked") + common::counter(&after, "telemetry_acked");
    assert!(world.emulator.stats().telemetry_received_unique >= acked);
}

#[tokio::test]
async fn an_expired_certificate_is_sent_only_when_that_is_asked_for_and_is_refused_then() {
    let world = World::new().await;
    world.enroll_group(1).await;
    let group = world.make_group(1);
    let now = Timestamp::now();
    let over = Validity {
        not_before: now - SignedDuration::from_mins(3),
        not_after: now - SignedDuration::from_mins(2),
    };
    let authority = group.authority(Issuer::Intermediate).unwrap();
    let leaf = authority.leaf("thermo-1", KeyType::P256, over).unwrap();
    let file = world.path().join("old.pem");
    std::fs::write(&file, format!("{}{}", leaf.fullchain_pem(), leaf.key_pem())).unwrap();
    let variables = [
        ("IOTHUB_DEVICE_X509_CERT", file.display().to_string()),
        ("IOTHUB_DEVICE_DPS_ENDPOINT", "localhost".to_owned()),
        ("IOTHUB_DEVICE_DPS_ID_SCOPE", world.emulator.id_scope().to_string()),
    ];
    let printed = printed_until(single(&world, &variables), "--ignore-dates").await;
    assert!(
        printed.contains("expired on") && printed.contains("hint: --ignore-dates sends it"),
        "{printed}"
    );
    assert_eq!(world.emulator.journal().last(), 0, "nothing has reached a service");

    let mut command = single(&world, &variables);
    command.arg("--ignore-dates");
    let printed = printed_until(command, "hint: ").await;
    let words = "likely cause: its certificate `thermo-1` has expired: it was valid until";
    assert!(
        printed.contains("not authorized (code 5)") && printed.contains(words),
        "{printed}"
    );
    let refused = |entry: &Entry| {
        matches!(&entry.event, Event::Refused { code: 5, why: RefusalReason::Expired, reason, .. }
            if reason.starts_with("the certificate `CN=thermo-1` has expired"))
    };
    soon("the refusal", world.emulator.journal().wait_for(0, refused)).await;
}
