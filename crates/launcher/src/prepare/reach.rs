//! Whether a target can be reached and trusted at all: its names resolve, its ports answer, and its certificates come from
//! a CA that the run trusts. Asked before anything is made, enrolled or started, since a device or a REST client that tries
//! again and again takes long to find out, and can't name the key to repair.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use device_sim::clock;
use device_sim::hint::Hint;
use device_sim::proxies::Proxies;
use iot_protocol::shown;
use jiff::Timestamp;
use mqtt_link::{ConnectError, Endpoint, Phase, Tls, TlsFailure, probe};
use provisioning::certificate::load;
use rustls::CertificateError;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::Failure;
use crate::manifest::types::Target;
use crate::progress::ProgressLog;

/// A person does not wait longer for the first word.
const WITHIN: Duration = Duration::from_secs(3);

/// A server that has to answer, and the key of the manifest that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remote {
    host: String,
    port: u16,
    key: &'static str,
    /// Without TLS, which only an emulator on this machine is asked.
    plain: bool,
    /// The roots to trust instead of the public ones.
    ca: Option<PathBuf>,
}

/// What a look at a server has found.
#[derive(Debug)]
enum Found {
    /// It answers and is trusted.
    Good,
    /// It answers, and what went wrong may pass.
    Unsure(String),
    /// A person has to repair something.
    Bad(anyhow::Error),
}

/// Makes sure that the application answers, where there is one. An emulator of the manifest is not there yet.
///
/// # Errors
///
/// It does not, with what to check.
pub(crate) async fn application(target: &Target, progress: ProgressLog) -> Result<(), Failure> {
    let remote = match target {
        Target::IotCentral(target) => remote_of(&target.app, target.endpoint.ca.as_deref()),
        Target::Dps(_) | Target::Emulator(_) => None,
    };
    answers(remote, progress).await
}

/// Makes sure that the application and DPS answer, for devices that are about to start on this machine.
///
/// # Errors
///
/// One of them does not, with what to check.
pub(crate) async fn application_and_dps(target: &Target, progress: ProgressLog) -> Result<(), Failure> {
    let endpoint = match target {
        Target::Dps(target) => Some(&target.endpoint),
        Target::IotCentral(target) => Some(&target.endpoint),
        Target::Emulator(_) => None,
    };
    let remote = endpoint.map(|endpoint| Remote {
        host: endpoint.dps_endpoint.clone(),
        port: endpoint.port,
        key: "target.dps_endpoint",
        plain: false,
        ca: endpoint.ca.clone(),
    });
    tokio::try_join!(application(target, progress), answers(remote, progress))?;
    Ok(())
}

async fn answers(remote: Option<Remote>, progress: ProgressLog) -> Result<(), Failure> {
    let Some(remote) = remote else { return Ok(()) };
    let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
    match look(&remote, &proxies).await.map_err(Failure::Refused)? {
        Found::Good => Ok(()),
        Found::Unsure(words) => {
            progress.report(format!("warning: {words}"));
            Ok(())
        }
        Found::Bad(error) => Err(Failure::Refused(error)),
    }
}

