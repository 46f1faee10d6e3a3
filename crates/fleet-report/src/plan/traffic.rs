//! Messages, property updates and connections that follow from a manifest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::demand::{Demand, GroupDemand};
use super::events::EventTraffic;
use super::profile::Profile;

/// Property updates of a thermostat that comes online for the first time: its target, its first maximum, and every second
/// device a higher maximum soon after. Measured against the emulator (`device-sim/tests/devices.rs`).
pub const THERMOSTAT_UPDATES: f64 = 2.5;
/// The same for a temperature controller: its two thermostats update together, and one of them is more often higher.
pub const CONTROLLER_UPDATES: f64 = 2.75;
/// The same for a device of a model that is not shipped: it reports all of its properties together.
pub const OWN_UPDATES: f64 = 1.0;

/// Requests for a property that an operator changes: the change, and reading it until it is acknowledged, which takes a
/// device that is online one or two.
const REQUESTS_PER_PROPERTY: f64 = 3.0;

const DAY_S: f64 = 86_400.0;
/// Of thirty days.
const MONTH_S: f64 = 30.0 * DAY_S;

/// What the devices of a run send. Rates are those of the busiest moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// Connections to hubs.
    pub connects_per_s: f64,
    /// Connections of this run, those after events included.
    #[serde(default)]
    pub run_connects: u64,
    /// Messages of all devices that are wanted online.
    pub messages_per_s: f64,
    /// Messages of the device that sends most.
    pub device_messages_per_s: f64,
    /// Messages in a day, if the run were held so long.
    pub messages_per_day: u64,
    /// Messages in a month of thirty days.
    pub messages_per_month: u64,
    /// Messages of this run.
    pub run_messages: u64,
    /// The largest body of a message, in bytes.
    pub payload_bytes: u32,
    /// The size in which messages are billed, in bytes.
    pub billed_unit_bytes: u32,
    /// What this run's messages are billed as; on a hub, reading and updating a twin is billed as a message, too.
    pub run_billed: u64,
    /// What the messages of a month are billed as.
    pub billed_per_month: u64,
    /// Property updates while devices come online.
    pub property_updates_per_s: f64,
    /// Commands of the operator.
    pub commands_per_s: f64,
    /// Requests of the operator to the application's REST API: one for a command or a look at a
    /// device's last telemetry, three for a property.
    #[serde(default)]
    pub rest_requests_per_s: f64,
}

/// Where no limit says otherwise.
const BILLED_UNIT: f64 = 4096.0;

