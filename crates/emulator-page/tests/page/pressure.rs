//! More clients than there are file handles.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use testing::soon;
use tokio::net::TcpStream;

use crate::process::{Program, program};
use testing::device::Device;
use testing::emulator::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_file_handles_it_logs_so_and_goes_on_when_there_are_some_again() {
    let folder = tempfile::tempdir().unwrap();
    let whole = program(folder.path());
    let mut few = Command::new("sh");
    few.args(["-c", r#"ulimit -n 64 && exec "$0" "$@""#])
        .arg(whole.get_program())
        .args(whole.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let program = Program::start(&mut few);
    let words = program.child.lock().unwrap().stderr.take().unwrap();
    let (log, logged) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut log = Some(log);
        // All of it is read, so that the program never has to wait for its reader.
        for line in BufReader::new(words).lines().map_while(Result::ok) {
            if line.contains("could not be accepted")
                && let Some(log) = log.take()
            {
                let _ = log.send(line);
            }
        }
    });

    let mut crowd = Vec::new();
    for _ in 0..96 {
        crowd.push(TcpStream::connect(program.mqtt()).await.unwrap());
    }
    let line = soon("the log", logged).await.unwrap();
    assert!(line.contains("Too many open files"), "{line}");

    drop(crowd);
    soon("a connection", Device::dial(&program, None)).await;
}
