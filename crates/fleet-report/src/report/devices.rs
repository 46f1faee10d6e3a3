//! Counts of devices.

use std::collections::BTreeMap;

use fleet_protocol::lines::{GroupStats, counter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::negative::NegativeCounts;
use super::run::Losses;
use crate::totals::Totals;

/// Counts of devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceCounts {
    /// In the manifest.
    pub asked: u64,
    /// Wanted online by the stages, or by an order to connect, at any time.
    pub wanted: u64,
    /// Assigned to a hub.
    pub registered: u64,
    /// Those of them whose assignment is of an earlier run.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub reused: u64,
    /// Online at least once.
    pub connected: u64,
    /// Wanted and never online.
    pub failed: u64,
    /// Those that must be refused, where there are some. They are in none of the counts above but the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negative: Option<NegativeCounts>,
    /// How many have a fault of their own on purpose, by kind: slow, stalled, cut, clock. A device may have several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub faulty: BTreeMap<String, u64>,
    /// The groups. What went with a process that died is in no group.
    pub by_group: BTreeMap<String, GroupCounts>,
}

/// Counts of the devices of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupCounts {
    /// In the manifest.
    pub asked: u64,
    /// Wanted online at any time.
    pub wanted: u64,
    /// Assigned to a hub.
    pub registered: u64,
    /// Online at least once.
    pub connected: u64,
    /// Wanted and never online.
    pub failed: u64,
}

impl DeviceCounts {
    /// Those of all processes; `groups` are the figures of each group in `totals`.
    pub(super) fn of(asked: u64, totals: &Totals, groups: &BTreeMap<String, GroupStats>, losses: &Losses) -> Self {
        let by_group = groups
            .iter()
            .map(|(name, group)| (name.clone(), GroupCounts::of(group)));
        Self {
            asked,
            wanted: totals.counter(counter::DEVICES_WANTED) + losses.wanted,
            registered: totals.counter(counter::DEVICES_REGISTERED),
            reused: totals.counter(counter::DEVICES_ASSIGNMENT_REUSED),
            connected: totals.counter(counter::DEVICES_CONNECTED),
            failed: totals.counter(counter::DEVICES_FAILED) + losses.failed,
            negative: NegativeCounts::of(|name| totals.counter(name)),
            faulty: BTreeMap::new(),
            by_group: by_group.collect(),
        }
    }
}

impl GroupCounts {
    pub(crate) fn of(group: &GroupStats) -> Self {
        let count = |name: &str| counter::count(&group.counters, name);
        Self {
            asked: group.states.values().sum(),
            wanted: count(counter::DEVICES_WANTED),
            registered: count(counter::DEVICES_REGISTERED),
            connected: count(counter::DEVICES_CONNECTED),
            failed: count(counter::DEVICES_FAILED),
        }
    }

    /// Of other devices of the same group.
    pub(crate) fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.wanted += other.wanted;
        self.registered += other.registered;
        self.connected += other.connected;
        self.failed += other.failed;
    }
}
