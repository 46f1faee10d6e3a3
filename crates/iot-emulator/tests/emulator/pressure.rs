//! Clients that stall, and more of them than there are file handles.

use std::time::Duration;

use iot_emulator::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::common::device::Device;
use crate::common::emulator;

/// What takes ten seconds takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn who_stalls_before_tls_or_in_it_or_before_connect_is_cut_off() {
    let emulator = emulator().await;
    let mut silent = TcpStream::connect(emulator.mqtt_addr()).await.unwrap();
    let mut halfway = TcpStream::connect(emulator.mqtt_addr()).await.unwrap();
    // The beginning of a ClientHello.
    halfway.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc").await.unwrap();
    let mut mute = Device::dial(&emulator, None).await;

    for stream in [&mut silent, &mut halfway] {
        let end = timeout(PATIENCE, stream.read(&mut [0])).await;
        assert!(matches!(end.expect("it is cut off"), Ok(0) | Err(_)));
    }
    mute.is_closed().await;
    let mut reasons = Vec::new();
    let all = emulator.journal().wait_for(0, |entry| {
        if let Event::Dropped { reason } = &entry.event {
            reasons.push(reason.clone());
        }
        reasons.len() == 3
    });
    timeout(PATIENCE, all).await.expect("the journal says why");
    reasons.sort();
    let too_long = "TLS handshake took too long";
    assert_eq!(reasons, [too_long, too_long, "no CONNECT in time"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_file_handles_it_says_so_and_goes_on_when_there_are_some_again() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use crate::common::Place;
    use crate::common::program::{Program, program};

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
    let (said, saying) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut said = Some(said);
        // All of it is read, so that the program never has to wait for its reader.
        for line in BufReader::new(words).lines().map_while(Result::ok) {
            if line.contains("could not be accepted")
                && let Some(said) = said.take()
            {
                let _ = said.send(line);
            }
        }
    });

    let mut crowd = Vec::new();
    for _ in 0..96 {
        crowd.push(TcpStream::connect(program.mqtt()).await.unwrap());
    }
    let line = timeout(PATIENCE, saying).await.expect("it says so").unwrap();
    assert!(line.contains("Too many open files"), "{line}");

    drop(crowd);
    let device = timeout(PATIENCE, Device::dial(&program, None)).await;
    assert!(device.is_ok(), "it goes on");
}
