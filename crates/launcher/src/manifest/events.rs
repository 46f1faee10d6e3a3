//! What happens during a run.
//!
//! The doc comments are the descriptions in the JSON Schema, as those of the other types are.

use std::time::Duration;

use fleet_protocol::lines::{Action, Churn, Control, Selection, ShareOf};
use iot_protocol::id::RegistrationId;
use provisioning::identities::Slot;
use schemars::JsonSchema;
use serde::Serialize;
use settings::Span;

use super::case::Case;
use super::event_forms::{ShareForm, SharePerMinuteForm};
use super::roll::Request;
use super::when::When;

/// Something that happens during a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "action", rename_all = "kebab-case")]
#[schemars(extend("unevaluatedProperties" = false, "anyOf" = [{ "required": ["at"] }, { "required": ["stage"] }]))]
pub enum Event {
    /// Certificates are rolled, as `fleet roll` does.
    Roll(RollEvent),
    /// Devices disconnect and stay away until the stages or another event want them online.
    Disconnect(DevicesEvent),
    /// Devices disconnect cleanly and connect again.
    Reconnect(DevicesEvent),
    /// Devices register with DPS again, then connect.
    Reregister(DevicesEvent),
    /// The connections of devices break off, as in a power cut, and they start again without what they had in memory.
    Reboot(DevicesEvent),
    /// The connections of devices break off at one moment, and they connect again at once, past `load.connect_rate`.
    Storm(StormEvent),
    /// For a time, a share of the devices disconnects in each minute, and each comes back after its absence.
    Churn(ChurnEvent),
    /// Devices that wait after a failure try again now.
    Retry(DevicesEvent),
}

/// A roll of certificates.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RollEvent {
    /// When it happens.
    #[serde(flatten)]
    pub when: When,
    /// Which certificates are replaced, and why.
    pub case: Case,
    /// The enrollment group whose CA is rolled; may be left out where there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Individually enrolled devices; for an expiry all of them when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub devices: Vec<RegistrationId>,
    /// The slot of the enrollment for the new certificate; the unused one when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// Share of the devices that is asked at once; a tenth, at least ten devices, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub wave: Option<f64>,
    /// Over which time the devices of a wave are asked; as fast as `load.register_rate` lets them, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Span>,
    /// How long the devices of a wave have to come online with their new certificates; 2m when left out.
    #[schemars(with = "Option<Span>")]
    pub return_within: Span,
    /// Leave the old CA in the enrollment (group-expiry).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub keep_old: bool,
    /// Replace the old certificate too, by a spare one (individual-expiry).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub remove_old: bool,
    /// Remove the old certificates even if some devices still use them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub leave_behind: bool,
    /// For how long it repeats, beside `every`; until the stages are over when left out.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
}

/// Something that devices do.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DevicesEvent {
    /// When it happens.
    #[serde(flatten)]
    pub when: When,
    /// Which group, or `individual`; all devices when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which share of them: the same devices every time; all when left out.
    #[schemars(with = "Option<ShareForm>")]
    pub share: f64,
    /// Over which time; at once when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Span>,
    /// Of a disconnect and a reboot: for how long each device stays offline. Of the others: for how long the event
    /// repeats, beside `every`; until the stages are over when left out.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
}

/// Something that devices do all at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StormEvent {
    /// When it happens.
    #[serde(flatten)]
    pub when: When,
    /// Which group, or `individual`; all devices when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which share of them: the same devices every time; all when left out.
    #[schemars(with = "Option<ShareForm>")]
    pub share: f64,
    /// For how long it repeats, beside `every`; until the stages are over when left out.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
}

/// Devices leave and come back for a time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ChurnEvent {
    /// When it begins.
    #[serde(flatten)]
    pub when: When,
    /// Which group, or `individual`; all devices when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Which share of them takes part: the same devices every time; all when left out.
    #[schemars(with = "Option<ShareForm>")]
    pub share: f64,
    /// Which share of those leaves in each minute. Each device does so at an offset of its own, by seed and device id.
    #[schemars(with = "SharePerMinuteForm")]
    pub share_per_minute: f64,
    /// For how long devices leave. The last one is back after this and its absence.
    #[serde(rename = "for")]
    pub lasts: Span,
    /// How long a device stays away; 30s when left out. Shorter than the time between two departures of a device, which
    /// is a minute divided by `share_per_minute`.
    #[schemars(with = "Option<Span>")]
    pub away: Span,
}

impl Event {
    /// When it happens.
    #[must_use]
    pub fn when(&self) -> When {
        match self {
            Self::Roll(event) => event.when,
            Self::Disconnect(event)
            | Self::Reconnect(event)
            | Self::Reregister(event)
            | Self::Reboot(event)
            | Self::Retry(event) => event.when,
            Self::Storm(event) => event.when,
            Self::Churn(event) => event.when,
        }
    }

