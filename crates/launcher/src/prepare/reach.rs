//! Whether a target can be reached and trusted at all: its names resolve, its ports answer, and its certificates come from
//! a CA that the run trusts. Asked before anything is made, enrolled or started, since a device or a REST client that tries
//! again and again takes long to find out, and can't name the key to repair. `fleet doctor` asks the same.

mod remote;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use device_sim::clock;
use device_sim::hint::Hint;
use device_sim::proxies::Proxies;
use iot_protocol::shown;
use jiff::Timestamp;
use mqtt_link::{ConnectError, Endpoint, Phase, Tls, TlsFailure, probe};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) use self::remote::Remote;
use self::remote::{CA_KEY, Trust};
use crate::exit::Failure;
use crate::manifest::types::Target;
use crate::progress::ProgressLog;

/// A person does not wait longer for the first word.
const WITHIN: Duration = Duration::from_secs(3);

/// What a look at a server has seen, and what it means.
#[derive(Debug)]
pub(crate) struct Look {
    /// Where the name leads, or that of the proxy on the way.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The certificates that it has presented, its own first; none without TLS.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) found: Found,
}

/// Whether a server can be used.
#[derive(Debug)]
pub(crate) enum Found {
    /// It answers and is trusted.
    Good,
    /// It answers, and what went wrong may pass.
    Unsure(anyhow::Error),
    /// A person has to repair something.
    Bad(anyhow::Error),
}

/// Makes sure that the application answers, where there is one. An emulator of the manifest is not there yet.
///
/// # Errors
///
/// It does not, with what to check.
pub(crate) async fn application(target: &Target, progress: ProgressLog) -> Result<(), Failure> {
    answers(application_of(target), progress).await
}

/// Makes sure that the application at an address answers, of which there is no manifest yet: the flags name it.
///
/// # Errors
///
/// It does not, with what to check.
pub(crate) async fn application_at(app: &str, ca: Option<&Path>, progress: ProgressLog) -> Result<(), Failure> {
    let remote = remote_of(app, ca).map(|remote| Remote {
        key: "--app".to_owned(),
        ca_key: "--ca",
        ..remote
    });
    answers(remote, progress).await
}

/// Makes sure that the application and DPS answer, for devices that are about to start on this machine.
///
/// # Errors
///
/// One of them does not, with what to check.
pub(crate) async fn application_and_dps(target: &Target, progress: ProgressLog) -> Result<(), Failure> {
    tokio::try_join!(application(target, progress), answers(dps_of(target), progress))?;
    Ok(())
}

/// The servers that a manifest names: the application, where there is one, and DPS. An emulator of the manifest is not
/// there yet.
pub(crate) fn remotes(target: &Target) -> Vec<Remote> {
    application_of(target).into_iter().chain(dps_of(target)).collect()
}

fn application_of(target: &Target) -> Option<Remote> {
    match target {
        // What stands there of the application is for people who enroll by hand.
        Target::IotCentral(target) if target.api_token.is_none() => None,
        Target::IotCentral(target) => remote_of(&target.app, target.endpoint.ca.as_deref()),
        Target::Dps(_) | Target::Emulator(_) => None,
    }
}

fn dps_of(target: &Target) -> Option<Remote> {
    let endpoint = match target {
        Target::Dps(target) => &target.endpoint,
        Target::IotCentral(target) => &target.endpoint,
        Target::Emulator(_) => return None,
    };
    Some(Remote::with_tls(
        &endpoint.dps_endpoint,
        endpoint.port,
        "target.dps_endpoint",
        endpoint.ca.as_deref(),
    ))
}

async fn answers(remote: Option<Remote>, progress: ProgressLog) -> Result<(), Failure> {
    let Some(remote) = remote else { return Ok(()) };
    let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
    match look(&remote, &proxies).await.map_err(Failure::Refused)?.found {
        Found::Good => Ok(()),
        Found::Unsure(error) => {
            progress.report(format!("warning: {error:#}"));
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
        key: "target.app".to_owned(),
        connect: None,
        ca_key: CA_KEY,
        plain,
        trust: Trust::Target(ca.map(Path::to_owned)),
    })
}

