//! What happens during a run.

use iot_protocol::id::RegistrationId;
use provisioning::identities::Slot;
use settings::{Document, Span, Table};

use crate::manifest::case::Case;
use crate::manifest::forms::{EventAction, Fraction, GroupId, Interval, Share, Typed};
use crate::manifest::roll::RETURN_WITHIN;
use crate::manifest::scope;
use crate::manifest::types::{DevicesEvent, Event, Manifest, RollEvent};

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
        Some(action) => devices(&table, at).map(|event| match action {
            EventAction::Disconnect => Event::Disconnect(event),
            EventAction::Reconnect => Event::Reconnect(event),
            EventAction::Reregister | EventAction::Roll => Event::Reregister(event),
        }),
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
    let group = table.optional::<GroupId>("group").map(|group| group.value.0);
    let share = table.optional::<Fraction>("share").map_or(1.0, |share| share.value.0);
    let over = table.optional::<Interval>("over").map(|over| over.value.0);
    Some(DevicesEvent {
        at: at?,
        group,
        share,
        over,
    })
}

/// What can be seen only beside the devices.
pub(super) fn check(events: &[Placed], manifest: &Manifest, document: &Document<'_>) {
    for Placed { event, span, path } in events {
        let wrong = match event {
            Event::Roll(event) => scope::check(&event.request(), manifest)
                .err()
                .map(|error| error.to_string()),
            Event::Disconnect(event) | Event::Reconnect(event) | Event::Reregister(event) => {
                let names = || {
                    manifest
                        .group
                        .iter()
                        .map(|group| group.id.as_str())
                        .chain(["individual"])
                };
                let unknown = event.group.as_ref().filter(|id| !names().any(|name| name == *id));
                unknown.map(|id| {
                    format!(
                        "there is no group `{id}`\naccepted: {}",
                        names().collect::<Vec<_>>().join(", ")
                    )
                })
            }
        };
        if let Some(wrong) = wrong {
            let mut lines = wrong.lines().map(str::to_owned);
            let message = format!("`{path}`: {}", lines.next().unwrap_or_default());
            document.problems.push(span.clone(), message, lines.collect());
        }
    }
}
