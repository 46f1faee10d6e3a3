//! The plan: the one file that defines what device-sim processes simulate.
//!
//! The launcher writes it, every shard reads it. It is versioned JSON, holds the whole fleet (groups as ranges, not as
//! lists of devices) and no secret: only paths to credentials, which each device loads itself. Units are in the names
//! of the fields. The same file serves local processes, containers and cluster jobs.

mod check;
mod expect;
pub mod fault;
mod own;
pub mod profile;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;
use iot_protocol::IdError;
use iot_protocol::id::{DeviceId, HubHost, IdScope, ModelId, RegistrationId};
use iot_protocol::shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::room::Overrides;

pub use check::MAX_DEVICES;
pub use expect::{Expect, ExpectError};
pub use fault::{DeviceFault, Fault};
pub use own::{Behaviour, Behaviours, OwnModel, Process, Recording};
pub use profile::{Day, MessageProperties, OnChange, Payload, Profile, Shape};

/// The version of the format that this build reads and writes.
pub const PLAN_VERSION: u32 = 1;

/// A century, in milliseconds: longer than any run, and far from where clocks overflow.
pub const LONGEST_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// What a fleet of devices is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Always [`PLAN_VERSION`].
    pub version: u32,
    /// Names the run; message ids begin with it, so it must differ from run to run.
    pub run_id: String,
    /// All randomness comes from this and a device's id.
    pub seed: u64,
    /// When the run was started.
    pub start: jiff::Timestamp,
    /// Folder of the assignment cache; without one, every device asks DPS in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
    /// Where the devices register.
    pub target: Target,
    /// The devices.
    pub groups: Vec<Group>,
    /// The models that are not shipped, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<OwnModel>,
    /// How fast they may register and connect.
    pub rates: Rates,
    /// Share of the fleet online over time; the stages start when every device has finished its first registration.
    pub stages: Vec<Stage>,
    /// Addresses of the machine at which connections begin, in turns; the system chooses where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_addresses: Vec<IpAddr>,
    /// How many messages the whole fleet sends; without a number, as many as are due while the stages last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
}

/// Where devices register and connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The tenant of DPS.
    pub id_scope: IdScope,
    /// Host name of DPS, which its certificate must carry.
    pub dps_endpoint: String,
    /// Port of DPS and of every hub.
    pub port: u16,
    /// How MQTT travels inside TLS.
    #[serde(default)]
    pub transport: Transport,
    /// PEM file with the roots to trust instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Host to use for TCP, SNI and the verified name of every hub, as a gateway needs it. The hub's own name stays in
    /// the MQTT user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_host: Option<String>,
}

/// How MQTT travels inside TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// As it is; Azure's port for it is 8883.
    #[default]
    Mqtt,
    /// In WebSocket frames, for networks where only HTTPS passes; Azure's port for it is 443.
    #[value(name = "websocket")]
    #[serde(rename = "websocket")]
    WebSocket,
}

impl Transport {
    /// Azure's port.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Mqtt => 8883,
            Self::WebSocket => 443,
        }
    }
}

/// Devices that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name of the enrollment group, or `individual`; histograms and control lines use it.
    pub name: String,
    /// Which devices.
    pub devices: Devices,
    /// What they are.
    pub model: Model,
    /// How the capabilities of a model that is not shipped behave, where that is not left to its schemas and names.
    #[serde(default, skip_serializing_if = "Behaviours::is_empty")]
    pub behaviours: Behaviours,
    /// The parameters of their rooms that are not drawn at random.
    #[serde(default, skip_serializing_if = "is_default")]
    pub room: Overrides,
    /// What they send.
    pub telemetry: Telemetry,
    /// Where they differ in that: profiles, each with a part of the devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<Profile>,
    /// Where their certificates are.
    pub credentials: CredentialSource,
    /// Their hub, where it is given without DPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubHost>,
    /// The gateway that they are behind, if any: they connect only to that, and name `hub` in their user names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// They are negative devices, which must be refused. Such groups are the last ones of a plan, so that the others have
    /// the same places and turns with them as without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// What is wrong with some of its devices, on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<DeviceFault>,
}