/// Looks at a server, within a few seconds.
///
/// # Errors
///
/// What it is to be reached by can't be used: the CA file, the proxy, the name.
pub(crate) async fn look(remote: &Remote, proxies: &Proxies) -> anyhow::Result<Look> {
    let Remote { host, port, .. } = remote;
    if remote.plain {
        return Ok(Look {
            addresses: Vec::new(),
            chain: Vec::new(),
            found: look_without_tls(remote).await,
        });
    }
    let roots = remote.roots()?;
    let proxy = proxies
        .to(remote.connect_host(), *port)
        .context("HTTPS_PROXY can't be used")?;
    let by_proxy = proxy.is_some();
    let endpoint =
        Endpoint::new(host, *port, Tls::new(roots)?).with_context(|| format!("`{}` can't be used", remote.key))?;
    let seen = probe(&endpoint.via(remote.connect_host()).through(proxy), WITHIN).await;
    Ok(Look {
        addresses: seen.addresses,
        chain: seen.chain,
        found: match seen.outcome {
            Ok(()) => Found::Good,
            Err(error) => found(remote, by_proxy, &error),
        },
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
    let (host, port) = (remote.connect_host(), remote.port);
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
                remote.connect_key()
            )),
        ),
        ConnectError::Tls { source, .. } => handshake(remote, source),
        ConnectError::TimedOut { .. } => Found::Unsure(
            anyhow!(
                "{host} does not finish the TLS handshake on port {port} within {} s",
                WITHIN.as_secs()
            )
            .hint(format!(
                "check `{}`, and that TLS is spoken there",
                remote.connect_key()
            )),
        ),
        other => Found::Unsure(anyhow!("{host} port {port}: {other}")),
    }
}

/// Which key, or variable, names the host that our own socket goes to.
fn named(remote: &Remote, by_proxy: bool) -> String {
    match by_proxy {
        true => "HTTPS_PROXY".to_owned(),
        false => format!("`{}`", remote.connect_key()),
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
    let (host, port) = (remote.connect_host(), remote.port);
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
    let Remote { host, port, .. } = remote;
    let key = remote.connect_key();
    if let Some((device, root)) = remote.missing_root()
        && matches!(failure, TlsFailure::Tls(rustls::Error::InvalidCertificate(_)))
    {
        return Found::Unsure(
            anyhow!(
                "{host} port {port} answers, and can't be verified: `{}` is not made yet",
                shown::path(root)
            )
            .hint(format!(
                "`fleet edge-config MANIFEST --device {device}` makes it, along with the files that the gateway needs"
            )),
        );
    }
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
            return Found::Unsure(
                anyhow!("the TLS handshake with {host} on port {port} failed: {other}")
                    .hint(format!("check `{key}`, and that TLS is spoken there")),
            );
        }
    };
    Found::Bad(anyhow!("{host} port {port} can't be trusted: {wrong}").hint(hint))
}

/// What is wrong with a certificate, and what to check.
fn certificate(error: &CertificateError, remote: &Remote) -> (String, String) {
    let Remote { key, ca_key, .. } = remote;
    match (error, &remote.trust) {
        (CertificateError::UnknownIssuer, Trust::Target(Some(ca))) => (
            format!("its certificate does not come from a CA in `{}`", shown::path(ca)),
            format!(
                "check `{ca_key}`, which has to hold the root above the service's certificate, and `{key}`; for \
                 `fleet emulator` that is ca_cert.pem in its state folder"
            ),
        ),
        (CertificateError::UnknownIssuer, Trust::Target(None)) => (
            "its certificate does not come from a public CA".to_owned(),
            format!("check `{key}`; the CA of an emulator, or of a proxy that opens TLS, goes into `{ca_key}`"),
        ),
        (CertificateError::UnknownIssuer, Trust::Gateway { device, root }) => (
            format!("its certificate does not come from a CA in `{}`", shown::path(root)),
            format!(
                "the gateway has to sign it with the Edge CA of {device}: `fleet edge-config MANIFEST --device {device}` \
                 lists the files to copy to it"
            ),
        ),
        (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }, _) => (
            "its certificate is for another name".to_owned(),
            format!("check `{key}`"),
        ),
        (_, Trust::Target(_)) => (
            format!("its certificate is refused: {error}"),
            format!("check `{key}` and `{ca_key}`"),
        ),
        (_, Trust::Gateway { root, .. }) => (
            format!("its certificate is refused: {error}"),
            format!("check `{key}` and `{}`", shown::path(root)),
        ),
    }
}

#[cfg(test)]
mod tests;
