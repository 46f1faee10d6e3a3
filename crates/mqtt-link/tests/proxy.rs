//! Through an HTTP proxy, over both transports.

use std::time::Duration;

use mqtt_link::testing::packets::{Packet, publish};
use mqtt_link::testing::{ClientCertificate, ConnectProxy, Connection, Server, TestCa};
use mqtt_link::{ConnectOptions, Credentials, Endpoint, Link, Phase, Proxy, Qos, Transport};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(5);

fn options() -> ConnectOptions {
    ConnectOptions {
        timeout: Duration::from_secs(10),
        ..ConnectOptions::new("thermo-0001")
    }
}

fn proxy(credentials: &str, proxy: &ConnectProxy) -> Option<Proxy> {
    Some(Proxy::parse(&format!("http://{credentials}127.0.0.1:{}", proxy.port())).expect("a proxy"))
}

#[tokio::test]
async fn both_transports_go_through_a_proxy_that_looks_the_host_up() {
    let ca = TestCa::new("test root");
    // This machine can't look this name up; the proxy resolves it to itself.
    let name = "hub1.azure-devices.invalid";
    let script = || {
        Connection::accepted()
            .receives(publish("out", "x"))
            .receives(Packet::Disconnect)
    };
    let config = ca.server_config(&[name], ClientCertificate::Required);
    let server = Server::start_with(config, vec![script(), script().over_websocket()]).await;
    let between = ConnectProxy::requiring("user", "p@ss:word").await;
    let endpoint = Endpoint::new(name, server.port(), ca.tls())
        .unwrap()
        .through(proxy("user:p%40ss%3Aword@", &between));
    let credentials = Credentials::X509(ca.client("thermo-0001"));
    for transport in [Transport::Tcp, Transport::WebSocket] {
        let endpoint = endpoint.clone().over(transport);
        let (mut link, timings) = Link::connect(&endpoint, &credentials, &options()).await.unwrap();
        assert!(timings.tcp > Duration::ZERO);
        link.publish("out", "x", Qos::AtMostOnce).unwrap();
        link.close(LIMIT).await.unwrap();
    }
    let target = format!("{name}:{}", server.port());
    for seen in server.finish().await {
        assert_eq!(
            seen.server_name.as_deref(),
            Some(name),
            "sni names the server, not the proxy"
        );
        assert_eq!(seen.client_chain.len(), 1);
    }
    let tunnels = between.finish().await;
    assert_eq!(tunnels.len(), 2);
    for tunnel in tunnels {
        assert_eq!((&tunnel.target, tunnel.status), (&target, Some(200)));
        assert!(tunnel.up > 500 && tunnel.down > 500, "{tunnel:?}");
    }
}

#[tokio::test]
async fn proxy_that_wants_other_credentials_is_named() {
    let ca = TestCa::new("test root");
    let server = Server::start(&ca, vec![]).await;
    let between = ConnectProxy::requiring("user", "secret").await;
    for credentials in ["", "user:wrong@"] {
        let endpoint = server.endpoint(&ca).through(proxy(credentials, &between));
        let error = Link::connect(&endpoint, &Credentials::None, &options())
            .await
            .unwrap_err();
        assert_eq!(
            (error.phase(), error.reason(), error.http_status(), error.is_retryable()),
            (Phase::Tcp, "proxy_authentication", Some(407), false),
            "{error:?}"
        );
        assert!(!format!("{error:?} {endpoint:?}").contains("wrong"), "{error:?}");
    }
    assert_eq!(between.finish().await.len(), 2);
    server.finish().await;
}

#[tokio::test]
async fn what_a_proxy_answers_is_distinguished() {
    let ca = TestCa::new("test root");
    let endless = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'x'; 9 * 1024]].concat();
    for (answer, reason, retryable) in [
        (&b""[..], "proxy_closed", true),
        (b"HTTP/1.1 20", "proxy_closed", true),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nno", "proxy_refused", false),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "proxy_refused", true),
        (b"SSH-2.0-OpenSSH\r\n", "proxy_malformed", true),
        (b"HTTP/1.1 200 OK\r\n\r\nand more", "proxy_malformed", true),
        (&endless, "proxy_malformed", true),
    ] {
        let between = ConnectProxy::answering(answer).await;
        let endpoint = Endpoint::new("localhost", 8883, ca.tls())
            .unwrap()
            .through(proxy("", &between));
        let error = Link::connect(&endpoint, &Credentials::None, &options())
            .await
            .unwrap_err();
        assert_eq!(
            (error.phase(), error.reason(), error.is_retryable()),
            (Phase::Tcp, reason, retryable),
            "{error:?}"
        );
        assert_eq!(between.finish().await[0].target, "localhost:8883");
    }
}

#[tokio::test]
async fn proxy_that_is_not_there_or_sends_nothing_is_a_tcp_error() {
    let ca = TestCa::new("test root");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = Endpoint::new("localhost", 8883, ca.tls())
        .unwrap()
        .through(Some(Proxy::parse(&format!("127.0.0.1:{port}")).unwrap()));
    let silent = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        client.read_to_end(&mut request).await.unwrap();
        request
    });
    let options = ConnectOptions {
        timeout: Duration::from_millis(500),
        ..options()
    };
    let error = Link::connect(&endpoint, &Credentials::None, &options)
        .await
        .unwrap_err();
    assert_eq!((error.phase(), error.reason()), (Phase::Tcp, "timeout_tcp"));
    assert!(
        silent
            .await
            .unwrap()
            .starts_with(b"CONNECT localhost:8883 HTTP/1.1\r\n")
    );

    // Now nothing listens there any more.
    let error = Link::connect(&endpoint, &Credentials::None, &options)
        .await
        .unwrap_err();
    assert_eq!((error.phase(), error.reason()), (Phase::Tcp, "tcp_refused"));
    assert!(
        error.to_string().contains(&port.to_string()),
        "it is the proxy that is named: {error}"
    );
}
