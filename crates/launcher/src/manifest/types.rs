//! The manifest in types: what stands here is valid.
//!
//! The doc comments are the descriptions in the JSON Schema, which editors show to the author of a manifest.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fleet_protocol::plan::{Expect, Range, Transport};
use fleet_protocol::room::Overrides;
use iot_protocol::id::{HubHost, IdScope, RegistrationId};
use provisioning::certificate::make::KeyType;
use provisioning::identities::Issuer;
use schemars::JsonSchema;
use serde::Serialize;
use settings::{Rate, Span};

use super::addresses::Addresses;
use super::events::Event;
use super::fault::OwnFault;
use super::models::{Capability, CapabilityForm, DeviceModel, FleetModel};
use super::negative::WrongCertificate;
use super::operator::Operator;
use super::profile::Profile;
use super::thresholds::{INDIVIDUAL, Thresholds};
use super::values::{Processes, Stage, ValidityPeriod};

/// A fleet of simulated devices, where it registers, and how much it does.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Manifest {
    /// What the fleet is called and where its files are.
    pub fleet: Fleet,
    /// Where the devices register.
    pub target: Target,
    /// Enrollment groups: devices whose certificates one CA has signed.
    #[schemars(default)]
    pub group: Vec<Group>,
    /// Individual enrollments: devices with a self-signed certificate of their own.
    #[schemars(default)]
    pub individual: Vec<Individual>,
    /// How fast the devices come, and how many are online when.
    #[schemars(with = "Option<Load>")]
    pub load: Load,
    /// What happens during a run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub event: Vec<Event>,
    /// What is sent to devices through the application's REST API while the run lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
    /// What the run must reach, by metric: `publish_duration = ["p(95) < 500ms"]`.
    #[serde(skip_serializing_if = "Thresholds::is_empty")]
    #[schemars(default)]
    pub thresholds: Thresholds,
    /// The models that are not shipped, by their indices.
    #[serde(skip)]
    pub models: Vec<FleetModel>,
}

impl Manifest {
    /// What an event or an order may name as a group: each enrollment group, and the devices with enrollments of their own.
    #[must_use]
    pub fn group_names(&self) -> Vec<&str> {
        // What moves a fleet does not move those that must be refused.
        let groups = self.group.iter().filter(|group| group.expect.is_none());
        groups.map(|group| group.id.as_str()).chain([INDIVIDUAL]).collect()
    }
}

impl Group {
    /// Whether its CA is enrolled, as far as it is for us to see to that.
    pub(crate) fn is_enrolled(&self) -> bool {
        self.certificate != Some(WrongCertificate::Foreign)
    }
}

impl Individual {
    /// Whether its devices are enrolled, as far as it is for us to see to that.
    pub(crate) fn is_enrolled(&self) -> bool {
        self.certificate != Some(WrongCertificate::Foreign)
    }
}

/// What the fleet is called and where its files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Fleet {
    /// A name for reports and folders: letters, digits, `-` and `_`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    pub name: String,
    /// All randomness comes from this and a device's id.
    #[schemars(with = "Option<u32>")]
    pub seed: u64,
    /// Folder of the certificates, relative to the manifest; `certs/<name>` when left out.
    #[schemars(with = "Option<String>")]
    pub certs: PathBuf,
    /// Folder of the assignment cache and of the emulator, relative to the manifest; `state/<name>` when left out.
    #[schemars(with = "Option<String>")]
    pub state: PathBuf,
}

/// Where the devices register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(extend("unevaluatedProperties" = false))]
pub enum Target {
    /// An emulator that `fleet run` starts for itself and stops at the end.
    Emulator(EmulatorTarget),
    /// An IoT Central application, or a running `fleet emulator`; `fleet run` enrolls through its REST API.
    IotCentral(IotCentralTarget),
    /// The Device Provisioning Service by itself; the enrollments must be there already.
    Dps(DpsTarget),
}

