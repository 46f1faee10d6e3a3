//! A device at DPS over HTTPS, as `curl` would be: it sends whatever certificate it has.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mqtt_link::client_config;
use provisioning::certificate::load::{self, Identity};
use reqwest::header::CONTENT_TYPE;
use rustls::sign::SingleCertAndKey;

/// The emulator is on this machine.
const WITHIN: Duration = Duration::from_secs(30);
/// Of an answer, the beginning is enough.
const LONGEST: usize = 500;

/// Sends the registration `body` to `url`, with the certificate of `identity`. Returns the status of the answer and its body.
pub(super) async fn register(url: &str, body: String, identity: &Identity, ca: &Path) -> anyhow::Result<(u16, String)> {
    let mut tls = client_config(load::trust_roots(Some(ca))?)?;
    tls.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity.certified_key()));
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .timeout(WITHIN)
        .build()?;
    let request = client.put(url).header(CONTENT_TYPE, "application/json").body(body);
    let answer = request.send().await.context("DPS can't be reached")?;
    let status = answer.status().as_u16();
    let text = answer.text().await.context("DPS gave no whole answer")?;
    Ok((status, text.chars().take(LONGEST).collect()))
}
