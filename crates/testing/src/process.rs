//! Programs as processes of their own, found through `/proc`.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::PATIENCE;

/// A program that is running, and what it has said on stderr or stdout.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Running {
    /// Starts a program; its stderr can be listened to.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        Self::listen(child, stderr)
    }

    /// Starts a program; its stdout can be listened to.
    pub fn spawn_service(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        Self::listen(child, stdout)
    }

    /// Starts a program whose stdout goes into a file; its stderr can be listened to.
    pub fn spawn_into(command: &mut Command, stdout: std::fs::File) -> Self {
        let command = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        Self::listen(child, stderr)
    }

    /// Waits for its end, which has to come by itself.
    pub fn end_in_time(mut self) -> (Option<i32>, String) {
        if !ends(i32::try_from(self.child.id()).unwrap()) {
            self.heard.extend(self.lines.try_iter());
            panic!("still running; it said {:#?}", self.heard);
        }
        self.end()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `output` is the one of the child that can be listened to.
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
    pub fn wait_for(&mut self, words: &str) -> String {
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

    pub fn interrupt(&self) {
        signal(i32::try_from(self.child.id()).unwrap(), Signal::INT);
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end: the exit code and all that it said.
    pub fn end(mut self) -> (Option<i32>, String) {
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
pub fn ends(pid: i32) -> bool {
    let process = match pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return true,
        Err(error) => panic!("process {pid} can't be watched: {error}"),
    };
    let patience = Timespec::try_from(PATIENCE).unwrap();
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).unwrap() > 0
}

pub fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// The processes that have this path in their arguments, with their arguments.
pub fn with_argument(folder: &Path) -> Vec<(i32, String)> {
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
