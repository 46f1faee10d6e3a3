//! The link against a scripted server over real TLS.

use std::time::Duration;

use bytes::Bytes;
use mqtt_link::testing::packets::{
    ConnectReturnCode, Packet, Publish, SubAck, SubscribeReasonCode, accepted, acknowledged, publish,
    publish_at_least_once, refused, subscribe, subscribed,
};
use mqtt_link::testing::{ClientCertificate, Connection, Server, TestCa};
use mqtt_link::{
    ConnectError, ConnectOptions, ConnectRefusal, Credentials, Endpoint, Event, Link, LinkError, Phase, PublishError,
    Qos, SasToken, SubscribeError, Will,
};

const LIMIT: Duration = Duration::from_secs(5);

fn options() -> ConnectOptions {
    ConnectOptions {
        timeout: Duration::from_secs(10),
        ..ConnectOptions::new("thermo-0001")
    }
}

async fn connect(server: &Server, ca: &TestCa) -> Link {
    let credentials = Credentials::X509(ca.client("thermo-0001"));
    Link::connect(&server.endpoint(ca), &credentials, &options())
        .await
        .expect("the script accepts")
        .0
}

fn text_message(topic: &str, text: &str, qos: Qos) -> Event {
    let payload = Bytes::copy_from_slice(text.as_bytes());
    Event::Message {
        topic: topic.to_owned(),
        payload,
        qos,
        retain: false,
        duplicate: false,
    }
}

#[tokio::test]
async fn a_whole_conversation_goes_as_written() {
    let ca = TestCa::new("test root");
    let script = Connection::new()
        .receives_where("the CONNECT of thermo-0001", |packet| {
            let Packet::Connect(connect) = packet else { return false };
            let will = connect.last_will.as_ref();
            connect.client_id == "thermo-0001"
                && connect.keep_alive == 240
                && !connect.clean_session
                && connect
                    .login
                    .as_ref()
                    .is_some_and(|login| login.username == "hub/thermo-0001" && login.password.is_empty())
                && will.is_some_and(|will| will.topic == "gone" && &will.message[..] == b"bye" && will.retain)
        })
        .sends(accepted())
        .receives(subscribe(1, &[("in/#", Qos::AtLeastOnce), ("other", Qos::AtMostOnce)]))
        .sends(subscribed(1, &[true, true]))
        .receives(publish("out/zero", "0"))
        .receives(publish_at_least_once(2, "out/one", "1"))
        .sends(acknowledged(2))
        .sends(publish("in/a", "hello"))
        .sends(publish_at_least_once(77, "in/b", "hello again"))
        .receives(acknowledged(77))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;

    let options = ConnectOptions {
        user_name: Some("hub/thermo-0001".to_owned()),
        clean_session: false,
        keep_alive: Duration::from_secs(240),
        will: Some(Will {
            topic: "gone".to_owned(),
            payload: Bytes::from_static(b"bye"),
            qos: Qos::AtMostOnce,
            retain: true,
        }),
        ..options()
    };
    let credentials = Credentials::X509(ca.client("thermo-0001"));
    let (mut link, timings) = Link::connect(&server.endpoint(&ca), &credentials, &options)
        .await
        .unwrap();
    assert_eq!(
        (timings.dns, timings.session_present),
        (Duration::ZERO, false),
        "an ip literal is not looked up"
    );
    assert!(
        timings.tcp > Duration::ZERO && timings.tls > Duration::ZERO && timings.mqtt > Duration::ZERO,
        "{timings:?}"
    );

    link.subscribe(&[("in/#", Qos::AtLeastOnce), ("other", Qos::AtMostOnce)])
        .await
        .unwrap();
    assert_eq!(link.publish("out/zero", "0", Qos::AtMostOnce).unwrap(), None);
    let id = link.publish("out/one", "1", Qos::AtLeastOnce).unwrap().unwrap();
    assert_eq!((id.get(), link.in_flight()), (2, 1));

    let Event::Acknowledged {
        packet_id,
        sent,
        latency,
    } = link.next().await.unwrap()
    else {
        panic!("the PUBACK comes first");
    };
    assert_eq!((packet_id, link.in_flight()), (id, 0));
    assert!(latency > Duration::ZERO && latency <= sent.elapsed(), "{latency:?}");
    assert_eq!(
        link.next().await.unwrap(),
        text_message("in/a", "hello", Qos::AtMostOnce)
    );
    assert_eq!(
        link.next().await.unwrap(),
        text_message("in/b", "hello again", Qos::AtLeastOnce)
    );
    link.close(LIMIT).await.unwrap();

    let seen = server.finish().await;
    assert_eq!(seen[0].client_chain.len(), 1);
    assert_eq!(seen[0].server_name.as_deref(), Some("localhost"));
}

