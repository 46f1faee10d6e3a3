//! Whether a target can be reached at all: its names resolve and its ports answer. Asked before anything is enrolled or
//! started, since a device or a REST client that tries again and again takes long to find out, and can't say which key to mend.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use device_sim::proxies::Proxies;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::exit::Failure;
use crate::manifest::types::Target;

/// A person does not wait longer for the first word.
const WITHIN: Duration = Duration::from_secs(3);

/// A place that has to answer, and the key of the manifest that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    key: &'static str,
}

/// Makes sure that the application answers, where there is one. An emulator of the manifest is not there yet.
///
/// # Errors
///
/// It does not, with what to check.
pub async fn application(target: &Target) -> Result<(), Failure> {
    let place = match target {
        Target::IotCentral(target) => place_of(&target.app),
        Target::Dps(_) | Target::Emulator(_) => None,
    };
    answers(place).await
}

/// Makes sure that DPS answers, for devices that are about to start on this machine.
///
/// # Errors
///
/// It does not, with what to check.
pub async fn dps(target: &Target) -> Result<(), Failure> {
    let endpoint = match target {
        Target::Dps(target) => Some(&target.endpoint),
        Target::IotCentral(target) => Some(&target.endpoint),
        Target::Emulator(_) => None,
    };
    let place = endpoint.map(|endpoint| Place {
        host: endpoint.dps_endpoint.clone(),
        port: endpoint.port,
        key: "target.dps_endpoint",
    });
    answers(place).await
}

async fn answers(place: Option<Place>) -> Result<(), Failure> {
    let Some(place) = place else { return Ok(()) };
    let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
    // What is behind a proxy only the proxy can resolve and reach.
    if !matches!(proxies.to(&place.host, place.port), Ok(None)) {
        return Ok(());
    }
    match problem(&place).await {
        None => Ok(()),
        Some(problem) => Err(Failure::refused(anyhow!("{problem}"))),
    }
}

/// The place in an address, whose form the manifest has checked.
fn place_of(app: &str) -> Option<Place> {
    let (scheme, rest) = app.split_once("://")?;
    let authority = rest.split('/').next()?;
    let default = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    Some(Place {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        key: "target.app",
    })
}

/// What is wrong with a place, if anything is.
async fn problem(place: &Place) -> Option<String> {
    let Place { host, port, key } = place;
    let hint = "it is reached without a proxy; where one is needed, set HTTPS_PROXY";
    let addresses: Vec<SocketAddr> = match timeout(WITHIN, lookup_host((host.as_str(), *port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            return Some(format!(
                "{host}: the name does not resolve: {error}\nhint: check `{key}` and the DNS of this machine; {hint}"
            ));
        }
        Err(_) => {
            return Some(format!(
                "{host}: no answer from DNS within {} s\nhint: check the network and the DNS of this machine, and `{key}`; {hint}",
                WITHIN.as_secs()
            ));
        }
    };
    let error = timeout(WITHIN, any_answers(addresses))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .err()?;
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => format!(
            "{host} refuses connections on port {port}\nhint: check `{key}`, and that the service runs there; {hint}"
        ),
        io::ErrorKind::TimedOut => format!(
            "{host} does not answer on port {port} within {} s\nhint: a firewall may drop what goes there; check `{key}`; {hint}",
            WITHIN.as_secs()
        ),
        _ => format!("{host} can't be reached on port {port}: {error}\nhint: check the network and `{key}`; {hint}"),
    })
}

/// Whether one of the addresses answers; all are asked at once.
async fn any_answers(addresses: Vec<SocketAddr>) -> io::Result<()> {
    let mut attempts: JoinSet<_> = addresses.into_iter().map(TcpStream::connect).collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn at(host: &str, port: u16) -> Place {
        Place {
            host: host.to_owned(),
            port,
            key: "target.app",
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
            assert_eq!(place_of(app), Some(at(host, port)), "{app}");
        }
    }

    #[tokio::test]
    async fn what_does_not_answer_is_named_with_its_key() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(problem(&at("127.0.0.1", port)).await, None);
        drop(listener);
        let refused = problem(&at("127.0.0.1", port)).await.unwrap();
        assert!(
            refused.starts_with(&format!(
                "127.0.0.1 refuses connections on port {port}\nhint: check `target.app`"
            )),
            "{refused}"
        );
        let unknown = problem(&at("contoso.invalid", 443)).await.unwrap();
        assert!(unknown.starts_with("contoso.invalid: "), "{unknown}");
        assert!(unknown.contains("`target.app`"), "{unknown}");
    }
}
