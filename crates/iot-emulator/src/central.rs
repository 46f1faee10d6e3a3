//! The IoT Central application: enrollment groups, devices and templates. Here is the state and what DPS asks of it;
//! the REST interface over it is `rest`.

use std::collections::{BTreeMap, btree_map};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use dtdl::Model;
use iot_protocol::id::{DeviceId, RegistrationId};
use jiff::Timestamp;

mod device;
mod group;
mod relationship;
mod template;
mod token;

pub use device::Approval;
pub(crate) use device::{Attestation, CommandRecord, Device};
pub(crate) use group::{Group, GroupType, SigningCertificate};
pub(crate) use relationship::Relationship;
pub(crate) use template::Template;
pub use template::{Command, Request};
pub(crate) use token::{LIFETIME, Resource, Role, Token};

use crate::attestation::{Above, Attested, Authority, Enrollments, Entry, Individual, Refusal, attest};
use crate::certificate::{Certificate, Thumbprint};
use crate::error::StartError;
use crate::hub::Twin;
use crate::presented::Ways;
use crate::random::random_hex;
use crate::refusal_reason::RefusalReason;
use crate::store::{Changes, Content, Record, Store};

#[derive(Debug)]
pub(crate) struct Central {
    application: RwLock<Application>,
    assignments: Assignments,
}

/// How often the model of a device that is known may have changed: by its template, or by another one. A session looks
/// at this with each message, and at the application only after a change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assignments(Arc<AtomicU64>);

impl Assignments {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Acquire)
    }

    fn changed(&self) {
        self.0.fetch_add(1, Release);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Application {
    pub(crate) groups: BTreeMap<String, Group>,
    /// By folded id, since DPS compares registration ids without case.
    /// Boxed: half of a tree's places are empty, and a place should be small.
    pub(crate) devices: BTreeMap<String, Box<Device>>,
    pub(crate) templates: BTreeMap<String, Template>,
    /// By the folded id of the child.
    relationships: BTreeMap<String, Relationship>,
    pub(crate) tokens: BTreeMap<String, Token>,
    /// Which device a certificate of an individual enrollment belongs to.
    individuals: BTreeMap<Thumbprint, String>,
    /// By which ways devices have come in since the start.
    pub(crate) ways: Ways,
    assignments: Assignments,
}

/// Why a device that DPS has attested is not let in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotApproved {
    #[error("the device waits for approval")]
    Waiting,
    #[error("the device is blocked")]
    Blocked,
}

impl NotApproved {
    pub(crate) fn reason(&self) -> RefusalReason {
        match self {
            Self::Waiting => RefusalReason::WaitsForApproval,
            Self::Blocked => RefusalReason::DeviceBlocked,
        }
    }
}

impl From<Application> for Central {
    fn from(application: Application) -> Self {
        Self {
            assignments: application.assignments.clone(),
            application: RwLock::new(application),
        }
    }
}

impl Default for Central {
    fn default() -> Self {
        Application::default().into()
    }
}

