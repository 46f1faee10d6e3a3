//! What an extension of the REST listeners may read of a running emulator, and no way to change it: changes go through
//! the REST interface, see [`Listener::call`](crate::extension::Listener::call).
//!
//! A guard of this module holds a lock of the emulator: devices and requests wait until it is dropped, so it is never held
//! across an `await`.

use std::sync::{Arc, MutexGuard, RwLockReadGuard};

use iot_protocol::id::{DeviceId, HubHost, IdScope, ModelId};
use iot_protocol::twin::TwinDocument;
use jiff::Timestamp;

use crate::journal::Journal;
use crate::services::Services;
use crate::stats::Stats;
use crate::{central, certificate, hub};

pub use crate::central::{Command, Request};
pub use crate::clock::{millis, now};
pub use crate::faults::{Rule, Span, Verdict, written};
pub use crate::hub::is_component;

/// A running emulator, to be read.
#[derive(Debug, Clone)]
pub struct View(Arc<Services>);

impl View {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        Self(services)
    }

    /// The id scope of the emulated DPS.
    #[must_use]
    pub fn id_scope(&self) -> &IdScope {
        &self.0.id_scope
    }

    /// The names of the hubs.
    pub fn hubs(&self) -> impl Iterator<Item = &HubHost> {
        self.0.registry.hubs().iter()
    }

    /// The application with its devices and groups, under its lock.
    #[must_use]
    pub fn application(&self) -> Application<'_> {
        Application {
            content: self.0.central.read(),
            registry: &self.0.registry,
        }
    }

    /// Totals since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.read()
    }

    /// What happened.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// What the quota is called, if there is one.
    #[must_use]
    pub fn quota(&self) -> Option<&str> {
        self.0.gate.quota.as_deref()
    }

    /// The rules for faults, each with the count of its hits.
    #[must_use]
    pub fn rules(&self) -> Vec<(Rule, u64)> {
        let all = |faults: &mut crate::faults::Faults| faults.all().map(|(rule, hits)| (rule.clone(), hits)).collect();
        self.0.gate.rules(all)
    }
}

/// The application at one moment.
#[derive(Debug)]
pub struct Application<'a> {
    content: RwLockReadGuard<'a, central::Application>,
    registry: &'a hub::Registry,
}

impl Application<'_> {
    /// All devices in the order of their ids, each with its id in lower case.
    pub fn devices(&self) -> impl Iterator<Item = (&str, Device<'_>)> {
        let devices = self.content.devices.iter();
        devices.map(|(folded, record)| (folded.as_str(), self.view(record)))
    }

    /// The device with this id, whatever its case.
    #[must_use]
    pub fn device(&self, id: &str) -> Option<Device<'_>> {
        self.content.device(id).map(|record| self.view(record))
    }

    /// The enrollment groups in the order of their ids.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.content.groups.values().map(Group)
    }

    fn view<'a>(&'a self, record: &'a central::Device) -> Device<'a> {
        Device {
            record,
            application: &self.content,
            registry: self.registry,
        }
    }
}

/// A device of the application.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    record: &'a central::Device,
    application: &'a central::Application,
    registry: &'a hub::Registry,
}

impl<'a> Device<'a> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &'a DeviceId {
        &self.record.id
    }

    /// Whether it may connect.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.record.enabled
    }

    /// Whether DPS has assigned it.
    #[must_use]
    pub fn is_provisioned(&self) -> bool {
        self.record.provisioned
    }

    /// What its template is called, if it has one.
    #[must_use]
    pub fn template_name(&self) -> Option<&'a str> {
        let id = self.record.template.as_ref()?;
        Some(self.template().map_or(id, central::Template::display_name))
    }

    /// The commands of its template, those of the root first.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        self.template().map(central::Template::commands).unwrap_or_default()
    }

    /// The components of its template that have a property, and `None` for the root if that has it.
    #[must_use]
    pub fn places_of(&self, property: &str) -> Vec<Option<String>> {
        let template = self.template();
        template
            .map(|template| template.places_of(property))
            .unwrap_or_default()
    }

    fn template(&self) -> Option<&'a central::Template> {
        self.application.templates.get(self.record.template.as_ref()?)
    }

    /// Whether it has an individual enrollment.
    #[must_use]
    pub fn is_individual(&self) -> bool {
        self.record.attestation.is_some()
    }

    /// The certificates of its individual enrollment, the primary one first.
    pub fn certificates(&self) -> impl Iterator<Item = Certificate<'a>> + use<'a> {
        let attestation = self.record.attestation.iter();
        attestation.flat_map(|attestation| attestation.certificates().map(|certificate| Certificate(certificate)))
    }

    /// The device in its hub, which is there once DPS has assigned it.
    #[must_use]
    pub fn in_hub(&self) -> Option<InHub> {
        self.registry.device(&self.record.id).map(InHub)
    }

    /// Whether it is connected to its hub.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.in_hub().is_some_and(|in_hub| in_hub.read().is_online())
    }
}

