//! What happens during a run.

use fleet_protocol::lines::{Churn, ChurnError};
use iot_protocol::id::RegistrationId;
use provisioning::identities::Slot;
use settings::{Document, Span, Table};

use crate::manifest::case::Case;
use crate::manifest::event_forms::{EventAction, EventGroup, EventShare, SharePerMinute};
use crate::manifest::events::{ChurnEvent, DevicesEvent, Event, RollEvent, StormEvent};
use crate::manifest::forms::{GroupId, Interval, Share, Typed};
use crate::manifest::roll::RETURN_WITHIN;
use crate::manifest::scope;
use crate::manifest::types::Manifest;

/// The keys that only a churn has.
const OF_CHURN: [&str; 3] = ["share_per_minute", "for", "away"];
const BELONGS_TO_CHURN: &str = "goes with `action = \"churn\"` only";

/// An event, and where it stands.
pub(super) struct Placed {
    pub(super) event: Event,
    span: std::ops::Range<usize>,
    path: String,
}

pub(super) fn event(table: Table<'_>) -> Option<Placed> {
    let (span, path) = (table.span(), table.path().to_owned());
    let at = table.required::<Interval>("at").map(|at| at.value.0);
    let action = table.required::<EventAction>("action").map(|action| action.value);
    let event = match action {
        Some(EventAction::Roll) => roll(&table, at).map(Event::Roll),
        Some(EventAction::Disconnect) => devices(&table, at).map(Event::Disconnect),
        Some(EventAction::Reconnect) => devices(&table, at).map(Event::Reconnect),
        Some(EventAction::Reregister) => devices(&table, at).map(Event::Reregister),
        Some(EventAction::Reboot) => devices(&table, at).map(Event::Reboot),
        Some(EventAction::Retry) => devices(&table, at).map(Event::Retry),
        Some(EventAction::Storm) => storm(&table, at).map(Event::Storm),
        Some(EventAction::Churn) => churn(&table, at).map(Event::Churn),
        // Which other keys it may have is not known.
        None => return None,
    };
    table.finish();
    Some(Placed {
        event: event?,
        span,
        path,
    })
}

fn roll(table: &Table<'_>, at: Option<Span>) -> Option<RollEvent> {
    let case = table.required::<Case>("case").map(|case| case.value);
    let group = table.optional::<GroupId>("group").map(|group| group.value.0);
    let form = "a list of device ids, such as [\"lab-thermostat\"]";
    let devices = table.list::<RegistrationId>("devices", form);
    let flag = |key| table.optional::<bool>(key).is_some_and(|flag| flag.value);
    let (slot, wave) = (table.optional::<Slot>("slot"), table.optional::<Share>("wave"));
    let (over, within) = (
        table.optional::<Interval>("over"),
        table.optional::<Interval>("return_within"),
    );
    let (keep_old, remove_old, leave_behind) = (flag("keep_old"), flag("remove_old"), flag("leave_behind"));
    let devices = devices.map(|devices| devices.value.into_iter().map(|id| id.value).collect());
    Some(RollEvent {
        at: at?,
        case: case?,
        group,
        devices: devices.unwrap_or_default(),
        slot: slot.map(|slot| slot.value),
        wave: wave.map(|wave| wave.value.0),
        over: over.map(|over| over.value.0),
        return_within: within.map_or(Span(RETURN_WITHIN), |within| within.value.0),
        keep_old,
        remove_old,
        leave_behind,
    })
}

fn devices(table: &Table<'_>, at: Option<Span>) -> Option<DevicesEvent> {
    let (group, share) = selection(table);
    let over = table.optional::<Interval>("over").map(|over| over.value.0);
    table.out_of_place(&OF_CHURN, BELONGS_TO_CHURN);
    Some(DevicesEvent {
        at: at?,
        group,
        share,
        over,
    })
}

fn storm(table: &Table<'_>, at: Option<Span>) -> Option<StormEvent> {
    let (group, share) = selection(table);
    table.out_of_place(
        &["over"],
        "does not go with a storm, which is of one moment; a `reconnect` can be spread",
    );
    table.out_of_place(&OF_CHURN, BELONGS_TO_CHURN);
    Some(StormEvent { at: at?, group, share })
}

fn churn(table: &Table<'_>, at: Option<Span>) -> Option<ChurnEvent> {
    let (group, share) = selection(table);
    let share_per_minute = table.required::<SharePerMinute>("share_per_minute");
    let lasts = table.required::<Interval>("for");
    let away = table.optional::<Interval>("away");
    table.out_of_place(&["over"], "does not go with a churn, which has `for`");
    let event = ChurnEvent {
        at: at?,
        group,
        share,
        share_per_minute: share_per_minute?.value.0,
        lasts: lasts?.value.0,
        away: away.map_or(Span(Churn::AWAY), |away| away.value.0),
    };
    let Churn {
        share_per_minute,
        lasts,
        away,
    } = event.churn();
    if let Err(error) = Churn::new(share_per_minute, lasts, away) {
        let help = match error {
            ChurnError::LongAway { period } => format!("accepted: `away` below {}, or a smaller share", Span(period)),
            // The readers of the keys refuse these.
            ChurnError::Share(_) | ChurnError::Lasts | ChurnError::Away => String::new(),
        };
        let place = table.entry("away").or_else(|| table.entry("share_per_minute"));
        place?.problem(format!("`{}`: {error}", table.path()), vec![help]);
    }
    Some(event)
}

/// Which devices an event is for.
fn selection(table: &Table<'_>) -> (Option<String>, f64) {
    let group = table.optional::<EventGroup>("group").map(|group| group.value.0);
    let share = table.optional::<EventShare>("share");
    (group, share.map_or(1.0, |share| share.value.0))
}

/// What can be seen only beside the devices.
pub(super) fn check(events: &[Placed], manifest: &Manifest, document: &Document<'_>) {
    for Placed { event, span, path } in events {
        let wrong = match event {
            Event::Roll(event) => scope::check(&event.request(), manifest)
                .err()
                .map(|error| error.to_string()),
            Event::Disconnect(DevicesEvent { group, .. })
            | Event::Reconnect(DevicesEvent { group, .. })
            | Event::Reregister(DevicesEvent { group, .. })
            | Event::Reboot(DevicesEvent { group, .. })
            | Event::Retry(DevicesEvent { group, .. })
            | Event::Storm(StormEvent { group, .. })
            | Event::Churn(ChurnEvent { group, .. }) => group.as_ref().and_then(|group| unknown(group, manifest)),
        };
        if let Some(wrong) = wrong {
            let mut lines = wrong.lines().map(str::to_owned);
            let message = format!("`{path}`: {}", lines.next().unwrap_or_default());
            document.problems.push(span.clone(), message, lines.collect());
        }
    }
}

/// Why a group can't be meant, if it can't.
fn unknown(group: &str, manifest: &Manifest) -> Option<String> {
    let names = manifest.group_names();
    (!names.contains(&group)).then(|| format!("there is no group `{group}`\naccepted: {}", names.join(", ")))
}
