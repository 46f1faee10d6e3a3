//! What a manifest is to be.

use std::fmt;
use std::str::FromStr;

use iot_protocol::id::{IdScope, RegistrationId};
use settings::Span;

/// Everything that the manifest is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answers {
    /// The fleet's name: letters, digits, `-` and `_`.
    pub(crate) name: String,
    pub(crate) target: TargetAnswer,
    /// At least one.
    pub(crate) groups: Vec<GroupAnswer>,
    /// Between two telemetry messages of a device.
    pub(crate) interval: Span,
    /// How long the whole fleet stays online.
    pub(crate) stay: Span,
}

/// Where devices register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetAnswer {
    /// An emulator that `fleet run` starts.
    Emulator,
    /// An application, the variable with its token, and where it is an emulator's.
    IotCentral {
        app: String,
        token_variable: String,
        emulator: Option<EmulatorAnswer>,
    },
    /// DPS by itself.
    Dps { id_scope: IdScope },
}

/// What devices need of an emulator that is an application's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EmulatorAnswer {
    /// Its CA, as the manifest names it: from its own folder.
    pub(crate) ca: String,
    /// Its DPS.
    pub(crate) dps: DpsAddress,
}

/// Where DPS is: `localhost:8883`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DpsAddress {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl FromStr for DpsAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0))),
            None => (text, None),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(legal) || port == Some(None) {
            return Err("accepted: a host name, and a port behind it, such as localhost:8883".to_owned());
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.flatten(),
        })
    }
}

/// The kind of a target, as the manifest has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TargetKind {
    /// An emulator on this machine, which `fleet run` starts and stops
    Emulator,
    /// An IoT Central application
    IotCentral,
    /// The Device Provisioning Service by itself
    Dps,
}

/// An enrollment group and how many devices it has: `thermostats=100`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupAnswer {
    pub(crate) id: String,
    pub(crate) count: u32,
    /// What its devices are; thermostats when left out.
    pub(crate) template: Option<TemplateAnswer>,
}

/// A device template of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateAnswer {
    pub(crate) id: String,
    /// What it is called there.
    pub(crate) name: String,
}

impl FromStr for GroupAnswer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, count) = text
            .split_once('=')
            .ok_or("accepted: ID=COUNT, such as thermostats=100")?;
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if id.is_empty() || id.len() > 100 || !id.chars().all(legal) {
            return Err("the id of a group has letters, digits and `-`".to_owned());
        }
        let group = Self {
            id: id.to_owned(),
            count: self::count(count)?,
            template: None,
        };
        // The longest id of all, which the manifest would refuse otherwise.
        RegistrationId::new(&format!("{}{}", group.prefix(), "0".repeat(7)))
            .map_err(|error| format!("its devices can't be called `{}…`: {error}", group.prefix()))?;
        Ok(group)
    }
}

/// A number of devices.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    let count = text.trim().parse().ok();
    let count = count.filter(|count| (1..=1_000_000).contains(count));
    count.ok_or_else(|| "accepted: from 1 to 1000000 devices".to_owned())
}

impl GroupAnswer {
    /// What the ids of its devices begin with. Ids are lower-case, and one fleet's differ from another's by the group.
    pub(super) fn prefix(&self) -> String {
        format!("{}-", self.id.to_ascii_lowercase())
    }
}

/// The address of an application, such as `https://contoso.azureiotcentral.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppAddress(String);

impl FromStr for AppAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches('/');
        let host = text.strip_prefix("https://").unwrap_or(text);
        let legal = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        if host.is_empty() || !host.chars().all(legal) {
            return Err("accepted: the address in the browser, such as https://contoso.azureiotcentral.com".to_owned());
        }
        Ok(Self(format!("https://{host}")))
    }
}

impl AppAddress {
    /// The host of a DPS that is where the application is, as an emulator's.
    pub(super) fn host(&self) -> &str {
        let host = self.0.trim_start_matches("https://");
        host.split(':').next().unwrap_or(host)
    }
}

impl fmt::Display for AppAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name for the fleet.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !text.is_empty() && text.len() <= 64 && text.chars().all(legal) {
        true => Ok(text.to_owned()),
        false => Err("accepted: letters, digits, `-` and `_`, at most 64".to_owned()),
    }
}

/// A time above zero.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if !span.0.is_zero() => Ok(span),
        _ => Err("accepted: a time such as 500ms, 5s or 10m".to_owned()),
    }
}

/// The name of an environment variable; the token itself is refused without being repeated.
pub(crate) fn variable(text: &str) -> Result<String, String> {
    match iot_protocol::shown::is_variable(text) {
        true => Ok(text.to_owned()),
        false => Err("accepted: the name of an environment variable, not the token itself".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_an_id_and_a_number() {
        let group: GroupAnswer = "Seattle-lab=12".parse().unwrap();
        assert_eq!((group.prefix().as_str(), group.count), ("seattle-lab-", 12));
        for text in ["thermostats", "=5", "a b=5", "a=0", "a=x", "a=1000001", "über=5"] {
            assert!(text.parse::<GroupAnswer>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_may_be_copied_from_a_browser() {
        for text in ["https://contoso.azureiotcentral.com/", " contoso.azureiotcentral.com"] {
            let address: AppAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), "https://contoso.azureiotcentral.com");
        }
        for text in ["", "http://contoso.azureiotcentral.com", "https://a/b", "a\"b"] {
            assert!(text.parse::<AppAddress>().is_err(), "{text}");
        }
        assert!(variable("SharedAccessSignature sr=1").is_err());
    }

    #[test]
    fn dps_is_a_host_with_a_port_or_without() {
        let dps = |host: &str, port| {
            let host = host.to_owned();
            Ok(DpsAddress { host, port })
        };
        assert_eq!("localhost:8884".parse(), dps("localhost", Some(8884)));
        assert_eq!("lab.example".parse(), dps("lab.example", None));
        for text in ["", ":1", "a:", "a:0", "a:x", "a:1:2", "https://a", "a\"b"] {
            assert!(text.parse::<DpsAddress>().is_err(), "{text}");
        }
    }
}
