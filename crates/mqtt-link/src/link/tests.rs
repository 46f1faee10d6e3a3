//! What can't be seen from outside: how much memory a link holds, and how often it wakes.

use std::sync::Arc;

use super::*;
use crate::limits::READ_BUFFER;
use crate::testing::packets::{acknowledged, publish, publish_at_least_once};
use crate::testing::{Connection, Server, TestCa};

#[tokio::test]
async fn buffers_that_grew_are_small_again_in_silence() {
    let ca = TestCa::new("test root");
    let large = "x".repeat(200_000);
    let script = Connection::accepted()
        .receives(publish_at_least_once(1, "out", &large))
        .sends_together([publish("in", &large), publish("in", "small"), acknowledged(1)])
        .receives(publish("out", "silence"))
        .sends(publish("in", "over"));
    let server = Server::start(&ca, vec![script]).await;
    let options = ConnectOptions::new("thermo-0001");
    let (mut link, _) = Link::connect(&server.endpoint(&ca), &Credentials::None, &options)
        .await
        .unwrap();

    link.publish("out", large, Qos::AtLeastOnce).unwrap();
    for _ in 0..3 {
        link.next().await.unwrap();
    }
    // Waits, so it reaches the point where nothing is there to be read.
    link.publish("out", "silence", Qos::AtMostOnce).unwrap();
    link.next().await.unwrap();
    assert_eq!(link.packets.write_buffer().capacity(), 0);
    assert!(
        link.packets.read_buffer().capacity() <= READ_BUFFER,
        "{}",
        link.packets.read_buffer().capacity()
    );
    drop(link);
    server.finish().await;
}

#[test]
fn a_link_itself_is_small() {
    assert!(size_of::<Link>() <= 256, "{}", size_of::<Link>());
}

#[tokio::test]
async fn an_open_connection_holds_neither_chain_nor_key() {
    let ca = TestCa::new("test root");
    let key = ca.client("thermo-0001");
    let server = Server::start(&ca, vec![Connection::accepted()]).await;
    let (credentials, options) = (Credentials::X509(Arc::clone(&key)), ConnectOptions::new("thermo-0001"));
    let (link, _) = Link::connect(&server.endpoint(&ca), &credentials, &options)
        .await
        .unwrap();
    drop(credentials);
    assert_eq!(Arc::strong_count(&key), 1);
    drop(link);
    assert_eq!(
        server.finish().await[0].client_chain,
        key.cert,
        "it was shown all the same"
    );
}

#[tokio::test]
async fn an_acknowledged_message_wakes_no_task_afterwards() {
    let ca = TestCa::new("test root");
    let script = Connection::accepted()
        .receives(publish_at_least_once(1, "out", "x"))
        .sends(acknowledged(1));
    let server = Server::start(&ca, vec![script]).await;
    let answer_within = Duration::from_millis(500);
    let options = ConnectOptions {
        answer_within,
        ..ConnectOptions::new("thermo-0001")
    };
    let (mut link, _) = Link::connect(&server.endpoint(&ca), &Credentials::None, &options)
        .await
        .unwrap();
    link.publish("out", "x", Qos::AtLeastOnce).unwrap();
    assert!(matches!(link.next().await, Ok(Event::Acknowledged { .. })));
    let mut polls = 0;
    let counted = poll_fn(|cx| {
        polls += 1;
        link.poll_event(cx).map(drop)
    });
    tokio::select! {
        biased;
        () = tokio::time::sleep(2 * answer_within) => {}
        () = counted => panic!("nothing happens"),
    }
    assert_eq!(polls, 1, "only when it began to wait");
    drop(link);
    server.finish().await;
}

#[tokio::test]
async fn server_that_stops_reading_cannot_make_the_buffers_grow() {
    let ca = TestCa::new("test root");
    let server = Server::start(&ca, vec![Connection::accepted().stops_reading()]).await;
    let options = ConnectOptions {
        answer_within: Duration::from_secs(1),
        window: 10_000,
        ..ConnectOptions::new("thermo-0001")
    };
    let (mut link, _) = Link::connect(&server.endpoint(&ca), &Credentials::None, &options)
        .await
        .unwrap();
    let (payload, mut largest) = (vec![b'x'; 16 * 1024], 0);
    // Once more than the system takes: then the buffer is full for good.
    let mut stuck = false;
    while !stuck {
        while link.publish("out", payload.clone(), Qos::AtLeastOnce).is_ok() {}
        largest = largest.max(link.packets.write_buffer().capacity());
        stuck = timeout(Duration::from_millis(100), link.flush()).await.is_err();
    }
    while link.publish("out", payload.clone(), Qos::AtLeastOnce).is_ok() {}
    let refused = link.publish("out", "x", Qos::AtLeastOnce).unwrap_err();
    assert!(matches!(refused, PublishError::BufferFull { .. }), "{refused:?}");
    largest = largest.max(link.packets.write_buffer().capacity());
    let error = link.next().await.unwrap_err();
    assert_eq!(error.reason(), "peer_not_reading", "{error:?}");
    // The limit, one message beyond it, and what a growing buffer takes in advance.
    assert!(largest <= 2 * (UNSENT_LIMIT + payload.len()), "{largest}");
    drop(link);
    server.finish().await;
}
