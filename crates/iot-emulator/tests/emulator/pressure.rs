//! Clients that stall.

use iot_emulator::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use testing::device::Device;
use testing::emulator::emulator;
use testing::soon;

#[tokio::test]
async fn who_stalls_before_tls_or_in_it_or_before_connect_is_cut_off() {
    let emulator = emulator().await;
    let mut silent = TcpStream::connect(emulator.mqtt_addr()).await.unwrap();
    let mut halfway = TcpStream::connect(emulator.mqtt_addr()).await.unwrap();
    // The beginning of a ClientHello.
    halfway.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc").await.unwrap();
    let mut mute = Device::dial(&emulator, None).await;

    for stream in [&mut silent, &mut halfway] {
        let end = soon("the end of the connection", stream.read(&mut [0])).await;
        assert!(matches!(end, Ok(0) | Err(_)));
    }
    mute.is_closed().await;
    let mut reasons = Vec::new();
    let all = emulator.journal().wait_for(0, |entry| {
        if let Event::Dropped { reason } = &entry.event {
            reasons.push(reason.clone());
        }
        reasons.len() == 3
    });
    soon("the reasons in the journal", all).await;
    reasons.sort();
    let too_long = "TLS handshake took too long";
    assert_eq!(reasons, [too_long, too_long, "no CONNECT in time"]);
}
