//! IoT Edge in a run: the Edge CAs, the emulator's gateways, and what the devices behind a gateway need before they start.
//!
//! Such a device never registers: its plan has to name the hub for its user name. That is the hub of its Edge
//! device, which DPS is asked for here, as that device. The relationship between the two is made through IoT Central.
//!
//! What is simulated of an Edge device itself is its identity only, which registers over MQTT and stays connected. The
//! real runtime registers over HTTPS, and carries the messages of the devices behind it; the emulator's gateway
//! listener stands for that.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use device_sim::hint::Hint;
use device_sim::proxies::Proxies;
use device_sim::transport;
use fleet_protocol::plan;
use fleet_report::words::devices;
use iot_protocol::id::{HubHost, RegistrationId};
use mqtt_link::{Credentials, Endpoint, Tls};
use provisioning::central::{Central, NewDevice};
use provisioning::certificate::load::{self, Identity};
use provisioning::rate_limiter::RateLimiter;
use provisioning::register::{Registered, Registration};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::manifest::Manifest;
use crate::manifest::edge::Gateway;
use crate::manifest::types::Target;
use crate::paths::absolute;
use crate::prepare::identities::Identities;
use crate::prepare::own_certificates;
use crate::process::emulator::GatewayReady;
use crate::progress::ProgressLog;

/// So many children are reported one by one; of the others only how many there are.
const REPORTED: usize = 3;

/// What only a run finds out about the gateways of a fleet, by the id of the Edge device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gateways(BTreeMap<String, Found>);

/// Where a gateway is, and to which hub it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The hub of the Edge device and of those behind it.
    pub hub: HubHost,
    /// Host for TCP.
    pub connect_host: String,
    /// TCP port.
    pub port: u16,
}

impl Gateways {
    /// What the manifest itself has.
    ///
    /// # Errors
    ///
    /// It leaves the hub of a gateway to be found out.
    pub(crate) fn in_manifest(manifest: &Manifest) -> anyhow::Result<Self> {
        let mut gateways = BTreeMap::new();
        for gateway in manifest.gateways() {
            let group = &manifest.group[gateway.group];
            let Some(hub) = group.hub.clone() else {
                return Err(anyhow!(
                    "the plan needs the hub of {}, which only `fleet run` finds out by asking DPS",
                    gateway.device
                )
                .hint(format!("set `hub` in group {}", group.id)));
            };
            let (connect_host, port) = group.gateway_address_of(gateway.device.as_str());
            let found = Found {
                hub,
                connect_host,
                port,
            };
            gateways.insert(gateway.device.to_string(), found);
        }
        Ok(Self(gateways))
    }

    /// Completes the groups of a plan that are behind gateways.
    ///
    /// # Errors
    ///
    /// A gateway was not looked for.
    pub(crate) fn complete(&self, groups: &mut [plan::Group]) -> anyhow::Result<()> {
        for group in groups {
            if let Some(gateway) = &mut group.gateway {
                let found = self.0.get(gateway.device.as_str());
                let found = found.with_context(|| format!("the gateway {} was not looked for", gateway.device))?;
                gateway.connect_host.clone_from(&found.connect_host);
                gateway.port = found.port;
                group.hub = Some(found.hub.clone());
            }
        }
        Ok(())
    }
}

/// What an emulator needs so that it stands for the gateways: each on a free port, below the fleet's own Edge CA.
///
/// # Errors
///
/// The current folder can't be read, so that no path can be made absolute.
pub(crate) fn emulator_arguments(manifest: &Manifest, identities: &Identities) -> anyhow::Result<Vec<String>> {
    let mut arguments = Vec::new();
    for gateway in manifest.gateways() {
        let Gateway {
            device,
            group,
            hostname,
        } = gateway;
        let identities = &identities.groups[group];
        let paths = identities
            .folder
            .edge_ca_paths(identities.ca.generation, device.as_str());
        let folder = absolute(paths.folder())?;
        arguments.extend(["--gateway".to_owned(), format!("{device}@{hostname}=127.0.0.1:0")]);
        arguments.extend(["--edge-ca".to_owned(), format!("{device}={}", folder.display())]);
    }
    Ok(arguments)
}

/// What it takes to make the gateways ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preparation<'a> {
    pub manifest: &'a Manifest,
    pub identities: &'a Identities,
    /// Where DPS is.
    pub target: &'a plan::Target,
    /// The application, where there is one.
    pub central: Option<&'a Central>,
    /// Where an emulator listens for the gateways.
    pub listeners: &'a [GatewayReady],
    /// Where steps are reported.
    pub progress: ProgressLog,
}

/// What registers a device with its hub that is behind a gateway and can't register through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Introduction {
    /// DPS, which the device is registered with once, past its gateway. So it is done in
    /// <https://learn.microsoft.com/azure/iot-central/core/how-to-connect-iot-edge-transparent-gateway#provision-a-downstream-device>:
    /// IoT Central itself gives no device a hub.
    ByDps,
    /// The relationship. So does our emulator, which a run has to itself; that IoT Central does it is not documented.
    ByRelationship,
}

impl Introduction {
    fn of(target: &Target) -> Self {
        match target {
            Target::Emulator(_) => Self::ByRelationship,
            Target::IotCentral(_) | Target::Dps(_) => Self::ByDps,
        }
    }
}

