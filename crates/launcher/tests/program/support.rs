//! The real `fleet` program in a folder of its own.

use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;
use testing::emulator::{Place, Ready};
use testing::process;
pub(crate) use testing::process::{Running, signal};

/// A folder with a manifest.
pub(crate) struct Fleet {
    folder: TempDir,
}

/// Six devices, soon online, reporting often. `target` is the table's content, `stages` that of the list.
pub(crate) fn manifest(target: &str, stages: &str) -> String {
    format!(
        r#"
[fleet]
name = "small"
seed = 7

[target]
{target}

[[group]]
id = "thermostats"
devices = {{ prefix = "thermo-", count = 4 }}
telemetry = {{ interval = "500ms", jitter = 0.1 }}

[[individual]]
devices = {{ prefix = "lab-", count = 2 }}
telemetry = {{ interval = "500ms", jitter = 0.1 }}

[load]
stages = [{stages}]
"#
    )
}

pub(crate) const EMULATOR: &str = "kind = \"emulator\"";
pub(crate) const SHORT: &str = r#""100%@1s", "100%@2s", "0%@500ms""#;
pub(crate) const LONG: &str = r#""100%@1s", "100%@5m""#;

/// The arguments of an emulator on ports that are free, with its state in `emulator`.
pub(crate) const ON_FREE_PORTS: &[&str] = &[
    "emulator",
    "--state",
    "emulator",
    "--mqtt",
    "127.0.0.1:0",
    "--https",
    "127.0.0.1:0",
    "--http",
    "127.0.0.1:0",
];

/// A target that is this emulator, which has its state in `emulator`, by way of IoT Central's REST API.
pub(crate) fn central(ready: &Ready) -> String {
    format!(
        "kind = \"iot-central\"\napp = \"https://localhost:{}\"\napi_token = {{ file = \"emulator/api_token\" }}\n{}",
        ready.https().port(),
        dps(ready)
    )
}

/// The part of it that devices need.
pub(crate) fn dps(ready: &Ready) -> String {
    let port = ready.mqtt().port();
    format!("dps_endpoint = \"localhost\"\nport = {port}\nca = \"emulator/ca_cert.pem\"")
}

/// The link in a line.
#[track_caller]
pub(crate) fn link(line: &str) -> &str {
    let mut words = line.split_whitespace();
    let link = words.find(|word| word.starts_with("http://"));
    link.unwrap_or_else(|| panic!("no link in {line}"))
}

/// How often an operation failed in a report: for one reason, or for any.
pub(crate) fn failures(report: &serde_json::Value, operation: &str, reason: Option<&str>) -> u64 {
    let rows = report["errors"].as_array().unwrap().iter();
    rows.filter(|row| row["operation"] == operation && reason.is_none_or(|reason| row["reason"] == reason))
        .map(|row| row["count"].as_u64().unwrap())
        .sum()
}

impl Fleet {
    pub(crate) fn new(manifest: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("fleet.toml"), manifest).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env_remove("RUST_LOG")
            .env("NO_COLOR", "1");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn fleet(&self, arguments: &[&str]) -> Finished {
        self.command(arguments).output().unwrap().into()
    }

    /// Starts the program; its stderr can be listened to.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.command(arguments))
    }

    /// Starts the program; its stdout can be listened to.
    pub(crate) fn start_service(&self, arguments: &[&str]) -> Running {
        Running::spawn_service(self.command(arguments))
    }

    /// Starts an emulator, and reads where it listens.
    pub(crate) fn start_emulator(&self, arguments: &[&str]) -> (Running, Ready) {
        let mut emulator = self.start_service(arguments);
        let ready = Ready::parse(&emulator.wait_for("\"ready\":true"));
        (emulator, ready)
    }

    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path("report/report.json")).unwrap()).unwrap()
    }

    /// The processes that were started with a path of this folder, except the one that the test itself has started.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        process::with_argument(self.folder.path())
    }

    /// The process whose arguments hold `words`.
    pub(crate) fn process(&self, words: &str) -> i32 {
        let found = self.processes();
        let one = found.iter().find(|(_, arguments)| arguments.contains(words));
        one.unwrap_or_else(|| panic!("no `{words}` in {found:?}")).0
    }

    /// Waits until no device of this folder is simulated any more.
    pub(crate) fn wait_until_no_device_runs(&self) {
        let devices = || {
            let mut found = self.processes().into_iter();
            found.find(|(_, arguments)| arguments.contains(" device-sim "))
        };
        while let Some((pid, arguments)) = devices() {
            assert!(process::ends(pid), "still running: {arguments}");
        }
    }

    /// Waits until no process of this folder is left.
    pub(crate) fn wait_until_nothing_runs(&self) {
        while let Some((pid, arguments)) = self.processes().pop() {
            assert!(process::ends(pid), "still running: {arguments}");
        }
    }

    /// What stands in the folder.
    pub(crate) fn entries(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A program that has ended.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The number behind a word of the summary.
    #[track_caller]
    pub(crate) fn figure(&self, word: &str) -> u64 {
        let line = self.stdout.lines().find_map(|line| line.trim().strip_prefix(word));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no `{word}` in\n{}", self.stdout))
    }
}
