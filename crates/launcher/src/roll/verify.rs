//! DPS and the hub as a device meets them. Old certificates are tried there: both have to refuse them.
//!
//! It is harmless as long as they do: a CONNECT that is refused ends no other session of the device. Where DPS accepts one,
//! the hub has taken the old certificate back, and the device has to register again.

use std::path::Path;
use std::time::Duration;

use device_sim::proxies::Proxies;
use device_sim::{plan_file, transport};
use fleet_protocol::plan::Target;
use iot_protocol::id::{DeviceId, HubHost, RegistrationId};
use iot_protocol::username::HubUserName;
use mqtt_link::{ConnectOptions, Credentials, Endpoint, Link, Tls};
use provisioning::certificate::load::{self, Identity};
use provisioning::register::{Registration, RegistrationError, RegistrationFailure, RegistrationOptions};
use serde::Serialize;

/// Leaving a hub that should not have let us in.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where old certificates are tried.
#[derive(Debug)]
pub(crate) struct Trials {
    target: Target,
    tls: Tls,
    proxies: Proxies,
}

/// What became of one device's old certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Trial {
    pub(crate) device: String,
    /// The old certificate.
    pub(crate) old_sha256: String,
    pub(crate) dps: Verdict,
    pub(crate) hub: Verdict,
}

/// How a service answered an old certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "why", rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// No, as it has to.
    Refused(String),
    /// Yes.
    Accepted,
    /// Neither: it could not be reached, or answered something else.
    Undecided(String),
    /// It was not asked.
    NotTried(String),
}

impl Trial {
    /// Whether the old certificate still works somewhere.
    pub(crate) fn failed(&self) -> bool {
        self.dps == Verdict::Accepted || self.hub == Verdict::Accepted
    }

    /// Whether a refusal was seen wherever it was tried, and it was tried somewhere.
    pub(crate) fn proved(&self) -> bool {
        let verdicts = [&self.dps, &self.hub];
        verdicts.iter().any(|verdict| matches!(verdict, Verdict::Refused(_)))
            && !verdicts
                .iter()
                .any(|verdict| matches!(verdict, Verdict::Accepted | Verdict::Undecided(_)))
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the old certificate of {}: DPS {}, the hub {}",
            self.device, self.dps, self.hub
        )
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused it ({why})"),
            Self::Accepted => f.write_str("ACCEPTED it"),
            Self::Undecided(why) => write!(f, "gave no verdict ({why})"),
            Self::NotTried(why) => write!(f, "was not asked ({why})"),
        }
    }
}

impl Trials {
    /// Where the devices of the plan at `path` go.
    pub(crate) fn of_plan(path: &Path) -> anyhow::Result<Self> {
        Self::of(plan_file::read(path)?.target)
    }

    /// Where devices go.
    pub(crate) fn of(target: Target) -> anyhow::Result<Self> {
        Ok(Self {
            tls: Tls::new(load::trust_roots(target.ca.as_deref())?)?,
            target,
            proxies: Proxies::from_environment(|name| std::env::var(name).ok()),
        })
    }

    fn endpoint(&self, host: &str) -> anyhow::Result<Endpoint> {
        let Target { port, transport, .. } = self.target;
        let proxy = self.proxies.to(host, port)?;
        let endpoint = Endpoint::new(host, port, self.tls.clone())?;
        Ok(endpoint.over(transport::of(transport)).through(proxy))
    }

    /// Registers with DPS by `identity`.
    pub(crate) async fn register(
        &self,
        id: &str,
        identity: &Identity,
    ) -> anyhow::Result<Result<(), RegistrationError>> {
        let endpoint = self.endpoint(&self.target.dps_endpoint)?;
        let registration = Registration {
            endpoint: &endpoint,
            id_scope: &self.target.id_scope,
            registration_id: &RegistrationId::new(id)?,
            // The device announced its model when it connected first, and is not to change it.
            model_id: None,
            credentials: &Credentials::X509(identity.certified_key()),
            jitter_seed: 0,
        };
        let options = RegistrationOptions {
            deadline: Duration::from_secs(60),
            ..RegistrationOptions::default()
        };
        Ok(registration.run_with(&options).await.map(|_| ()))
    }