#[tokio::test]
async fn sas_token_is_the_password_and_no_certificate_is_shown() {
    let ca = TestCa::new("test root");
    let script = Connection::new()
        .receives_where("a CONNECT with a password", |packet| {
            matches!(packet, Packet::Connect(connect) if connect.login.as_ref().is_some_and(|login| login.password == "SharedAccessSignature sr=x"))
        })
        .sends(accepted())
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let credentials = Credentials::Sas(SasToken::new("SharedAccessSignature sr=x"));
    let options = ConnectOptions {
        user_name: Some("hub/thermo".to_owned()),
        ..options()
    };
    let (link, _) = Link::connect(&server.endpoint(&ca), &credentials, &options)
        .await
        .unwrap();
    link.close(LIMIT).await.unwrap();
    assert!(server.finish().await[0].client_chain.is_empty());
}

#[tokio::test]
async fn tcp_goes_to_one_host_while_sni_and_certificate_name_another() {
    let ca = TestCa::new("test root");
    let config = ca.server_config(&["hub1.azure-devices.net"], ClientCertificate::Required);
    let server = Server::start_with(config, vec![Connection::accepted().receives(Packet::Disconnect)]).await;
    let endpoint = Endpoint::new("hub1.azure-devices.net", server.port(), ca.tls())
        .unwrap()
        .via("127.0.0.1");
    let credentials = Credentials::X509(ca.client("thermo-0001"));
    let (link, _) = Link::connect(&endpoint, &credentials, &options()).await.unwrap();
    link.close(LIMIT).await.unwrap();
    assert_eq!(
        server.finish().await[0].server_name.as_deref(),
        Some("hub1.azure-devices.net")
    );
}

