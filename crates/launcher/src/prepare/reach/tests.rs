use mqtt_link::testing::{ClientCertificate, ConnectProxy, Connection, Server, TestCa};
use tokio::net::TcpListener;

use super::*;

fn at(host: &str, port: u16) -> Remote {
    Remote {
        host: host.to_owned(),
        port,
        key: "target.app".to_owned(),
        connect: None,
        ca_key: CA_KEY,
        plain: false,
        trust: Trust::Target(None),
    }
}

fn bad(found: Found) -> String {
    match found {
        Found::Bad(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for (app, host, port) in [
        (
            "https://contoso.azureiotcentral.com",
            "contoso.azureiotcentral.com",
            443,
        ),
        ("https://127.0.0.1:8443/", "127.0.0.1", 8443),
        ("http://[::1]:8080", "::1", 8080),
        ("https://[::1]", "::1", 443),
    ] {
        let plain = app.starts_with("http:");
        assert_eq!(
            remote_of(app, None),
            Some(Remote {
                plain,
                ..at(host, port)
            }),
            "{app}"
        );
    }
}

#[tokio::test]
async fn what_does_not_answer_is_named_with_its_key() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = Remote {
        plain: true,
        ..at("127.0.0.1", port)
    };
    let none = Proxies::default();
    assert!(matches!(look(&plain, &none).await.unwrap().found, Found::Good));
    drop(listener);
    for remote in [plain, at("127.0.0.1", port)] {
        let refused = bad(look(&remote, &none).await.unwrap().found);
        assert!(
            refused.starts_with(&format!(
                "127.0.0.1 refuses connections on port {port}\nhint: check `target.app`"
            )),
            "{refused}"
        );
    }
    let unknown = bad(look(&at("contoso.invalid", 443), &none).await.unwrap().found);
    assert!(unknown.starts_with("contoso.invalid: "), "{unknown}");
    assert!(unknown.contains("`target.app`"), "{unknown}");
}

/// The server `dps.invalid`, which only a proxy can find, with a CA to trust.
async fn behind_a_proxy(trusted: &TestCa, signer: &TestCa) -> Found {
    let config = signer.server_config(&["dps.invalid"], ClientCertificate::Optional);
    let server = Server::start_with(config, vec![Connection::new()]).await;
    let proxy = ConnectProxy::requiring("user", "secret").await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, trusted.pem()).unwrap();
    let address = format!("http://user:secret@127.0.0.1:{}", proxy.port());
    let proxies = Proxies::from_environment(|name| (name == "HTTPS_PROXY").then(|| address.clone()));
    let remote = Remote {
        trust: Trust::Target(Some(ca)),
        ..at("dps.invalid", server.port())
    };
    look(&remote, &proxies).await.unwrap().found
}

#[tokio::test]
async fn trust_is_tried_through_a_proxy_too() {
    let (ca, other) = (TestCa::new("test root"), TestCa::new("other root"));
    assert!(matches!(behind_a_proxy(&ca, &ca).await, Found::Good));
    let words = bad(behind_a_proxy(&other, &ca).await);
    assert!(words.contains("does not come from a CA in"), "{words}");
    assert!(words.contains("hint: check `target.ca`"), "{words}");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_what_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let proxies = Proxies::from_environment(|name| (name == "HTTPS_PROXY").then(|| address.clone()));
    let words = bad(look(&at("dps.invalid", 8883), &proxies).await.unwrap().found);
    assert!(
        words.starts_with("the proxy on the way to dps.invalid can't be reached"),
        "{words}"
    );
    assert!(words.contains("hint: check HTTPS_PROXY"), "{words}");
}

#[test]
fn what_a_person_has_to_repair_differs_from_what_may_pass() {
    let remote = at("dps.example", 8883);
    let tls = |error| ConnectError::Tls {
        server_name: "dps.example".into(),
        source: TlsFailure::Tls(error),
    };
    let certificate = |error| tls(rustls::Error::InvalidCertificate(error));
    let time = |seconds| rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let early = CertificateError::NotValidYetContext {
        time: time(1_000_000_000),
        not_before: time(1_795_802_400),
    };
    for (error, words) in [
        (
            certificate(CertificateError::UnknownIssuer),
            "does not come from a public CA",
        ),
        (
            certificate(CertificateError::NotValidForName),
            "is for another name\nhint: check `target.app`",
        ),
        (
            certificate(early),
            "not valid before 2026-11-27T18:00:00Z; this machine's clock says 2001-09-09T01:46:40Z",
        ),
        (
            tls(rustls::Error::InvalidMessage(
                rustls::InvalidMessage::InvalidContentType,
            )),
            "does not speak TLS",
        ),
    ] {
        let error_text = bad(found(&remote, false, &error));
        assert!(
            error_text.contains(words) && error_text.contains("hint: "),
            "{error_text}"
        );
    }
    let closed = ConnectError::Tls {
        server_name: "dps.example".into(),
        source: TlsFailure::Io(io::ErrorKind::UnexpectedEof.into()),
    };
    assert!(matches!(found(&remote, false, &closed), Found::Unsure(_)));
}
