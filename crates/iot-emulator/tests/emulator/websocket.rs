//! MQTT over WebSocket: the same services, the same certificates, and no more patience with clients that get it wrong.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use iot_emulator::{Config, DisconnectReason, Emulator, Event, Service};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

use testing::device::{Device, Hello};
use testing::emulator::{config, event};
use testing::party::Party;
use testing::rest::Rest;
use testing::{PATIENCE, soon, tls};

type Frames = WebSocketStream<TlsStream<TcpStream>>;

const PATH: &str = "/$iothub/websocket?iothub-no-client-cert=true";

async fn emulator() -> Emulator {
    let ws = Some("127.0.0.1:0".parse().unwrap());
    Emulator::start(Config { ws, ..config() }).await.unwrap()
}

async fn line(emulator: &Emulator, party: Option<&Party>) -> TlsStream<TcpStream> {
    let address = emulator.ws_addr().unwrap();
    tls::connect(emulator, ("localhost", address), party, rustls::DEFAULT_VERSIONS)
        .await
        .unwrap()
}

async fn open(emulator: &Emulator, party: Option<&Party>, path: &str) -> Frames {
    let mut request = format!("wss://localhost{path}").into_client_request().unwrap();
    let protocol = HeaderValue::from_static("mqtt");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    let (frames, answer) = client_async(request, line(emulator, party).await).await.unwrap();
    assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "mqtt");
    frames
}

/// A device whose bytes go in frames of any size, as they come.
async fn device(emulator: &Emulator, party: &Party, path: &str) -> Device {
    let frames = open(emulator, Some(party), path).await;
    let (near, far) = duplex(1 << 16);
    tokio::spawn(carry(frames, far));
    Device::over(near)
}

async fn carry(mut frames: Frames, mut bytes: DuplexStream) {
    let mut buffer = vec![0; 300];
    loop {
        tokio::select! {
            read = bytes.read(&mut buffer) => match read.unwrap() {
                0 => return frames.close(None).await.unwrap(),
                size => frames.send(Message::Binary(Bytes::copy_from_slice(&buffer[..size]))).await.unwrap(),
            },
            message = frames.next() => match message {
                Some(Ok(Message::Binary(message))) => bytes.write_all(&message).await.unwrap(),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return,
            },
        }
    }
}

async fn next(frames: &mut Frames) -> Option<Message> {
    soon("a message", frames.next()).await.transpose().unwrap()
}

/// What a request that is no WebSocket's gets.
async fn ask(emulator: &Emulator, request: &str) -> String {
    let mut line = line(emulator, None).await;
    line.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("the end of the connection", line.read_to_string(&mut answer))
        .await
        .unwrap();
    answer
}

async fn dropped(emulator: &Emulator, words: &str) {
    let found = emulator.journal().wait_for(
        0,
        |entry| matches!(&entry.event, Event::Dropped { reason } if reason.contains(words)),
    );
    if tokio::time::timeout(PATIENCE, found).await.is_err() {
        panic!("no `{words}` in {:#?}", emulator.journal().since(0));
    }
}

