//! The real program, as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use testing::emulator::{Place, Ready};

/// The program on free ports, with this state folder.
pub(crate) fn program(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_iot-emulator"));
    let free = "127.0.0.1:0";
    command
        .args(["--mqtt", free, "--https", free, "--http", free, "--state"])
        .arg(state);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running program, and its first line of output.
pub(crate) struct Program {
    pub(crate) child: Mutex<Child>,
    stdout: BufReader<ChildStdout>,
    pub(crate) ready: Ready,
}

impl Program {
    /// Starts a program and reads its first line.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut words = String::new();
            child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
            panic!("the program does not start: {words}");
        }
        Self {
            child: Mutex::new(child),
            stdout,
            ready: Ready::parse(&line),
        }
    }

    /// What the program has printed after its first line, and whether it ended well.
    pub(crate) fn end(mut self) -> (String, bool) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (rest, self.child.get_mut().unwrap().wait().unwrap().success())
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The text of a file that the first line names.
    pub(crate) fn read(&self, key: &str) -> String {
        self.ready.read(key)
    }
}

/// A test that fails leaves no process behind.
impl Drop for Program {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        drop(child.kill());
        drop(child.wait());
    }
}

impl Place for Program {
    fn ca_pem(&self) -> String {
        self.ready.ca_pem()
    }

    fn mqtt(&self) -> SocketAddr {
        self.ready.mqtt()
    }

    fn https(&self) -> SocketAddr {
        self.ready.https()
    }

    fn http(&self) -> SocketAddr {
        self.ready.http()
    }

    fn token(&self) -> String {
        self.ready.token()
    }
}
