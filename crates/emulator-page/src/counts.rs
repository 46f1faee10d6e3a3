//! How many devices there are in each state, and through each group.

use std::collections::BTreeMap;
use std::sync::Arc;

use iot_emulator::view::Application;

use crate::Page;
use crate::device_view::Status;

/// The devices at one moment.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) online: usize,
    by_status: [usize; Status::ALL.len()],
    pub(crate) individuals: usize,
    /// The devices that came through each group.
    groups: BTreeMap<String, Members>,
}

/// Devices that came through a group.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Members {
    pub(crate) total: usize,
    pub(crate) online: usize,
}

impl Counts {
    pub(crate) fn total(&self) -> usize {
        self.by_status.iter().sum()
    }

    pub(crate) fn of(&self, status: Status) -> usize {
        let index = Status::ALL.iter().position(|known| *known == status);
        index.map_or(0, |index| self.by_status[index])
    }

    pub(crate) fn members(&self, group: &str) -> Members {
        self.groups.get(group).copied().unwrap_or_default()
    }

    fn of_all(application: &Application<'_>) -> Self {
        let mut counts = Self::default();
        for (_, device) in application.devices() {
            let status = Status::of(&device);
            if let Some(index) = Status::ALL.iter().position(|known| *known == status) {
                counts.by_status[index] += 1;
            }
            counts.individuals += usize::from(device.is_individual());
            let is_online = usize::from(device.is_online());
            counts.online += is_online;
            if let Some(group) = device.group() {
                if !counts.groups.contains_key(group) {
                    counts.groups.insert(group.to_owned(), Members::default());
                }
                if let Some(members) = counts.groups.get_mut(group) {
                    members.total += 1;
                    members.online += is_online;
                }
            }
        }
        counts
    }
}

impl Page {
    pub(crate) fn counts(&self) -> Arc<Counts> {
        let count = |_: Option<&Counts>| Counts::of_all(&self.view.application());
        self.shared.counts.get(count)
    }
}