#[tokio::test]
async fn no_time_is_too_long() {
    let ca = TestCa::new("test root");
    let filters = [("in", Qos::AtMostOnce)];
    let script = Connection::accepted()
        .receives(subscribe(1, &filters))
        .sends(subscribed(1, &[true]))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let for_ever = Duration::MAX;
    let options = ConnectOptions {
        timeout: for_ever,
        keep_alive: for_ever,
        ..options()
    };
    let (mut link, _) = Link::connect(&server.endpoint(&ca), &Credentials::None, &options)
        .await
        .unwrap();
    link.subscribe(&filters).await.unwrap();
    link.close(for_ever).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn host_names_are_looked_up() {
    let ca = TestCa::new("test root");
    let server = Server::start(&ca, vec![Connection::accepted().receives(Packet::Disconnect)]).await;
    // `localhost` may have ::1 first, where nothing listens: then the next address is tried.
    let endpoint = server.endpoint(&ca).via("localhost");
    let (link, timings) = Link::connect(&endpoint, &Credentials::None, &options()).await.unwrap();
    assert!(timings.dns > Duration::ZERO);
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn refusals_are_distinguished() {
    let ca = TestCa::new("test root");
    let refusals = [
        (
            ConnectReturnCode::RefusedProtocolVersion,
            ConnectRefusal::ProtocolVersion,
            "mqtt_protocol_version",
        ),
        (
            ConnectReturnCode::BadClientId,
            ConnectRefusal::ClientId,
            "mqtt_client_id",
        ),
        (
            ConnectReturnCode::ServiceUnavailable,
            ConnectRefusal::ServerUnavailable,
            "mqtt_server_unavailable",
        ),
        (
            ConnectReturnCode::BadUserNamePassword,
            ConnectRefusal::BadCredentials,
            "mqtt_bad_credentials",
        ),
        (
            ConnectReturnCode::NotAuthorized,
            ConnectRefusal::NotAuthorized,
            "mqtt_not_authorized",
        ),
    ];
    let any_connect = |packet: &Packet| matches!(packet, Packet::Connect(_));
    let script = refusals
        .iter()
        .map(|(code, ..)| {
            Connection::new()
                .receives_where("a CONNECT", any_connect)
                .sends(refused(*code))
                .closes()
        })
        .collect();
    let server = Server::start(&ca, script).await;
    for (number, (code, refusal, reason)) in (1..).zip(refusals) {
        let error = Link::connect(&server.endpoint(&ca), &Credentials::None, &options())
            .await
            .unwrap_err();
        assert_eq!(error.refusal(), Some(refusal), "{code:?}");
        assert_eq!(error.is_retryable(), number == 3, "{code:?}");
        assert_eq!(
            (refusal.code(), error.reason(), error.phase()),
            (number, reason, Phase::Mqtt)
        );
        assert!(error.to_string().contains("`thermo-0001` was refused"), "{error}");
    }
    server.finish().await;
}

#[tokio::test]
async fn server_that_sends_nothing_is_given_up_and_the_phase_is_named() {
    let ca = TestCa::new("test root");
    let silent_after_connect =
        Connection::new().receives_where("a CONNECT", |packet| matches!(packet, Packet::Connect(_)));
    let server = Server::start(&ca, vec![silent_after_connect, Connection::without_handshake()]).await;
    // Generous enough for a handshake on a busy machine; after it the server sends nothing at all.
    let options = ConnectOptions {
        timeout: Duration::from_secs(2),
        ..options()
    };
    for (phase, reason) in [(Phase::Mqtt, "timeout_mqtt"), (Phase::Tls, "timeout_tls")] {
        let error = Link::connect(&server.endpoint(&ca), &Credentials::None, &options)
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
        assert_eq!((error.phase(), error.reason()), (phase, reason));
    }
    server.finish().await;
}

#[tokio::test]
async fn a_port_without_a_listener_is_a_tcp_error() {
    let ca = TestCa::new("test root");
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let endpoint = Endpoint::new("localhost", port, ca.tls()).unwrap().via("127.0.0.1");
    let error = Link::connect(&endpoint, &Credentials::None, &options())
        .await
        .unwrap_err();
    assert_eq!((error.phase(), error.reason()), (Phase::Tcp, "tcp_refused"));
}

#[tokio::test]
async fn name_that_cannot_exist_is_a_dns_error() {
    // A label may have 63 characters: no resolver is asked.
    let host = "x".repeat(64);
    let endpoint = Endpoint::new("localhost", 8883, TestCa::new("test root").tls())
        .unwrap()
        .via(host);
    let error = Link::connect(&endpoint, &Credentials::None, &options())
        .await
        .unwrap_err();
    assert_eq!((error.phase(), error.reason()), (Phase::Dns, "dns"));
}

#[tokio::test]
async fn server_of_another_ca_or_another_name_is_not_trusted() {
    let (ca, stranger) = (TestCa::new("test root"), TestCa::new("another root"));
    let config = stranger.server_config(&["localhost"], ClientCertificate::Optional);
    let script = || {
        vec![
            Connection::with_failing_handshake(),
            Connection::with_failing_handshake(),
        ]
    };
    let server = Server::start_with(config, script()).await;
    let wrong_name = Endpoint::new("other.example", server.port(), stranger.tls())
        .unwrap()
        .via("127.0.0.1");
    for (endpoint, reason) in [
        (server.endpoint(&ca), "tls_server_unknown_issuer"),
        (wrong_name, "tls_server_wrong_name"),
    ] {
        let error = Link::connect(&endpoint, &Credentials::None, &options())
            .await
            .unwrap_err();
        assert_eq!((error.phase(), error.reason()), (Phase::Tls, reason), "{error:?}");
    }
    server.finish().await;
}

#[tokio::test]
async fn certificate_refused_by_the_server_is_a_tls_error_in_both_versions() {
    let (ca, stranger) = (TestCa::new("test root"), TestCa::new("another root"));
    for version in rustls::ALL_VERSIONS {
        let (chain, key) = ca.server_der(&["localhost"]);
        let config = ca.server_config_with(chain, key, ClientCertificate::Required, &[version]);
        let server = Server::start_with(
            config,
            vec![
                Connection::with_failing_handshake(),
                Connection::with_failing_handshake(),
            ],
        )
        .await;
        for (credentials, reasons) in [
            // Which alert stands for a missing certificate depends on the TLS version.
            (
                Credentials::None,
                &["tls_alert_certificate_required", "tls_alert_handshake_failure"][..],
            ),
            (
                Credentials::X509(stranger.client("thermo-0001")),
                &["tls_alert_unknown_ca", "tls_alert_decrypt_error"],
            ),
        ] {
            let error = Link::connect(&server.endpoint(&ca), &credentials, &options())
                .await
                .unwrap_err();
            assert_eq!(error.phase(), Phase::Tls, "{version:?} {error:?}");
            assert!(reasons.contains(&error.reason()), "{version:?} {error:?}");
        }
        server.finish().await;
    }
}

#[tokio::test]
async fn connection_closed_or_garbled_before_connack_is_distinguished() {
    let ca = TestCa::new("test root");
    let any_connect = || Connection::new().receives_where("a CONNECT", |packet| matches!(packet, Packet::Connect(_)));
    let script = vec![
        any_connect().closes(),
        any_connect().sends_bytes([0xf0, 0x01, 0x00]),
        any_connect().sends(publish("too/early", "")),
    ];
    let server = Server::start(&ca, script).await;
    for reason in ["mqtt_closed", "mqtt_protocol", "mqtt_protocol"] {
        let error = Link::connect(&server.endpoint(&ca), &Credentials::None, &options())
            .await
            .unwrap_err();
        assert_eq!((error.phase(), error.reason()), (Phase::Mqtt, reason), "{error:?}");
    }
    server.finish().await;
}

#[tokio::test]
async fn refused_filters_are_named_and_granted_ones_stand() {
    let ca = TestCa::new("test root");
    let script = Connection::accepted()
        .receives(subscribe(1, &[("good/#", Qos::AtMostOnce), ("bad/#", Qos::AtMostOnce)]))
        .sends(subscribed(1, &[true, false]))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca).await;
    let error = link
        .subscribe(&[("good/#", Qos::AtMostOnce), ("bad/#", Qos::AtMostOnce)])
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SubscribeError::Refused { filters } if filters == &["bad/#"]),
        "{error:?}"
    );
    for invalid in ["", "a/#/b", "a+"] {
        let error = link.subscribe(&[(invalid, Qos::AtMostOnce)]).await.unwrap_err();
        assert!(
            matches!(error, SubscribeError::InvalidFilter { .. }),
            "{invalid:?}: {error:?}"
        );
    }
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn messages_that_overtake_a_suback_wait_for_next_in_their_order() {
    let ca = TestCa::new("test root");
    let script = Connection::accepted()
        .receives(publish_at_least_once(1, "out", "x"))
        .receives(subscribe(2, &[("in/#", Qos::AtLeastOnce)]))
        .sends_together([
            publish_at_least_once(9, "in/kept", "first"),
            acknowledged(1),
            subscribed(2, &[true]),
            publish("in/new", "second"),
        ])
        // Only now, after the message was handed out.
        .receives(acknowledged(9))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca).await;
    link.publish("out", "x", Qos::AtLeastOnce).unwrap();
    link.subscribe(&[("in/#", Qos::AtLeastOnce)]).await.unwrap();
    assert_eq!(
        link.next().await.unwrap(),
        text_message("in/kept", "first", Qos::AtLeastOnce)
    );
    assert!(matches!(link.next().await.unwrap(), Event::Acknowledged { packet_id, .. } if packet_id.get() == 1));
    assert_eq!(
        link.next().await.unwrap(),
        text_message("in/new", "second", Qos::AtMostOnce)
    );
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn message_is_not_acknowledged_if_the_link_is_dropped_over_it() {
    let ca = TestCa::new("test root");
    // The script ends after the message: a PUBACK would be a packet after the last step.
    let script = Connection::accepted().sends(publish_at_least_once(3, "in", "x"));
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca).await;
    assert_eq!(link.next().await.unwrap(), text_message("in", "x", Qos::AtLeastOnce));
    drop(link);
    server.finish().await;
}