#[tokio::test]
async fn a_device_registers_and_lives_over_web_socket() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let root = Party::root("Contoso Root");
    rest.enroll_group("fleet", &root).await;
    let party = root.leaf("t-1");

    // The SDK for C# asks DPS for the root.
    let mut dps = device(&emulator, &party, "/").await;
    assert_eq!(dps.hello(Hello::dps("t-1")).await.code, ConnectReturnCode::Success);
    assert_eq!(dps.registration("t-1").await["status"], "assigned");
    dps.goodbye().await;

    let mut hub = device(&emulator, &party, PATH).await;
    assert_eq!(hub.hello(Hello::hub("t-1")).await.code, ConnectReturnCode::Success);
    hub.publish("devices/t-1/messages/events/", json!({"temperature": 21.5}).to_string())
        .await;
    assert_eq!(rest.get("devices/t-1/telemetry/temperature").await.1["value"], 21.5);
    // Larger than any frame of either side.
    let large = json!({"temperature": 22.5, "padding": "x".repeat(200_000)});
    hub.publish("devices/t-1/messages/events/", large.to_string()).await;
    assert_eq!(rest.get("devices/t-1/telemetry/temperature").await.1["value"], 22.5);

    hub.subscribe("devices/t-1/messages/devicebound/#").await;
    let message = "x".repeat(60_000);
    let path = "/emulator/devices/t-1/messages";
    let (status, _) = rest
        .raw(reqwest::Method::POST, path, Some(json!({"body": message})))
        .await;
    assert_eq!(status, 202);
    assert_eq!(hub.message().await.1, message);
    hub.goodbye().await;
    let goodbye = |event: &Event| {
        matches!(event, Event::Disconnected { service: Service::Hub, reason }
            if *reason == DisconnectReason::Disconnect)
    };
    event(&emulator, "t-1", goodbye).await;
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_certificate_is_judged_over_web_socket_as_over_mqtt() {
    let emulator = emulator().await;
    let root = Party::root("Contoso Root");
    Rest::new(&emulator).enroll_group("fleet", &root).await;
    let stranger = Party::root("Fabrikam Root").leaf("t-1");
    for (party, hello) in [
        (&stranger, Hello::dps("t-1")),
        (&root.leaf("t-2"), Hello::dps("t-1")),
        (&root.leaf("t-1"), Hello::hub("t-1")),
    ] {
        let mut device = device(&emulator, party, PATH).await;
        assert_eq!(device.hello(hello).await.code, ConnectReturnCode::NotAuthorized);
        device.is_closed().await;
    }
    let frames = open(&emulator, None, PATH).await;
    let (near, far) = duplex(1 << 16);
    tokio::spawn(carry(frames, far));
    let answer = Device::over(near).hello(Hello::dps("t-1")).await;
    assert_eq!(
        answer.code,
        ConnectReturnCode::NotAuthorized,
        "a client without a certificate"
    );
}

#[tokio::test]
async fn a_request_for_something_else_is_answered_and_written_down() {
    let emulator = emulator().await;
    let good = "GET /$iothub/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    for (from, to, status, words) in [
        (
            "/$iothub/websocket",
            "/elsewhere",
            "404 Not Found",
            "there is nothing at `/elsewhere`",
        ),
        ("GET", "PUT", "405 Method Not Allowed", "the method is not GET"),
        (
            "Protocol: mqtt",
            "Protocol: AMQPWSB10",
            "400 Bad Request",
            "the subprotocol `mqtt`",
        ),
        (
            "Upgrade: websocket",
            "Accept: */*",
            "426 Upgrade Required",
            "only WebSocket is spoken here",
        ),
        ("GET /", "\u{10}\u{0}\u{4}MQTT", "400 Bad Request", "not readable"),
    ] {
        let answer = ask(&emulator, &good.replace(from, to)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        dropped(&emulator, words).await;
    }
    let endless = "GET / HTTP/1.1\r\n".to_owned() + &format!("X: {}\r\n", "x".repeat(1_000)).repeat(9);
    assert!(ask(&emulator, &endless).await.starts_with("HTTP/1.1 431 "));
    // It sends a part of a request, and goes.
    drop(line(&emulator, None).await.write_all(b"GET / HT").await);
    dropped(&emulator, "before it became a WebSocket").await;
    assert_eq!(emulator.stats().connects, 0);
}

