//! A device as a person sees it: what the application and its hub have of it. Here alone the page reads devices.

use iot_emulator::view::Device;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::format;

/// How a device stands with the application, as IoT Central calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Known, and never seen by DPS.
    Registered,
    /// Assigned to a hub.
    Provisioned,
    /// Seen by DPS, or made so, and not let in yet.
    Waiting,
    /// Once let in, and not wanted any more.
    Blocked,
}

impl Status {
    pub(crate) const ALL: [Self; 4] = [Self::Provisioned, Self::Registered, Self::Waiting, Self::Blocked];

    pub(crate) fn of(device: &Device<'_>) -> Self {
        match (device.is_enabled(), device.is_provisioned()) {
            (true, true) => Self::Provisioned,
            (true, false) => Self::Registered,
            (false, false) => Self::Waiting,
            (false, true) => Self::Blocked,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Registered => "Registered",
            Self::Provisioned => "Provisioned",
            Self::Waiting => "Waiting for approval",
            Self::Blocked => "Blocked",
        }
    }

    /// As it stands in an address.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Provisioned => "provisioned",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Registered => "badge",
            Self::Provisioned => "badge good",
            Self::Waiting => "badge wait",
            Self::Blocked => "badge bad",
        }
    }

    pub(crate) fn badge(self) -> Markup {
        html! { span class=(self.class()) { (self.word()) } }
    }
}

/// What a list shows of a device.
#[derive(Debug)]
pub(crate) struct DeviceView {
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// The group through which it registered last.
    pub(crate) group: Option<String>,
    pub(crate) individual: bool,
    pub(crate) status: Status,
    pub(crate) online: bool,
    /// The name of its template, or else the model that it announced.
    pub(crate) model: Option<String>,
    /// The host of its hub, once it has one.
    pub(crate) hub: Option<String>,
    pub(crate) received: u64,
    pub(crate) last: Option<Timestamp>,
    pub(crate) temperature: Option<f64>,
}

impl DeviceView {
    pub(crate) fn at(device: &Device<'_>) -> Self {
        let mut view = Self {
            id: device.id().to_string(),
            name: device.display_name().to_owned(),
            group: device.group().map(Into::into),
            individual: device.is_individual(),
            status: Status::of(device),
            online: false,
            model: device.template_name().map(Into::into),
            hub: None,
            received: 0,
            last: None,
            temperature: None,
        };
        if let Some(in_hub) = device.in_hub() {
            let state = in_hub.read();
            view.online = state.is_online();
            view.model = view.model.or_else(|| state.model_id().map(ToString::to_string));
            view.hub = Some(state.hub().to_string());
            view.received = state.received();
            view.last = state.last();
            view.temperature = state.numbers("temperature").next().map(|(.., degrees)| degrees);
        }
        view
    }

    /// The enrollment that it has, or through which it came.
    pub(crate) fn enrollment(&self) -> Markup {
        html! {
            @if self.individual { "individual" }
            @else if let Some(group) = &self.group { a href=(format::group_path(group)) { (group) } }
            @else { "–" }
        }
    }
}

/// Whether a device is connected, in a word and a dot.
pub(crate) fn connection(online: bool) -> Markup {
    html! { span class=(if online { "dot on" } else { "dot" }) { (if online { "online" } else { "offline" }) } }
}
