//! The application behind the target: IoT Central, or an emulator of it, with what it takes to speak to it.

use std::path::Path;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use fleet_report::totals::Received;
use iot_protocol::shown;
use provisioning::central::{ApiToken, Central, CentralError};
use provisioning::certificate::load;
use serde_json::Value;

use crate::manifest::types::Secret;

/// An IoT Central application, or an emulator.
#[derive(Debug)]
pub(crate) struct Application {
    /// Its REST API.
    pub central: Central,
    /// Whether it can be an emulator, which answers more than IoT Central.
    is_emulator: bool,
}

/// Telemetry of a device that the application may show.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) component: Option<String>,
    pub(crate) name: String,
    /// Whether it is a temperature in degrees Celsius.
    pub(crate) is_degrees: bool,
}

impl Application {
    /// The application at `app`, whose server certificate is below `ca`, or below a public root.
    ///
    /// # Errors
    ///
    /// The address, the token or the CA file can't be used.
    pub(crate) fn new(app: &str, token: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self {
            central: Central::new(app, &ApiToken::new(token), load::trust_roots(ca)?)?,
            // An emulator needs a CA of its own, and IoT Central is not asked for what it does not have.
            is_emulator: ca.is_some(),
        })
    }

    /// How much telemetry of a run the application has received until now; `None` where it does not count, as IoT Central.
    pub(crate) async fn received(&self, run: &str) -> Option<Received> {
        let emulator = self.emulator("counts telemetry").ok()?;
        let run = emulator.emulator_run(run).await.ok()?;
        Some(Received {
            received: run.telemetry_received,
            received_unique: run.telemetry_received_unique,
        })
    }

    /// Whether it counts the telemetry that it receives.
    #[must_use]
    pub(crate) fn counts(&self) -> bool {
        self.is_emulator
    }

    /// All that an emulator counts.
    ///
    /// # Errors
    ///
    /// It is no emulator, or it does not answer.
    pub(crate) async fn figures(&self) -> anyhow::Result<serde_json::Value> {
        Ok(self.emulator("reports its figures")?.emulator_stats().await?)
    }

    /// The path of a link to the emulator's page that lets one person in, once. It is a secret.
    ///
    /// # Errors
    ///
    /// It is no emulator, or it does not answer.
    pub(crate) async fn sign_in_path(&self) -> anyhow::Result<String> {
        Ok(self.emulator("has a page")?.emulator_sign_in().await?)
    }

    fn emulator(&self, does: &str) -> anyhow::Result<&Central> {
        self.is_emulator
            .then_some(&self.central)
            .with_context(|| format!("only an emulator {does}"))
    }

    /// The last telemetry of a device as the application shows it: the first of these that the device has sent.
    ///
    /// # Errors
    ///
    /// The application can't be asked.
    pub(crate) async fn last_telemetry<'a>(
        &self,
        device: &str,
        sights: &'a [Sight],
    ) -> Result<Option<(&'a Sight, Value)>, CentralError> {
        for sight in sights {
            let component = sight.component.as_deref();
            match self.central.telemetry(device, component, &sight.name).await {
                Ok(telemetry) => return Ok(Some((sight, telemetry.value))),
                Err(CentralError::Refused { status: 400 | 404, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// How an API token gets into a variable.
pub(crate) fn token_hint(variable: &str) -> String {
    format!("export {variable}='SharedAccessSignature sr=…' (IoT Central: Permissions, API tokens)")
}

/// Reads a secret from where the manifest names. `variables` looks up an environment variable.
///
/// # Errors
///
/// It is not there, or empty.
pub(crate) fn secret(secret: &Secret, variables: impl Fn(&str) -> Option<String>) -> anyhow::Result<String> {
    let (value, place) = match secret {
        Secret::Env(name) => {
            let value = variables(name).ok_or_else(|| {
                anyhow!(
                    "the environment variable {name}, in which `target.api_token` expects the API token, is not \
                     set"
                )
                .hint(token_hint(name))
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