#[tokio::test]
async fn frames_that_mqtt_does_not_use_end_the_connection_with_their_code() {
    let emulator = emulator().await;
    let party = Party::self_signed("t-1");
    let oversized = Bytes::from(vec![0x30; 400_000]);
    for (message, code, words) in [
        (Message::text("hello"), CloseCode::Unsupported, "message is text"),
        (Message::Binary(oversized), CloseCode::Size, "message is too large"),
    ] {
        let mut frames = open(&emulator, Some(&party), PATH).await;
        // The server may have closed before all of it was sent.
        drop(frames.send(message).await);
        match next(&mut frames).await {
            Some(Message::Close(Some(frame))) => assert_eq!(frame.code, code),
            other => panic!("{other:?} instead of a close frame"),
        }
        dropped(&emulator, words).await;
    }
    // A frame that is not masked, which only a server may send.
    let mut line = open(&emulator, Some(&party), PATH).await.into_inner();
    line.write_all(&[0x82, 0x02, 0xC0, 0x00]).await.unwrap();
    dropped(&emulator, "not WebSocket").await;
}

#[tokio::test]
async fn packets_and_frames_need_not_align_and_pings_are_answered() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let party = Party::self_signed("lab-1");
    rest.enroll_individual("lab-1", &party).await;
    let mut dps = device(&emulator, &party, PATH).await;
    dps.hello(Hello::dps("lab-1")).await;
    assert_eq!(dps.registration("lab-1").await["status"], "assigned");

    let mut bytes = BytesMut::new();
    Packet::Connect(Hello::hub("lab-1").connect)
        .write(&mut bytes, 1 << 20)
        .unwrap();
    for sequence in 1..=2 {
        let mut publish =
            rumqttc::mqttbytes::v4::Publish::new("devices/lab-1/messages/events/", QoS::AtLeastOnce, "{}");
        publish.pkid = sequence;
        Packet::Publish(publish).write(&mut bytes, 1 << 20).unwrap();
    }
    let mut frames = open(&emulator, Some(&party), PATH).await;
    frames.send(Message::Ping(Bytes::from_static(b"here?"))).await.unwrap();
    let (start, end) = bytes.split_at(7);
    for part in [start, end] {
        frames
            .send(Message::Binary(Bytes::copy_from_slice(part)))
            .await
            .unwrap();
    }
    let (mut answers, mut pongs) = (Vec::new(), 0);
    // CONNACK and two times PUBACK, in frames as they come.
    while answers.len() < 12 || pongs == 0 {
        match next(&mut frames).await.expect("the connection is open") {
            Message::Binary(part) => answers.extend(part),
            Message::Pong(body) => {
                assert_eq!(body, Bytes::from_static(b"here?"));
                pongs += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answers, [0x20, 2, 0, 0, 0x40, 2, 0, 1, 0x40, 2, 0, 2]);

    // Who leaves WebSocket without leaving MQTT has vanished; but the close frame is answered.
    frames.send(Message::Close(None)).await.unwrap();
    assert!(matches!(next(&mut frames).await, Some(Message::Close(_))));
    assert_eq!(next(&mut frames).await, None);
    let lost = |event: &Event| {
        matches!(event, Event::Disconnected { service: Service::Hub, reason }
            if *reason == DisconnectReason::ConnectionLost)
    };
    event(&emulator, "lab-1", lost).await;
}

#[tokio::test]
async fn the_emulator_sends_a_close_frame_when_it_stops() {
    let emulator = emulator().await;
    let rest = Rest::new(&emulator);
    let party = Party::self_signed("lab-1");
    rest.enroll_individual("lab-1", &party).await;
    let mut dps = device(&emulator, &party, PATH).await;
    dps.hello(Hello::dps("lab-1")).await;
    let mut frames = open(&emulator, Some(&party), PATH).await;
    let mut bytes = BytesMut::new();
    Packet::Connect(Hello::dps("lab-1").connect)
        .write(&mut bytes, 1 << 20)
        .unwrap();
    frames.send(Message::Binary(bytes.freeze())).await.unwrap();
    assert!(matches!(next(&mut frames).await, Some(Message::Binary(_))));
    let stopped = tokio::spawn(emulator.shutdown());
    assert!(matches!(next(&mut frames).await, Some(Message::Close(_))));
    assert_eq!(next(&mut frames).await, None);
    stopped.await.unwrap();
}
