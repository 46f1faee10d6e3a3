//! `fleet doctor --record`: the answers of a real application to questions whose answers no public source has, without
//! anything that is the application's own. docs/recording.md lists the questions.
//!
//! Nothing is changed there: the REST API is only read, and DPS is shown certificates that are not enrolled.

mod redact;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use device_sim::proxies::Proxies;
use device_sim::transport;
use files::{Access, Durability};
use iot_protocol::id::{IdScope, RegistrationId};
use iot_protocol::shown;
use iot_protocol::username::DpsUserName;
use jiff::{SignedDuration, Timestamp};
use mqtt_link::{ConnectError, ConnectOptions, Credentials, Endpoint, Link, Tls};
use provisioning::central::Answer;
use provisioning::certificate::load::{self, Identity};
use provisioning::certificate::make::{self, KeyType, Validity};
use serde::Serialize;
use serde_json::Value;

use self::redact::Redactor;
use crate::manifest::types::{self, Target};
use crate::prepare::application::Application;

/// The file in the folder.
pub(super) const FILE: &str = "answers.json";
/// A name that no device has.
const UNKNOWN: &str = "fleet-doctor-unknown";
/// An id scope that no DPS instance has.
const NO_SCOPE: &str = "0ne00000000";
/// A service may wait before it refuses.
const WITHIN: Duration = Duration::from_secs(15);
const FAREWELL: Duration = Duration::from_secs(2);

/// Headers that say how a service answers, and nothing about whom.
const HEADERS: [&str; 4] = ["content-type", "retry-after", "x-ms-error-code", "x-ms-version"];

/// A question about the REST API, and the choices of `unconfirmed.rs` that its answer settles.
const READINGS: [(&[&str], &[&str]); 6] = [
    (&["enrollmentGroups"], &[]),
    (&["deviceTemplates"], &[]),
    (&["devices"], &[]),
    (&["devices", UNKNOWN], &["error_code_of"]),
    (&["enrollmentGroups", UNKNOWN], &["error_code_of"]),
    (&["devices", UNKNOWN, "attestation"], &["error_code_of"]),
];

/// What was asked and what came, redacted.
#[derive(Debug, Serialize)]
struct Recorded {
    /// The question, in words of ours.
    asked: String,
    /// The names in `unconfirmed.rs` of the choices that this settles.
    settles: &'static [&'static str],
    answer: Value,
}

/// An answer of the REST API as it came.
struct Read {
    path: String,
    settles: &'static [&'static str],
    answer: Answer,
    body: Value,
}

/// Asks everything, and writes the answers into `folder`, which is there.
///
/// # Errors
///
/// What is needed to ask can't be made, or the file can't be written. An answer that does not come is an answer, too.
pub(super) async fn record(
    folder: &Path,
    target: &Target,
    token: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<usize> {
    let mut redactor = Redactor::default();
    let mut recorded = Vec::new();
    if let (Target::IotCentral(central), Some(token)) = (target, token) {
        redactor.hide("token", token);
        hide_address(&mut redactor, &central.app);
        let application = Application::new(&central.app, token, central.endpoint.ca.as_deref())?;
        let stranger = Application::new(&central.app, STRANGER, central.endpoint.ca.as_deref())?;
        let mut readings = Vec::new();
        for (path, settles) in READINGS {
            readings.push(read(&application, path, settles).await);
        }
        readings.push(read(&stranger, &["devices"], &[]).await);
        for reading in readings.iter().flatten() {
            redactor.learn(&reading.body);
        }
        recorded.extend(readings.into_iter().map(|reading| match reading {
            Ok(reading) => of_reading(&mut redactor, &reading),
            Err((path, error)) => unanswered(path, error.reason_words()),
        }));
    }
    if let Some((endpoint, id_scope)) = dps(target) {
        redactor.hide("id-scope", id_scope.as_str());
        recorded.extend(connects(endpoint, id_scope, now).await?);
    }
    let count = recorded.len();
    let whole = serde_json::json!({
        "schema_version": 1,
        "fleet": env!("CARGO_PKG_VERSION"),
        "answers": recorded,
    });
    let text = serde_json::to_string_pretty(&whole).context("the answers can't be put into JSON")? + "\n";
    let path = folder.join(FILE);
    files::write_whole(&path, text.as_bytes(), Access::Owner, Durability::Synced)
        .with_context(|| format!("can't write `{}`", shown::path(&path)))?;
    Ok(count)
}

/// A token that no application has.
const STRANGER: &str =
    "SharedAccessSignature sr=00000000-0000-0000-0000-000000000000&sig=AAAA&skn=unknown&se=4102444800000";

trait Words {
    fn reason_words(&self) -> &'static str;
}

impl Words for provisioning::central::CentralError {
    /// Without the host, which is in its message.
    fn reason_words(&self) -> &'static str {
        match self {
            Self::Untrusted { .. } => "rest_untrusted",
            Self::Unreachable { .. } => "rest_unreachable",
            _ => "rest_unexpected_answer",
        }
    }
}

async fn read(
    application: &Application,
    path: &[&str],
    settles: &'static [&'static str],
) -> Result<Read, (String, provisioning::central::CentralError)> {
    let words = format!("GET /api/{}", path.join("/"));
    match application.central.answer(path).await {
        Ok(answer) => Ok(Read {
            body: serde_json::from_slice(&answer.body).unwrap_or_default(),
            path: words,
            settles,
            answer,
        }),
        Err(error) => Err((words, error)),
    }
}

