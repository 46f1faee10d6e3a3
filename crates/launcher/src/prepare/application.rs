//! The application behind the target: IoT Central, or an emulator of it, with what it takes to speak to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use fleet_report::totals::Received;
use iot_protocol::shown;
use provisioning::central::{ApiToken, Central, CentralError};
use provisioning::certificate::load;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::manifest::types::Secret;

/// An IoT Central application, or an emulator.
#[derive(Debug)]
pub struct Application {
    /// Its REST API.
    pub central: Central,
    operator: Option<Operator>,
}

/// The surface that only an emulator has.
#[derive(Debug)]
struct Operator {
    http: reqwest::Client,
    /// The address of its surface.
    base: String,
    authorization: HeaderValue,
}

#[derive(Deserialize)]
struct Stats {
    run: OfRun,
}

#[derive(Deserialize)]
struct OfRun {
    telemetry_received: u64,
    telemetry_received_unique: u64,
}

#[derive(Deserialize)]
struct SignIn {
    path: String,
}

impl Application {
    /// The application at `app`, whose server certificate is below `ca`, or below a public root.
    ///
    /// # Errors
    ///
    /// The address, the token or the CA file can't be used.
    pub fn new(app: &str, token: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let trusted = ca.map(load::certificates).transpose()?;
        let central = Central::new(app, &ApiToken::new(token), trusted.as_deref())?;
        // Only who brings a CA of his own can be an emulator, and IoT Central shall not be asked for what it can't know.
        let operator = trusted.map(|trusted| Operator::new(app, token, trusted)).transpose()?;
        Ok(Self { central, operator })
    }

    /// How much telemetry of a run the application has received until now; `None` where it does not say, as IoT Central.
    pub async fn received(&self, run: &str) -> Option<Received> {
        let operator = self.operator.as_ref()?;
        let stats: Stats = operator.ask(Method::GET, &format!("stats?run={run}")).await.ok()?;
        Some(Received {
            received: stats.run.telemetry_received,
            received_unique: stats.run.telemetry_received_unique,
        })
    }

    /// Whether it says how much telemetry it has received.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.operator.is_some()
    }

    /// All that an emulator counts.
    ///
    /// # Errors
    ///
    /// It is no emulator, or it does not answer.
    pub async fn figures(&self) -> anyhow::Result<serde_json::Value> {
        let operator = self.operator.as_ref().context("only an emulator tells its figures")?;
        Ok(operator.ask(Method::GET, "stats").await?)
    }

    /// The path of a link to the emulator's page that lets one person in, once. It is a secret.
    ///
    /// # Errors
    ///
    /// It is no emulator, or it does not answer.
    pub async fn sign_in_path(&self) -> anyhow::Result<String> {
        let operator = self.operator.as_ref().context("only an emulator has a page")?;
        let link: SignIn = operator.ask(Method::POST, "sign-in").await?;
        Ok(link.path)
    }

    /// The temperature of a device as the application shows it: its own, or that of its first thermostat.
    ///
    /// # Errors
    ///
    /// The application does not say whether it shows one.
    pub async fn temperature(&self, device: &str) -> Result<Option<f64>, CentralError> {
        for component in [None, Some("thermostat1")] {
            match self.central.telemetry(device, component, "temperature").await {
                Ok(telemetry) => return Ok(telemetry.value.as_f64()),
                Err(CentralError::Refused { status: 400 | 404, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Operator {
    fn new(app: &str, token: &str, trusted: Vec<CertificateDer<'static>>) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in trusted {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            // An emulator runs on this machine or on one beside it.
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()?;
        let mut authorization = HeaderValue::from_str(token.trim())?;
        authorization.set_sensitive(true);
        Ok(Self {
            http,
            base: format!("{}/emulator", app.trim_end_matches('/')),
            authorization,
        })
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, what: &str) -> reqwest::Result<T> {
        let request = self.http.request(method, format!("{}/{what}", self.base));
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        request.send().await?.error_for_status()?.json().await
    }
}

/// Reads a secret from where the manifest says it is. `variables` looks up an environment variable.
///
/// # Errors
///
/// It is not there, or empty.
pub fn secret(secret: &Secret, variables: impl Fn(&str) -> Option<String>) -> anyhow::Result<String> {
    let (value, place) = match secret {
        Secret::Env(name) => {
            let value = variables(name).ok_or_else(|| {
                anyhow!(
                    "the environment variable {name}, in which `target.api_token` expects the API token, is not set\n\
                     hint: export {name}='SharedAccessSignature sr=…' (IoT Central: Permissions, API tokens)"
                )
            })?;
            (value, format!("the environment variable {name}"))
        }
        Secret::File(path) => {
            let value = std::fs::read_to_string(path)
                .with_context(|| format!("can't read the API token from `{}`", shown::path(path)))?;
            (value, format!("`{}`", shown::path(path)))
        }
    };
    let value = value.trim();
    if value.is_empty() {
        return Err(anyhow!("there is no API token in {place}: it is empty"));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_from_the_environment_or_a_file() {
        let variables = |name: &str| (name == "TOKEN").then(|| " from env\n".to_owned());
        assert_eq!(secret(&Secret::Env("TOKEN".into()), variables).unwrap(), "from env");
        let error = secret(&Secret::Env("OTHER".into()), variables).unwrap_err().to_string();
        assert!(error.starts_with("the environment variable OTHER"), "{error}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api_token");
        std::fs::write(&path, "from file\n").unwrap();
        assert_eq!(secret(&Secret::File(path.clone()), variables).unwrap(), "from file");
        std::fs::write(&path, "\n").unwrap();
        assert!(
            secret(&Secret::File(path), variables)
                .unwrap_err()
                .to_string()
                .ends_with("it is empty")
        );
    }
}
