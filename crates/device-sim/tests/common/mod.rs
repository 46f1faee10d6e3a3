//! A world for devices: the emulator, certificates on disk, enrollments made through REST, and a plan to run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use device_sim::fleet::{Fleet, Input, Settings};
use fleet_protocol::histogram::decode;
use fleet_protocol::lines::{Control, DeviceLine, EndReason, Line, State, Stats};
use fleet_protocol::plan::{
    Behaviours, CredentialSource, Devices, Group, Model, PLAN_VERSION, Plan, Range, Rates, Shard, Stage, Target,
    Telemetry, Transport,
};
use fleet_protocol::room::Overrides;
use iot_emulator::{Config, Emulator};
use iot_protocol::id::{IdScope, RegistrationId};
use jiff::Timestamp;
use mqtt_link::TrustRoots;
use provisioning::central::{ApiToken, Central};
use provisioning::certificate::load::certificates_in;
use provisioning::enroll::{EnrollmentGroupSpec, enroll_group, enroll_individual};
use provisioning::identities::{GroupIdentities, IndividualIdentities, Issuer};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use testing::rest::Rest;
pub(crate) use testing::soon;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) const GROUP: &str = "thermostats";

/// A world whose emulator does not run, and has left its memory in the folder.
pub(crate) struct Stopped {
    folder: TempDir,
}

