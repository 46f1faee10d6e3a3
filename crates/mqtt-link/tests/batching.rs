//! Everything that one wake-up sends is one write, seen from the network: a relay counts TLS records.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mqtt_link::testing::packets::{Packet, acknowledged, publish, publish_at_least_once, subscribe, subscribed};
use mqtt_link::testing::{ClientCertificate, Connection, Server, TestCa};
use mqtt_link::{ConnectOptions, Credentials, Event, Link, Qos};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// The content type of TLS records that carry data; in TLS 1.2 the handshake has none of these.
const APPLICATION_DATA: u8 = 23;

/// Relays one connection to `port` and counts the data records that the client sends.
async fn relay(port: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let own_port = listener.local_addr().expect("a bound socket has an address").port();
    let records = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&records);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(("127.0.0.1", port)).await?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
        loop {
            let mut header = [0; 5];
            from_client.read_exact(&mut header).await?;
            let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            from_client.read_exact(&mut body).await?;
            if header[0] == APPLICATION_DATA {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            to_server.write_all(&header).await?;
            to_server.write_all(&body).await?;
        }
        #[expect(unreachable_code, reason = "names the type of the errors above")]
        Ok::<(), std::io::Error>(())
    });
    (own_port, records)
}

#[tokio::test]
async fn packets_of_one_wake_up_leave_in_one_record() {
    let ca = TestCa::new("test root");
    let filters = [("in", Qos::AtLeastOnce)];
    let mut script = Connection::accepted()
        .receives(subscribe(1, &filters))
        .sends(subscribed(1, &[true]));
    for _ in 0..10 {
        script = script.receives(publish("out", "x"));
    }
    // Five messages in one write, answered by five PUBACKs.
    script = script.sends_together((1..=5).map(|id| publish_at_least_once(id, "in", "x")));
    for id in 1..=5 {
        script = script.receives(acknowledged(id));
    }
    let script = script.sends(publish("in", "end")).receives(Packet::Disconnect);

    let (chain, key) = ca.server_der(&["localhost"]);
    let config = ca.server_config_with(chain, key, ClientCertificate::Optional, &[&rustls::version::TLS12]);
    let server = Server::start_with(config, vec![script]).await;
    let mut endpoint = server.endpoint(&ca);
    let (port, records) = relay(server.port()).await;
    endpoint.port = port;

    let options = ConnectOptions::new("thermo-0001");
    let (mut link, _) = Link::connect(&endpoint, &Credentials::None, &options).await.unwrap();
    link.subscribe(&filters).await.unwrap();
    for _ in 0..10 {
        link.publish("out", "x", Qos::AtMostOnce).unwrap();
    }
    for number in 1..=6 {
        let event = link.next().await.unwrap();
        assert!(matches!(event, Event::Message { .. }), "{number}: {event:?}");
    }
    link.close(Duration::from_secs(5)).await.unwrap();
    server.finish().await;
    // CONNECT, SUBSCRIBE, ten messages, five PUBACKs, DISCONNECT.
    assert_eq!(records.load(Ordering::SeqCst), 5);
}
