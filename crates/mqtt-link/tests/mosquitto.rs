//! The link against a stock Mosquitto with mutual TLS: a broker that shares no code with us.
//!
//! Skipped with a message where no `mosquitto` is installed.

mod broker;

use std::time::Duration;

use broker::Broker;
use bytes::Bytes;
use mqtt_link::testing::TestCa;
use mqtt_link::{ConnectOptions, Credentials, Event, Link, Qos, Will};

const LIMIT: Duration = Duration::from_secs(5);

/// The broker's access list goes by the certificate: Mosquitto takes the user name from the subject CN.
const ACCESS: &str = "user thermo-0001\ntopic readwrite #\nuser thermo-0002\ntopic readwrite #\n";

async fn connect(broker: &Broker, name: &str, options: ConnectOptions) -> Link {
    let credentials = Credentials::X509(broker.ca.client(name));
    Link::connect(&broker.endpoint(), &credentials, &options)
        .await
        .expect("the broker accepts")
        .0
}

async fn message(link: &mut Link) -> (String, Bytes, Qos) {
    loop {
        let event = tokio::time::timeout(LIMIT, link.next())
            .await
            .expect("in time")
            .expect("the link stands");
        if let Event::Message {
            topic, payload, qos, ..
        } = event
        {
            return (topic, payload, qos);
        }
    }
}

#[tokio::test]
async fn messages_go_through_a_stock_broker_with_both_qualities() {
    let Some(broker) = Broker::start(ACCESS).await else {
        return;
    };
    let mut link = connect(&broker, "thermo-0001", ConnectOptions::new("thermo-0001")).await;
    link.subscribe(&[("a/#", Qos::AtLeastOnce), ("b", Qos::AtMostOnce)])
        .await
        .unwrap();

    link.publish("a/0", "zero", Qos::AtMostOnce).unwrap();
    assert_eq!(
        message(&mut link).await,
        ("a/0".to_owned(), "zero".into(), Qos::AtMostOnce)
    );
    link.publish("a/1", "one", Qos::AtLeastOnce).unwrap();
    assert_eq!(
        message(&mut link).await,
        ("a/1".to_owned(), "one".into(), Qos::AtLeastOnce)
    );
    link.publish("b", "one", Qos::AtLeastOnce).unwrap();
    assert_eq!(
        message(&mut link).await,
        ("b".to_owned(), "one".into(), Qos::AtMostOnce)
    );

    link.unsubscribe(&["b"]).await.unwrap();
    link.publish("b", "unheard", Qos::AtLeastOnce).unwrap();
    link.publish("a/2", Bytes::from(vec![7; 256 * 1024]), Qos::AtLeastOnce)
        .unwrap();
    let (topic, payload, _) = message(&mut link).await;
    assert_eq!((topic.as_str(), payload.len()), ("a/2", 256 * 1024));
    while link.in_flight() > 0 {
        tokio::time::timeout(LIMIT, link.next())
            .await
            .expect("in time")
            .unwrap();
    }
    link.close(LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_thousand_messages_are_all_acknowledged_once() {
    let Some(broker) = Broker::start(ACCESS).await else {
        return;
    };
    let mut link = connect(&broker, "thermo-0001", ConnectOptions::new("thermo-0001")).await;
    let (mut published, mut acknowledged) = (0, 0);
    while acknowledged < 1_000 {
        while published < 1_000 && link.can_publish() {
            link.publish("load", format!("message {published}"), Qos::AtLeastOnce)
                .unwrap();
            published += 1;
        }
        let event = tokio::time::timeout(LIMIT, link.next())
            .await
            .expect("in time")
            .unwrap();
        assert!(matches!(event, Event::Acknowledged { .. }), "{event:?}");
        acknowledged += 1;
    }
    assert_eq!(link.in_flight(), 0);
    link.close(LIMIT).await.unwrap();
}

#[tokio::test]
async fn the_broker_keeps_an_idle_connection_that_pings() {
    let Some(broker) = Broker::start(ACCESS).await else {
        return;
    };
    let options = ConnectOptions {
        keep_alive: Duration::from_secs(1),
        ..ConnectOptions::new("thermo-0001")
    };
    let mut link = connect(&broker, "thermo-0001", options).await;
    // Without pings the broker closes after 1.5 s.
    let event = tokio::time::timeout(Duration::from_secs(4), link.next()).await;
    assert!(event.is_err(), "{event:?}");
    link.close(LIMIT).await.unwrap();
}

#[tokio::test]
async fn will_is_published_for_a_dropped_link_and_not_for_a_closed_one() {
    let Some(broker) = Broker::start(ACCESS).await else {
        return;
    };
    let mut witness = connect(&broker, "thermo-0002", ConnectOptions::new("thermo-0002")).await;
    witness.subscribe(&[("gone", Qos::AtMostOnce)]).await.unwrap();
    for (payload, dropped) in [("closed", false), ("dropped", true)] {
        let payload = Bytes::from_static(payload.as_bytes());
        let will = Will {
            topic: "gone".to_owned(),
            payload,
            qos: Qos::AtMostOnce,
            retain: false,
        };
        let options = ConnectOptions {
            will: Some(will),
            ..ConnectOptions::new("thermo-0001")
        };
        let link = connect(&broker, "thermo-0001", options).await;
        if dropped {
            drop(link);
        } else {
            link.close(LIMIT).await.unwrap();
        }
    }
    // Had the first one been delivered, it would have arrived first.
    assert_eq!(message(&mut witness).await.1, "dropped");
    witness.close(LIMIT).await.unwrap();
}

#[tokio::test]
async fn kept_session_delivers_again_what_was_not_acknowledged() {
    let Some(broker) = Broker::start(ACCESS).await else {
        return;
    };
    let kept = || ConnectOptions {
        clean_session: false,
        ..ConnectOptions::new("thermo-0001")
    };
    let mut link = connect(&broker, "thermo-0001", kept()).await;
    link.subscribe(&[("in", Qos::AtLeastOnce)]).await.unwrap();
    let mut other = connect(&broker, "thermo-0002", ConnectOptions::new("thermo-0002")).await;
    other.publish("in", "important", Qos::AtLeastOnce).unwrap();
    other.close(LIMIT).await.unwrap();

    assert_eq!(message(&mut link).await.1, "important");
    // Dropped before it came back for more: not acknowledged.
    drop(link);

    let credentials = Credentials::X509(broker.ca.client("thermo-0001"));
    let (mut link, timings) = Link::connect(&broker.endpoint(), &credentials, &kept()).await.unwrap();
    assert!(timings.session_present);
    let event = tokio::time::timeout(LIMIT, link.next())
        .await
        .expect("in time")
        .unwrap();
    assert!(matches!(event, Event::Message { duplicate: true, .. }), "{event:?}");
    link.close(LIMIT).await.unwrap();
}

#[tokio::test]
async fn the_broker_refuses_what_it_does_not_know() {
    let Some(broker) = Broker::start("user thermo-0001\ntopic read allowed\n").await else {
        return;
    };
    let stranger = Credentials::X509(TestCa::new("another root").client("thermo-0001"));
    for credentials in [Credentials::None, stranger] {
        let options = ConnectOptions::new("thermo-0001");
        let error = Link::connect(&broker.endpoint(), &credentials, &options)
            .await
            .unwrap_err();
        // Whether the alert or the closed socket is seen first depends on the broker and the network.
        assert!(error.refusal().is_none(), "{error:?}");
        eprintln!("refused as {}", error.reason());
    }
}
