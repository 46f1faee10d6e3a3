//! What an extension of the REST listeners may read of a running emulator, and no way to change it: changes go through
//! the REST interface, see [`Listener::call`](crate::extension::Listener::call).
//!
//! A guard of this module holds a lock of the emulator: devices and requests wait until it is dropped, so it is never held
//! across an `await`. A thread holds one guard of the application at most: with two, it waits for itself forever once a
//! request waits in between to write. A debug build panics instead.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLockReadGuard};

use iot_protocol::id::{HubHost, IdScope};

use crate::journal::Journal;
use crate::services::Services;
use crate::stats::Stats;
use crate::{central, hub};

mod certificates;
mod device;
mod enrollment;
mod message;
mod template;
mod token;

pub use crate::central::{Command, Request};
pub use crate::clock::{millis, now};
pub use crate::faults::{Rule, Span, Verdict, written};
pub use crate::hub::is_component;
pub use certificates::{CameThrough, Presented, RefusedDevice, Shown, Through};
pub use device::{Answered, Device, HubState, InHub, Unmodeled};
pub use enrollment::{Certificate, Group, GroupCertificate};
pub use message::Message;
pub use template::Template;
pub use token::Token;

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
            _only: OnlyGuard::take(),
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

    /// The last devices that were refused, the last one first.
    #[must_use]
    pub fn refused(&self) -> Vec<RefusedDevice> {
        self.0.refused.all().into_iter().map(RefusedDevice::new).collect()
    }

    /// The refused device with this id, whatever its case, if it is one of the last.
    #[must_use]
    pub fn refused_device(&self, id: &str) -> Option<RefusedDevice> {
        self.0.refused.device(id).map(RefusedDevice::new)
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
    _only: OnlyGuard,
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
        self.content.groups.values().map(Group::new)
    }

    /// The enrollment group with this id.
    #[must_use]
    pub fn group(&self, id: &str) -> Option<Group<'_>> {
        self.content.groups.get(id).map(Group::new)
    }

    /// The certificate of a group that has signed another, with its group, if one has.
    #[must_use]
    pub fn issuer_of(&self, certificate: Certificate<'_>) -> Option<(Group<'_>, GroupCertificate<'_>)> {
        let mut all = self
            .groups()
            .flat_map(|group| group.certificates().map(move |signing| (group, signing)));
        all.find(|(_, signing)| certificate.is_signed_by(signing.certificate))
    }

    /// The device templates in the order of their ids.
    pub fn templates(&self) -> impl Iterator<Item = Template<'_>> {
        self.content.templates.values().map(Template::new)
    }

    /// The device template with this id.
    #[must_use]
    pub fn template(&self, id: &str) -> Option<Template<'_>> {
        self.content.templates.get(id).map(Template::new)
    }

    /// The API tokens in the order of their ids; the emulator's own is none of them.
    pub fn tokens(&self) -> impl Iterator<Item = Token<'_>> {
        self.content.tokens.values().map(Token::new)
    }

    /// How many devices came in through each CA of each group: those that have shown their certificate since the start.
    #[must_use]
    pub fn came_through(&self) -> Vec<CameThrough> {
        let mut ways = BTreeMap::new();
        for record in self.content.devices.values() {
            let Some(device) = self.registry.device(&record.id) else {
                continue;
            };
            if let Some(presented) = &device.lock().presented {
                let way = presented.way();
                // Devices share their ways, so this is a short list.
                ways.entry(Arc::as_ptr(way)).or_insert_with(|| (Arc::clone(way), 0)).1 += 1;
            }
        }
        certificates::by_ca(ways.into_values())
    }

    fn view<'a>(&'a self, record: &'a central::Device) -> Device<'a> {
        Device::new(record, &self.content, self.registry)
    }
}

thread_local! {
    static HAS_GUARD: Cell<bool> = const { Cell::new(false) };
}

/// The only guard of the application that its thread has.
#[derive(Debug)]
struct OnlyGuard;

impl OnlyGuard {
    fn take() -> Self {
        let had_one = HAS_GUARD.replace(true);
        debug_assert!(!had_one, "this thread has a guard of the application already");
        Self
    }
}

impl Drop for OnlyGuard {
    fn drop(&mut self) {
        HAS_GUARD.set(false);
    }
}
