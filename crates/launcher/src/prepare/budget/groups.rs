//! What the devices of a group ask for, by their profiles.

use std::time::Duration;

use device_sim::day;
use device_sim::load::Extras;
use device_sim::model::{Blueprint, Model};
use device_sim::random::{Purpose, stream};
use device_sim::sending::sent_of;
use device_sim::spread::profiles;
use device_sim::weather::Weather;
use fleet_protocol::plan::{self, Devices, Group, Profile, Telemetry};
use fleet_report::plan::traffic::{CONTROLLER_UPDATES, OWN_UPDATES, THERMOSTAT_UPDATES};
use fleet_report::plan::{GroupDemand, Habits};
use jiff::Timestamp;

use super::number;

/// How many devices of a profile are looked at for what all of them do.
const DAYS_OF: usize = 1_000;
const NEWS_OF: usize = 10;
/// How many measurements of each.
const MEASUREMENTS: usize = 500;

/// What a group asks for in a run whose stages take `length`: its devices together, or those of each profile.
pub(super) fn demands(group: &Group, blueprint: &Blueprint, seed: u64, length: Duration) -> Vec<GroupDemand> {
    if group.profiles.is_empty() {
        let device = ids(group).next().unwrap_or_default();
        let demand = Demanding {
            group,
            blueprint,
            seed,
            device: &device,
        };
        return vec![demand.of(group.devices.count(), group.telemetry, None, Habits::default())];
    }
    let of = profiles(seed, group);
    let each = group.profiles.iter().enumerate().map(|(index, profile)| {
        let has_it = |(place, id): (usize, String)| (usize::from(of[place]) == index).then_some(id);
        let devices: Vec<String> = ids(group).enumerate().filter_map(has_it).take(DAYS_OF).collect();
        let count = of.iter().filter(|profile| usize::from(**profile) == index).count();
        let device = devices.first().map_or("", String::as_str);
        let demand = Demanding {
            group,
            blueprint,
            seed,
            device,
        };
        let habits = demand.habits(profile, &devices, length);
        demand.of(number(count), profile.telemetry, Some(profile), habits)
    });
    each.collect()
}

fn ids(group: &Group) -> impl Iterator<Item = String> {
    (0..group.devices.count()).map(|index| match &group.devices {
        Devices::Range(range) => range.id(index),
        Devices::Ids(ids) => ids[index as usize].to_string(),
    })
}

/// Devices that are alike, and the first of them.
struct Demanding<'a> {
    group: &'a Group,
    blueprint: &'a Blueprint,
    seed: u64,
    device: &'a str,
}

impl Demanding<'_> {
    fn model(&self, device: &str) -> Model {
        let random = stream(self.seed, device, Purpose::Physics);
        self.blueprint.device(Weather::new(self.seed), random)
    }

    /// The bodies are those of a first measurement, so that they are what the model sends.
    fn of(&self, devices: u32, telemetry: Telemetry, profile: Option<&Profile>, habits: Habits) -> GroupDemand {
        let interval_s = telemetry.interval_ms as f64 / 1000.0;
        let extras = profile.and_then(|profile| Extras::of(&profile.payload));
        let measured = self.model(self.device).measure(interval_s, Timestamp::UNIX_EPOCH);
        GroupDemand {
            name: self.group.name.clone(),
            devices,
            interval_s,
            bodies: measured
                .telemetry
                .iter()
                .map(|(_, body)| match &extras {
                    Some(extras) => number(extras.body(body).len()),
                    None => number(body.len()),
                })
                .collect(),
            property_updates: match self.group.model {
                plan::Model::Thermostat => THERMOSTAT_UPDATES,
                plan::Model::TemperatureController => CONTROLLER_UPDATES,
                plan::Model::EdgeIdentity => 0.0,
                plan::Model::Own(_) => OWN_UPDATES,
            },
            habits,
        }
    }

    fn habits(&self, profile: &Profile, devices: &[String], length: Duration) -> Habits {
        let mut habits = Habits {
            burst: profile.burst,
            reports_per_s: profile.properties_per_minute / 60.0,
            sent: profile.on_change.map_or(1.0, |rule| {
                let models = devices.iter().take(NEWS_OF).map(|device| self.model(device));
                sent_of(models, rule, profile.telemetry.interval_ms, MEASUREMENTS)
            }),
            ..Habits::default()
        };
        if let Some(day) = &profile.day {
            let times = devices.iter().map(|device| day::in_run(day, self.seed, device, length));
            let count = devices.len().max(1) as f64;
            let (online, sessions) = times.fold((0.0, 0.0), |(online, sessions), time| {
                (online + time.online, sessions + f64::from(time.sessions))
            });
            habits.online = online / count;
            habits.online_in_a_day = day.online;
            habits.sessions = sessions / count;
        }
        habits
    }
}
