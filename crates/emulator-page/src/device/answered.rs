//! The commands of a device: forms for those of its template, and what it has answered.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use iot_emulator::view::{self, Answered};
use jiff::Timestamp;
use live_page::Fragment;
use maud::{Markup, html};

use super::frame::{self, Tab};
use crate::device_view::DeviceView;
use crate::{Page, commands, format, live};

pub(crate) async fn show(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let Some([standing, history, forms]) = fragments(&page, &id) else {
        return frame::unknown(&page, &id);
    };
    let content = html! {
        div.columns {
            div { section { h2 { "Answered" } (history) } }
            div {
                section.second {
                    h2 { "Run a command" }
                    (forms)
                    div #answer role="status" {}
                }
            }
        }
    };
    frame::around(&page, &id, Tab::Commands, &standing, &content).into_response()
}

pub(crate) async fn live(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, move |page| fragments(page, &id).into_iter().flatten())
}

fn fragments(page: &Page, id: &str) -> Option<[Fragment; 3]> {
    let application = page.view.application();
    let device = application.device(id)?;
    let view = DeviceView::at(&device);
    let all: Vec<_> = device.answered().collect();
    let history = html! {
        @if all.is_empty() { p.quiet { "It has answered no command since the start of the emulator." } }
        @else {
            table {
                thead { tr {
                    th scope="col" { "Answered" } th scope="col" { "Command" } th scope="col" { "Request" }
                    th scope="col" { "Status" } th scope="col" { "Response" }
                } }
                tbody { @for answered in all { (row(&answered, view::now())) } }
            }
        }
    };
    let known = device.commands();
    let forms = html! {
        @if known.is_empty() { p.quiet { "Its template has no command, or it has no template." } }
        (commands::forms(&format::device_path(&view.id), &known))
    };
    Some([
        frame::standing(&view),
        Fragment::new("history", history),
        Fragment::new("controls", forms),
    ])
}

fn row(answered: &Answered<'_>, now: Timestamp) -> Markup {
    let name = answered.method().replace('*', ": ");
    html! {
        tr {
            td data-label="Answered" { (format::moment(answered.at(), now)) }
            th scope="row" { (name) }
            td data-label="Request" { @if let Some(request) = answered.request() { code { (format::value(request)) } } }
            td data-label="Status" { (answered.response_code()) }
            td data-label="Response" { @if let Some(response) = answered.response() { code { (format::value(response)) } } }
        }
    }
}
