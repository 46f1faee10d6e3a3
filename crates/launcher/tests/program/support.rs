//! The real `fleet` program in a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

/// Longer than anything takes on a busy machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a manifest.
pub(crate) struct Fleet {
    folder: TempDir,
}

/// A program that is running, and what it has said on stderr or stdout.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
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
        let mut child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        Running::listen(child, stdout)
    }

    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path("report/report.json")).unwrap()).unwrap()
    }

    /// The processes that were started with a path of this folder, except the one that the test itself has started.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        processes_of(self.folder.path())
    }

    /// The process whose arguments hold `words`.
    pub(crate) fn process(&self, words: &str) -> i32 {
        let found = self.processes();
        let one = found.iter().find(|(_, arguments)| arguments.contains(words));
        one.unwrap_or_else(|| panic!("no `{words}` in {found:?}")).0
    }

    /// Waits until no process of this folder is left.
    pub(crate) fn wait_until_nothing_runs(&self) {
        while let Some((pid, arguments)) = self.processes().pop() {
            assert!(ends(pid), "still running: {arguments}");
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

fn processes_of(folder: &Path) -> Vec<(i32, String)> {
    let folder = folder.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while we look at it.
        let Ok(arguments) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        if arguments.contains(folder) {
            found.push((pid, arguments));
        }
    }
    found
}

impl Running {
    /// Starts a program; its stderr can be listened to.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        Self::listen(child, stderr)
    }

    /// Starts a program whose stdout goes into a file; its stderr can be listened to.
    pub(crate) fn spawn_into(command: &mut Command, stdout: std::fs::File) -> Self {
        let command = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        Self::listen(child, stderr)
    }

    /// Waits for its end, which has to come by itself.
    pub(crate) fn end_in_time(mut self) -> (Option<i32>, String) {
        if !ends(i32::try_from(self.child.id()).unwrap()) {
            self.heard.extend(self.lines.try_iter());
            panic!("still running; it said {:#?}", self.heard);
        }
        self.end()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn listen(child: Child, output: impl Read + Send + 'static) -> Self {
        let (heard, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if heard.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            heard: Vec::new(),
        }
    }

    /// Waits until it says a line with `words` in it.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("`{words}` was never said; it said {:#?}", self.heard);
            };
            self.heard.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    pub(crate) fn interrupt(&self) {
        signal(i32::try_from(self.child.id()).unwrap(), Signal::INT);
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end: the exit code and all that it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        self.heard.extend(self.lines.iter());
        (status.code(), self.heard.join("\n"))
    }
}

/// A test that fails leaves no program behind.
impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process, which need not be a child. Whether it has come.
fn ends(pid: i32) -> bool {
    let process = match pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return true,
        Err(error) => panic!("process {pid} can't be watched: {error}"),
    };
    let patience = Timespec::try_from(PATIENCE).unwrap();
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).unwrap() > 0
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
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