impl Central {
    /// The application as it was stored.
    pub(crate) fn restore(content: &mut Content) -> Result<Self, StartError> {
        let mut application = Application {
            groups: content.take()?.into_iter().collect(),
            devices: boxed(content.take()?),
            templates: restored(content.take()?),
            relationships: content.take()?.into_iter().collect(),
            tokens: content.take()?.into_iter().collect(),
            individuals: BTreeMap::new(),
            ways: Ways::default(),
            assignments: Assignments::default(),
        };
        for (id, device) in &application.devices {
            for certificate in device.attestation.iter().flat_map(Attestation::certificates) {
                application.individuals.insert(certificate.thumbprint(), id.clone());
            }
        }
        Ok(Self::from(application))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Application> {
        self.application.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Application> {
        self.application.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often models of known devices may have changed.
    pub(crate) fn assignments(&self) -> u64 {
        self.assignments.count()
    }

    /// The model of a device, by its template.
    pub(crate) fn model_of(&self, id: &DeviceId) -> Option<Arc<Model>> {
        self.read().model_of(id.as_str()).cloned()
    }

    pub(crate) fn attest(
        &self,
        id: &RegistrationId,
        chain: &[Certificate],
        now: Timestamp,
    ) -> Result<Attested, Refusal> {
        attest(&*self.read(), id, chain, now)
    }

    /// Whether a client behind a gateway is this device, by the enrollments: by the individual one's certificates, or by
    /// an authority of a group.
    pub(crate) fn attest_downstream(
        &self,
        id: &DeviceId,
        chain: &[Certificate],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let leaf = chain.first().ok_or(Refusal::NoCertificate)?;
        let no_name = || Refusal::common_name(leaf, id.as_str());
        // Unlike DPS, a hub compares with case.
        if leaf.common_name.as_deref() != Some(id.as_str()) {
            return Err(no_name());
        }
        let registration_id = RegistrationId::new(id.as_str()).map_err(|_| no_name())?;
        match self.attest(&registration_id, chain, now)?.disabled() {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }
}

impl Application {
    /// The device with this id, whatever its case.
    pub(crate) fn device(&self, id: &str) -> Option<&Device> {
        self.devices.get(&id.to_ascii_lowercase()).map(|device| &**device)
    }

    /// The device with this id, whatever its case.
    pub(crate) fn device_mut(&mut self, id: &str) -> Option<&mut Device> {
        self.devices
            .get_mut(&id.to_ascii_lowercase())
            .map(|device| &mut **device)
    }

    /// The model of a device, by its template.
    pub(crate) fn model_of(&self, id: &str) -> Option<&Arc<Model>> {
        self.templates.get(self.device(id)?.template.as_ref()?)?.model()
    }

    /// A device, or a template, is not what it was.
    pub(crate) fn models_changed(&self) {
        self.assignments.changed();
    }

    /// Takes a device in that DPS has attested. One that comes through a `group` need not be known before. The model that
    /// it announces assigns a template, if it has none.
    pub(crate) fn assign(
        &mut self,
        id: &RegistrationId,
        group: Option<&str>,
        approval: Approval,
        model_id: Option<&str>,
        changes: &mut Changes,
    ) -> Result<DeviceId, NotApproved> {
        let template = model_id.and_then(|model_id| self.template_of(model_id, changes));
        let device = match self.devices.entry(id.folded()) {
            btree_map::Entry::Occupied(known) => &mut **known.into_mut(),
            btree_map::Entry::Vacant(new) if group.is_some() => {
                let device = &mut **new.insert(Box::new(Device::new(DeviceId::from(id.clone()))));
                if approval == Approval::Manual {
                    device.enabled = false;
                    changes.put(&id.folded(), device);
                }
                device
            }
            // Its enrollment has gone between attestation and here.
            btree_map::Entry::Vacant(_) => return Err(NotApproved::Blocked),
        };
        // As IoT Central distinguishes them: a device that never got in waits, one that was in is blocked.
        match (device.enabled, device.provisioned) {
            (true, _) => {}
            (false, false) => return Err(NotApproved::Waiting),
            (false, true) => return Err(NotApproved::Blocked),
        }
        let comes_otherwise = device.group.as_deref() != group;
        if comes_otherwise {
            device.group = group.map(Into::into);
        }
        let gets_template = device.template.is_none() && template.is_some();
        let was_provisioned = device.provisioned;
        let is_changed = !was_provisioned || gets_template;
        if is_changed {
            device.provisioned = true;
            device.template = device.template.take().or(template);
            device.etag = new_etag();
        }
        if is_changed || comes_otherwise {
            changes.put(&id.folded(), device);
        }
        let id = device.id.clone();
        // It may be connected while it registers again.
        if gets_template && was_provisioned {
            self.models_changed();
        }
        Ok(id)
    }

    pub(crate) fn parent(&self, child: &DeviceId) -> Option<&Relationship> {
        self.relationships.get(&fold(child))
    }

    pub(crate) fn children<'a>(&'a self, parent: &'a DeviceId) -> impl Iterator<Item = &'a Relationship> {
        self.relationships
            .values()
            .filter(move |relationship| relationship.source == *parent)
    }

    /// A relationship of a device to a child.
    pub(crate) fn relationship(&self, parent: &DeviceId, id: &str) -> Option<&Relationship> {
        self.relationships
            .values()
            .find(|relationship| relationship.source == *parent && relationship.id == id)
    }

    /// Makes a device, which the hub has, the child of another. One that waits for approval goes on waiting.
    pub(crate) fn relate(&mut self, relationship: Relationship, changes: &mut Changes) {
        let child = fold(&relationship.target);
        if let Some(device) = self
            .devices
            .get_mut(&child)
            .filter(|device| device.enabled && !device.provisioned)
        {
            device.provisioned = true;
            device.etag = new_etag();
            changes.put(&child, &**device);
        }
        changes.put(&child, &relationship);
        self.relationships.insert(child, relationship);
    }

    /// Takes a device away from its parent.
    pub(crate) fn remove_relationship(&mut self, child: &DeviceId, changes: &mut Changes) {
        let child = fold(child);
        if self.relationships.remove(&child).is_some() {
            changes.remove::<Relationship>(&child);
        }
    }

    /// Takes the twin that was prepared for a device that comes into its hub for the first time.
    pub(crate) fn take_prepared(&mut self, id: &str, changes: &mut Changes) -> Option<Twin> {
        let folded = id.to_ascii_lowercase();
        let device = self.devices.get_mut(&folded)?;
        let prepared = device.prepared.take()?;
        changes.put(&folded, &**device);
        Some(*prepared)
    }

    /// Sets the individual enrollment of a device, or removes it.
    pub(crate) fn set_attestation(&mut self, id: &str, attestation: Option<Attestation>) {
        let folded = id.to_ascii_lowercase();
        let Some(device) = self.devices.get_mut(&folded) else {
            return;
        };
        for certificate in device.attestation.iter().flat_map(Attestation::certificates) {
            self.individuals.remove(&certificate.thumbprint());
        }
        for certificate in attestation.iter().flat_map(Attestation::certificates) {
            self.individuals.insert(certificate.thumbprint(), folded.clone());
        }
        device.attestation = attestation;
    }

    /// Removes a template. Its devices have none then.
    pub(crate) fn remove_template(&mut self, id: &str, changes: &mut Changes) -> Option<Template> {
        let removed = self.templates.remove(id)?;
        changes.remove::<Template>(id);
        for (folded, device) in &mut self.devices {
            if device.template.as_deref() == Some(id) {
                device.template = None;
                device.etag = new_etag();
                changes.put(folded, &**device);
            }
        }
        self.models_changed();
        Some(removed)
    }

    /// Stores a group as it is now, or that it is no more.
    pub(crate) fn store_group(&self, id: &str, store: &Store) {
        put_or_remove(store, id, self.groups.get(id));
    }

    /// Stores a device as it is now, or that it is no more.
    pub(crate) fn store_device(&self, id: &str, store: &Store) {
        put_or_remove(store, &id.to_ascii_lowercase(), self.device(id));
    }

    /// Stores a template as it is now, or that it is no more.
    pub(crate) fn store_template(&self, id: &str, store: &Store) {
        put_or_remove(store, id, self.templates.get(id));
    }

    /// Stores an API token as it is now, or that it is no more.
    pub(crate) fn store_token(&self, id: &str, store: &Store) {
        put_or_remove(store, id, self.tokens.get(id));
    }

    /// Whether another enrollment than that of `except` uses the certificate.
    pub(crate) fn is_enrolled_elsewhere(&self, certificate: &Certificate, except: Owner<'_>) -> bool {
        let by_individual = self.individuals.get(&certificate.thumbprint());
        by_individual.is_some_and(|device| except != Owner::Device(device))
            || self.groups.values().any(|group| {
                group.certificates().any(|(entry, signing)| {
                    *signing.certificate == *certificate && except != Owner::Group(&group.id, entry)
                })
            })
    }

    /// The id of the template for a model: one that the application has, or one that comes from the model repository.
    fn template_of(&mut self, model_id: &str, changes: &mut Changes) -> Option<String> {
        if let Some(template) = self
            .templates
            .values()
            .find(|template| template.model_id() == Some(model_id))
        {
            return Some(template.id.clone());
        }
        let template = Template::from_repository(model_id)?;
        let id = template.id.clone();
        changes.put(&id, &template);
        self.templates.insert(id.clone(), template);
        Some(id)
    }
}

fn fold(id: &DeviceId) -> String {
    id.as_str().to_ascii_lowercase()
}

fn restored(records: Vec<(String, Template)>) -> BTreeMap<String, Template> {
    let restored = records.into_iter().map(|(id, template)| (id, template.restored()));
    restored.collect()
}

fn boxed(records: Vec<(String, Device)>) -> BTreeMap<String, Box<Device>> {
    let boxed = records.into_iter().map(|(id, device)| (id, Box::new(device)));
    boxed.collect()
}

fn put_or_remove<R: Record>(store: &Store, key: &str, record: Option<&R>) {
    let mut changes = store.changes();
    match record {
        Some(record) => changes.put(key, record),
        None => changes.remove::<R>(key),
    }
    store.write(changes);
}

/// Whose certificate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// A device, by its folded id.
    Device(&'a str),
    Group(&'a str, Entry),
}

impl Enrollments for Application {
    fn individual(&self, leaf: &Thumbprint) -> Option<Individual> {
        let registration_id = self.individuals.get(leaf)?;
        let device = self.devices.get(registration_id)?;
        Some(Individual {
            registration_id: registration_id.clone(),
            entry: device.attestation.as_ref()?.entry_of(leaf),
            enabled: device.enabled,
        })
    }

    fn individual_for(&self, registration_id: &str) -> Option<(&Certificate, Option<&Certificate>)> {
        let attestation = self.devices.get(registration_id)?.attestation.as_ref()?;
        Some((&attestation.primary, attestation.secondary.as_deref()))
    }

    fn authorities(&self) -> impl Iterator<Item = Authority<'_>> {
        self.groups.values().flat_map(|group| {
            group.certificates().map(|(entry, signing)| Authority {
                group: &group.id,
                entry,
                enabled: group.enabled,
                verified: signing.verified,
                certificate: &signing.certificate,
            })
        })
    }

    fn above(&self, below: &Certificate) -> Option<Above> {
        self.ways.above(&below.issuer())
    }
}

/// A new version mark, in the form that the documentation shows: base64 of a quoted GUID.
pub(crate) fn new_etag() -> String {
    use base64::Engine;
    let mark = random_hex::<16>();
    base64::prelude::BASE64_STANDARD.encode(format!("\"{mark}\""))
}
