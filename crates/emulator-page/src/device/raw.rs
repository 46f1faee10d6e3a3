//! The raw data of a device: its last telemetry messages as they came.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use iot_emulator::view::{self, Message};
use jiff::Timestamp;
use live_page::Fragment;
use maud::{Markup, html};

use super::frame::{self, Tab};
use crate::device_view::DeviceView;
use crate::{Page, format, live, unmodeled};

pub(crate) async fn show(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let Some([standing, messages]) = fragments(&page, &id) else {
        return frame::unknown(&page, &id);
    };
    let content = html! {
        section {
            h2 { "Raw data" }
            p.quiet { "The last 20 telemetry messages at most, the newest first, as the device sent them." }
            (messages)
        }
    };
    frame::around(&page, &id, Tab::Raw, &standing, &content).into_response()
}

pub(crate) async fn live(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, move |page| fragments(page, &id).into_iter().flatten())
}

fn fragments(page: &Page, id: &str) -> Option<[Fragment; 2]> {
    let application = page.view.application();
    let device = application.device(id)?;
    let view = DeviceView::at(&device);
    let messages = device
        .in_hub()
        .map(|in_hub| in_hub.read().messages())
        .unwrap_or_default();
    let topic = format!("devices/{}/messages/events/", view.id);
    let content = html! {
        (unmodeled::table(&device.unmodeled(), view::now()))
        @if messages.is_empty() { p { "No message has come, or it was not kept. The next one will be." } }
        @else {
            p { span.quiet { "Topic " } code { (topic) } span.quiet { " and the properties" } }
            table.raw {
                thead { tr { th scope="col" { "Received" } th scope="col" { "Properties" } th scope="col" { "Body" } } }
                tbody { @for message in &messages { (row(message, view::now())) } }
            }
        }
    };
    Some([frame::standing(&view), Fragment::new("messages", content)])
}

fn row(message: &Message, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="Received" { div { (format::moment(message.at, now)) div.quiet { (format::count(message.size)) " bytes" } } }
            td data-label="Properties" {
                @match &message.taken_apart {
                    Some(pairs) => ul.plain {
                        @for (name, value) in pairs {
                            li { code { (name) } @if let Some(value) = value { " " (value) } }
                        }
                    },
                    None => code { (message.properties) "…" },
                }
            }
            td data-label="Body" { pre { (message.body) @if message.is_cut { "…" } } }
        }
    }
}
