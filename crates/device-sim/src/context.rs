//! What all devices of a process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fleet_protocol::lines::Line;
use fleet_protocol::plan::{self, CredentialSource, DeviceFault, Expect, Files, Group, Target};
use iot_protocol::id::{DeviceId, HubHost, ModelId, RegistrationId};
use jiff::Timestamp;
use mqtt_link::{Endpoint, InvalidProxy, InvalidServerName, SourceAddresses, Tls};
use provisioning::assignment::AssignmentCache;
use provisioning::certificate::load::{Identity, LoadOptions};
use provisioning::certificate::{CertificateError, Password};
use provisioning::identities::{BroughtFiles, GroupFolder, IdentityError, IndividualFolder, PasswordSource};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

use crate::load::{Load, loads};
use crate::metrics::Metrics;
use crate::model::{Blueprint, Model};
use crate::patience::Patience;
use crate::proxies::Proxies;
use crate::random::{Purpose, stream};
use crate::rate_limiter::RateLimiter;
use crate::transport;
use crate::weather::Weather;

/// What all devices of a process share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) run_id: String,
    pub(crate) seed: u64,
    pub(crate) target: Target,
    pub(crate) dps: Endpoint,
    pub(crate) way: Connector,
    pub(crate) patience: Patience,
    pub(crate) ignores_dates: bool,
    pub(crate) groups: Vec<GroupContext>,
    pub(crate) register_limiter: RateLimiter,
    pub(crate) connect_limiter: RateLimiter,
    pub(crate) assignments: Option<AssignmentCache>,
    pub(crate) metrics: Metrics,
    pub(crate) lines: mpsc::UnboundedSender<Line>,
    /// Which devices have finished their first registration, in whatever way.
    pub(crate) settled: Barrier,
    /// Which devices have sent all of their messages, where the plan has a number.
    pub(crate) messages_sent: Barrier,
    /// Since when every device has to be registered.
    pub(crate) begun: Instant,
    /// How many identities are read at the same time.
    pub(crate) loading: Semaphore,
    /// Enter on the terminal has devices that wait try again, which their log says then.
    pub(crate) enter_retries: bool,
}

impl Context {
    /// Checks what DPS and the hub will check of a device's certificate by itself.
    pub(crate) fn check(
        &self,
        (group, id): (usize, &RegistrationId),
        identity: &Identity,
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        // The dates of a negative device's certificate may be wrong on purpose.
        match self.ignores_dates || self.groups[group].expect.is_some() {
            true => identity.check_name(id.as_str()),
            false => identity.check(id.as_str(), now),
        }
    }

    /// What a device of a group sends, by its profile.
    pub(crate) fn load(&self, group: usize, profile: u16) -> &Load {
        &self.groups[group].loads[usize::from(profile)]
    }

    /// Writes a line. A missing listener means that the process is about to end, and is noticed elsewhere.
    pub(crate) fn send(&self, line: Line) {
        let _ = self.lines.send(line);
    }
}

/// How a host is reached.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) tls: Tls,
    pub(crate) port: u16,
    pub(crate) transport: plan::Transport,
    pub(crate) proxies: Proxies,
    /// Where connections begin; without any, the system chooses.
    pub(crate) sources: Option<Arc<SourceAddresses>>,
}

/// A host that can't be reached in this way.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// Its name is invalid.
    #[error(transparent)]
    Name(#[from] InvalidServerName),
    /// The environment names something that is not a proxy.
    #[error("HTTPS_PROXY can't be used")]
    Proxy(#[from] InvalidProxy),
}

impl Connector {
    pub(crate) fn to(&self, host: &str) -> Result<Endpoint, WayError> {
        let proxy = self.proxies.to(host, self.port)?;
        Ok(Endpoint::new(host, self.port, self.tls.clone())?
            .over(transport::of(self.transport))
            .leaving_from(self.sources.clone())
            .through(proxy))
    }
}

/// The gateway that stands between devices and their hub.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// The IoT Edge device whose children they have to be.
    pub(crate) device: DeviceId,
    pub(crate) endpoint: Endpoint,
}

