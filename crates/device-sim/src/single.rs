//! One device by environment or flags, as the how-to runs Microsoft's samples.
//!
//! The variables are those of [Connect devices with X.509
//! certificates](https://learn.microsoft.com/azure/iot-central/core/how-to-connect-devices-x509) and of the SDKs'
//! samples. The result is a plan like any other, of one device that stays online until it is stopped. Pure: the caller
//! looks up the certificate's common name.

mod advice;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args as ClapArgs, ValueEnum};
use fleet_protocol::plan::{
    Behaviours, CredentialSource, Devices, Files, Group, LONGEST_MS, Model, PLAN_VERSION, Plan, Rates, Stage, Target,
    Telemetry, Transport,
};
use fleet_protocol::room::Overrides;
use iot_protocol::id::{DeviceId, HubHost, IdScope, RegistrationId};
use jiff::Timestamp;
use provisioning::certificate::CertificateError;
use settings::Span;

use crate::hint::Hint;

pub(crate) use advice::Advisor;

/// Where the password of a PFX file or an encrypted key comes from. Never from the command line, which every process
/// of the machine can read.
pub(crate) const PASSWORD_VARIABLE: &str = "IOTHUB_DEVICE_X509_PASSWORD";

/// One device; every flag has an environment variable too.
#[derive(Debug, Clone, ClapArgs)]
#[group(id = "single_device")]
#[command(next_help_heading = "A single device, without a plan")]
pub struct Args {
    /// How the device finds its hub: through DPS, or by the connection string in IOTHUB_DEVICE_CONNECTION_STRING
    #[arg(
        long,
        value_name = "HOW",
        env = "IOTHUB_DEVICE_SECURITY_TYPE",
        value_enum,
        ignore_case = true
    )]
    pub security_type: Option<SecurityType>,
    /// ID scope of the DPS instance or IoT Central application
    #[arg(long, value_name = "ID", env = "IOTHUB_DEVICE_DPS_ID_SCOPE")]
    pub id_scope: Option<String>,
    /// Host name of DPS
    #[arg(
        long,
        value_name = "HOST",
        env = "IOTHUB_DEVICE_DPS_ENDPOINT",
        default_value = "global.azure-devices-provisioning.net"
    )]
    pub dps_endpoint: String,
    /// Registration id; the certificate's common name when left out
    #[arg(long, value_name = "ID", env = "IOTHUB_DEVICE_DPS_DEVICE_ID")]
    pub registration_id: Option<String>,
    /// The device's certificate with its chain, PEM or PFX (its password: IOTHUB_DEVICE_X509_PASSWORD)
    #[arg(long, value_name = "FILE", env = "IOTHUB_DEVICE_X509_CERT")]
    pub cert: Option<PathBuf>,
    /// The certificate's key, PEM; the certificate's own file when left out
    #[arg(long, value_name = "FILE", env = "IOTHUB_DEVICE_X509_KEY")]
    pub key: Option<PathBuf>,
    /// Send the certificate also when it has expired or is not valid yet, to see it refused
    #[arg(long, requires = "cert")]
    pub ignore_dates: bool,
    /// PEM file with the roots to trust instead of the public ones
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// How MQTT travels inside TLS
    #[arg(long, value_name = "HOW", default_value = "mqtt")]
    pub transport: Transport,
    /// Port of DPS and hub; 8883, or 443 for WebSocket, when left out
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// What the device is
    #[arg(long, value_name = "MODEL", default_value = "thermostat")]
    pub model: Model,
    /// Time between two messages, e.g. 5s
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = |text: &str| text.parse::<Span>())]
    pub interval: Span,
    /// Decides every random choice, together with the device id
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u64,
}

/// How a device finds its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SecurityType {
    /// Through DPS
    #[value(name = "DPS")]
    Dps,
    /// By a connection string
    #[value(name = "connectionString")]
    ConnectionString,
}

/// Everything that is missing or wrong, together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device can't be started")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// A connection string of a device that attests by X.509.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectionString {
    hub: HubHost,
    device_id: DeviceId,
    gateway: Option<String>,
}

