//! What is around each view of a device: its id, how it stands, and the way to its other views.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use live_page::Fragment;
use maud::{Markup, html};

use crate::device_view::{DeviceView, Status, connection};
use crate::{Page, format, journal, layout, missing, refused, retry};

/// Events of a device that are listed.
pub(super) const EVENTS: usize = 12;

/// A view of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Connect,
    Raw,
    Commands,
}

impl Tab {
    const ALL: [Self; 4] = [Self::Overview, Self::Connect, Self::Raw, Self::Commands];

    fn word(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Connect => "Connect",
            Self::Raw => "Raw data",
            Self::Commands => "Commands",
        }
    }

    /// Behind the path of the device.
    fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Connect => "/connect",
            Self::Raw => "/raw",
            Self::Commands => "/commands",
        }
    }
}

/// The whole view.
pub(crate) fn around(page: &Page, id: &str, tab: Tab, standing: &Fragment, content: &Markup) -> Markup {
    let path = format::device_path(id);
    let content = html! {
        p.trail { a href="/devices" { "Devices" } " /" }
        div.title { h1 { (id) } (standing) }
        nav.tabs aria-label="Views of the device" {
            @for other in Tab::ALL {
                a href={ (path) (other.path()) } aria-current=[(other == tab).then_some("page")] { (other.word()) }
            }
        }
        (content)
    };
    let title = match tab {
        Tab::Overview => id.to_owned(),
        tab => format!("{id}: {}", tab.word()),
    };
    let live = format!("/live{path}{}", tab.path());
    layout::inside(page, &title, "/devices", Some(&live), content)
}

/// How the device stands, with the button to block it.
pub(crate) fn standing(view: &DeviceView) -> Fragment {
    let (button, enabled) = match view.status {
        Status::Waiting => ("Approve", true),
        Status::Blocked => ("Unblock", true),
        Status::Registered | Status::Provisioned => ("Block", false),
    };
    let content = html! {
        div.standing {
            (connection(view.online)) (view.status.badge())
            form method="post" action={ (format::device_path(&view.id)) "/enabled" } data-answer="answer" {
                button #enabled.plain name="enabled" value=(enabled) { (button) }
            }
            @if !view.online { (retry::button(&view.id)) }
        }
    };
    Fragment::new("standing", content)
}

/// In place of a device that the application does not know. What was refused to it says why it is not there.
pub(crate) fn unknown(page: &Page, id: &str) -> Response {
    let refusal = page.view.refused_device(id);
    let Some(refusal) = refusal.filter(|refusal| refusal.admitted().is_none()) else {
        return missing::thing(page, "device", id, "/devices", "All devices");
    };
    let events = page.view.journal().tail(EVENTS, |entry| journal::is_of(entry, id));
    let content = html! {
        p.trail { a href="/devices" { "Devices" } " /" }
        h1 { (refusal.id()) }
        section {
            p { "The application has no such device, but a client that calls itself so has tried to get in." }
            (refused::link(&refusal))
            (retry::button(id))
            div #answer role="status" {}
        }
        section { h2 { "What happened" } (journal::list(&events, false)) }
    };
    let content = layout::inside(page, id, "/devices", None, content);
    (StatusCode::NOT_FOUND, content).into_response()
}