/// A transparent gateway, as the devices behind it see it. They use MQTT over TLS with it, whatever the
/// target's transport is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The IoT Edge device whose children they are.
    pub device: DeviceId,
    /// Host for TCP.
    pub connect_host: String,
    /// TCP port.
    pub port: u16,
    /// Name for SNI, which the gateway's certificate must carry.
    pub server_name: String,
    /// PEM file with the root of the gateway's certificate; what the target has when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

fn is_default(room: &Overrides) -> bool {
    *room == Overrides::default()
}

/// The ids of a group's devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Devices {
    /// `<prefix><number>`, the number padded with zeros.
    Range(Range),
    /// One by one.
    Ids(Vec<RegistrationId>),
}

/// Numbered devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// What every id begins with.
    pub prefix: String,
    /// How many.
    pub count: u32,
    /// The first number.
    pub first: u32,
    /// The minimum number of digits.
    pub width: usize,
}

impl Range {
    /// The id of the device at `index`, from 0.
    #[must_use]
    pub fn id(&self, index: u32) -> String {
        let number = u64::from(self.first) + u64::from(index);
        format!("{}{number:0width$}", self.prefix, width = self.width)
    }
}

impl Devices {
    /// How many devices there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        match self {
            Self::Range(range) => range.count,
            Self::Ids(ids) => u32::try_from(ids.len()).unwrap_or(u32::MAX),
        }
    }
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// `dtmi:com:example:Thermostat;1`
    Thermostat,
    /// `dtmi:com:example:TemperatureController;2`
    TemperatureController,
    /// The identity of an IoT Edge device and nothing else: it connects and stays connected, announces no model and
    /// sends nothing.
    // A manifest has it as the kind of a group.
    #[value(skip)]
    #[schemars(skip)]
    EdgeIdentity,
    /// One of [`Plan::models`], by its index.
    #[value(skip)]
    #[schemars(skip)]
    Own(u16),
}

impl Model {
    /// The id of a model that is shipped. An IoT Edge device announces none, and one of [`Plan::models`] has it itself.
    #[must_use]
    pub fn id(self) -> Option<ModelId> {
        let id = match self {
            Self::Thermostat => "dtmi:com:example:Thermostat;1",
            Self::TemperatureController => "dtmi:com:example:TemperatureController;2",
            Self::EdgeIdentity | Self::Own(_) => return None,
        };
        Some(ModelId::new(id).expect("the literal is a model id"))
    }
}

/// How often a device sends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Time between two messages.
    pub interval_ms: u64,
    /// Share of the interval by which a message may come earlier or later, 0 to 1.
    pub jitter: f64,
}

/// Where the certificates of a group's devices are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialSource {
    /// The folder of an enrollment group: leaves by generation.
    Group(PathBuf),
    /// The folder that holds one folder per individually enrolled device.
    Individual(PathBuf),
    /// A user's own files.
    Files(Files),
    /// Such files for each device: `{device_id}` in a path stands for its id.
    Pattern(Files),
}

/// A certificate and its key, from any source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// PEM (leaf first, then the CAs above it) or PFX.
    pub certificate: PathBuf,
    /// PEM; the certificate's own file when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The environment variable that holds the password of a PFX file or of an encrypted key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_variable: Option<String>,
    /// The file that holds it, where no environment variable does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// How fast the devices of the whole fleet may register and connect. A shard takes every n-th turn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Registrations started per second.
    pub register_per_s: f64,
    /// Connections to hubs started per second.
    pub connect_per_s: f64,
}

/// A piece of the load profile: from the share before to this one, evenly over a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Share of the fleet that is online at the end of the stage, 0 to 1.
    pub share: f64,
    /// How long the stage takes.
    pub over_ms: u64,
}

