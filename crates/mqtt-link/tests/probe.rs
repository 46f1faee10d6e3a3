//! Whether a server can be reached and trusted, without any MQTT.

use std::sync::Arc;
use std::time::Duration;

use mqtt_link::testing::{ClientCertificate, ConnectProxy, TestCa};
use mqtt_link::{ConnectError, Endpoint, OutOfDate, Phase, Proxy, TlsFailure, probe};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const LIMIT: Duration = Duration::from_secs(10);

/// A server that completes the handshake and waits for the close; returns its port.
async fn server(config: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that trusts nothing ends the handshake.
            let _ = TlsAcceptor::from(Arc::clone(&config)).accept(socket).await;
        }
    });
    port
}

fn endpoint(ca: &TestCa, port: u16) -> Endpoint {
    Endpoint::new("localhost", port, ca.tls())
        .expect("localhost is a name")
        .via("127.0.0.1")
}

#[tokio::test]
async fn a_server_that_is_trusted_is_reached_directly_and_through_a_proxy() {
    let ca = TestCa::new("test root");
    let port = server(ca.server_config(&["localhost"], ClientCertificate::Optional)).await;
    probe(&endpoint(&ca, port), LIMIT).await.outcome.unwrap();

    let between = ConnectProxy::requiring("user", "secret").await;
    let through = |credentials: &str| {
        let proxy = Proxy::parse(&format!("http://{credentials}@127.0.0.1:{}", between.port())).expect("a proxy");
        endpoint(&ca, port).through(Some(proxy))
    };
    probe(&through("user:secret"), LIMIT).await.outcome.unwrap();
    let refused = probe(&through("user:wrong"), LIMIT).await.outcome.unwrap_err();
    assert!(matches!(refused, ConnectError::Proxy { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_distinguished_from_one_that_is_silent() {
    let (ca, other) = (TestCa::new("test root"), TestCa::new("other root"));
    let port = server(other.server_config(&["localhost"], ClientCertificate::Optional)).await;
    let error = probe(&endpoint(&ca, port), LIMIT).await.outcome.unwrap_err();
    assert_eq!(error.reason(), "tls_server_unknown_issuer");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = probe(&endpoint(&ca, port), Duration::from_millis(300))
        .await
        .outcome
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::TimedOut { phase: Phase::Tls, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn dates_that_do_not_fit_are_reported_with_what_the_clock_showed() {
    let ca = TestCa::new("test root");
    // 2001-01-01 and 2101-01-01.
    let (begin_of_century, next_century) = (978_307_200, 4_133_980_800);
    for years in [(1999, 2001), (2101, 2102)] {
        let (chain, key) = ca.server_der_of_years(&["localhost"], years);
        let shown = chain[0].clone();
        let config = ca.server_config_with(chain, key, ClientCertificate::Optional, rustls::ALL_VERSIONS);
        let error = probe(&endpoint(&ca, server(config).await), LIMIT)
            .await
            .outcome
            .unwrap_err();
        let ConnectError::Tls { source, .. } = &error else {
            panic!("{error:?}");
        };
        let clock = match (years.0, source.out_of_date()) {
            (1999, Some(OutOfDate::ServerExpired { now, not_after })) => {
                assert_eq!(not_after, begin_of_century);
                now
            }
            (2101, Some(OutOfDate::ServerNotYetValid { now, not_before })) => {
                assert_eq!(not_before, next_century);
                now
            }
            (_, other) => panic!("{other:?}"),
        };
        assert!((begin_of_century..next_century).contains(&clock), "{clock}");
        // Both of its dates are available.
        assert!(
            matches!(source, TlsFailure::Dates { leaf, .. } if *leaf == shown),
            "{source:?}"
        );
    }
}
