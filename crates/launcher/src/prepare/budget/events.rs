//! What the events of a manifest ask for.

use fleet_protocol::lines::Selection;
use fleet_report::plan::{EventDemand, EventEffect};
use settings::Span;

use crate::manifest::Manifest;
use crate::manifest::events::{Effect, Event};
use crate::manifest::thresholds::INDIVIDUAL;

/// The events, with the devices that each is for.
pub(super) fn demands(manifest: &Manifest) -> Vec<EventDemand> {
    let all = manifest.event.iter().enumerate();
    let demands = all.filter_map(|(index, event)| {
        let origin = event.when().origin(&manifest.load.stages)?.as_secs_f64();
        let length: f64 = manifest
            .load
            .stages
            .iter()
            .map(|stage| stage.over.0.as_secs_f64())
            .sum();
        // The first one also where it comes too late, so that the plan can say so.
        let mut times = event.times().map(|time| origin + time.as_secs_f64());
        let first = times.next();
        let (group, share) = devices(event, manifest);
        Some(EventDemand {
            name: format!("event.{index}"),
            group,
            share,
            effect: effect(event),
            times_s: first.into_iter().chain(times.take_while(|at| *at < length)).collect(),
        })
    });
    demands.collect()
}

/// The group that an event is for, if it is for one, and the share of its devices.
fn devices(event: &Event, manifest: &Manifest) -> (Option<String>, f64) {
    match event.effect() {
        Effect::Roll(roll) if roll.case.is_of_group() => {
            let rolled = manifest.group.iter().find(|group| group.expect.is_none());
            let only = || Some(rolled?.id.clone());
            (roll.group.clone().or_else(only), 1.0)
        }
        Effect::Roll(roll) => {
            let all: usize = manifest
                .individual
                .iter()
                .map(|individual| individual.devices.as_ref().map_or(1, |range| range.count as usize))
                .sum();
            let share = match roll.devices.len() {
                0 => 1.0,
                some => some as f64 / all.max(1) as f64,
            };
            (Some(INDIVIDUAL.to_owned()), share)
        }
        Effect::Order(order) => match order.devices {
            Some(Selection::Share(of)) => (of.group, of.share.unwrap_or(1.0)),
            Some(Selection::Ids(_)) | None => (None, 1.0),
        },
    }
}

/// The mean of what a restart takes.
const BOOT_S: f64 = 3.0;

fn effect(event: &Event) -> EventEffect {
    let seconds = |span: Option<Span>| span.map_or(0.0, |span| span.0.as_secs_f64());
    let reconnect = |over, offline_s, starts_up| EventEffect::Reconnect {
        over_s: seconds(over),
        offline_s,
        starts_up,
    };
    match event {
        Event::Reconnect(event) | Event::Reregister(event) => reconnect(event.over, 0.0, false),
        Event::Disconnect(event) if event.lasts.is_some() => reconnect(event.over, seconds(event.lasts), false),
        Event::Reboot(event) => reconnect(event.over, seconds(event.lasts).max(BOOT_S), true),
        Event::Roll(event) => reconnect(event.over, 0.0, false),
        Event::Storm(_) => EventEffect::Storm,
        Event::Churn(event) => EventEffect::Churn {
            share_per_minute: event.share_per_minute,
            lasts_s: event.lasts.0.as_secs_f64(),
            away_s: event.away.0.as_secs_f64(),
        },
        // How long those that disconnect stay away, only the stages decide.
        Event::Disconnect(_) | Event::Retry(_) => EventEffect::Nothing,
    }
}
