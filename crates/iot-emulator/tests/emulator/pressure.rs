//! Clients that stall.

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
    timeout(PATIENCE, all).await.expect("the journal records why");
    reasons.sort();
    let too_long = "TLS handshake took too long";
    assert_eq!(reasons, [too_long, too_long, "no CONNECT in time"]);
}