#[tokio::test]
async fn unsubscribe_waits_for_its_answer() {
    use mqtt_link::testing::packets::{UnsubAck, Unsubscribe};
    let ca = TestCa::new("test root");
    let script = Connection::accepted()
        .receives(Packet::Unsubscribe(Unsubscribe {
            pkid: 1,
            topics: vec!["in/#".to_owned()],
        }))
        .sends(Packet::UnsubAck(UnsubAck::new(1)))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca).await;
    link.unsubscribe(&["in/#"]).await.unwrap();
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn ping_is_sent_in_silence_and_the_link_goes_on() {
    let ca = TestCa::new("test root");
    let script = Connection::accepted()
        .receives(Packet::PingReq)
        .sends(Packet::PingResp)
        .receives(Packet::PingReq)
        .sends_together([Packet::PingResp, publish("in", "alive")])
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let options = ConnectOptions {
        keep_alive: Duration::from_millis(300),
        ..options()
    };
    let (mut link, _) = Link::connect(&server.endpoint(&ca), &Credentials::None, &options)
        .await
        .unwrap();
    assert_eq!(link.next().await.unwrap(), text_message("in", "alive", Qos::AtMostOnce));
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn ping_without_an_answer_ends_the_link() {
    let ca = TestCa::new("test root");
    let server = Server::start(&ca, vec![Connection::accepted().receives(Packet::PingReq)]).await;
    let options = ConnectOptions {
        keep_alive: Duration::from_millis(300),
        ..options()
    };
    let (mut link, _) = Link::connect(&server.endpoint(&ca), &Credentials::None, &options)
        .await
        .unwrap();
    let error = link.next().await.unwrap_err();
    assert!(matches!(error, LinkError::PingTimeout { .. }), "{error:?}");
    assert!(
        matches!(link.next().await, Err(LinkError::Closed)),
        "and it stays ended"
    );
    assert_eq!(link.publish("out", "x", Qos::AtMostOnce), Err(PublishError::Ended));
    drop(link);
    server.finish().await;
}

#[tokio::test]
async fn closing_midway_is_noticed_even_in_the_middle_of_a_packet() {
    let ca = TestCa::new("test root");
    let script = vec![
        Connection::accepted()
            .receives(publish_at_least_once(1, "out", "x"))
            .closes(),
        // A message of 16 bytes, of which 3 come.
        Connection::accepted().sends_bytes([0x30, 16, 0, 1, b'a']).closes(),
    ];
    let server = Server::start(&ca, script).await;
    let mut link = connect(&server, &ca).await;
    link.publish("out", "x", Qos::AtLeastOnce).unwrap();
    assert!(matches!(link.next().await, Err(LinkError::Closed)));
    assert_eq!(link.in_flight(), 1, "what was not acknowledged is still known");
    let mut link = connect(&server, &ca).await;
    assert!(matches!(link.next().await, Err(LinkError::Closed)));
    server.finish().await;
}

#[tokio::test]
async fn what_mqtt_forbids_a_server_ends_the_link() {
    let ca = TestCa::new("test root");
    let forbidden: [Vec<u8>; 6] = [
        vec![0xf0, 0x00],                                     // no such packet
        vec![0x30, 0xff, 0xff, 0xff, 0xff],                   // a length of five bytes
        vec![0x30, 0x80, 0x80, 0x15],                         // over the limit
        vec![0x34, 0x06, 0x00, 0x01, b'a', 0x00, 0x01, b'x'], // qos 2
        vec![0xe0, 0x00],                                     // DISCONNECT is the client's
        vec![0x32, 0x05, 0x00, 0x01, b'a', 0x00, 0x00],       // packet id 0
    ];
    let script = forbidden
        .iter()
        .map(|bytes| Connection::accepted().sends_bytes(bytes.clone()))
        .collect();
    let server = Server::start(&ca, script).await;
    for bytes in &forbidden {
        let mut link = connect(&server, &ca).await;
        let error = link.next().await.unwrap_err();
        assert_eq!(error.reason(), "protocol", "{bytes:x?}: {error:?}");
    }
    server.finish().await;
}

#[tokio::test]
async fn suback_with_too_few_answers_ends_the_link() {
    let ca = TestCa::new("test root");
    let short = Packet::SubAck(SubAck::new(1, vec![SubscribeReasonCode::Failure]));
    let filters = [("a", Qos::AtMostOnce), ("b", Qos::AtMostOnce)];
    let script = Connection::accepted().receives(subscribe(1, &filters)).sends(short);
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca).await;
    let error = link.subscribe(&filters).await.unwrap_err();
    assert!(
        matches!(error, SubscribeError::Link(LinkError::Protocol(_))),
        "{error:?}"
    );
    drop(link);
    server.finish().await;
}

