//! A device as a person sees it: what the application and its hub know, put together. Here alone the page reads devices.

use std::sync::Arc;

use jiff::Timestamp;
use maud::{Markup, html};

use super::Page;
use crate::central::{Application, Device};
use crate::hub;

/// How a device stands with the application, as IoT Central calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
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
    pub(super) const ALL: [Self; 4] = [Self::Provisioned, Self::Registered, Self::Waiting, Self::Blocked];

    pub(super) fn of(device: &Device) -> Self {
        match (device.enabled, device.provisioned) {
            (true, true) => Self::Provisioned,
            (true, false) => Self::Registered,
            (false, false) => Self::Waiting,
            (false, true) => Self::Blocked,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Registered => "Registered",
            Self::Provisioned => "Provisioned",
            Self::Waiting => "Waiting for approval",
            Self::Blocked => "Blocked",
        }
    }

    /// As it stands in an address.
    pub(super) fn key(self) -> &'static str {
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

    pub(super) fn badge(self) -> Markup {
        html! { span class=(self.class()) { (self.word()) } }
    }
}

/// What a list shows of a device.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) online: bool,
    /// The name of its template, or else the model that it announced.
    pub(super) model: Option<String>,
    /// The host of its hub, once it has one.
    pub(super) hub: Option<String>,
    pub(super) received: u64,
    pub(super) last: Option<Timestamp>,
    pub(super) temperature: Option<f64>,
}

impl Page {
    /// The device in its hub, which is there once DPS has assigned it.
    pub(super) fn in_hub(&self, device: &Device) -> Option<Arc<hub::Device>> {
        self.services.registry.device(&device.id)
    }

    pub(super) fn look(&self, application: &Application, device: &Device) -> Look {
        let template = device.template.as_ref();
        let template = template.map(|id| {
            application
                .templates
                .get(id)
                .map_or(id.as_str(), |known| known.display_name())
        });
        let mut look = Look {
            id: device.id.to_string(),
            status: Status::of(device),
            online: false,
            model: template.map(Into::into),
            hub: None,
            received: 0,
            last: None,
            temperature: None,
        };
        if let Some(in_hub) = self.in_hub(device) {
            let state = in_hub.lock();
            look.online = state.connection.is_some();
            look.model = look.model.or_else(|| state.model_id.as_ref().map(ToString::to_string));
            look.hub = Some(state.hub.to_string());
            look.received = state.inbox.received();
            look.last = state.inbox.last();
            look.temperature = state.inbox.numbers("temperature").next().map(|(.., degrees)| degrees);
        }
        look
    }
}

/// Whether a device is connected, in a word and a dot.
pub(super) fn connection(online: bool) -> Markup {
    html! { span class=(if online { "dot on" } else { "dot" }) { (if online { "online" } else { "offline" }) } }
}