/// An emulator that `fleet run` starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EmulatorTarget {
    /// Port of the emulator's DPS and hub; any free one when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Hubs of the emulator, over which DPS spreads the devices; 1 when left out.
    #[schemars(with = "Option<u32>", range(min = 1, max = 50))]
    pub hubs: u32,
    /// Host for TCP, SNI and the verified name of every hub; the hub's own name stays in the MQTT user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_host: Option<String>,
    /// How MQTT travels inside TLS; mqtt when left out.
    #[schemars(with = "Option<Transport>")]
    pub transport: Transport,
    /// What devices may do, and how often: iot-central, dps, hub-f1, hub-s1, hub-s2, hub-s3, or a file of limits, relative
    /// to the manifest. The emulator keeps these limits, and the plan is judged by them; none when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<String>,
    /// How many units of a hub the quota is for; 1 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub units: Option<u32>,
    /// What goes wrong on purpose: a preset (slow-network, lost-acks, throttled-dps, hub-move, outage), or a file of
    /// rules, relative to the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<String>,
}

/// An IoT Central application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IotCentralTarget {
    /// Address of the application, e.g. `https://contoso.azureiotcentral.com`.
    #[schemars(regex(pattern = r"^https?://[^/]+/?$"))]
    pub app: String,
    /// Where its API token is found. A manifest never holds the token itself. Left out, or "off" with `--set`, where the
    /// devices are enrolled by hand (`fleet enroll --manual`): then `id_scope` has to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_token: Option<Secret>,
    /// The id scope, where it can't be found by REST.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub id_scope: Option<IdScope>,
    /// The limits by which the plan is judged: a preset such as iot-central, or a file of limits, relative to the
    /// manifest; iot-central when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<String>,
    /// How many units of a hub the quota is for; 1 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub units: Option<u32>,
    /// How devices reach DPS and the hubs.
    #[serde(flatten)]
    pub endpoint: Endpoint,
}

/// DPS by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DpsTarget {
    /// Which DPS instance.
    #[schemars(with = "String")]
    pub id_scope: IdScope,
    /// The limits by which the plan is judged: the tier of the hub (hub-f1, hub-s1, hub-s2, hub-s3), or a file of limits,
    /// relative to the manifest; those of DPS alone when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<String>,
    /// How many units the hub has; 1 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub units: Option<u32>,
    /// How devices reach DPS and the hubs.
    #[serde(flatten)]
    pub endpoint: Endpoint,
}

/// How devices reach DPS and the hubs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Endpoint {
    /// Host name of DPS; `global.azure-devices-provisioning.net` when left out.
    #[schemars(with = "Option<String>")]
    pub dps_endpoint: String,
    /// Port of DPS and of every hub; 8883, or 443 for WebSocket, when left out.
    #[schemars(with = "Option<u16>")]
    pub port: u16,
    /// PEM file with the roots to trust instead of the public ones, relative to the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Host for TCP, SNI and the verified name of every hub; the hub's own name stays in the MQTT user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_host: Option<String>,
    /// How MQTT travels inside TLS; mqtt when left out.
    #[schemars(with = "Option<Transport>")]
    pub transport: Transport,
}

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file, relative to the manifest.
    File(PathBuf),
}

