//! The program: its one line, its files, its ends, and what it refuses.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use iot_emulator::{Config, Emulator, StartError};
use serde_json::Value;

fn program(state: &Path) -> Command {
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

/// Starts the program and reads its first line.
fn start(command: &mut Command) -> (Child, BufReader<ChildStdout>, Value) {
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    (child, stdout, serde_json::from_str(&line).unwrap())
}

/// What the program has said after its first line, and how it ended.
fn end(mut child: Child, mut stdout: BufReader<ChildStdout>) -> (String, bool) {
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    (rest, child.wait().unwrap().success())
}

#[test]
fn one_line_says_where_everything_is_and_the_end_of_stdin_is_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (mut child, stdout, ready) = start(program(&state).arg("--stop-on-stdin-eof"));
    assert_eq!(ready["ready"], true);
    assert_eq!(
        (&ready["hostname"], &ready["id_scope"]),
        (&"localhost".into(), &"0ne00EMULATOR".into())
    );
    for address in ["mqtt", "https", "http"] {
        let address: std::net::SocketAddr = ready[address].as_str().unwrap().parse().unwrap();
        assert_ne!(address.port(), 0);
    }
    assert_eq!(ready["state"], state.to_str().unwrap());
    let read = |key: &str| std::fs::read_to_string(ready[key].as_str().unwrap()).unwrap();
    assert!(read("ca").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(read("api_token_file").starts_with("SharedAccessSignature sr="));
    drop(child.stdin.take());
    assert_eq!(end(child, stdout), (String::new(), true));
}

#[cfg(unix)]
#[test]
fn sigterm_ends_it_in_good_order_while_stdin_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let (child, stdout, _) = start(program(folder.path()).arg("--stop-on-stdin-eof"));
    let kill = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    assert_eq!(end(child, stdout), (String::new(), true));
}

#[test]
fn a_busy_port_is_named_with_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_iot-emulator"))
        .args([
            "--mqtt",
            &address,
            "--https",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--state",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains(&format!("can't listen on {address} (`--mqtt`)")),
        "{words}"
    );
    assert!(output.stdout.is_empty() && !output.status.success());
}

#[tokio::test]
async fn plain_http_is_for_this_machine_only() {
    let config = Config {
        http: Some("0.0.0.0:0".parse().unwrap()),
        ..Config::default()
    };
    assert!(matches!(
        Emulator::start(config).await,
        Err(StartError::HttpNotLoopback(_))
    ));
}
