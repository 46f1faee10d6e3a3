//! What the events of a manifest add to its connections, and take from its messages.

use super::demand::{Demand, EventDemand, EventEffect};
use super::profile::Profile;

/// What all events come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EventTraffic {
    /// Connections.
    pub(super) connects: f64,
    /// Those after which a device reports as a new one does.
    pub(super) starts: f64,
    /// The most connections in a second.
    pub(super) connects_per_s: f64,
    /// The most of those after which a device reports as a new one does.
    pub(super) starts_per_s: f64,
    /// By group, the time that its devices are offline because of events, added up, in seconds.
    pub(super) offline_s: Vec<f64>,
}

impl EventTraffic {
    pub(super) fn of(demand: &Demand, profile: &Profile) -> Self {
        let mut traffic = Self {
            offline_s: vec![0.0; demand.groups.len()],
            ..Self::default()
        };
        let end = demand.stages_s();
        for event in &demand.events {
            for at in event.times_s.iter().filter(|at| **at < end) {
                traffic.add(event, *at, end, demand, profile);
            }
        }
        traffic
    }

    fn add(&mut self, event: &EventDemand, at: f64, end: f64, demand: &Demand, profile: &Profile) {
        // The stages take the same share of every group.
        let online = profile.online_at(at) / f64::from(demand.devices()).max(1.0);
        let rate = demand.connect_rate.hertz();
        let (mut devices, mut stormed) = (0.0, 0.0);
        let offline = match event.effect {
            EventEffect::Reconnect { offline_s, .. } => offline_s.min(end - at),
            EventEffect::Churn {
                share_per_minute,
                lasts_s,
                away_s,
            } => share_per_minute / 60.0 * lasts_s.min(end - at) * away_s,
            EventEffect::Storm | EventEffect::Nothing => 0.0,
        };
        for (group, sum) in demand.groups.iter().zip(&mut self.offline_s) {
            if event.group.as_ref().is_none_or(|name| *name == group.name) {
                let some = f64::from(group.devices) * event.share;
                devices += some;
                *sum += some * online * offline;
                stormed += f64::from(group.devices) * demand.stormed_meanwhile(event, &group.name, at);
            }
        }
        match event.effect {
            EventEffect::Reconnect { over_s, starts_up, .. } => {
                let returns = devices * online;
                let per_s = (returns / over_s.max(1.0)).min(rate);
                // Those that a storm brings back meanwhile connect once, and are counted there.
                self.connect((devices - stormed) * online, per_s);
                if starts_up {
                    self.starts += returns;
                    self.starts_per_s = self.starts_per_s.max(per_s);
                }
            }
            EventEffect::Storm => self.connect(devices, devices),
            EventEffect::Churn {
                share_per_minute,
                lasts_s,
                ..
            } => {
                let per_s = devices * online * share_per_minute / 60.0;
                self.connect(per_s * lasts_s.min(end - at), per_s.min(rate));
            }
            EventEffect::Nothing => {}
        }
    }

    fn connect(&mut self, connects: f64, per_s: f64) {
        self.connects += connects;
        self.connects_per_s = self.connects_per_s.max(per_s);
    }
}

impl Demand {
    /// The share of a group's devices that are away because of an event at `at`, and that a storm brings back before or just
    /// as that is over. Of two shares, the devices of the smaller one are among those of the larger.
    fn stormed_meanwhile(&self, event: &EventDemand, group: &str, at: f64) -> f64 {
        let EventEffect::Reconnect { offline_s, .. } = event.effect else {
            return 0.0;
        };
        let storms = self.events.iter().filter(|other| {
            other.effect == EventEffect::Storm
                && other.group.as_ref().is_none_or(|name| name == group)
                && other
                    .times_s
                    .iter()
                    .any(|time| (at..=at + offline_s).contains(time) && offline_s > 0.0)
        });
        storms.map(|storm| storm.share.min(event.share)).fold(0.0, f64::max)
    }
}

/// What will not happen, each in a sentence.
pub(super) fn warnings(demand: &Demand) -> impl Iterator<Item = String> {
    let end = demand.stages_s();
    demand.events.iter().filter_map(move |event| {
        let first = event.times_s.first().filter(|first| **first >= end)?;
        let span = |seconds: f64| settings::Span::seconds(seconds.min(1e12) as u64);
        Some(format!(
            "{} comes {} after the stages begin, and they take {}: it does not happen",
            event.name,
            span(*first),
            span(end)
        ))
    })
}