/// An enrollment group.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Group {
    /// Id of the enrollment group: letters, digits and `-`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,255}$"))]
    pub id: String,
    /// Which CA signs the leaves.
    #[schemars(with = "Option<Issuer>")]
    pub issuer: Issuer,
    /// Which CA is uploaded to the enrollment; root when left out, intermediate below the root of another group.
    #[schemars(with = "Option<Issuer>")]
    pub enroll: Issuer,
    /// Certificates of your own instead of those that are made; then none of the keys above and below that say how
    /// certificates are made is of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<GroupCertificates>,
    /// Another group, whose root is used instead of one of its own; the intermediate is the group's own, and is
    /// enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The keys of CAs and leaves; p256 when left out. What is on disk already stays as it is.
    #[schemars(with = "Option<KeyType>")]
    pub key: KeyType,
    /// How long leaves are valid; 365d when left out. CAs are valid longer.
    #[schemars(with = "Option<ValidityPeriod>")]
    pub validity: ValidityPeriod,
    /// Whether a second CA is enrolled beside the first, ready to be rolled to; no leaf comes from it until then.
    #[schemars(with = "Option<bool>")]
    pub secondary: bool,
    /// Which devices.
    #[schemars(with = "DeviceRange")]
    pub devices: Range,
    /// What they are.
    #[schemars(with = "Option<DeviceModel>")]
    pub model: DeviceModel,
    /// With a model of your own: how its telemetry, properties and commands behave, each by its name; those of a
    /// component in a table of the component's name. What is left out is guessed from schemas, units and names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, with = "BTreeMap<String, CapabilityForm>")]
    pub capability: BTreeMap<String, Capability>,
    /// What they send.
    #[schemars(with = "Option<Telemetry>")]
    pub telemetry: Telemetry,
    /// How they differ in that: profiles, over which the devices are spread by weight. Seed and device id decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub profile: Vec<Profile>,
    /// What their rooms are like, where it is not to be drawn by lot.
    #[serde(skip_serializing_if = "Room::is_drawn")]
    #[schemars(with = "Option<Room>")]
    pub room: Room,
    /// What its devices are: iot, or edge for IoT Edge devices, which are gateways for others; iot when left out.
    #[serde(skip_serializing_if = "GroupKind::is_iot")]
    #[schemars(with = "Option<GroupKind>")]
    pub kind: GroupKind,
    /// Edge only: the name by which devices behind the gateway know it, with {device_id} in it; "{device_id}.gw.local"
    /// when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Edge only: where the gateway is reached, host and port, with {device_id} in it; the hostname and 8883 when left
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_address: Option<String>,
    /// Edge only: the hub to which its devices belong; when left out, `fleet run` asks DPS as the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub hub: Option<HubHost>,
    /// Edge only: whether the identity of its devices is simulated, or left to real ones; when left out, only the
    /// emulator's
    /// are simulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated: Option<bool>,
    /// The IoT Edge device that these devices are behind: they connect through its gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub via: Option<RegistrationId>,
    /// Its devices are negative ones, which must be refused: for any reason (refused), or for one that a report has for failed
    /// registrations and connections (refused:REASON). They are counted apart, and the run fails where one gets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = r"^refused(:[a-z0-9_]+)?$"))]
    pub expect: Option<Expect>,
    /// With expect: what is wrong with the certificates, on purpose; nothing when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<WrongCertificate>,
    /// What is wrong with some of the devices themselves, on purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub fault: Vec<OwnFault>,
}

/// Certificates of your own for the devices of a group. Paths are relative to the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["leaf"] }, { "required": ["pfx"] }]))]
pub struct GroupCertificates {
    /// PEM: a device's leaf, then the CAs above it; {device_id} stands for the device's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf: Option<PathBuf>,
    /// PEM: its key; in the file of the leaf when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Instead of both: a PFX file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pfx: Option<PathBuf>,
    /// Where the password of PFX files or encrypted keys is found. A manifest never holds the password itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// PEM: the CA that is uploaded to the enrollment. With kind = "dps" it is not uploaded, and may be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM: the key of the CA, with which its possession is proved. Without it the enrollment has to be verified
    /// already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_key: Option<PathBuf>,
    /// One more CA beside the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secondary: Option<AuthorityFiles>,
}

/// A CA of your own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AuthorityFiles {
    /// PEM: the CA.
    pub ca: PathBuf,
    /// PEM: its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_key: Option<PathBuf>,
}