/// Which part of the fleet a process simulates: the devices whose index modulo `count` is `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many processes share the fleet.
    pub count: NonZeroU32,
}

impl Shard {
    /// The only process.
    pub const WHOLE: Self = Self {
        index: 0,
        count: NonZeroU32::MIN,
    };

    /// Whether the device at `index` of the whole fleet belongs here.
    #[must_use]
    pub fn holds(self, index: u32) -> bool {
        index % self.count == self.index
    }

    /// How many of the fleet's first `number` devices belong here. Over all shards that is `number`.
    #[must_use]
    pub fn part_of_number(self, number: u32) -> u32 {
        let (count, number) = (self.count.get(), u64::from(number));
        let part = (number + u64::from(count - 1) - u64::from(self.index.min(count - 1))) / u64::from(count);
        u32::try_from(part).expect("a part is not more than the whole")
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not of the form i/n, where i counts from 0 and is less than n, e.g. 0/2");
        let (index, count) = text.split_once('/').ok_or_else(form)?;
        let shard = Self {
            index: index.parse().map_err(|_| form())?,
            count: count.parse().map_err(|_| form())?,
        };
        if shard.index < shard.count.get() {
            Ok(shard)
        } else {
            Err(form())
        }
    }
}

/// Why a plan can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file is not a plan.
    #[error("`{}` is not a plan", shown::path(path))]
    Parse {
        /// The plan's file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The file is a plan of another version.
    #[error(
        "`{}` is a plan of version {found}; this build reads version {PLAN_VERSION}",
        shown::path(path)
    )]
    Version {
        /// The plan's file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// Values that no fleet can have.
    #[error("`{}` can't be used{}", shown::path(path), listed(problems))]
    Invalid {
        /// The plan's file.
        path: PathBuf,
        /// Each with its key and what is accepted.
        problems: Vec<String>,
    },
}

/// A list for a person, who fixes the first few and tries again.
fn listed(problems: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text: String = problems
        .iter()
        .take(SHOWN)
        .map(|problem| format!("\n  {problem}"))
        .collect();
    if let Some(more @ 1..) = problems.len().checked_sub(SHOWN) {
        text += &format!("\n  and {more} more");
    }
    text
}

impl Plan {
    /// The environment variables that hold passwords of certificates.
    pub fn password_variables(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().filter_map(|group| match &group.credentials {
            CredentialSource::Files(files) | CredentialSource::Pattern(files) => files.password_variable.as_deref(),
            CredentialSource::Group(_) | CredentialSource::Individual(_) => None,
        })
    }

    /// Takes apart and checks the text of a plan. The path is that of its file, which errors name.
    ///
    /// # Errors
    ///
    /// It is not a plan of this version, or holds a value that no fleet can have.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, PlanError> {
        let parse = |source| PlanError::Parse {
            path: path.into(),
            source,
        };
        // The version is checked first, since another version may have other fields.
        let raw: serde_json::Value = serde_json::from_slice(text).map_err(parse)?;
        match raw.get("version").and_then(serde_json::Value::as_u64) {
            Some(found) if found != u64::from(PLAN_VERSION) => {
                return Err(PlanError::Version {
                    path: path.into(),
                    found,
                });
            }
            _ => {}
        }
        let (plan, mut problems) = parsed(text, raw).map_err(parse)?;
        problems.extend(check::problems(&plan));
        match problems.is_empty() {
            true => Ok(plan),
            false => Err(PlanError::Invalid {
                path: path.into(),
                problems,
            }),
        }
    }

    /// How many devices the whole fleet has.
    #[must_use]
    pub fn device_count(&self) -> u32 {
        self.groups
            .iter()
            .map(|group| group.devices.count())
            .fold(0, u32::saturating_add)
    }

    /// How many of them are to be online: those that need not be refused.
    #[must_use]
    pub fn positive_count(&self) -> u32 {
        let positive = self.groups.iter().filter(|group| group.expect.is_none());
        positive.map(|group| group.devices.count()).fold(0, u32::saturating_add)
    }

    /// Every device of a shard: the index of its group and its id.
    ///
    /// # Errors
    ///
    /// An id that the plan makes is not a registration id.
    pub fn devices(&self, shard: Shard) -> Result<Vec<(usize, RegistrationId)>, IdError> {
        let mut devices = Vec::new();
        let mut index = 0u32;
        for (group_index, group) in self.groups.iter().enumerate() {
            for i in 0..group.devices.count() {
                if shard.holds(index) {
                    let id = match &group.devices {
                        Devices::Range(range) => RegistrationId::new(&range.id(i))?,
                        Devices::Ids(ids) => ids[i as usize].clone(),
                    };
                    devices.push((group_index, id));
                }
                index = index.wrapping_add(1);
            }
        }
        Ok(devices)
    }
}