impl Stopped {
    /// On other ports.
    pub(crate) async fn start(self) -> World {
        let config = Config {
            state: Some(self.folder.path().join("emulator")),
            ..Config::default()
        };
        World::start(self.folder, config).await
    }
}

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) central: Central,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::start(tempfile::tempdir().unwrap(), Config::default()).await
    }

    /// The same; its emulator remembers, and can be started again.
    pub(crate) async fn lasting() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Stopped { folder }.start().await
    }

    /// With another emulator than the usual one.
    pub(crate) async fn with(config: Config) -> Self {
        Self::start(tempfile::tempdir().unwrap(), config).await
    }

    /// The same, in a folder in which something stands already.
    pub(crate) async fn within(folder: TempDir, config: Config) -> Self {
        Self::start(folder, config).await
    }

    async fn start(folder: TempDir, config: Config) -> Self {
        let config = Config {
            dps_retry_after: Duration::from_millis(0),
            ..config
        };
        let emulator = Emulator::start(config).await.unwrap();
        let url = format!("https://localhost:{}", emulator.https_addr().unwrap().port());
        let trusted = certificates_in(emulator.ca_pem().as_bytes(), "the CA").unwrap();
        let central = Central::new(
            &url,
            &ApiToken::new(emulator.api_token()),
            TrustRoots::Certificates(trusted),
        )
        .unwrap();
        std::fs::write(folder.path().join("ca.pem"), emulator.ca_pem()).unwrap();
        Self {
            emulator,
            central,
            folder,
        }
    }

    /// Stops the emulator; [`Stopped::start`] starts another one with the state of this one.
    pub(crate) async fn stopped(self) -> Stopped {
        self.emulator.shutdown().await;
        Stopped { folder: self.folder }
    }

    fn certs(&self) -> std::path::PathBuf {
        self.folder.path().join("certs")
    }

    /// Makes leaves under an intermediate for `thermo-1` to `thermo-<count>`, without enrolling anything.
    pub(crate) fn make_group(&self, count: u32) -> GroupIdentities {
        make_group(self.path(), count)
    }

    /// The same, and enrolls the root.
    pub(crate) async fn enroll_group(&self, count: u32) {
        self.enroll_made(&self.make_group(count)).await;
    }

    /// Enrolls the root of a group that was made.
    pub(crate) async fn enroll_made(&self, group: &GroupIdentities) {
        let root = group.authority(Issuer::Root).unwrap();
        let wanted = EnrollmentGroupSpec::new(GROUP, "Thermostats", root);
        enroll_group(&self.central, &wanted, Timestamp::now(), &|_| {})
            .await
            .unwrap();
    }

    pub(crate) async fn enroll_individual(&self, id: &str) {
        let identities = IndividualIdentities::open_or_create(&self.certs(), id, false, Timestamp::now()).unwrap();
        enroll_individual(&self.central, id, id, &identities.primary_pem(), None, &|_| {})
            .await
            .unwrap();
    }

    /// A plan for the group's devices that reports often and goes on until it is stopped.
    pub(crate) fn plan(&self, count: u32) -> Plan {
        let port = self.emulator.mqtt_addr().port();
        plan(self.path(), self.emulator.id_scope().clone(), port, count)
    }

    /// Sends a cloud-to-device message.
    pub(crate) async fn send(&self, device: &str, message: &Value) {
        self.operate(device, "messages", message).await;
    }

    /// Gives a device to the next hub.
    pub(crate) async fn reassign(&self, device: &str) {
        self.operate(device, "reassign", &serde_json::json!({})).await;
    }

    async fn operate(&self, device: &str, what: &str, body: &Value) {
        let path = format!("/emulator/devices/{device}/{what}");
        let (status, answer) = Rest::new(&self.emulator)
            .raw(Method::POST, &path, Some(body.clone()))
            .await;
        assert!(status.is_success(), "{answer}");
    }

    pub(crate) fn individual_group(&self, id: &str) -> Group {
        Group {
            name: "individual".into(),
            devices: Devices::Ids(vec![RegistrationId::new(id).unwrap()]),
            credentials: CredentialSource::Individual(self.certs().join("individual")),
            ..self.plan(1).groups.remove(0)
        }
    }

    pub(crate) fn write_plan(&self, plan: &Plan) -> std::path::PathBuf {
        let path = self.folder.path().join("plan.json");
        std::fs::write(&path, serde_json::to_vec(plan).unwrap()).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes leaves under an intermediate for `thermo-1` to `thermo-<count>` in `folder`.
pub(crate) fn make_group(folder: &Path, count: u32) -> GroupIdentities {
    let ids = (1..=count).map(|n| format!("thermo-{n}"));
    let certs = folder.join("certs");
    GroupIdentities::open_or_create(&certs, GROUP, Issuer::Intermediate, ids, Timestamp::now(), &|_, _| {}).unwrap()
}

/// A plan for the devices of [`make_group`] against `localhost:<port>`, whose CA stands in `folder`.
pub(crate) fn plan(folder: &Path, id_scope: IdScope, port: u16, count: u32) -> Plan {
    Plan {
        version: PLAN_VERSION,
        run_id: "test".into(),
        seed: 7,
        start: Timestamp::now(),
        state: Some(folder.join("state")),
        target: Target {
            id_scope,
            dps_endpoint: "localhost".into(),
            port,
            ca: Some(folder.join("ca.pem")),
            transport: Transport::Mqtt,
            connect_host: None,
        },
        groups: vec![Group {
            name: GROUP.into(),
            devices: Devices::Range(Range {
                prefix: "thermo-".into(),
                count,
                first: 1,
                width: 0,
            }),
            model: Model::Thermostat,
            behaviours: Behaviours::new(),
            room: Overrides::default(),
            telemetry: Telemetry {
                interval_ms: 100,
                jitter: 0.1,
            },
            profiles: Vec::new(),
            credentials: CredentialSource::Group(folder.join("certs").join(GROUP)),
            hub: None,
            gateway: None,
            expect: None,
            faults: Vec::new(),
        }],
        models: Vec::new(),
        rates: Rates {
            register_per_s: 1_000.0,
            connect_per_s: 1_000.0,
        },
        source_addresses: Vec::new(),
        stages: vec![
            Stage { share: 1.0, over_ms: 0 },
            Stage {
                share: 1.0,
                over_ms: 600_000,
            },
        ],
        messages: None,
    }
}

/// A fleet that runs, and the lines that it writes.
pub(crate) struct Running {
    lines: mpsc::UnboundedReceiver<Line>,
    input: mpsc::UnboundedSender<Input>,
    task: JoinHandle<EndReason>,
    /// `<phase>/<group>` → how often it was timed so far.
    phases: BTreeMap<String, u64>,
    /// How often each device has come back online.
    returns: BTreeMap<String, usize>,
}

impl Running {
    pub(crate) fn start(plan: Plan, shard: &str) -> Self {
        Self::start_with(plan, shard, Settings::default())
    }

    pub(crate) fn start_with(plan: Plan, shard: &str, settings: Settings) -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        let (input, receiver) = mpsc::unbounded_channel();
        let shard: Shard = shard.parse().unwrap();
        let fleet = Fleet::new(plan, shard, settings, sender).unwrap();
        Self {
            lines,
            input,
            task: tokio::spawn(fleet.run(receiver)),
            phases: BTreeMap::new(),
            returns: BTreeMap::new(),
        }
    }

    pub(crate) fn control(&self, line: &str) {
        let control: Control = serde_json::from_str(line).unwrap();
        self.input.send(Input::Control(control)).unwrap();
    }

    /// The next line that `pick` takes.
    pub(crate) async fn line<T>(&mut self, what: &str, mut pick: impl FnMut(Line) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let line = self
                    .lines
                    .recv()
                    .await
                    .unwrap_or_else(|| panic!("the fleet ended without {what}"));
                match &line {
                    Line::Stats(stats) => {
                        for (name, encoded) in &stats.histograms {
                            let timed = decode(encoded).expect("a histogram can be read").len();
                            *self.phases.entry(name.clone()).or_default() += timed;
                        }
                    }
                    Line::Device(device) if device.state == State::Online && device.offline_ms.is_some() => {
                        *self.returns.entry(device.id.clone()).or_default() += 1;
                    }
                    _ => {}
                }
                if let Some(picked) = pick(line) {
                    return picked;
                }
            }
        })
        .await
    }

    /// The next change of `id` to `state`.
    pub(crate) async fn device(&mut self, id: &str, state: State) -> DeviceLine {
        self.line(&format!("{id} to be {state}"), |line| match line {
            Line::Device(device) if device.id == id && device.state == state => Some(device),
            _ => None,
        })
        .await
    }

    /// Waits until `count` devices have come online.
    pub(crate) async fn online(&mut self, count: usize) {
        let mut online = BTreeMap::new();
        self.line(&format!("{count} devices to be online"), |line| {
            if let Line::Device(device) = line {
                online.insert(device.id, device.state);
            }
            (online.values().filter(|&&state| state == State::Online).count() == count).then_some(())
        })
        .await;
    }

    /// Waits until `count` devices have come back online after they had been, since the beginning.
    pub(crate) async fn returned(&mut self, count: usize) {
        while self.returns.len() < count {
            let what = format!("{count} devices to come back");
            let back = |line| match line {
                Line::Device(device) if device.state == State::Online && device.offline_ms.is_some() => Some(()),
                _ => None,
            };
            self.line(&what, back).await;
        }
    }

    /// Waits until `count` devices have come back online once more.
    pub(crate) async fn returned_again(&mut self, count: usize) {
        self.returns.clear();
        self.returned(count).await;
    }

    /// The next stats for which `is_it` holds.
    pub(crate) async fn stats(&mut self, what: &str, is_it: impl Fn(&Stats) -> bool) -> Stats {
        self.line(what, |line| match line {
            Line::Stats(stats) if is_it(&stats) => Some(stats),
            _ => None,
        })
        .await
    }

    pub(crate) fn stop(&self) {
        self.input.send(Input::Stop).unwrap();
    }

    /// Waits for the end. Returns the last stats, how often each phase was timed, and why it ended.
    pub(crate) async fn end(mut self) -> (Stats, BTreeMap<String, u64>, EndReason) {
        let mut last = None;
        let reason = self
            .line("the end", |line| match line {
                Line::Stats(stats) => {
                    last = Some(stats);
                    None
                }
                Line::End { reason } => Some(reason),
                _ => None,
            })
            .await;
        assert_eq!(soon("the task", self.task).await.unwrap(), reason);
        (last.expect("there are stats before the end"), self.phases, reason)
    }
}

/// A counter of a stats line; one that is not there is zero.
pub(crate) fn counter(stats: &Stats, name: &str) -> u64 {
    stats.counters.get(name).copied().unwrap_or(0)
}

/// All counters of a name with reasons, added up.
pub(crate) fn with_reasons(stats: &Stats, prefix: &str) -> u64 {
    stats
        .counters
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(_, count)| count)
        .sum()
}

/// Everything that was offered was acknowledged or dropped, and each message was written once before any resend.
pub(crate) fn assert_account_closes(stats: &Stats) {
    let offered = counter(stats, "telemetry_offered");
    let acked = counter(stats, "telemetry_acked");
    assert_eq!(
        offered,
        acked + with_reasons(stats, "telemetry_dropped/"),
        "{:?}",
        stats.counters
    );
    assert!(counter(stats, "telemetry_sent") <= offered, "{:?}", stats.counters);
    assert!(
        acked <= counter(stats, "telemetry_sent") + counter(stats, "telemetry_resent"),
        "{:?}",
        stats.counters
    );
}
