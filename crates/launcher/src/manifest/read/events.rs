//! What happens during a run.

use fleet_protocol::lines::{Churn, ChurnError};
use iot_protocol::id::RegistrationId;
use provisioning::identities::Slot;
use settings::{Document, Span, Table};

use crate::manifest::case::Case;
use crate::manifest::event_forms::{EventAction, EventGroup, EventShare, Every, SharePerMinute, StageNumber};
use crate::manifest::events::{ChurnEvent, DevicesEvent, Event, RollEvent, StormEvent};
use crate::manifest::forms::{GroupId, Interval, Share, Typed, Value};
use crate::manifest::roll::RETURN_WITHIN;
use crate::manifest::scope;
use crate::manifest::types::Manifest;
use crate::manifest::when::{MOST_TIMES, When};

/// The keys that only a churn has.
const OF_CHURN: [&str; 2] = ["share_per_minute", "away"];
const BELONGS_TO_CHURN: &str = "goes with `action = \"churn\"` only";

const AT_FORM: &str = "a time such as \"30s\", or `stage` for the beginning of a stage";

/// An event, and where it stands.
pub(super) struct Placed {
    pub(super) event: Event,
    span: std::ops::Range<usize>,
    path: String,
}

/// `stages` is how many stages there are.
pub(super) fn event(table: Table<'_>, stages: usize) -> Option<Placed> {
    let (span, path) = (table.span(), table.path().to_owned());
    let when = when(&table, stages);
    let action = table.required::<EventAction>("action").map(|action| action.value);
    let event = match action {
        Some(EventAction::Roll) => roll(&table, when).map(Event::Roll),
        Some(EventAction::Disconnect) => devices(&table, when, For::Lasts).map(Event::Disconnect),
        Some(EventAction::Reconnect) => devices(&table, when, For::Repeats).map(Event::Reconnect),
        Some(EventAction::Reregister) => devices(&table, when, For::Repeats).map(Event::Reregister),
        Some(EventAction::Reboot) => devices(&table, when, For::Lasts).map(Event::Reboot),
        Some(EventAction::Retry) => devices(&table, when, For::Repeats).map(Event::Retry),
        Some(EventAction::Storm) => storm(&table, when).map(Event::Storm),
        Some(EventAction::Churn) => churn(&table, when).map(Event::Churn),
        // Which other keys it may have is not known.
        None => return None,
    };
    if let Some(event) = &event {
        repetition(&table, event);
    }
    table.finish();
    Some(Placed {
        event: event?,
        span,
        path,
    })
}

/// `None` where something of it is missing or wrong.
fn when(table: &Table<'_>, stages: usize) -> Option<When> {
    let (has_at, has_stage) = (table.has("at"), table.has("stage"));
    let at = match has_stage {
        true => table.optional::<Interval>("at"),
        false => table.read_required("at", AT_FORM, Interval::read),
    };
    let stage = table.optional::<StageNumber>("stage");
    let every = table.optional::<Every>("every");
    let stage = stage.filter(|stage| {
        let is_there = stage.value.0 as usize <= stages;
        if !is_there && let Some(item) = table.entry("stage") {
            let count = fleet_report::words::counted(stages, "stage", "stages");
            item.problem(
                format!("`{}`: {} is more than the {count} of [load]", stage.key, stage.value.0),
                vec![format!("accepted: a stage from 1 to {stages}")],
            );
        }
        is_there
    });
    let is_whole = has_at == at.is_some() && has_stage == stage.is_some() && table.has("every") == every.is_some();
    (is_whole && (has_at || has_stage)).then_some(When {
        at: at.map(|at| at.value.0),
        stage: stage.map(|stage| stage.value.0),
        every: every.map(|every| every.value.0),
    })
}

/// What `for` says of an action other than a churn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// How long one time of it lasts.
    Lasts,
    /// How long it repeats.
    Repeats,
}

/// The value of `for`; the outer option is `None` where it is wrong.
fn lasts(table: &Table<'_>, of: For) -> Option<Option<Span>> {
    if of == For::Repeats && !table.has("every") {
        table.out_of_place(
            &["for"],
            "goes with `every` here, and is for how long the event repeats",
        );
        return Some(None);
    }
    let lasts = table.optional::<Interval>("for").map(|lasts| lasts.value.0);
    (table.has("for") == lasts.is_some()).then_some(lasts)
}

/// One time of an event has to be over before the next, and there can't be too many of them.
fn repetition(table: &Table<'_>, event: &Event) {
    let Some((every, item)) = event.when().every.zip(table.entry("every")) else {
        return;
    };
    let takes = Span(event.takes());
    if every <= takes {
        item.problem(
            format!(
                "`{}`: {every} is not longer than the event itself, which takes {takes}",
                item.path()
            ),
            vec![format!("accepted: a time above {takes}")],
        );
    } else if event.repeats_for().is_some() && event.times().nth(MOST_TIMES - 1).is_some() {
        item.problem(
            format!("`{}`: the event would happen {MOST_TIMES} times or more", item.path()),
            vec!["accepted: a longer time, or a shorter `for`".to_owned()],
        );
    }
}

fn roll(table: &Table<'_>, when: Option<When>) -> Option<RollEvent> {
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
    let lasts = lasts(table, For::Repeats);
    Some(RollEvent {
        when: when?,
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
        lasts: lasts?,
    })
}

fn devices(table: &Table<'_>, when: Option<When>, of: For) -> Option<DevicesEvent> {
    let (group, share) = selection(table);
    let over = table.optional::<Interval>("over").map(|over| over.value.0);
    table.out_of_place(&OF_CHURN, BELONGS_TO_CHURN);
    let lasts = lasts(table, of);
    Some(DevicesEvent {
        when: when?,
        group,
        share,
        over,
        lasts: lasts?,
    })
}

fn storm(table: &Table<'_>, when: Option<When>) -> Option<StormEvent> {
    let (group, share) = selection(table);
    table.out_of_place(
        &["over"],
        "does not go with a storm, which is of one moment; a `reconnect` can be spread",
    );
    table.out_of_place(&OF_CHURN, BELONGS_TO_CHURN);
    let lasts = lasts(table, For::Repeats);
    Some(StormEvent {
        when: when?,
        group,
        share,
        lasts: lasts?,
    })
}

fn churn(table: &Table<'_>, when: Option<When>) -> Option<ChurnEvent> {
    let (group, share) = selection(table);
    let share_per_minute = table.required::<SharePerMinute>("share_per_minute");
    let lasts = table.required::<Interval>("for");
    let away = table.optional::<Interval>("away");
    table.out_of_place(&["over"], "does not go with a churn, which has `for`");
    let event = ChurnEvent {
        when: when?,
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