/// Ids are parsed with the plan, which would end at the first invalid one. So that the others, and all other values,
/// are checked too, such ids are noted and replaced; a plan with a problem is never used.
fn parsed(text: &[u8], mut raw: serde_json::Value) -> Result<(Plan, Vec<String>), serde_json::Error> {
    // Read from the text, an error has its line.
    let error = match serde_json::from_slice(text) {
        Ok(plan) => return Ok((plan, Vec::new())),
        Err(error) => error,
    };
    let problems = replace_bad_ids(&mut raw);
    match serde_json::from_value(raw) {
        Ok(plan) if !problems.is_empty() => Ok((plan, problems)),
        _ => Err(error),
    }
}

fn replace_bad_ids(raw: &mut serde_json::Value) -> Vec<String> {
    let mut problems = Vec::new();
    replace_bad::<IdScope>(raw.pointer_mut("/target/id_scope"), "target.id_scope", &mut problems);
    let groups = raw.get_mut("groups").and_then(serde_json::Value::as_array_mut);
    for (index, group) in groups.into_iter().flatten().enumerate() {
        let key = |rest: &str| format!("groups[{index}].{rest}");
        replace_bad::<HubHost>(group.get_mut("hub"), &key("hub"), &mut problems);
        replace_bad::<DeviceId>(
            group.pointer_mut("/gateway/device"),
            &key("gateway.device"),
            &mut problems,
        );
        let ids = group
            .pointer_mut("/devices/ids")
            .and_then(serde_json::Value::as_array_mut);
        for (place, id) in ids.into_iter().flatten().enumerate() {
            replace_bad::<RegistrationId>(Some(id), &key(&format!("devices.ids[{place}]")), &mut problems);
        }
    }
    problems
}

