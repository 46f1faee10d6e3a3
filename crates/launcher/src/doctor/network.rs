//! Every server of a target: where its name leads, by which way it is reached, and what it shows of itself.

use std::path::Path;

use device_sim::proxies::Proxies;
use fleet_report::words::counted;
use futures_util::future::join_all;
use iot_protocol::shown;
use provisioning::assignment;
use provisioning::certificate::inspect::{self, CertificateFacts};
use rustls::pki_types::CertificateDer;

use super::finding::{Area, Finding, Verdict};
use super::gateways;
use crate::manifest::Manifest;
use crate::manifest::types::{Endpoint, Target};
use crate::prepare::reach::{self, Found, Look, Remote};

/// So many hubs are tried; a large application has more, and they differ in their names only.
const HUBS: usize = 10;

/// Looks at every server of a manifest at once. An application that answers is the last part.
pub(super) async fn findings(manifest: &Manifest, proxies: &Proxies) -> Vec<Finding> {
    let (remotes, mut findings) = remotes(manifest);
    for remote in &remotes {
        findings.push(way(remote, proxies));
    }
    let looks = remotes.iter().map(|remote| async move {
        match reach::look(remote, proxies).await {
            Ok(look) => of_look(remote, &look),
            Err(error) => Finding::of_error(Area::Network, name(remote), Verdict::Broken, &error),
        }
    });
    findings.extend(join_all(looks).await);
    findings
}

fn name(remote: &Remote) -> String {
    let (name, host) = (&remote.host, remote.connect_host());
    match name == host {
        true => format!("{name} port {}", remote.port),
        false => format!("{name} at {host} port {}", remote.port),
    }
}

/// The application, DPS, the hubs that are known, and the gateways.
fn remotes(manifest: &Manifest) -> (Vec<Remote>, Vec<Finding>) {
    let endpoint = match &manifest.target {
        Target::Emulator(_) => {
            let words = match manifest.gateways().is_empty() {
                true => "nothing to reach: `fleet run` starts the emulator on this machine",
                false => {
                    "nothing to reach: `fleet run` starts the emulator on this machine, which stands for the gateways"
                }
            };
            return (Vec::new(), vec![Finding::good(Area::Network, "target", words)]);
        }
        Target::IotCentral(target) => &target.endpoint,
        Target::Dps(target) => &target.endpoint,
    };
    let mut remotes = reach::remotes(&manifest.target);
    let mut findings = Vec::new();
    match hubs(&manifest.fleet.state, endpoint) {
        Ok(hubs) if hubs.is_empty() => findings.push(Finding::new(
            Area::Network,
            "hubs",
            Verdict::Unknown,
            "DPS names the hub of a device when it registers, and none is remembered yet",
        )),
        Ok(hubs) => {
            if hubs.len() > HUBS {
                let words = format!(
                    "{} remembered, of which {HUBS} are tried",
                    counted(hubs.len(), "hub", "hubs")
                );
                findings.push(Finding::good(Area::Network, "hubs", words));
            }
            remotes.extend(hubs.into_iter().take(HUBS));
        }
        Err(error) => findings.push(Finding::of_error(
            Area::Network,
            "hubs",
            Verdict::Warning,
            &format!("the remembered hubs can't be read: {error}"),
        )),
    }
    remotes.extend(gateways::remotes(manifest));
    (remotes, findings)
}

fn hubs(state: &Path, endpoint: &Endpoint) -> std::io::Result<Vec<Remote>> {
    let remote = |host: &str, key| Remote::with_tls(host, endpoint.port, key, endpoint.ca.as_deref());
    if let Some(host) = &endpoint.connect_host {
        return Ok(vec![remote(host, "target.connect_host")]);
    }
    let hubs = assignment::hubs(state)?;
    // The emulator answers as a hub where it answers as DPS, and that is looked at already.
    let hubs = hubs.iter().filter(|hub| **hub != endpoint.dps_endpoint);
    Ok(hubs.map(|hub| remote(hub, "target.connect_host")).collect())
}

/// Whether a proxy is on the way.
fn way(remote: &Remote, proxies: &Proxies) -> Finding {
    let subject = format!("way to {}", remote.connect_host());
    match proxies.to(remote.connect_host(), remote.port) {
        Ok(Some(proxy)) => Finding::good(
            Area::Network,
            subject,
            format!("through the proxy {} (HTTPS_PROXY)", proxy.host()),
        ),
        Ok(None) => Finding::good(Area::Network, subject, "direct, without a proxy"),
        Err(error) => Finding::of_error(Area::Network, subject, Verdict::Broken, &error)
            .remedy("HTTPS_PROXY is to be like http://user:password@proxy.example:3128"),
    }
}

fn of_look(remote: &Remote, look: &Look) -> Finding {
    let addresses: Vec<_> = look.addresses.iter().map(|address| address.ip().to_string()).collect();
    let mut seen = String::new();
    if !addresses.is_empty() {
        seen.push_str(&format!("\naddresses: {}", addresses.join(", ")));
    }
    for certificate in &look.chain {
        seen.push_str(&format!("\nshows {}", described(certificate)));
    }
    let finding = match &look.found {
        Found::Good => Finding::good(Area::Network, name(remote), "answers, and is trusted"),
        Found::Unsure(error) => Finding::of_error(Area::Network, name(remote), Verdict::Warning, error),
        Found::Bad(error) => Finding::of_error(Area::Network, name(remote), Verdict::Broken, error),
    };
    Finding {
        words: finding.words.clone() + &seen,
        ..finding
    }
}

/// A certificate of the chain that a server shows.
fn described(certificate: &CertificateDer<'_>) -> String {
    let facts = match CertificateFacts::from_der(certificate, "the server's certificate") {
        Ok(facts) => facts,
        Err(error) => return error.to_string(),
    };
    let name = |name: &Option<String>| shown::text(name.as_deref().unwrap_or("-")).to_string();
    format!(
        "`{}`, issued by `{}`, valid until {}",
        name(&facts.common_name),
        name(&facts.issuer_common_name),
        inspect::end(facts.not_after)
    )
}