/// A device in its hub.
#[derive(Debug)]
pub struct InHub(Arc<hub::Device>);

impl InHub {
    /// How it is, under its lock.
    #[must_use]
    pub fn read(&self) -> HubState<'_> {
        HubState(self.0.lock())
    }
}

/// A device in its hub at one moment.
#[derive(Debug)]
pub struct HubState<'a>(MutexGuard<'a, hub::DeviceState>);

impl HubState<'_> {
    /// Whether it is connected.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.0.connection.is_some()
    }

    /// Its hub.
    #[must_use]
    pub fn hub(&self) -> &HubHost {
        &self.0.hub
    }

    /// The model that it announced.
    #[must_use]
    pub fn model_id(&self) -> Option<&ModelId> {
        self.0.model_id.as_ref()
    }

    /// Its twin.
    #[must_use]
    pub fn twin(&self) -> TwinDocument {
        self.0.twin.document()
    }

    /// The version of the desired properties at which one of them was set last.
    #[must_use]
    pub fn desired_version(&self, component: Option<&str>, name: &str) -> Option<u64> {
        let stamp = self.0.twin.desired_stamp(component, name)?;
        Some(stamp.version)
    }

    /// How many telemetry messages it has sent.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.inbox.received()
    }

    /// When its last telemetry message came.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.0.inbox.last()
    }

    /// The last value of everything that it sends, as JSON: component, name, time and value.
    pub fn values(&self) -> impl Iterator<Item = (Option<&str>, &str, Timestamp, &str)> {
        self.0.inbox.values()
    }

    /// The last numbers of one name, of the root and of each component.
    pub fn numbers<'b>(&'b self, name: &'b str) -> impl Iterator<Item = (Option<&'b str>, Timestamp, f64)> {
        self.0.inbox.numbers(name)
    }
}

/// An enrollment group.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a>(&'a central::Group);

impl<'a> Group<'a> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.0.id
    }

    /// What it is called.
    #[must_use]
    pub fn display_name(&self) -> &'a str {
        &self.0.display_name
    }

    /// Whether it lets devices in.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Whether its devices are IoT Edge devices.
    #[must_use]
    pub fn is_edge(&self) -> bool {
        self.0.group_type == central::GroupType::IotEdge
    }

    /// Both certificates, as far as they are there.
    pub fn certificates(&self) -> impl Iterator<Item = GroupCertificate<'a>> + use<'a> {
        self.0.certificates().map(|(entry, signing)| GroupCertificate {
            is_primary: entry == central::Entry::Primary,
            certificate: Certificate(&signing.certificate),
            is_verified: signing.verified,
        })
    }
}

/// A certificate of an enrollment group.
#[derive(Debug, Clone, Copy)]
pub struct GroupCertificate<'a> {
    /// Whether it is the primary one.
    pub is_primary: bool,
    /// The certificate.
    pub certificate: Certificate<'a>,
    /// Whether its owner has proved to have its key. Only then does it let devices in.
    pub is_verified: bool,
}

/// A certificate.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a>(&'a certificate::Certificate);

impl Certificate<'_> {
    /// The subject in words.
    #[must_use]
    pub fn subject(&self) -> String {
        self.0.subject()
    }

    /// SHA-1 over the DER in upper-case hex.
    #[must_use]
    pub fn sha1_thumbprint(&self) -> String {
        self.0.sha1_thumbprint()
    }

    /// The last moment of its validity.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.0.not_after()
    }

    /// Whether its common name is the device's id, as DPS asks when the device registers.
    #[must_use]
    pub fn is_named(&self, device_id: &str) -> bool {
        self.0.is_named(device_id)
    }
}