fn replace_bad<T: FromStr<Err = IdError>>(
    value: Option<&mut serde_json::Value>,
    key: &str,
    problems: &mut Vec<String>,
) {
    let Some(value) = value else { return };
    if let Some(error) = value.as_str().and_then(|text| text.parse::<T>().err()) {
        problems.push(format!("`{key}`: {error}"));
        // Valid for each kind of id, and not the id of another device.
        *value = format!("replaced{}", problems.len()).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Plan, PlanError> {
        Plan::parse(Path::new("plan.json"), text.as_bytes())
    }

    fn plan() -> Plan {
        serde_json::from_str(include_str!("../tests/data/plan.json")).unwrap()
    }

    #[test]
    fn the_committed_plan_of_version_1_stays_readable() {
        // If this fails, do not change the file: plans that people have kept would no longer be readable.
        let plan = plan();
        assert_eq!(plan.device_count(), 102);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }

    #[test]
    fn shards_share_the_fleet_without_a_gap_or_a_double() {
        let plan = plan();
        let mut all: Vec<_> = plan.devices(Shard::WHOLE).unwrap();
        let mut parts: Vec<_> = (0..3)
            .flat_map(|i| plan.devices(format!("{i}/3").parse().unwrap()).unwrap())
            .collect();
        all.sort();
        parts.sort();
        assert_eq!(all.len(), 102);
        assert_eq!(all, parts);
    }

    #[test]
    fn the_parts_of_a_number_are_the_number_and_the_devices_that_shards_hold() {
        for count in 1..=9 {
            for number in (0..40).chain([u32::MAX]) {
                let shards = (0..count).map(|i| format!("{i}/{count}").parse::<Shard>().unwrap());
                let parts: Vec<u32> = shards.clone().map(|shard| shard.part_of_number(number)).collect();
                assert_eq!(
                    parts.iter().map(|part| u64::from(*part)).sum::<u64>(),
                    u64::from(number)
                );
                if number < 40 {
                    let held: Vec<u32> = shards
                        .map(|shard| (0..number).map(|index| u32::from(shard.holds(index))).sum())
                        .collect();
                    assert_eq!(parts, held, "{number} in {count}");
                }
            }
        }
    }

    #[test]
    fn a_shard_counts_from_zero() {
        assert_eq!("1/2".parse::<Shard>().unwrap().to_string(), "1/2");
        for bad in ["2/2", "0/0", "1", "-1/2", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_plan_of_another_version_is_refused_by_its_version() {
        let text = r#"{"version":2,"something":"new"}"#;
        assert!(matches!(parse(text), Err(PlanError::Version { found: 2, .. })));
    }

    #[test]
    fn devices_behind_a_gateway_need_to_know_their_hub() {
        let mut plan = plan();
        plan.groups[0].gateway = Some(Gateway {
            device: "gw-1".parse().unwrap(),
            connect_host: "127.0.0.1".into(),
            port: 8883,
            server_name: "gw-1.gw.local".into(),
            ca: None,
        });
        let written = |plan: &Plan| serde_json::to_string(plan).unwrap();
        let error = parse(&written(&plan)).unwrap_err().to_string();
        assert!(
            error.contains("`groups[0].hub`: it is missing, and devices behind a gateway"),
            "{error}"
        );
        plan.groups[0].hub = Some("hub-1.example".parse().unwrap());
        assert_eq!(parse(&written(&plan)).unwrap(), plan);
    }

    #[test]
    fn all_impossible_values_of_a_plan_are_said_with_the_file_and_their_keys() {
        let mut raw = serde_json::to_value(plan()).unwrap();
        raw["target"]["id_scope"] = "not a scope".into();
        raw["groups"][1]["devices"]["ids"] = serde_json::json!(["a b", "fine", "c."]);
        raw["groups"][0]["devices"]["range"]["width"] = 1_000_000_000.into();
        let error = parse(&raw.to_string()).unwrap_err().to_string();
        let mut lines = error.lines();
        assert_eq!(lines.next(), Some("`plan.json` can't be used"));
        let keys: Vec<_> = lines.map(|line| line.split(": ").next().unwrap().trim()).collect();
        assert_eq!(
            keys,
            [
                "`target.id_scope`",
                "`groups[1].devices.ids[0]`",
                "`groups[1].devices.ids[2]`",
                "`groups[0].devices.range.width`"
            ],
            "{error}"
        );
    }

    #[test]
    fn what_is_not_a_plan_is_refused_with_its_line() {
        let text = include_str!("../tests/data/plan.json");
        for (good, bad) in [
            ("\"seed\": 7", "\"seed\": -7"),
            ("20.0", "1e999"),
            ("\"seed\"", "\"seeds\""),
        ] {
            let spoilt = text.replacen(good, bad, 1);
            assert_ne!(spoilt, text);
            let error = parse(&spoilt).unwrap_err();
            assert_eq!(error.to_string(), "`plan.json` is not a plan");
            let why = std::error::Error::source(&error).unwrap().to_string();
            assert!(why.contains(" at line "), "{why}");
        }
    }
}