/// Certificates of your own for individually enrolled devices. Paths are relative to the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["cert"] }, { "required": ["pfx"] }]))]
pub struct IndividualCertificates {
    /// PEM: a device's certificate; {device_id} stands for the device's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// PEM: its key; in the file of the certificate when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Instead of both: a PFX file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pfx: Option<PathBuf>,
    /// Where the password of PFX files or encrypted keys is found. A manifest never holds the password itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A second certificate, which DPS takes as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secondary: Option<PairFiles>,
}

/// A second certificate of your own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["cert"] }, { "required": ["pfx"] }]))]
pub struct PairFiles {
    /// PEM: a device's certificate; {device_id} stands for the device's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// PEM: its key; in the file of the certificate when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Instead of both: a PFX file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pfx: Option<PathBuf>,
    /// Where the password is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// What the devices of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// IoT devices.
    #[default]
    Iot,
    /// IoT Edge devices.
    Edge,
}

impl GroupKind {
    fn is_iot(&self) -> bool {
        *self == Self::Iot
    }
}

/// Individually enrolled devices.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["device_id"] }, { "required": ["devices"] }]))]
pub struct Individual {
    /// One device: letters, digits and `- . _ :`, at most 64 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = r"^[A-Za-z0-9._:-]{0,63}[A-Za-z0-9-]$"))]
    pub device_id: Option<RegistrationId>,
    /// Several numbered devices, each with an enrollment of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DeviceRange>")]
    pub devices: Option<Range>,
    /// Certificates of your own instead of those that are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<IndividualCertificates>,
    /// The keys of the certificates; p256 when left out. What is on disk already stays as it is.
    #[schemars(with = "Option<KeyType>")]
    pub key: KeyType,
    /// How long the certificates are valid; 365d when left out.
    #[schemars(with = "Option<ValidityPeriod>")]
    pub validity: ValidityPeriod,
    /// Whether each device has a second certificate of the same common name, and DPS takes either.
    #[schemars(with = "Option<bool>")]
    pub secondary: bool,
    /// What they are.
    #[schemars(with = "Option<DeviceModel>")]
    pub model: DeviceModel,
    /// With a model of your own: how its telemetry, properties and commands behave, as in a group.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, with = "BTreeMap<String, CapabilityForm>")]
    pub capability: BTreeMap<String, Capability>,
    /// What they send.
    #[schemars(with = "Option<Telemetry>")]
    pub telemetry: Telemetry,
    /// How they differ in that: profiles, over which the devices are spread by weight. Seed and device id decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub profile: Vec<Profile>,
    /// What their rooms are like, where it is not to be drawn by lot.
    #[serde(skip_serializing_if = "Room::is_drawn")]
    #[schemars(with = "Option<Room>")]
    pub room: Room,
    /// The IoT Edge device that these devices are behind: they connect through its gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub via: Option<RegistrationId>,
    /// Its devices are negative ones, which must be refused: for any reason (refused), or for one that a report has for failed
    /// registrations and connections (refused:REASON). They are counted apart, and the run fails where one gets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = r"^refused(:[a-z0-9_]+)?$"))]
    pub expect: Option<Expect>,
    /// With expect: what is wrong with the certificates, on purpose; nothing when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<WrongCertificate>,
    /// What is wrong with some of the devices themselves, on purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub fault: Vec<OwnFault>,
}

/// What a device sends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Telemetry {
    /// Time between two messages; 5s when left out.
    #[schemars(with = "Option<Span>")]
    pub interval: Span,
    /// Share of the interval by which a message may come earlier or later; 0.1 when left out.
    #[schemars(with = "Option<f64>", range(min = 0, max = 1))]
    pub jitter: f64,
}