impl Traffic {
    pub(super) fn of(demand: &Demand, profile: &Profile) -> Self {
        let devices = f64::from(demand.devices()).max(1.0);
        let unit = demand.quota.as_ref().and_then(|quota| quota.billed_unit());
        let unit = unit.unwrap_or(BILLED_UNIT);
        let all = |of: &dyn Fn(&GroupDemand) -> f64| demand.groups.iter().map(of).sum::<f64>();
        // The stages take the same share of every group.
        let peak = f64::from(demand.wanted_peak) / devices;
        let online = profile.device_seconds / devices;
        let messages = all(&|group| f64::from(group.devices) * group.messages_per_s());
        let in_a_day = |of: &dyn Fn(&GroupDemand) -> f64| {
            all(&|group| f64::from(group.devices) * of(group) * group.habits.online_in_a_day) * peak
        };
        let in_run = |of: &dyn Fn(&GroupDemand) -> f64| {
            all(&|group| f64::from(group.devices) * of(group) * group.habits.online) * online
        };
        let updates = all(&|group| f64::from(group.devices) * group.property_updates) / devices;
        let reports = all(&|group| f64::from(group.devices) * group.habits.reports_per_s);
        let events = EventTraffic::of(demand, profile);
        let lost = |of: &dyn Fn(&GroupDemand) -> f64| {
            let groups = demand.groups.iter().zip(&events.offline_s);
            groups
                .map(|(group, seconds)| seconds * of(group) * group.habits.online)
                .sum::<f64>()
        };
        let again = all(&|group| f64::from(group.devices) * (group.habits.sessions - 1.0)) * peak;
        let connects = (profile.connects + again).max(0.0) + events.connects;
        let twins = match demand.bills_twins() {
            true => {
                let reports = in_run(&|group| group.habits.reports_per_s);
                connects + (profile.connects + events.starts) * updates + reports
            }
            false => 0.0,
        };
        let due = (in_run(&GroupDemand::messages_per_s) - lost(&GroupDemand::messages_per_s)).max(0.0);
        let billed = |group: &GroupDemand| group.billed_per_s(unit);
        let run_billed = (in_run(&billed) - lost(&billed)).max(0.0);
        // The run ends with the last of its messages, where there is a number of them.
        let limited = demand.messages.map_or(due, |messages| due.min(messages as f64));
        let part = if due > 0.0 { limited / due } else { 1.0 };
        let fastest = demand.groups.iter().map(GroupDemand::device_messages_per_s);
        let largest = demand.groups.iter().flat_map(|group| &group.bodies).max();
        Self {
            connects_per_s: tidy(profile.connects_per_s.max(events.connects_per_s)),
            run_connects: connects.round() as u64,
            messages_per_s: tidy(messages * peak),
            device_messages_per_s: tidy(fastest.fold(0.0, f64::max)),
            messages_per_day: (in_a_day(&GroupDemand::messages_per_s) * DAY_S).round() as u64,
            messages_per_month: (in_a_day(&GroupDemand::messages_per_s) * MONTH_S).round() as u64,
            run_messages: limited.round() as u64,
            payload_bytes: largest.copied().unwrap_or(0),
            billed_unit_bytes: unit as u32,
            run_billed: (run_billed * part + twins).round() as u64,
            billed_per_month: (in_a_day(&billed) * MONTH_S).round() as u64,
            // A device reports each property that it acknowledges.
            property_updates_per_s: tidy(
                profile.connects_per_s.max(events.starts_per_s) * updates + reports * peak + demand.properties_per_s,
            ),
            commands_per_s: tidy(demand.commands_per_s),
            rest_requests_per_s: tidy(
                demand.commands_per_s + demand.properties_per_s * REQUESTS_PER_PROPERTY + demand.looks_per_s,
            ),
        }
    }

    /// What the busiest day of this run is billed as.
    pub(super) fn billed_in_a_day(&self, stages_s: f64) -> f64 {
        let whole = self.run_billed as f64;
        match stages_s > DAY_S {
            true => whole.min(self.billed_per_month as f64 / 30.0),
            false => whole,
        }
    }
}

impl GroupDemand {
    fn messages_per_s(&self) -> f64 {
        self.bodies.len() as f64 * self.of_each()
    }

    /// Those of one device in its busiest second.
    fn device_messages_per_s(&self) -> f64 {
        let at_once = match self.habits.burst {
            0 | 1 => 0.0,
            burst => self.bodies.len() as f64 * f64::from(burst),
        };
        self.messages_per_s().max(at_once)
    }

    /// Messages of one component in a second.
    fn of_each(&self) -> f64 {
        f64::from(self.habits.burst) * self.habits.sent / self.interval_s
    }

    fn billed_per_s(&self, unit: f64) -> f64 {
        let units = self
            .bodies
            .iter()
            .map(|bytes| (f64::from(*bytes) / unit).ceil().max(1.0));
        units.sum::<f64>() * self.of_each()
    }
}

impl Demand {
    /// IoT Hub bills what a device does with its twin as messages.
    fn bills_twins(&self) -> bool {
        let quota = self.quota.as_ref();
        quota.is_some_and(|quota| quota.limits.get("hub.daily").is_some())
    }
}

/// Without the last digits, which are only those of floating-point arithmetic.
pub(super) fn tidy(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