    /// The word for its action.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.effect() {
            Effect::Roll(_) => "roll",
            Effect::Order(control) => control.action.word(),
        }
    }

    /// The times at which it happens, counted from its origin ([`When::origin`]).
    pub(crate) fn times(&self) -> impl Iterator<Item = Duration> + use<> {
        self.when().times(self.repeats_for().map(|lasts| lasts.0))
    }

    /// How long one time of it lasts, where `for` says so.
    pub(crate) fn lasts(&self) -> Option<Span> {
        match self {
            Self::Disconnect(event) | Self::Reboot(event) => event.lasts,
            Self::Churn(event) => Some(event.lasts),
            Self::Reconnect(_) | Self::Reregister(_) | Self::Retry(_) | Self::Storm(_) | Self::Roll(_) => None,
        }
    }

    /// For how long it repeats; `None` for as long as there are stages.
    pub(crate) fn repeats_for(&self) -> Option<Span> {
        match self {
            // Of these, `for` is how long each time lasts.
            Self::Disconnect(_) | Self::Reboot(_) | Self::Churn(_) => None,
            Self::Reconnect(event) | Self::Reregister(event) | Self::Retry(event) => event.lasts,
            Self::Storm(event) => event.lasts,
            Self::Roll(event) => event.lasts,
        }
    }

    /// How long one time of it takes, as far as the manifest has it: `every` has to be longer.
    #[must_use]
    pub(crate) fn takes(&self) -> Duration {
        let time = |span: Option<Span>| span.map_or(Duration::ZERO, |span| span.0);
        match self {
            Self::Disconnect(event) | Self::Reboot(event) => time(event.over).saturating_add(time(event.lasts)),
            Self::Reconnect(event) | Self::Reregister(event) | Self::Retry(event) => time(event.over),
            Self::Churn(event) => event.lasts.0.saturating_add(event.away.0),
            Self::Storm(_) | Self::Roll(_) => Duration::ZERO,
        }
    }

    /// What a live run is asked to do.
    #[must_use]
    pub(crate) fn effect(&self) -> Effect<'_> {
        Effect::Order(match self {
            Self::Roll(event) => return Effect::Roll(event),
            Self::Disconnect(event) => event.absence(Action::Disconnect),
            Self::Reconnect(event) => event.order(Action::Reconnect),
            Self::Reregister(event) => event.order(Action::Reregister),
            Self::Reboot(event) => event.absence(Action::Reboot),
            Self::Retry(event) => event.order(Action::Retry),
            Self::Storm(event) => Control {
                devices: share_of(event.group.as_ref(), event.share),
                ..Control::new(Action::Storm)
            },
            Self::Churn(event) => Control {
                devices: share_of(event.group.as_ref(), event.share),
                ..Control::of_churn(event.churn())
            },
        })
    }
}

/// What an event has a live run do.
#[derive(Debug)]
pub(crate) enum Effect<'a> {
    /// Many orders, with steps between them.
    Roll(&'a RollEvent),
    /// One order.
    Order(Control),
}

fn share_of(group: Option<&String>, share: f64) -> Option<Selection> {
    Some(Selection::Share(ShareOf {
        group: group.cloned(),
        share: Some(share),
    }))
}

impl DevicesEvent {
    fn order(&self, action: Action) -> Control {
        Control {
            devices: share_of(self.group.as_ref(), self.share),
            over: self.over.and_then(|over| over.0.try_into().ok()),
            ..Control::new(action)
        }
    }

    /// The same for an action of which `for` is how long devices stay offline.
    fn absence(&self, action: Action) -> Control {
        Control {
            lasts: self.lasts.and_then(|lasts| lasts.0.try_into().ok()),
            ..self.order(action)
        }
    }
}

impl ChurnEvent {
    /// As devices are ordered to carry it out.
    #[must_use]
    pub fn churn(&self) -> Churn {
        Churn {
            share_per_minute: self.share_per_minute,
            lasts: self.lasts.0,
            away: self.away.0,
        }
    }
}

impl RollEvent {
    /// As `fleet roll` would be asked for it.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            case: self.case,
            group: self.group.clone(),
            devices: self.devices.iter().map(ToString::to_string).collect(),
            slot: self.slot,
            wave: self.wave,
            over: self.over.map(|over| over.0),
            return_within: self.return_within.0,
            keep_old: self.keep_old,
            remove_old: self.remove_old,
            leave_behind: self.leave_behind,
            // Where devices are found blocked, a person should look first.
            let_in: false,
        }
    }
}