    /// Whether DPS refuses `identity`.
    pub(crate) async fn dps(&self, id: &str, identity: &Identity) -> Verdict {
        match self.register(id, identity).await {
            Ok(Ok(())) => Verdict::Accepted,
            Ok(Err(error)) if is_refusal(error.failure()) => Verdict::Refused(words(&error)),
            Ok(Err(error)) => Verdict::Undecided(words(&error)),
            Err(error) => Verdict::Undecided(format!("{error:#}")),
        }
    }

    /// Whether `hub` refuses `identity`.
    pub(crate) async fn hub(&self, id: &str, identity: &Identity, hub: Option<&str>) -> Verdict {
        let Some(hub) = hub else {
            return Verdict::NotTried("the device's hub is not known".to_owned());
        };
        self.connect(id, identity, hub)
            .await
            .unwrap_or_else(|error| Verdict::Undecided(format!("{error:#}")))
    }

    async fn connect(&self, id: &str, identity: &Identity, hub: &str) -> anyhow::Result<Verdict> {
        let hub: HubHost = hub.parse()?;
        let device_id = DeviceId::from(RegistrationId::new(id)?);
        let endpoint = self.endpoint(self.target.connect_host.as_deref().unwrap_or(hub.as_str()))?;
        let user_name = HubUserName::new(hub, device_id, None);
        let options = ConnectOptions {
            user_name: Some(user_name.to_string()),
            // What waits for the device is not for us.
            clean_session: false,
            ..ConnectOptions::new(user_name.client_id())
        };
        let credentials = Credentials::X509(identity.certified_key());
        match Link::connect(&endpoint, &credentials, &options).await {
            Ok((link, _)) => {
                // It was let in, which is the news; how it leaves changes nothing.
                let _ = link.close(FAREWELL).await;
                Ok(Verdict::Accepted)
            }
            Err(error) if error.refusal().is_some() => Ok(Verdict::Refused(words(&error))),
            Err(error) => Ok(Verdict::Undecided(words(&error))),
        }
    }
}

fn is_refusal(failure: &RegistrationFailure) -> bool {
    match failure {
        RegistrationFailure::Connect(error) => error.refusal().is_some(),
        RegistrationFailure::Unauthorized { .. }
        | RegistrationFailure::Disabled
        | RegistrationFailure::AssignmentFailed { .. } => true,
        _ => false,
    }
}

/// What is at the bottom of an error: the service's own words, without who was refused what, which is known.
fn words(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// So many devices stand for all: the first, the last and some between.
pub(crate) fn sample(ids: &[String], most: usize) -> Vec<&String> {
    match (ids.len(), most) {
        (0, _) | (_, 0) => Vec::new(),
        (len, most) if len <= most => ids.iter().collect(),
        (_, 1) => vec![&ids[0]],
        (len, most) => (0..most).map(|i| &ids[i * (len - 1) / (most - 1)]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_first_the_last_and_some_between() {
        let ids: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        assert_eq!(sample(&ids, 5), ["0", "24", "49", "74", "99"]);
        assert_eq!(sample(&ids[..3], 5), ["0", "1", "2"]);
        assert_eq!(sample(&ids, 1), ["0"]);
        assert!(sample(&[], 5).is_empty());
    }

    #[test]
    fn a_trial_proves_something_only_where_a_refusal_was_seen_and_nothing_else() {
        let (refused, other) = (
            || Verdict::Refused("5".into()),
            || Verdict::NotTried("still enrolled".into()),
        );
        let undecided = || Verdict::Undecided("no answer".into());
        for (dps, hub, proved, failed) in [
            (refused(), refused(), true, false),
            (other(), refused(), true, false),
            (other(), other(), false, false),
            (refused(), undecided(), false, false),
            (Verdict::Accepted, refused(), false, true),
        ] {
            let trial = Trial {
                device: "a".into(),
                old_sha256: "aa".into(),
                dps,
                hub,
            };
            assert_eq!((trial.proved(), trial.failed()), (proved, failed), "{trial}");
        }
    }
}
