//! Where everything is, and the commands that are made of it. Pure: what is printed and what is run come from here.

use jiff::civil::Date;
use serde_json::json;

use super::command::{FleetCommand, curl};
use crate::shell::quoted;

/// The enrollment group.
pub(super) const GROUP: &str = "thermostats";
/// How many devices the run has.
pub(super) const DEVICES: u64 = 100;
/// The device whose certificate is made by hand.
pub(super) const HALL: &str = "hall";
/// The device below an intermediate.
pub(super) const ATTIC: &str = "attic";
/// The device whose certificate has expired.
pub(super) const CELLAR: &str = "cellar";
/// The intermediate.
const FLOOR: &str = "floor";
/// The version of DPS's device API, which `curl` names.
const DPS_API: &str = "2021-06-01";
const CENTRAL_API: &str = "2022-07-31";

/// The folder of the demonstration, and its files. Paths are as the folder was given, so that commands are short.
#[derive(Debug, Clone)]
pub(super) struct Place {
    folder: String,
    /// A day on which the root is valid already.
    begin: Date,
    /// A later day that has passed.
    expired: Date,
}

/// Where a running emulator listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) https: u16,
    pub(super) mqtt: u16,
    pub(super) id_scope: String,
}

/// What a device sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chain {
    /// Its leaf, and every CA above it.
    Full,
    /// Its leaf alone.
    LeafOnly,
}

impl Place {
    /// `folder`, on this day.
    pub(super) fn new(folder: &str, today: Date) -> Self {
        let before = |days: i64| today.saturating_sub(jiff::Span::new().days(days));
        let folder = folder.trim_end_matches('/');
        Self {
            // A path must not look like a flag.
            folder: if folder.starts_with('-') {
                format!("./{folder}")
            } else {
                folder.to_owned()
            },
            begin: before(90),
            expired: before(30),
        }
    }

