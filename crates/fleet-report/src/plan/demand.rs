//! What a manifest asks for, in numbers.

use quotas::{Limits, Unit};
use settings::Rate;

/// What a manifest asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Who sends what.
    pub groups: Vec<GroupDemand>,
    /// The load profile.
    pub stages: Vec<StageDemand>,
    /// How many messages the whole fleet sends, where there is such a number.
    pub messages: Option<u64>,
    /// What happens meanwhile.
    pub events: Vec<EventDemand>,
    /// How many more devices there are that must be refused.
    pub negative: u32,
    /// The most devices that the stages want online at the same time.
    pub wanted_peak: u32,
    /// Registrations begun.
    pub register_rate: Rate,
    /// Connections begun.
    pub connect_rate: Rate,
    /// An operator's commands in a second.
    pub commands_per_s: f64,
    /// Properties that an operator changes in a second.
    pub properties_per_s: f64,
    /// An operator's cloud-to-device messages in a second.
    pub c2d_per_s: f64,
    /// Looks of an operator at a device's last telemetry in a second.
    pub looks_per_s: f64,
    /// Processes that simulate the devices.
    pub processes: u32,
    /// Whether the emulator runs on the same machine.
    pub with_emulator: bool,
    /// Whether devices may be spread over several addresses, as IoT Central's hubs are.
    pub several_hubs: bool,
    /// File handles that a process needs besides those of its devices.
    pub spare_file_handles: u64,
    /// How many files a process may open on this machine, where there is a limit.
    pub file_handles_allowed: Option<u64>,
    /// Addresses of this machine at which connections begin.
    pub source_addresses: u32,
    /// Enrollment groups, and CAs enrolled in them.
    pub enrollment_groups: u32,
    /// CAs that are enrolled.
    pub authorities: u32,
    /// Individual enrollments.
    pub individual_enrollments: u32,
    /// What the target allows, as far as it is known.
    pub quota: Option<Quota>,
}

/// Devices that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupDemand {
    /// The enrollment group, or `individual`.
    pub name: String,
    /// How many.
    pub devices: u32,
    /// Seconds between two measurements.
    pub interval_s: f64,
    /// The messages of one measurement: the bytes of their bodies.
    pub bodies: Vec<u32>,
    /// Property updates of a device that comes online for the first time.
    pub property_updates: f64,
    /// What their profile makes of that.
    pub habits: Habits,
}

/// What the profile of some devices makes of their messages and connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Measurements that go out together.
    pub burst: u32,
    /// The share of the measurements that become messages.
    pub sent: f64,
    /// Reports of unchanged properties in a second.
    pub reports_per_s: f64,
    /// The share of the time of this run that a device is online, as far as its day decides.
    pub online: f64,
    /// The same of a whole day.
    pub online_in_a_day: f64,
    /// How often a device comes online in this run.
    pub sessions: f64,
}

impl Default for Habits {
    /// Of devices that send each measurement and are always online.
    fn default() -> Self {
        Self {
            burst: 1,
            sent: 1.0,
            reports_per_s: 0.0,
            online: 1.0,
            online_in_a_day: 1.0,
            sessions: 1.0,
        }
    }
}

/// A piece of the load profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageDemand {
    /// The share of the devices that is wanted online at its end, 0 to 1.
    pub share: f64,
    /// How long it takes, in seconds.
    pub over_s: f64,
}

/// An event of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDemand {
    /// Its key, such as `event.0`.
    pub name: String,
    /// The group that it is for; every group when there is none.
    pub group: Option<String>,
    /// The share of those devices, 0 to 1.
    pub share: f64,
    /// What it does to them.
    pub effect: EventEffect,
    /// Its times, in seconds from the beginning of the stages.
    pub times_s: Vec<f64>,
}

/// What an event does to its devices, as far as it costs connections or messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EventEffect {
    /// Those that are online connect again.
    Reconnect {
        /// They leave one after the other, in so many seconds.
        over_s: f64,
        /// Each is offline for so many seconds.
        offline_s: f64,
        /// They report their properties as if they were new.
        starts_up: bool,
    },
    /// All connect at once, past the rate of connections.
    Storm,
    /// They leave and come back.
    Churn {
        /// The share of them that leaves in each minute.
        share_per_minute: f64,
        /// For how many seconds they do.
        lasts_s: f64,
        /// How many seconds each is away.
        away_s: f64,
    },
    /// Nothing that can be counted.
    Nothing,
}

/// The limits of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Quota {
    /// The table.
    pub limits: Limits,
    /// For so many units of a hub.
    pub units: u32,
}

impl Demand {
    /// How many devices there are that are to be online.
    #[must_use]
    pub fn devices(&self) -> u32 {
        let count = |sum: u32, group: &GroupDemand| sum.saturating_add(group.devices);
        self.groups.iter().fold(0, count)
    }

    /// Seconds that the stages take together.
    #[must_use]
    pub fn stages_s(&self) -> f64 {
        self.stages.iter().map(|stage| stage.over_s).sum()
    }

    /// What the target lets register, as far as that is known.
    #[must_use]
    pub fn registrations(&self) -> Option<(&Quota, Rate)> {
        let quota = self.quota.as_ref()?;
        Some((quota, quota.registrations()?))
    }

    /// Seconds until all devices have registered, at the smaller of the two rates.
    #[must_use]
    pub fn register_s(&self) -> u64 {
        let asked = self.register_rate.hertz();
        let rate = self
            .registrations()
            .map_or(asked, |(_, allowed)| asked.min(allowed.hertz()));
        super::whole_seconds(f64::from(self.devices()) / rate)
    }
}

impl Quota {
    /// How many devices may register.
    #[must_use]
    pub fn registrations(&self) -> Option<Rate> {
        let amount = self.limits.registrations(self.units)?;
        // In the unit in which it is written, or per minute where a manifest has no such unit.
        Some(match amount.per?.as_secs_f64() {
            1.0 => Rate::per_second(amount.count),
            seconds => Rate::per_minute(amount.count * 60.0 / seconds),
        })
    }

    /// For how many connected devices IoT Central adds a hub.
    #[must_use]
    pub fn devices_per_hub(&self) -> Option<f64> {
        Some(self.limits.get("central.hub_per")?.allowed(self.units)?.count)
    }

    /// The size in which messages are billed, in bytes.
    #[must_use]
    pub fn billed_unit(&self) -> Option<f64> {
        let unit = self
            .limits
            .least(&["hub.billed_unit", "central.billed_unit"], self.units)?;
        (unit.unit == Unit::Bytes).then_some(unit.count)
    }
}