fn of_reading(redactor: &mut Redactor, reading: &Read) -> Recorded {
    let headers = HEADERS.into_iter().filter_map(|name| {
        let value = reading.answer.header(name)?;
        Some((name.to_owned(), Value::from(redactor.sentence(value))))
    });
    let headers: serde_json::Map<_, _> = headers.collect();
    Recorded {
        asked: reading.path.clone(),
        settles: reading.settles,
        answer: serde_json::json!({
            "status": reading.answer.status,
            "headers": headers,
            "body": redactor.value(&reading.body),
        }),
    }
}

fn unanswered(asked: String, reason: &str) -> Recorded {
    Recorded {
        asked,
        settles: &[],
        answer: serde_json::json!({ "none": reason }),
    }
}

/// The names in the address of an application.
fn hide_address(redactor: &mut Redactor, app: &str) {
    redactor.hide("application", app);
    let host = app.split_once("://").map_or(app, |(_, host)| host);
    redactor.hide("application", host);
    redactor.hide("application", host.split(['.', ':']).next().unwrap_or_default());
}

fn dps(target: &Target) -> Option<(&types::Endpoint, &IdScope)> {
    match target {
        Target::Dps(target) => Some((&target.endpoint, &target.id_scope)),
        Target::IotCentral(target) => Some((&target.endpoint, target.id_scope.as_ref()?)),
        Target::Emulator(_) => None,
    }
}

/// Shows DPS certificates and user names that it has to refuse, and notes how it does.
async fn connects(endpoint: &types::Endpoint, id_scope: &IdScope, now: Timestamp) -> anyhow::Result<Vec<Recorded>> {
    let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
    let tls = Tls::new(load::trust_roots(endpoint.ca.as_deref())?)?;
    let proxy = proxies.to(&endpoint.dps_endpoint, endpoint.port)?;
    let there = Endpoint::new(&endpoint.dps_endpoint, endpoint.port, tls)?;
    let there = there.over(transport::of(endpoint.transport)).through(proxy);
    let unknown = RegistrationId::new(UNKNOWN)?;
    let valid = identity(Validity::days(now - SignedDuration::from_hours(1), 2))?;
    let expired = identity(Validity::days(now - SignedDuration::from_hours(30 * 24), 10))?;
    let early = identity(Validity::days(now + SignedDuration::from_hours(10 * 24), 10))?;
    let name = |scope: &IdScope| DpsUserName::new(scope.clone(), unknown.clone()).to_string();
    let own = name(id_scope);
    let old = own.replace("api-version=", "api-version=2001-01-01&was=");
    let mut recorded = Vec::new();
    for (asked, settles, identity, user_name) in [
        (
            "a certificate that is not enrolled",
            &["BAD_CERTIFICATE"][..],
            &valid,
            own.clone(),
        ),
        ("one that has expired", &["BAD_CERTIFICATE"], &expired, own.clone()),
        ("one that is not valid yet", &["BAD_CERTIFICATE"], &early, own),
        (
            "another id scope",
            &["WRONG_TENANT"],
            &valid,
            name(&IdScope::new(NO_SCOPE)?),
        ),
        (
            "a version of the interface that does not exist",
            &["BAD_USER_NAME"],
            &valid,
            old,
        ),
        (
            "a user name that is none",
            &["BAD_USER_NAME"],
            &valid,
            "unknown".to_owned(),
        ),
    ] {
        let options = ConnectOptions {
            user_name: Some(user_name),
            timeout: WITHIN,
            ..ConnectOptions::new(UNKNOWN)
        };
        let credentials = Credentials::X509(identity.certified_key());
        let answer = match Link::connect(&there, &credentials, &options).await {
            Ok((link, _)) => {
                // Whether it can still take its leave says nothing.
                let _ = link.close(FAREWELL).await;
                serde_json::json!({ "connack": 0 })
            }
            Err(error) => of_refusal(&error),
        };
        recorded.push(Recorded {
            asked: format!("CONNECT to DPS: {asked}"),
            settles,
            answer,
        });
    }
    Ok(recorded)
}

fn of_refusal(error: &ConnectError) -> Value {
    serde_json::json!({
        "connack": error.refusal().map(mqtt_link::ConnectRefusal::code),
        "reason": error.reason(),
    })
}

/// A certificate that signs itself, under that name.
fn identity(validity: Validity) -> anyhow::Result<Identity> {
    let made = make::self_signed(UNKNOWN, KeyType::P256, validity)?;
    Ok(Identity::from_pem(
        made.cert_pem().as_bytes(),
        "certificate",
        made.key_pem().as_bytes(),
        "key",
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is promised to be settled has to be there to be settled.
    #[test]
    fn every_choice_that_an_answer_settles_is_one_of_the_emulator() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../iot-emulator/src/unconfirmed.rs");
        let unconfirmed = std::fs::read_to_string(path).unwrap();
        let names = READINGS.iter().flat_map(|(_, settles)| *settles);
        for name in names.chain(&["BAD_CERTIFICATE", "WRONG_TENANT", "BAD_USER_NAME"]) {
            let [constant, function] = [format!("const {name}:"), format!("fn {name}(")];
            assert!(
                unconfirmed.contains(&constant) || unconfirmed.contains(&function),
                "{name}"
            );
        }
    }
}