/// The server in an address, whose form the manifest has checked.
fn remote_of(app: &str, ca: Option<&Path>) -> Option<Remote> {
    let (scheme, rest) = app.split_once("://")?;
    let authority = rest.split('/').next()?;
    let plain = scheme != "https";
    let default = if plain { 80 } else { 443 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    Some(Remote {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        key: "target.app",
        plain,
        ca: ca.map(Path::to_owned),
    })
}

async fn look(remote: &Remote, proxies: &Proxies) -> anyhow::Result<Found> {
    let Remote { host, port, .. } = remote;
    if remote.plain {
        return Ok(look_without_tls(remote).await);
    }
    let roots = load::trust_roots(remote.ca.as_deref()).context("`target.ca` can't be used")?;
    let proxy = proxies.to(host, *port).context("HTTPS_PROXY can't be used")?;
    let by_proxy = proxy.is_some();
    let endpoint =
        Endpoint::new(host, *port, Tls::new(roots)?).with_context(|| format!("`{}` can't be used", remote.key))?;
    Ok(match probe(&endpoint.through(proxy), WITHIN).await {
        Ok(()) => Found::Good,
        Err(error) => found(remote, by_proxy, &error),
    })
}

async fn look_without_tls(remote: &Remote) -> Found {
    let Remote { host, port, .. } = remote;
    let source = match timeout(WITHIN, TcpStream::connect((host.as_str(), *port))).await {
        Ok(Ok(_)) => return Found::Good,
        Ok(Err(source)) => source,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    Found::Bad(unreachable(remote, false, &source))
}

/// What an error means, and what to check.
fn found(remote: &Remote, by_proxy: bool, error: &ConnectError) -> Found {
    let Remote { host, port, .. } = remote;
    let (key, hint) = (named(remote, by_proxy), advice(by_proxy));
    match error {
        ConnectError::Dns { host, source } => Found::Bad(
            anyhow!("{host}: the name does not resolve: {source}")
                .hint(format!("check {key} and the DNS of this machine{hint}")),
        ),
        ConnectError::Tcp { source, .. } => Found::Bad(unreachable(remote, by_proxy, source)),
        ConnectError::TimedOut { phase: Phase::Dns, .. } => Found::Bad(
            anyhow!("{host}: no answer from DNS within {} s", WITHIN.as_secs()).hint(format!(
                "check the network and the DNS of this machine, and {key}{hint}"
            )),
        ),
        ConnectError::TimedOut { phase: Phase::Tcp, .. } => {
            Found::Bad(unreachable(remote, by_proxy, &io::ErrorKind::TimedOut.into()))
        }
        ConnectError::Proxy { proxy, source } => Found::Bad(
            anyhow!("the proxy {proxy} does not connect to {host} port {port}: {source}").hint(format!(
                "check HTTPS_PROXY and NO_PROXY, that the proxy lets port {port} through, and `{}`",
                remote.key
            )),
        ),
        ConnectError::Tls { source, .. } => handshake(remote, source),
        ConnectError::TimedOut { .. } => Found::Unsure(format!(
            "{host} does not finish the TLS handshake on port {port} within {} s\n  check `{}`, and that TLS is spoken there",
            WITHIN.as_secs(),
            remote.key
        )),
        other => Found::Unsure(format!("{host} port {port}: {other}")),
    }
}

/// Which key, or variable, names the host that our own socket goes to.
fn named(remote: &Remote, by_proxy: bool) -> String {
    match by_proxy {
        true => "HTTPS_PROXY".to_owned(),
        false => format!("`{}`", remote.key),
    }
}

fn advice(by_proxy: bool) -> &'static str {
    match by_proxy {
        true => "",
        false => "; it is reached without a proxy; where one is needed, set HTTPS_PROXY",
    }
}

fn unreachable(remote: &Remote, by_proxy: bool, error: &io::Error) -> anyhow::Error {
    let (key, hint) = (named(remote, by_proxy), advice(by_proxy));
    let Remote { host, port, .. } = remote;
    if by_proxy {
        return anyhow!("the proxy on the way to {host} can't be reached: {error}")
            .hint(format!("check {key} and NO_PROXY"));
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => anyhow!("{host} refuses connections on port {port}")
            .hint(format!("check {key}, and that the service runs there{hint}")),
        io::ErrorKind::TimedOut => anyhow!("{host} does not answer on port {port} within {} s", WITHIN.as_secs())
            .hint(format!("a firewall may drop what goes there; check {key}{hint}")),
        _ => anyhow!("{host} can't be reached on port {port}: {error}")
            .hint(format!("check the network and {key}{hint}")),
    }
}

/// What is wrong with the certificate, or whatever else a handshake failed for.
fn handshake(remote: &Remote, failure: &TlsFailure) -> Found {
    let Remote { host, port, key, .. } = remote;
    if let Some(dates) = clock::words(failure, Timestamp::now()) {
        return Found::Bad(
            anyhow!("{host} port {port} can't be trusted: {dates}")
                .hint("set the clock of this machine if it is wrong; otherwise the server needs another certificate"),
        );
    }
    let (wrong, hint) = match failure {
        TlsFailure::Tls(rustls::Error::InvalidCertificate(error)) => certificate(error, remote),
        TlsFailure::Tls(rustls::Error::InvalidMessage(_)) => (
            "what answers there does not speak TLS".to_owned(),
            format!("check `{key}` and the port"),
        ),
        other => {
            return Found::Unsure(format!(
                "the TLS handshake with {host} on port {port} failed: {other}\n  check `{key}`, and that TLS is spoken there"
            ));
        }
    };
    Found::Bad(anyhow!("{host} port {port} can't be trusted: {wrong}").hint(hint))
}

/// What is wrong with a certificate, and what to check.
fn certificate(error: &CertificateError, remote: &Remote) -> (String, String) {
    let key = remote.key;
    match (error, &remote.ca) {
        (CertificateError::UnknownIssuer, Some(ca)) => (
            format!("its certificate does not come from a CA in `{}`", shown::path(ca)),
            format!(
                "check `target.ca`, which has to hold the root above the service's certificate, and `{key}`; for \
                 `fleet emulator` that is ca_cert.pem in its state folder"
            ),
        ),
        (CertificateError::UnknownIssuer, None) => (
            "its certificate does not come from a public CA".to_owned(),
            format!("check `{key}`; the CA of an emulator, or of a proxy that opens TLS, goes into `target.ca`"),
        ),
        (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }, _) => (
            "its certificate is for another name".to_owned(),
            format!("check `{key}`"),
        ),
        _ => (
            format!("its certificate is refused: {error}"),
            format!("check `{key}` and `target.ca`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use mqtt_link::testing::{ClientCertificate, ConnectProxy, Connection, Server, TestCa};
    use tokio::net::TcpListener;

    use super::*;

    fn at(host: &str, port: u16) -> Remote {
        Remote {
            host: host.to_owned(),
            port,
            key: "target.app",
            plain: false,
            ca: None,
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
        assert!(matches!(look(&plain, &none).await.unwrap(), Found::Good));
        drop(listener);
        for remote in [plain, at("127.0.0.1", port)] {
            let refused = bad(look(&remote, &none).await.unwrap());
            assert!(
                refused.starts_with(&format!(
                    "127.0.0.1 refuses connections on port {port}\nhint: check `target.app`"
                )),
                "{refused}"
            );
        }
        let unknown = bad(look(&at("contoso.invalid", 443), &none).await.unwrap());
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
            ca: Some(ca),
            ..at("dps.invalid", server.port())
        };
        look(&remote, &proxies).await.unwrap()
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
        let words = bad(look(&at("dps.invalid", 8883), &proxies).await.unwrap());
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
}
