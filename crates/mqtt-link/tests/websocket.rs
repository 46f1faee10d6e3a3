//! MQTT over WebSocket, against the scripted server and against a bare WebSocket server that counts frames.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use mqtt_link::testing::packets::{
    Packet, accepted, acknowledged, publish, publish_at_least_once, subscribe, subscribed,
};
use mqtt_link::testing::{ClientCertificate, Connection, Server, TestCa, UpgradeRequest};
use mqtt_link::{
    ConnectError, ConnectOptions, Credentials, Endpoint, Event, Link, LinkError, Phase, Qos, Transport, UpgradeFailure,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

const LIMIT: Duration = Duration::from_secs(5);

type Frames = WebSocketStream<TlsStream<TcpStream>>;

fn options() -> ConnectOptions {
    ConnectOptions {
        timeout: Duration::from_secs(10),
        ..ConnectOptions::new("thermo-0001")
    }
}

fn endpoint(server: &Server, ca: &TestCa) -> Endpoint {
    server.endpoint(ca).over(Transport::WebSocket)
}

fn payload(event: Event) -> Bytes {
    match event {
        Event::Message { payload, .. } => payload,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_whole_conversation_goes_over_websocket() {
    let ca = TestCa::new("test root");
    let large = "x".repeat(256 * 1024);
    let script = Connection::accepted()
        .over_websocket()
        .receives(subscribe(1, &[("in/#", Qos::AtLeastOnce)]))
        .sends(subscribed(1, &[true]))
        .receives(publish_at_least_once(2, "out", &large))
        .sends(acknowledged(2))
        .sends(publish_at_least_once(7, "in/large", &large))
        .receives(acknowledged(7))
        // Packets and frames need not align.
        .sends_bytes([0x30, 5, 0, 1])
        .sends_bytes([b'a', b'h', b'i'])
        .receives(Packet::Disconnect);
    let server = Server::start(&ca, vec![script]).await;
    let credentials = Credentials::X509(ca.client("thermo-0001"));
    let (mut link, timings) = Link::connect(&endpoint(&server, &ca), &credentials, &options())
        .await
        .unwrap();
    assert!(timings.mqtt > Duration::ZERO);
    link.subscribe(&[("in/#", Qos::AtLeastOnce)]).await.unwrap();
    let id = link.publish("out", large.clone(), Qos::AtLeastOnce).unwrap();
    assert!(matches!(link.next().await.unwrap(), Event::Acknowledged { packet_id, .. } if Some(packet_id) == id));
    assert_eq!(payload(link.next().await.unwrap()), large);
    assert_eq!(payload(link.next().await.unwrap()), "hi");
    let port = server.port();
    link.close(LIMIT).await.unwrap();

    let seen = server.finish().await;
    assert_eq!(seen[0].client_chain.len(), 1);
    assert_eq!(
        seen[0].upgrade,
        Some(UpgradeRequest {
            path: "/$iothub/websocket".to_owned(),
            host: format!("localhost:{port}"),
            subprotocol: "mqtt".to_owned(),
        })
    );
}

#[tokio::test]
async fn refused_upgrade_reports_its_status() {
    let ca = TestCa::new("test root");
    let statuses = [(401, false), (404, false), (429, true), (503, true)];
    let script = statuses
        .iter()
        .map(|(status, _)| Connection::without_websocket(*status))
        .collect();
    let server = Server::start(&ca, script).await;
    for (status, retryable) in statuses {
        let error = Link::connect(&endpoint(&server, &ca), &Credentials::None, &options())
            .await
            .unwrap_err();
        assert_eq!(
            (error.phase(), error.reason()),
            (Phase::Mqtt, "ws_refused"),
            "{error:?}"
        );
        assert_eq!((error.http_status(), error.is_retryable()), (Some(status), retryable));
    }
    server.finish().await;
}

#[tokio::test]
async fn subprotocol_has_to_be_confirmed() {
    let ca = TestCa::new("test root");
    let script = vec![
        Connection::new().over_websocket_with(None),
        Connection::new().over_websocket_with(Some("amqp")),
    ];
    let server = Server::start(&ca, script).await;
    for _ in 0..2 {
        let error = Link::connect(&endpoint(&server, &ca), &Credentials::None, &options())
            .await
            .unwrap_err();
        let ConnectError::Upgrade { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert!(matches!(source, UpgradeFailure::Subprotocol), "{error:?}");
        assert_eq!((error.reason(), error.is_retryable()), ("ws_subprotocol", false));
    }
    server.finish().await;
}

#[tokio::test]
async fn server_that_speaks_something_else_is_distinguished() {
    let ca = TestCa::new("test root");
    for (answer, reason) in [
        (&b""[..], "mqtt_closed"),
        (b"220 smtp.example ESMTP\r\n\r\n", "ws_protocol"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "ws_protocol",
        ),
    ] {
        let (listener, address) = listen().await;
        let acceptor = TlsAcceptor::from(ca.server_config(&["localhost"], ClientCertificate::Optional));
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client comes");
            let mut tls = acceptor.accept(tcp).await.expect("the handshake succeeds");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(tls.read_u8().await.expect("the request is whole"));
            }
            tls.write_all(answer).await.expect("the client is there");
            tls.shutdown().await.expect("the client is there");
        });
        let error = Link::connect(&endpoint_at(address, &ca), &Credentials::None, &options())
            .await
            .unwrap_err();
        assert_eq!((error.phase(), error.reason()), (Phase::Mqtt, reason), "{error:?}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn client_certificate_refused_after_the_handshake_is_still_a_tls_error() {
    let ca = TestCa::new("test root");
    let (chain, key) = ca.server_der(&["localhost"]);
    let config = ca.server_config_with(chain, key, ClientCertificate::Required, &[&rustls::version::TLS13]);
    let server = Server::start_with(config, vec![Connection::with_failing_handshake()]).await;
    let error = Link::connect(&endpoint(&server, &ca), &Credentials::None, &options())
        .await
        .unwrap_err();
    assert_eq!(
        (error.phase(), error.reason()),
        (Phase::Tls, "tls_alert_certificate_required"),
        "{error:?}"
    );
    server.finish().await;
}

/// Accepts one WebSocket and hands its frames over, CONNECT answered.
fn bare_server<T: Send + 'static, F: Future<Output = T> + Send>(
    listener: TcpListener,
    ca: &TestCa,
    then: impl FnOnce(Frames) -> F + Send + 'static,
) -> JoinHandle<T> {
    let acceptor = TlsAcceptor::from(ca.server_config(&["localhost"], ClientCertificate::Optional));
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a client comes");
        let tls = acceptor.accept(tcp).await.expect("the handshake succeeds");
        #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
        let confirm = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let mqtt = HeaderValue::from_static("mqtt");
            response.headers_mut().insert("Sec-WebSocket-Protocol", mqtt);
            Ok(response)
        };
        let mut frames = accept_hdr_async(tls, confirm).await.expect("the upgrade succeeds");
        let connect = frames.next().await.expect("a frame").expect("a valid one");
        assert_eq!(connect.into_data()[0], 0x10, "CONNECT is one binary frame");
        frames
            .send(Message::binary(&[0x20, 2, 0, 0][..]))
            .await
            .expect("CONNACK leaves");
        then(frames).await
    })
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}