#[tokio::test]
async fn window_bounds_what_is_in_flight_and_opens_with_an_acknowledgement() {
    let ca = TestCa::new("test root");
    let script = Connection::accepted()
        .receives(publish_at_least_once(1, "out", "1"))
        .receives(publish_at_least_once(2, "out", "2"))
        .sends(acknowledged(1))
        .receives(publish_at_least_once(3, "out", "3"))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let options = ConnectOptions { window: 2, ..options() };
    let (mut link, _) = Link::connect(&server.endpoint(&ca), &Credentials::None, &options)
        .await
        .unwrap();
    link.publish("out", "1", Qos::AtLeastOnce).unwrap();
    assert!(link.can_publish());
    link.publish("out", "2", Qos::AtLeastOnce).unwrap();
    assert!(!link.can_publish());
    let error = link.publish("out", "3", Qos::AtLeastOnce).unwrap_err();
    assert_eq!(error, PublishError::WindowFull { window: 2 });
    assert!(error.is_retryable());
    let oldest = link.oldest_in_flight().unwrap();
    link.next().await.unwrap();
    assert!(
        link.oldest_in_flight().unwrap() > oldest,
        "the second is the oldest now"
    );
    link.publish("out", "3", Qos::AtLeastOnce).unwrap();
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn message_sent_again_is_marked_as_a_duplicate() {
    let ca = TestCa::new("test root");
    let mut again = Publish::new("out", mqtt_link::Qos::AtLeastOnce.into(), "x");
    (again.pkid, again.dup) = (1, true);
    let script = Connection::accepted()
        .receives(Packet::Publish(again))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca).await;
    link.publish_again("out", "x").unwrap();
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn large_messages_pass_both_ways_and_larger_ones_are_refused() {
    let ca = TestCa::new("test root");
    let large = "x".repeat(256 * 1024);
    let script = Connection::accepted()
        .receives(publish("out", &large))
        .sends(publish("in", &large))
        .sends(publish("in", "small"))
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let mut link = connect(&server, &ca).await;
    let too_large = vec![0; mqtt_link::MAX_PACKET];
    assert!(matches!(
        link.publish("out", too_large, Qos::AtMostOnce),
        Err(PublishError::TooLarge { .. })
    ));
    assert!(matches!(
        link.publish("out/#", "", Qos::AtMostOnce),
        Err(PublishError::InvalidTopic { .. })
    ));
    link.publish("out", large.clone(), Qos::AtMostOnce).unwrap();
    assert!(!link.can_publish(), "the buffer is over its limit");
    assert!(matches!(
        link.publish("out", "x", Qos::AtMostOnce),
        Err(PublishError::BufferFull { .. })
    ));
    assert_eq!(link.next().await.unwrap(), text_message("in", &large, Qos::AtMostOnce));
    assert!(link.can_publish());
    assert_eq!(link.next().await.unwrap(), text_message("in", "small", Qos::AtMostOnce));
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}

#[tokio::test]
async fn cancelling_next_loses_nothing() {
    let ca = TestCa::new("test root");
    let messages: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let mut script = Connection::accepted().receives(publish("out", "go"));
    for (id, text) in (1..).zip(&messages) {
        script = script.sends(publish_at_least_once(id, "in", text));
    }
    for id in 1..=50 {
        script = script.receives(acknowledged(id));
    }
    let server = Server::start(&ca, vec![script.receives(Packet::Disconnect)]).await;
    let mut link = connect(&server, &ca).await;
    link.publish("out", "go", Qos::AtMostOnce).unwrap();
    let mut received = Vec::new();
    while received.len() < messages.len() {
        tokio::select! {
            biased;
            event = link.next() => match event.unwrap() {
                Event::Message { payload, .. } => received.push(String::from_utf8(payload.to_vec()).unwrap()),
                other => panic!("{other:?}"),
            },
            // Polled once and cancelled, over and over.
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(received, messages);
    link.close(LIMIT).await.unwrap();
    server.finish().await;
}