impl Preparation<'_> {
    /// Finds the hub of each gateway, registers the devices behind the gateway with it, and makes these its children.
    ///
    /// # Errors
    ///
    /// DPS or the application refused, or has something else in mind.
    pub(crate) async fn run(self) -> anyhow::Result<Gateways> {
        let mut gateways = BTreeMap::new();
        for gateway in self.manifest.gateways() {
            let found = self.find(&gateway).await?;
            let Gateway { device, hostname, .. } = &gateway;
            self.progress.report(format!(
                "gateway {device}: {hostname} on {}:{}, to hub {}",
                found.connect_host, found.port, found.hub
            ));
            let children = self.manifest.children(device)?;
            if Introduction::of(&self.manifest.target) == Introduction::ByDps {
                self.introduce(device, &children, &found.hub).await?;
            }
            match self.central {
                Some(central) => self.relate(central, device, &children).await?,
                None => self.progress.report(format!(
                    "relationships are up to you: {} behind {device} to be attached as its children",
                    devices(children.len())
                )),
            }
            gateways.insert(device.to_string(), found);
        }
        Ok(Gateways(gateways))
    }

    async fn find(&self, gateway: &Gateway<'_>) -> anyhow::Result<Found> {
        let group = &self.manifest.group[gateway.group];
        let id = gateway.device.as_str();
        let listener = self.listeners.iter().find(|listener| listener.device == id);
        let (connect_host, port) = match listener {
            Some(listener) => (listener.mqtt.ip().to_string(), listener.mqtt.port()),
            None => group.gateway_address_of(id),
        };
        let hub = match &group.hub {
            Some(hub) => hub.clone(),
            None => {
                let identity = self.identities.groups[gateway.group].folder.load_current(id)?;
                let registered = register(self.target.clone(), gateway.device.clone(), identity).await?;
                registered.assigned_hub
            }
        };
        Ok(Found {
            hub,
            connect_host,
            port,
        })
    }

    /// Registers the devices behind a gateway once, past the gateway and no faster than the manifest allows.
    async fn introduce(
        &self,
        gateway: &RegistrationId,
        children: &[RegistrationId],
        hub: &HubHost,
    ) -> anyhow::Result<()> {
        let interval = Duration::try_from_secs_f64(1.0 / self.manifest.load.register_rate.hertz());
        let mut limiter = RateLimiter::new(interval.unwrap_or(Duration::MAX), 1);
        let mut registering = JoinSet::new();
        for child in children {
            sleep_until(limiter.take(Instant::now())).await;
            let identity = self.identity(child)?;
            registering.spawn(register(self.target.clone(), child.clone(), identity));
        }
        while let Some(registered) = registering.join_next().await {
            let registered = registered.context("a registration did not end")??;
            if registered.assigned_hub != *hub {
                bail!(
                    "{} belongs to hub {} and its gateway {gateway} to {hub}: both have to be in one hub",
                    registered.device_id,
                    registered.assigned_hub
                );
            }
        }
        self.progress.report(format!(
            "{} behind {gateway} registered past it: no DPS is reached through a gateway",
            devices(children.len())
        ));
        Ok(())
    }

    fn identity(&self, device: &RegistrationId) -> anyhow::Result<Identity> {
        let of_group = self.manifest.group.iter().zip(&self.identities.groups);
        let mut of_group = of_group.filter(|(group, _)| group.holds(device.as_str()));
        if let Some((group, identities)) = of_group.next() {
            if let Some(own) = &group.certificates {
                return Ok(own_certificates::load(own, device.as_str())?);
            }
            return Ok(identities.folder.load_current(device.as_str())?);
        }
        let mut individuals = self.identities.individuals.iter();
        let (_, identities) = individuals
            .find(|(id, _)| id == device.as_str())
            .ok_or_else(|| anyhow!("{device} has no certificate"))?;
        Ok(identities.folder.load_current()?)
    }

    /// Makes devices children of a gateway; those that are are left alone.
    async fn relate(
        &self,
        central: &Central,
        gateway: &RegistrationId,
        children: &[RegistrationId],
    ) -> anyhow::Result<()> {
        self.ensure_known(central, gateway).await?;
        let known = central.relationships(gateway.as_str()).await?;
        let mut made = 0;
        for child in children {
            if known.iter().any(|known| known.target == child.as_str()) {
                continue;
            }
            self.ensure_known(central, child).await?;
            let related = central.put_relationship(gateway.as_str(), child.as_str()).await;
            related.with_context(|| format!("{child} can't be made a child of {gateway}"))?;
            made += 1;
            if made <= REPORTED {
                self.progress.report(format!("{child} is a child of {gateway} now"));
            }
        }
        let (all, old) = (children.len(), children.len() - made);
        self.progress
            .report(format!("{all} children of {gateway}: {made} new, {old} known"));
        Ok(())
    }

    async fn ensure_known(&self, central: &Central, device: &RegistrationId) -> anyhow::Result<()> {
        match central.device(device.as_str()).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {
                let entry = NewDevice {
                    display_name: device.as_str(),
                    template: None,
                    enabled: true,
                };
                central.put_device(device.as_str(), &entry).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Registers as a device of the fleet.
async fn register(target: plan::Target, device: RegistrationId, identity: Identity) -> anyhow::Result<Registered> {
    let endpoint = dps(&target)?;
    let registration = Registration {
        endpoint: &endpoint,
        id_scope: &target.id_scope,
        registration_id: &device,
        model_id: None,
        credentials: &Credentials::X509(identity.certified_key()),
        jitter_seed: 0,
    };
    Ok(registration.run().await?)
}

fn dps(target: &plan::Target) -> anyhow::Result<Endpoint> {
    let roots = load::trust_roots(target.ca.as_deref())?;
    let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
    let (host, port) = (target.dps_endpoint.as_str(), target.port);
    Ok(Endpoint::new(host, port, Tls::new(roots)?)?
        .over(transport::of(target.transport))
        .through(proxies.to(host, port)?))
}