fn endpoint_at(address: SocketAddr, ca: &TestCa) -> Endpoint {
    Endpoint::new("localhost", address.port(), ca.tls())
        .expect("localhost is a name")
        .via("127.0.0.1")
        .over(Transport::WebSocket)
}

async fn connect(address: SocketAddr, ca: &TestCa) -> Link {
    let connected = Link::connect(&endpoint_at(address, ca), &Credentials::None, &options()).await;
    connected.expect("the server accepts").0
}

#[tokio::test]
async fn flush_is_one_binary_frame_and_closing_is_a_handshake() {
    let ca = TestCa::new("test root");
    let (listener, address) = listen().await;
    let server = bare_server(listener, &ca, async |mut frames: Frames| {
        let mut received = Vec::new();
        loop {
            match frames.next().await {
                Some(Ok(message)) => received.push(message),
                // The client waits for our close frame and then closes TLS in order, too.
                None => return received,
                Some(Err(error)) => panic!("{error}: {received:?}"),
            }
        }
    });
    let mut link = connect(address, &ca).await;
    for _ in 0..10 {
        link.publish("out", "x", Qos::AtMostOnce).unwrap();
    }
    link.flush().await.unwrap();
    link.publish("out", "y".repeat(10_000), Qos::AtMostOnce).unwrap();
    link.flush().await.unwrap();
    link.close(LIMIT).await.unwrap();
    let received = server.await.unwrap();
    let kinds: Vec<(bool, usize)> = received.iter().map(|m| (m.is_binary(), m.len())).collect();
    // Ten messages of 8 bytes; 3 + 5 + 10,000 in frames of 4 KiB; DISCONNECT; the close frame.
    let expected = [
        (true, 80),
        (true, 4096),
        (true, 4096),
        (true, 1816),
        (true, 2),
        (false, 0),
    ];
    assert_eq!(kinds, expected);
    assert!(received.last().is_some_and(Message::is_close));
}

#[tokio::test]
async fn pings_are_answered_and_the_servers_close_frame_ends_the_link() {
    let ca = TestCa::new("test root");
    let (listener, address) = listen().await;
    let server = bare_server(listener, &ca, async |mut frames: Frames| {
        frames.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
        assert_eq!(
            frames.next().await.unwrap().unwrap(),
            Message::Pong(Bytes::from_static(b"there?"))
        );
        frames.close(None).await.unwrap();
        assert!(frames.next().await.unwrap().unwrap().is_close(), "answered in kind");
    });
    let mut link = connect(address, &ca).await;
    let error = link.next().await.unwrap_err();
    assert!(matches!(error, LinkError::Closed), "{error:?}");
    drop(link);
    server.await.unwrap();
}

#[tokio::test]
async fn text_and_frames_over_the_limit_break_the_protocol() {
    let ca = TestCa::new("test root");
    let too_large = Message::binary(vec![0x30; mqtt_link::MAX_PACKET + 8 * 1024]);
    for message in [Message::text("hello"), too_large] {
        let (listener, address) = listen().await;
        let server = bare_server(listener, &ca, async |mut frames: Frames| {
            // The client may be gone before all of it is written.
            let _: Result<(), Error> = frames.send(message).await;
            while let Some(Ok(_)) = frames.next().await {}
        });
        let mut link = connect(address, &ca).await;
        let error = link.next().await.unwrap_err();
        assert_eq!(error.reason(), "protocol", "{error:?}");
        drop(link);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn connack_may_come_in_pieces() {
    let ca = TestCa::new("test root");
    let script = Connection::new()
        .over_websocket()
        .receives_where("a CONNECT", |packet| matches!(packet, Packet::Connect(_)))
        .sends_bytes([0x20])
        .sends_bytes([2, 0, 0])
        .receives(publish("out", "x"))
        .sends(accepted());
    let server = Server::start(&ca, vec![script]).await;
    let connected = Link::connect(&endpoint(&server, &ca), &Credentials::None, &options()).await;
    let mut link = connected.unwrap().0;
    link.publish("out", "x", Qos::AtMostOnce).unwrap();
    // A second CONNACK is not allowed.
    assert_eq!(link.next().await.unwrap_err().reason(), "protocol");
    drop(link);
    server.finish().await;
}