    /// A file or folder below the folder.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    pub(super) fn manifest(&self) -> String {
        self.path("fleet.toml")
    }

    /// The folder in which the manifest's group has its CA: files named `root_…` are taken as they are.
    fn ca_folder(&self) -> String {
        self.path(&format!("certs/{GROUP}/ca"))
    }

    pub(super) fn root_cert(&self) -> String {
        self.ca_folder() + "/root_cert.pem"
    }

    fn root_key(&self) -> String {
        self.ca_folder() + "/root_key.pem"
    }

    pub(super) fn verification_cert(&self) -> String {
        self.path("hand/verification_cert.pem")
    }

    /// A device's certificate file, made by hand.
    pub(super) fn cert(&self, device: &str, chain: Chain) -> String {
        let kind = match chain {
            Chain::Full => "fullchain",
            Chain::LeafOnly => "cert",
        };
        self.path(&format!("hand/{device}_{kind}.pem"))
    }

    pub(super) fn key(&self, device: &str) -> String {
        self.path(&format!("hand/{device}_key.pem"))
    }

    pub(super) fn emulator(&self) -> FleetCommand {
        let state = self.path("emulator");
        let free = "127.0.0.1:0";
        FleetCommand::new([
            "emulator",
            "--state",
            &state,
            "--mqtt",
            free,
            "--https",
            free,
            "--http",
            free,
            "--dps-retry-after",
            "1",
            "--stop-on-stdin-eof",
        ])
    }

    pub(super) fn root(&self) -> FleetCommand {
        let (folder, begin) = (self.ca_folder(), self.begin.to_string());
        FleetCommand::new(["cert", "root", "root", "--not-before", &begin, "--out", &folder])
    }

    /// A device's certificate below the root.
    pub(super) fn leaf(&self, device: &str) -> FleetCommand {
        self.below_root(["cert", "device", device, "root"], &[])
    }

    /// A certificate that has expired, below the root.
    pub(super) fn expired_leaf(&self) -> FleetCommand {
        let (begin, end) = (self.begin.to_string(), self.expired.to_string());
        let validity = ["--not-before", &begin, "--not-after", &end];
        self.below_root(["cert", "device", CELLAR, "root"], &validity)
    }

    pub(super) fn intermediate(&self) -> FleetCommand {
        self.below_root(["cert", "intermediate", FLOOR, "root"], &[])
    }

    /// A device's certificate below the intermediate, which is in the same folder.
    pub(super) fn leaf_below_intermediate(&self) -> FleetCommand {
        FleetCommand::new(["cert", "device", ATTIC, FLOOR, "--out", &self.path("hand")])
    }

    fn below_root(&self, what: [&str; 4], more: &[&str]) -> FleetCommand {
        let (folder, ca) = (self.path("hand"), self.ca_folder());
        let places = ["--out", &folder, "--ca-dir", &ca];
        FleetCommand::new(what.into_iter().chain(more.iter().copied()).chain(places))
    }

    pub(super) fn inspect(&self, device: &str) -> FleetCommand {
        let (cert, key, ca) = (self.cert(device, Chain::Full), self.key(device), self.root_cert());
        FleetCommand::new(["cert", "inspect", &cert, &key, "--ca", &ca])
    }

    pub(super) fn verification(&self, code: &str) -> FleetCommand {
        let (ca, key, folder) = (self.root_cert(), self.root_key(), self.path("hand"));
        FleetCommand::new([
            "cert",
            "verification",
            "--ca",
            &ca,
            "--key",
            &key,
            "--nonce",
            code,
            "--out",
            &folder,
        ])
    }

    pub(super) fn device(&self, device: &str, chain: Chain, at: &Addresses) -> FleetCommand {
        let (cert, key, ca) = (self.cert(device, chain), self.key(device), self.emulator_ca());
        let port = at.mqtt.to_string();
        FleetCommand::new([
            "device-sim",
            "--cert",
            &cert,
            "--key",
            &key,
            "--id-scope",
            &at.id_scope,
            "--dps-endpoint",
            "localhost",
            "--port",
            &port,
            "--ca",
            &ca,
        ])
    }

    pub(super) fn run(&self) -> FleetCommand {
        let report = self.path("report");
        FleetCommand::new([
            "run",
            &self.manifest(),
            "--report",
            &report,
            "--web",
            "0",
            "--stop-within",
            "9s",
        ])
    }

    pub(super) fn roll(&self) -> FleetCommand {
        let report = self.path("roll");
        FleetCommand::new([
            "roll",
            &self.manifest(),
            "--case",
            "group-breach",
            "--wave",
            "50%",
            "--report",
            &report,
        ])
    }

    pub(super) fn stop(&self) -> FleetCommand {
        FleetCommand::new(["ctl", &self.manifest(), "stop"])
    }

    /// The certificate that the emulator's own ones are below.
    pub(super) fn emulator_ca(&self) -> String {
        self.path("emulator/ca_cert.pem")
    }

    /// What `curl -K` reads: the token and the CA, so that neither stands in a command.
    pub(super) fn curl_config(&self) -> String {
        self.path("curl.conf")
    }

    pub(super) fn put_group(&self, at: &Addresses) -> String {
        let body = json!({"displayName": GROUP, "enabled": true, "type": "iot", "attestation": {"type": "x509"}});
        self.request(
            "PUT",
            &quoted(&body.to_string()),
            &format!("enrollmentGroups/{GROUP}"),
            at,
        )
    }

    pub(super) fn put_root(&self, at: &Addresses) -> String {
        let body = format!(
            r#""{{\"certificate\": \"{}\", \"verified\": false}}""#,
            encoded(&self.root_cert())
        );
        self.request("PUT", &body, &certificate(""), at)
    }

    pub(super) fn generate_code(&self, at: &Addresses) -> String {
        self.request("POST", "''", &certificate("/generateVerificationCode"), at)
    }

    pub(super) fn verify(&self, at: &Addresses) -> String {
        let body = format!(r#""{{\"certificate\": \"{}\"}}""#, encoded(&self.verification_cert()));
        self.request("POST", &body, &certificate("/verify"), at)
    }

    pub(super) fn set_enabled(&self, enabled: bool, at: &Addresses) -> String {
        let body = json!({ "enabled": enabled }).to_string();
        self.request("PATCH", &quoted(&body), &format!("devices/{HALL}"), at)
    }

    fn request(&self, method: &str, body: &str, path: &str, at: &Addresses) -> String {
        let port = at.https;
        let url = format!("https://localhost:{port}/api/{path}?api-version={CENTRAL_API}");
        let config = quoted(&self.curl_config());
        curl(["-K", &config, "-X", method, "--json", body, &quoted(&url)].map(str::to_owned))
    }

    /// Where a device registers over HTTPS.
    pub(super) fn registration_url(device: &str, at: &Addresses) -> String {
        let Addresses { https, id_scope, .. } = at;
        format!("https://localhost:{https}/{id_scope}/registrations/{device}/register?api-version={DPS_API}")
    }

    /// The body of a registration over HTTPS.
    pub(super) fn registration(device: &str) -> String {
        json!({ "registrationId": device }).to_string()
    }

    pub(super) fn register_by_https(&self, device: &str, at: &Addresses) -> String {
        let words = [
            "-sS".to_owned(),
            "--cacert".to_owned(),
            quoted(&self.emulator_ca()),
            "--cert".to_owned(),
            quoted(&self.cert(device, Chain::Full)),
            "--key".to_owned(),
            quoted(&self.key(device)),
            "-X".to_owned(),
            "PUT".to_owned(),
            "--json".to_owned(),
            quoted(&Self::registration(device)),
            quoted(&Self::registration_url(device, at)),
        ];
        curl(words)
    }

    /// The manifest of the hundred devices, with its own folder as the one that paths are relative to.
    pub(super) fn manifest_text(at: &Addresses) -> String {
        let Addresses { https, mqtt, .. } = at;
        format!(
            r#"[fleet]
name = "demo"
certs = "certs"                # certs/{GROUP}/ca holds the root already
state = "state"

[target]                       # the emulator, as an application of yours
kind = "iot-central"
app = "https://localhost:{https}"
api_token = {{ file = "emulator/api_token" }}
dps_endpoint = "localhost"
port = {mqtt}
ca = "emulator/ca_cert.pem"

[[group]]
id = "{GROUP}"
issuer = "root"
enroll = "root"
devices = {{ prefix = "thermo-", count = {DEVICES} }}

[load]
register_rate = "50/s"
connect_rate = "50/s"
stages = ["100%@2s", "100%@2h"]
processes = 1
"#
        )
    }
}

/// The primary certificate of the group.
fn certificate(action: &str) -> String {
    format!("enrollmentGroups/{GROUP}/certificates/primary{action}")
}

/// A file in base64, in a line, by the shell.
fn encoded(file: &str) -> String {
    format!("$(base64 < {} | tr -d '\\n')", quoted(file))
}