impl ConnectionString {
    /// Parses `HostName=…;DeviceId=…;x509=true[;GatewayHostName=…]`.
    ///
    /// # Errors
    ///
    /// What is missing or wrong, never the content: a connection string can hold a key.
    pub(crate) fn parse(text: &str) -> Result<Self, Problems> {
        let value = |key: &str| {
            let mut parts = text.split(';').filter_map(|part| part.split_once('='));
            parts
                .find(|(k, _)| k.trim().eq_ignore_ascii_case(key))
                .map(|(_, value)| value.trim().to_owned())
        };
        let mut problems = Vec::new();
        if value("SharedAccessKey").is_some() || value("SharedAccessSignature").is_some() {
            problems.push(
                "the connection string holds a shared access key; only X.509 devices (`x509=true`) are simulated"
                    .into(),
            );
        } else if !value("x509").is_some_and(|x509| x509.eq_ignore_ascii_case("true")) {
            problems.push("the connection string has no `x509=true`".into());
        }
        let hub = required(
            value("HostName"),
            "`HostName=` of the hub in the connection string",
            &mut problems,
            HubHost::new,
        );
        let device_id = required(
            value("DeviceId"),
            "`DeviceId=` in the connection string",
            &mut problems,
            DeviceId::new,
        );
        match (hub, device_id) {
            (Some(hub), Some(device_id)) if problems.is_empty() => Ok(Self {
                hub,
                device_id,
                gateway: value("GatewayHostName"),
            }),
            _ => Err(Problems(problems)),
        }
    }
}

/// The plan of the one device. `connection_string` comes from the environment; `common_name` is that of the
/// certificate, if there is one.
///
/// # Errors
///
/// Everything that is missing or wrong.
pub(crate) fn plan(
    args: &Args,
    connection_string: Option<&str>,
    common_name: Option<&str>,
    now: Timestamp,
) -> Result<Plan, Problems> {
    let mut problems = Vec::new();
    let security_type = args.security_type.unwrap_or(match (&args.id_scope, connection_string) {
        (None, Some(_)) => SecurityType::ConnectionString,
        _ => SecurityType::Dps,
    });
    if args.cert.is_none() {
        problems.push("there is no certificate: set --cert or IOTHUB_DEVICE_X509_CERT to a PEM or PFX file".into());
    }
    let interval_ms = args.interval.millis();
    if interval_ms == 0 {
        problems.push("--interval must be a positive time, e.g. 5s".into());
    }

    let mut hub = None;
    let (mut id_scope, mut id, mut connect_host) = (None, None, None);
    match security_type {
        SecurityType::Dps => {
            let hint = "ID scope: set --id-scope or IOTHUB_DEVICE_DPS_ID_SCOPE (in IoT Central: Permissions > \
                        Device connection groups)";
            id_scope = required(args.id_scope.clone(), hint, &mut problems, IdScope::new);
            let named = args.registration_id.clone().or_else(|| common_name.map(Into::into));
            if named.is_some() || args.cert.is_some() {
                let hint = "registration id: set --registration-id or IOTHUB_DEVICE_DPS_DEVICE_ID, or use a certificate \
                            with a common name";
                id = required(named, hint, &mut problems, RegistrationId::new);
            }
        }
        SecurityType::ConnectionString => match connection_string.map(ConnectionString::parse) {
            None => problems.push("there is no connection string: set IOTHUB_DEVICE_CONNECTION_STRING".into()),
            Some(Err(Problems(more))) => problems.extend(more),
            Some(Ok(parsed)) => {
                id = required(
                    Some(parsed.device_id.to_string()),
                    "device id",
                    &mut problems,
                    RegistrationId::new,
                );
                // DPS is not used, so the scope is never used.
                id_scope = IdScope::new("none").ok();
                connect_host = parsed.gateway;
                hub = Some(parsed.hub);
            }
        },
    }
    let (Some(id_scope), Some(id), Some(certificate), true) = (id_scope, id, args.cert.clone(), problems.is_empty())
    else {
        return Err(Problems(problems));
    };
    let files = files(args, &certificate);
    Ok(Plan {
        version: PLAN_VERSION,
        run_id: format!("{:x}", now.as_millisecond()),
        seed: args.seed,
        start: now,
        state: None,
        target: Target {
            id_scope,
            dps_endpoint: args.dps_endpoint.clone(),
            port: args.port.unwrap_or(args.transport.port()),
            transport: args.transport,
            ca: args.ca.clone(),
            connect_host,
        },
        groups: vec![Group {
            name: "single".into(),
            devices: Devices::Ids(vec![id]),
            model: args.model,
            behaviours: Behaviours::new(),
            room: Overrides::default(),
            telemetry: Telemetry {
                interval_ms,
                jitter: 0.0,
            },
            profiles: Vec::new(),
            credentials: CredentialSource::Files(files),
            hub,
            gateway: None,
            expect: None,
            faults: Vec::new(),
        }],
        models: Vec::new(),
        rates: Rates {
            register_per_s: 1.0,
            connect_per_s: 1.0,
        },
        source_addresses: Vec::new(),
        stages: vec![
            Stage { share: 1.0, over_ms: 0 },
            Stage {
                share: 1.0,
                over_ms: LONGEST_MS,
            },
        ],
        messages: None,
    })
}

