//! Devices of the application, and in their hubs.

use std::sync::{Arc, MutexGuard};

use iot_protocol::id::{DeviceId, HubHost, ModelId};
use iot_protocol::twin::TwinDocument;
use jiff::Timestamp;
use serde_json::Value;

use super::certificates::Presented;
use super::enrollment::Certificate;
use super::message::Message;
use crate::central::Command;
use crate::{central, hub};

/// A device of the application.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    record: &'a central::Device,
    application: &'a central::Application,
    registry: &'a hub::Registry,
}

impl<'a> Device<'a> {
    pub(super) fn new(
        record: &'a central::Device,
        application: &'a central::Application,
        registry: &'a hub::Registry,
    ) -> Self {
        Self {
            record,
            application,
            registry,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &'a DeviceId {
        &self.record.id
    }

    /// What it is called.
    #[must_use]
    pub fn display_name(&self) -> &'a str {
        &self.record.display_name
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

    /// The enrollment group through which it registered last; none if it never did, or has an enrollment of its own.
    #[must_use]
    pub fn group(&self) -> Option<&'a str> {
        self.record.group.as_deref()
    }

    /// The id of its template, if it has one.
    #[must_use]
    pub fn template_id(&self) -> Option<&'a str> {
        self.record.template.as_deref()
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

    /// The last commands that it has answered, the newest first.
    pub fn answered(&self) -> impl Iterator<Item = Answered<'a>> + use<'a> {
        self.record.answered().map(Answered)
    }

    /// The components of its template that have a property, and `None` for the root if that has it.
    #[must_use]
    pub fn places_of(&self, property: &str) -> Vec<Option<String>> {
        let template = self.template();
        template
            .map(|template| template.places_of(property))
            .unwrap_or_default()
    }

    /// What it has sent that its template does not have, or has in another form, in the order in which it came.
    #[must_use]
    pub fn unmodeled(&self) -> Vec<Unmodeled> {
        let model = self.template().and_then(central::Template::model);
        let (Some(model), Some(InHub(device))) = (model, self.in_hub()) else {
            return Vec::new();
        };
        let state = device.lock();
        let known = state.unmodeled.as_ref().filter(|known| known.is_about(model));
        let marks = known.into_iter().flat_map(|known| known.marks());
        marks.map(Unmodeled::of).collect()
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
        attestation.flat_map(|attestation| {
            attestation
                .certificates()
                .map(|certificate| Certificate::new(certificate))
        })
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

/// A command that a device has answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a>(&'a central::CommandRecord);

impl<'a> Answered<'a> {
    /// When the answer came.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.0.at
    }

    /// Its name, behind that of its component and an asterisk if it has one.
    #[must_use]
    pub fn method(&self) -> &'a str {
        &self.0.method
    }

    /// What was sent with it.
    #[must_use]
    pub fn request(&self) -> Option<&'a Value> {
        self.0.request.as_ref()
    }

    /// The device's status.
    #[must_use]
    pub fn response_code(&self) -> u16 {
        self.0.response_code
    }

    /// What the device sent back.
    #[must_use]
    pub fn response(&self) -> Option<&'a Value> {
        self.0.response.as_ref()
    }
}

/// Something that a device sent and its template does not have, or has in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmodeled {
    /// `telemetry`, `property` or `response`.
    pub of: &'static str,
    /// The component that it was sent of; none for the root.
    pub component: Option<String>,
    /// Its name; empty where it is the whole message, or its component.
    pub name: String,
    /// `unmodeled` or `mismatch`.
    pub kind: &'static str,
    /// What it is, and what was expected.
    pub words: String,
    /// How often it came.
    pub count: u64,
    /// When it came last.
    pub last: Timestamp,
}

impl Unmodeled {
    fn of(mark: &hub::Mark) -> Self {
        Self {
            of: mark.of.as_str(),
            component: mark.component.as_deref().map(Into::into),
            name: (*mark.name).into(),
            kind: mark.kind.as_str(),
            words: (*mark.words).into(),
            count: mark.count,
            last: mark.last,
        }
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

    /// The certificates that it came in with last; none if it has not come since the start.
    #[must_use]
    pub fn presented(&self) -> Option<Presented> {
        self.0.presented.as_deref().map(Presented::of)
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

    /// Its last messages as they came, the newest first. From the first look on, they are kept even if others have many.
    #[must_use]
    pub fn messages(&mut self) -> Vec<Message> {
        self.0.inbox.recent().map(Message::of).collect()
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