impl Connector {
    /// The address of a gateway, which has its own certificates and uses MQTT over plain TLS.
    pub(crate) fn to_gateway(&self, gateway: &plan::Gateway, tls: Tls) -> Result<Gateway, WayError> {
        let proxy = self.proxies.to(&gateway.connect_host, gateway.port)?;
        let endpoint = Endpoint::new(&gateway.server_name, gateway.port, tls)?;
        Ok(Gateway {
            device: gateway.device.clone(),
            endpoint: endpoint
                .via(&gateway.connect_host)
                .leaving_from(self.sources.clone())
                .through(proxy),
        })
    }
}

/// What the devices of a group share.
#[derive(Debug)]
pub(crate) struct GroupContext {
    pub(crate) model_id: Option<ModelId>,
    /// What its devices send: one load for all, or one for each profile.
    pub(crate) loads: Vec<Load>,
    /// The components that send telemetry.
    pub(crate) components: Vec<Option<String>>,
    /// The hub, where it is given without DPS.
    pub(crate) hub: Option<HubHost>,
    /// The gateway, where they are behind one.
    pub(crate) gateway: Option<Gateway>,
    /// What its devices have to be refused for, where they are negative.
    pub(crate) expect: Option<Expect>,
    /// What is wrong with some of its devices on purpose.
    pub(crate) faults: Vec<DeviceFault>,
    blueprint: Blueprint,
    credentials: CredentialSource,
}

impl GroupContext {
    pub(crate) fn new(group: &Group, blueprint: Blueprint, gateway: Option<Gateway>) -> Self {
        Self {
            model_id: blueprint.model_id(),
            loads: loads(group),
            components: blueprint.components().map(|name| name.map(str::to_owned)).collect(),
            hub: group.hub.clone(),
            gateway,
            expect: group.expect.clone(),
            faults: group.faults.clone(),
            blueprint,
            credentials: group.credentials.clone(),
        }
    }

    /// What a device of the group is.
    pub(crate) fn model(&self, seed: u64, id: &RegistrationId) -> Model {
        let random = stream(seed, id.as_str(), Purpose::Physics);
        self.blueprint.device(Weather::new(seed), random)
    }

    /// Whether loading is so quick that a worker of the runtime may do it. A user's own file may be encrypted, and
    /// deriving its key takes long on purpose.
    pub(crate) fn loads_at_once(&self) -> bool {
        !matches!(
            self.credentials,
            CredentialSource::Files(_) | CredentialSource::Pattern(_)
        )
    }

    /// Loads a device's current certificate and key; reads files and blocks meanwhile.
    pub(crate) fn load(&self, id: &RegistrationId) -> Result<Identity, IdentityError> {
        match &self.credentials {
            CredentialSource::Group(folder) => GroupFolder::at(folder).load_current(id.as_str()),
            CredentialSource::Individual(folder) => IndividualFolder::at(folder.join(id.as_str())).load_current(),
            CredentialSource::Files(files) => Ok(load_files(files)?),
            CredentialSource::Pattern(files) => of_each_device(files).load(id.as_str()),
        }
    }
}

/// Loads a user's own certificate and key. The password is looked up each time and never kept.
pub(crate) fn load_files(files: &Files) -> Result<Identity, CertificateError> {
    let variable = files.password_variable.as_deref();
    let password = variable.and_then(|name| std::env::var(name).ok()).map(Password::from);
    Identity::load_with(LoadOptions {
        certificate: &files.certificate,
        key: files.key.as_deref(),
        password: password.as_ref(),
    })
}

/// A user's own certificates and keys for many devices. The password is looked up at each load and never kept.
fn of_each_device(files: &Files) -> BroughtFiles {
    let variable = files.password_variable.clone().map(PasswordSource::Variable);
    BroughtFiles {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        password: variable.or_else(|| files.password_file.clone().map(PasswordSource::File)),
    }
}

/// How many devices have come to some point, each once.
#[derive(Debug, Default)]
pub(crate) struct Barrier {
    devices: AtomicU32,
    changed: Notify,
}

impl Barrier {
    pub(crate) fn one_more(&self) {
        self.devices.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Waits until so many `devices` have. Only one task may wait.
    pub(crate) async fn all(&self, devices: u32) {
        while self.devices.load(Ordering::Acquire) < devices {
            self.changed.notified().await;
        }
    }
}

/// The hub of a device, and the leaf with which DPS assigned it.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) hub: HubHost,
    pub(crate) device_id: DeviceId,
    pub(crate) leaf_sha256: String,
}