/// What the rooms of some devices are like. What is left out is drawn for each device from the seed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Room {
    /// How slowly a room follows the weather, at least 6m; 4h to 12h when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_constant: Option<Span>,
    /// What full heating adds, in kelvin per hour; when left out, enough for a winter and 1 to 3 to spare.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub heating_k_per_h: Option<f64>,
    /// What full cooling takes, in kelvin per hour; when left out, enough for a summer and 1 to 3 to spare.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub cooling_k_per_h: Option<f64>,
    /// Half the width of the band around the target in which nothing is switched, in kelvin; 0.5 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub hysteresis_k: Option<f64>,
    /// How long heating or cooling stays on or off at least; 3m when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_run: Option<Span>,
    /// How far the target is relaxed while the room is empty, in kelvin; 3 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub setback_k: Option<f64>,
    /// How often a door or window is opened per day; 4 to 16 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub openings_per_day: Option<f64>,
    /// Width of the sensor's noise, in kelvin; 0.1 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub noise_k: Option<f64>,
}

impl Room {
    fn is_drawn(&self) -> bool {
        *self == Self::default()
    }

    /// As the plan has it.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            time_constant_h: self.time_constant.map(|time| time.0.as_secs_f64() / 3600.0),
            heating_k_per_h: self.heating_k_per_h,
            cooling_k_per_h: self.cooling_k_per_h,
            hysteresis_k: self.hysteresis_k,
            minimum_run_s: self.minimum_run.map(|time| time.0.as_secs_f64()),
            setback_k: self.setback_k,
            openings_per_day: self.openings_per_day,
            noise_k: self.noise_k,
        }
    }
}

/// How fast the devices come, and how many are online when.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Load {
    /// Registrations begun; when left out, what the target's quota allows: 200/min for IoT Central, 1000/min for DPS, and
    /// the same for an emulator with such a quota. An emulator without one gets 50/s.
    #[schemars(with = "Option<Rate>")]
    pub register_rate: Rate,
    /// Connections to hubs begun; 50/s when left out.
    #[schemars(with = "Option<Rate>")]
    pub connect_rate: Rate,
    /// Share of the fleet online, each reached over a time. They start when every device has registered once.
    #[schemars(with = "Option<Vec<Stage>>")]
    pub stages: Vec<Stage>,
    /// How many messages the whole fleet sends: the run ends when they have been sent, or with its stages. As many as are
    /// due when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub messages: Option<u64>,
    /// How many device-sim processes share the fleet; "auto" when left out: 2, or as many more as it takes where a process
    /// may not open a file handle for each of its devices.
    #[schemars(with = "Option<Processes>")]
    pub processes: Processes,
    /// Addresses of this machine at which the devices' connections begin, in turns; the system chooses when left out. A
    /// fleet that connects to one server needs one for each 28,000 devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub source_addresses: Vec<Addresses>,
}

/// Numbered devices: the prefix and a number padded with zeros.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the plan's `Range` as the JSON Schema shows it, with the manifest's defaults"
)]
struct DeviceRange {
    /// What every id begins with.
    prefix: String,
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    count: u32,
    /// The first number; 1 when left out.
    first: Option<u32>,
    /// At least so many digits; 4 when left out.
    #[schemars(range(min = 1, max = 20))]
    width: Option<u32>,
}

impl Target {
    /// The word for it in a manifest.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Emulator(_) => "emulator",
            Self::IotCentral(_) => "iot-central",
            Self::Dps(_) => "dps",
        }
    }

    /// Whether there is no application that could be asked, since none is there or since there is no token for it.
    #[must_use]
    pub fn is_enrolled_elsewhere(&self) -> bool {
        match self {
            Self::Emulator(_) => false,
            Self::IotCentral(target) => target.api_token.is_none(),
            Self::Dps(_) => true,
        }
    }
}

impl Individual {
    /// The ids of its devices.
    ///
    /// # Errors
    ///
    /// A number makes an id that is not a registration id; a read manifest has none.
    pub fn ids(&self) -> Result<Vec<RegistrationId>, iot_protocol::IdError> {
        match (&self.device_id, &self.devices) {
            (Some(id), _) => Ok(vec![id.clone()]),
            (None, Some(range)) => (0..range.count).map(|i| RegistrationId::new(&range.id(i))).collect(),
            (None, None) => Ok(Vec::new()),
        }
    }
}