/// The files that the flags and variables name.
#[must_use]
pub(crate) fn files(args: &Args, certificate: &Path) -> Files {
    Files {
        certificate: certificate.to_owned(),
        key: args.key.clone(),
        password_variable: Some(PASSWORD_VARIABLE.into()),
        password_file: None,
    }
}

/// An error with the remedy for a single device.
pub(crate) fn explained(error: CertificateError) -> anyhow::Error {
    match error {
        CertificateError::PasswordMissing { .. } | CertificateError::EncryptedKey { .. } => anyhow!("{error}").hint(
            format!("the password goes into the environment variable {PASSWORD_VARIABLE}"),
        ),
        _ => error.into(),
    }
}

/// A value that must be there and must parse; otherwise one more problem.
fn required<T, E: fmt::Display>(
    value: Option<String>,
    what: &str,
    problems: &mut Vec<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    match value.filter(|value| !value.is_empty()).as_deref().map(parse) {
        None => problems.push(format!("there is no {what}")),
        Some(Err(error)) => problems.push(error.to_string()),
        Some(Ok(value)) => return Some(value),
    }
    None
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(arguments: &[&str]) -> Args {
        Command::parse_from(["device-sim"].iter().chain(arguments)).args
    }

    fn now() -> Timestamp {
        "2026-11-23T15:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_common_name_is_the_registration_id_unless_another_is_given() {
        let named = ["--id-scope", "0ne00AB", "--cert", "c.pem", "--registration-id", "other"];
        let id = |plan: Plan| {
            plan.devices(fleet_protocol::plan::Shard::WHOLE).unwrap()[0]
                .1
                .to_string()
        };
        assert_eq!(
            id(plan(&args(&named[..4]), None, Some("thermo-1"), now()).unwrap()),
            "thermo-1"
        );
        assert_eq!(id(plan(&args(&named), None, Some("thermo-1"), now()).unwrap()), "other");
    }

    #[test]
    fn everything_that_is_missing_is_reported_at_once() {
        let Problems(problems) = plan(&args(&["--interval", "0s"]), None, None, now()).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(
            problems[0].contains("--cert or IOTHUB_DEVICE_X509_CERT"),
            "{problems:?}"
        );
        assert!(
            problems[2].contains("--id-scope or IOTHUB_DEVICE_DPS_ID_SCOPE"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_connection_string_leads_past_dps_and_through_a_gateway() {
        let text = "HostName=hub.azure-devices.net;DeviceId=leaf-1;x509=true;GatewayHostName=gw.local";
        let plan = plan(&args(&["--cert", "c.pem"]), Some(text), None, now()).unwrap();
        assert_eq!(
            plan.groups[0].hub.as_ref().map(HubHost::as_str),
            Some("hub.azure-devices.net")
        );
        assert_eq!(plan.target.connect_host.as_deref(), Some("gw.local"));
        // Both are there: the security type decides, and DPS is its default.
        let both = args(&["--cert", "c.pem", "--id-scope", "0ne00AB"]);
        assert_eq!(
            super::plan(&both, Some(text), Some("a"), now()).unwrap().groups[0].hub,
            None
        );
        let given = args(&[
            "--cert",
            "c.pem",
            "--id-scope",
            "0ne00AB",
            "--security-type",
            "CONNECTIONSTRING",
        ]);
        assert!(
            super::plan(&given, Some(text), Some("a"), now()).unwrap().groups[0]
                .hub
                .is_some()
        );
    }

    #[test]
    fn a_bad_connection_string_is_refused_without_being_shown() {
        for (text, words) in [
            ("HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0", "shared access key"),
            ("HostName=h;DeviceId=d", "no `x509=true`"),
            ("DeviceId=d;x509=true", "`HostName=`"),
            ("HostName=h;x509=true", "`DeviceId=`"),
            ("nonsense", "no `x509=true`"),
        ] {
            let error = ConnectionString::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains("c2VjcmV0"), "{error}");
        }
    }
}
