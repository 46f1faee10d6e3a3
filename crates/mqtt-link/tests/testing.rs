//! The scripted server itself can be trusted: any deviation from the script fails the test.

use std::time::Duration;

use mqtt_link::testing::packets::{Packet, publish};
use mqtt_link::testing::{Connection, Server, TestCa};
use mqtt_link::{ConnectOptions, Credentials, Link, Qos};

/// Connects, publishes `x` to `out`, and leaves.
async fn follow(script: Vec<Connection>) {
    let ca = TestCa::new("test root");
    let server = Server::start(&ca, script).await;
    let options = ConnectOptions::new("thermo-0001");
    let connected = Link::connect(&server.endpoint(&ca), &Credentials::None, &options).await;
    let (mut link, _) = connected.expect("the script accepts");
    link.publish("out", "x", Qos::AtMostOnce).expect("there is room");
    // A server that found a mistake is gone; it reports it below.
    let _ = link.close(Duration::from_secs(5)).await;
    server.finish().await;
}

#[tokio::test]
async fn script_that_fits_passes() {
    follow(vec![
        Connection::accepted()
            .receives(publish("out", "x"))
            .receives(Packet::Disconnect),
    ])
    .await;
}

#[tokio::test]
#[should_panic(expected = "connection 1: step 5 (receives PingReq): client closed instead")]
async fn leftover_step_fails() {
    // CONNECT and CONNACK are steps 1 and 2.
    let whole = Connection::accepted()
        .receives(publish("out", "x"))
        .receives(Packet::Disconnect);
    follow(vec![whole.receives(Packet::PingReq)]).await;
}

#[tokio::test]
#[should_panic(expected = "step 3 (receives PingReq): received Publish(Topic = out")]
async fn other_packet_fails() {
    follow(vec![Connection::accepted().receives(Packet::PingReq)]).await;
}

#[tokio::test]
#[should_panic(expected = "connection 1: after the last step came Disconnect")]
async fn further_packet_fails() {
    follow(vec![Connection::accepted().receives(publish("out", "x"))]).await;
}

#[tokio::test]
#[should_panic(expected = "connection 2 never came")]
async fn missing_connection_fails() {
    let whole = Connection::accepted()
        .receives(publish("out", "x"))
        .receives(Packet::Disconnect);
    follow(vec![whole, Connection::accepted()]).await;
}
