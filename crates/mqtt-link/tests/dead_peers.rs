//! Servers that go silent or stop reading, on real sockets with short bounds.

use std::time::Duration;

use mqtt_link::testing::packets::{Packet, acknowledged, publish_at_least_once};
use mqtt_link::testing::{Connection, Server, TestCa};
use mqtt_link::{ConnectOptions, Credentials, Event, Link, LinkError, PublishError, Qos, Transport};
use tokio::time::{Instant, timeout};

/// The bound of these tests, and what a busy machine may add to it.
const BOUND: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_secs(4);

async fn connect(server: &Server, ca: &TestCa, transport: Transport) -> Link {
    let options = ConnectOptions {
        // Keepalive would need minutes.
        keep_alive: Duration::from_secs(600),
        answer_within: BOUND,
        ..ConnectOptions::new("thermo-0001")
    };
    let endpoint = server.endpoint(ca).over(transport);
    let connected = Link::connect(&endpoint, &Credentials::None, &options).await;
    connected.expect("the script accepts").0
}

#[tokio::test]
async fn server_that_goes_silent_is_asked_and_given_up() {
    let ca = TestCa::new("test root");
    let script = Connection::accepted()
        .receives(publish_at_least_once(1, "out", "x"))
        .receives(Packet::PingReq);
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca, Transport::Tcp).await;
    let published = Instant::now();
    link.publish("out", "x", Qos::AtLeastOnce).unwrap();
    let error = link.next().await.unwrap_err();
    assert!(
        matches!(error, LinkError::PeerSilent { waited } if waited >= BOUND),
        "{error:?}"
    );
    assert!(published.elapsed() < BOUND + SLACK, "{:?}", published.elapsed());
    assert_eq!(link.in_flight(), 1, "what was not acknowledged is still known");
    drop(link);
    server.finish().await;
}

#[tokio::test]
async fn server_that_acknowledges_late_and_answers_pings_is_kept() {
    let ca = TestCa::new("test root");
    let mut script = Connection::accepted().receives(publish_at_least_once(1, "out", "x"));
    // Four questions, half a bound apart each: twice the bound.
    for _ in 0..4 {
        script = script.receives(Packet::PingReq).sends(Packet::PingResp);
    }
    let script = script.sends(acknowledged(1)).receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca, Transport::Tcp).await;
    link.publish("out", "x", Qos::AtLeastOnce).unwrap();
    let event = link.next().await.unwrap();
    assert!(
        matches!(event, Event::Acknowledged { latency, .. } if latency >= 2 * BOUND),
        "{event:?}"
    );
    link.close(Duration::from_secs(5)).await.unwrap();
    server.finish().await;
}

/// Publishes as much as is accepted until the link ends; returns how much that was.
async fn publish_until_the_end(link: &mut Link) -> (LinkError, usize) {
    let (mut taken, mut refused) = (0, false);
    loop {
        match link.publish("out", vec![b'x'; 16 * 1024], Qos::AtMostOnce) {
            Ok(_) => taken += 16 * 1024,
            Err(PublishError::BufferFull { .. }) => {
                refused = true;
                // Goes on when there is room again, which the link has no event for.
                if let Ok(ended) = timeout(Duration::from_millis(2), link.next()).await {
                    return (ended.expect_err("the server sends nothing"), taken);
                }
            }
            Err(error) => panic!("{error} (refused before: {refused})"),
        }
    }
}

#[tokio::test]
async fn server_that_stops_reading_is_given_up_over_both_transports() {
    let ca = TestCa::new("test root");
    for transport in [Transport::Tcp, Transport::WebSocket] {
        let mut script = Connection::accepted().stops_reading();
        if transport == Transport::WebSocket {
            script = script.over_websocket();
        }
        let server = Server::start(&ca, vec![script]).await;
        let mut link = connect(&server, &ca, transport).await;
        let (error, taken) = timeout(BOUND + 4 * SLACK, publish_until_the_end(&mut link))
            .await
            .unwrap();
        assert!(
            matches!(error, LinkError::PeerNotReading { waited } if waited >= BOUND),
            "{error:?}"
        );
        // Nearly all of it is in the system's socket buffers; a test of the link itself checks that ours are bounded.
        assert!(taken < 64 * 1024 * 1024, "{taken} bytes were taken");
        assert_eq!(link.publish("out", "x", Qos::AtMostOnce), Err(PublishError::Ended));
        drop(link);
        server.finish().await;
    }
}

#[tokio::test]
async fn flushing_to_a_server_that_stops_reading_ends_as_well() {
    let ca = TestCa::new("test root");
    let server = Server::start(&ca, vec![Connection::accepted().stops_reading()]).await;
    let mut link = connect(&server, &ca, Transport::Tcp).await;
    let flushing = async {
        loop {
            link.publish("out", vec![b'x'; 60_000], Qos::AtMostOnce).unwrap();
            if let Err(error) = link.flush().await {
                return error;
            }
        }
    };
    let error = timeout(BOUND + 4 * SLACK, flushing).await.unwrap();
    assert_eq!(error.reason(), "peer_not_reading", "{error:?}");
    drop(link);
    server.finish().await;
}
