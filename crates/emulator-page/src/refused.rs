//! Devices that were refused: what each sent, and why that was not enough. The device itself gets one answer for most
//! reasons, as from Azure.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use iot_emulator::view::{self, RefusedDevice};
use iot_emulator::{RefusalReason, Service};
use jiff::Timestamp;
use live_page::Fragment;
use maud::{Markup, html};

use crate::{Page, format, layout, live, presented};

mod now;

pub(crate) use now::Refusals;

/// Refused devices that are listed.
const SHOWN: usize = 200;

pub(crate) async fn show(State(page): State<Page>) -> Markup {
    let content = html! { h1 { "Refused devices" } (all(&page)) };
    layout::inside(&page, "Refused devices", "", Some("/live/refused"), content)
}

pub(crate) async fn live(State(page): State<Page>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, |page| [all(page)])
}

pub(crate) async fn show_one(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let Some(one) = one(&page, &id) else {
        let content = html! {
            h1 { "Not refused" }
            p { "No device " code { (id) } " is among those that were refused last." }
            p { a href="/refused" { "All refused devices" } }
        };
        let content = layout::inside(&page, "Not refused", "", None, content);
        return (StatusCode::NOT_FOUND, content).into_response();
    };
    let content = html! {
        p.trail { a href="/refused" { "Refused devices" } " /" }
        h1 { (id) }
        (one)
    };
    layout::inside(&page, &id, "", Some(&format!("/live{}", path(&id))), content).into_response()
}

pub(crate) async fn live_one(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, move |page| one(page, &id))
}

/// Where a refused device is shown.
pub(crate) fn path(id: &str) -> String {
    format!("/refused/{}", format::encoded(id))
}

/// Its last refusal, for the page of a device, also of one that the application does not have.
pub(crate) fn link(refusal: &RefusedDevice) -> Markup {
    html! {
        p.quiet {
            "Refused " (format::moment(refusal.at(), view::now())) ": " (refusal.reason()) ". "
            a href=(path(refusal.id())) { "What it sent" }
        }
    }
}

/// Why a device was refused, and when, beside how it stands.
pub(crate) fn reason(refusal: &RefusedDevice, now: Timestamp) -> Markup {
    html! { div.refusal { span.badge.bad { "refused" } " " (refusal.reason()) ", " (format::moment(refusal.at(), now)) } }
}

fn all(page: &Page) -> Fragment {
    let mut refused = page.view.refused();
    // Those that are still out come first.
    refused.sort_by_key(|device| device.admitted().is_some());
    let now = view::now();
    let content = html! {
        @if refused.is_empty() { p.quiet { "No device has been refused since the start." } }
        @else {
            p.quiet { "Those that are still out come first. A device gets the same answer for most of these reasons, as from Azure." }
            table {
                thead { tr {
                    th scope="col" { "Device" } th scope="col" { "Last" } th scope="col" { "Times" }
                    th scope="col" { "Why" } th scope="col" { "Since then" }
                } }
                tbody {
                    @for device in refused.iter().take(SHOWN) {
                        tr {
                            th scope="row" { a href=(path(device.id())) { (device.id()) } }
                            td data-label="Last" { (format::moment(device.at(), now)) }
                            td data-label="Times" { (format::count(device.count())) }
                            td data-label="Why" { span.badge.bad { (word(device.why())) } " " (device.reason()) }
                            td data-label="Since then" { (since(device, now)) }
                        }
                    }
                }
            }
            @if refused.len() > SHOWN { p.quiet { (format::count(refused.len() - SHOWN)) " more are not listed." } }
        }
    };
    Fragment::new("refused-devices", content)
}

fn one(page: &Page, id: &str) -> Option<Fragment> {
    let device = page.view.refused_device(id)?;
    let now = view::now();
    let mut sent = device.sent();
    let leaf = sent.next();
    let above: Vec<_> = sent.collect();
    let by = match device.service() {
        Service::Dps => "DPS",
        Service::Hub => "its hub",
    };
    let content = html! {
        div.columns {
            div { section {
                h2 { "Why it was refused" }
                div.notice { p { (device.reason()) } }
                dl.facts {
                    dt { "In a word" } dd { (word(device.why())) }
                    dt { "By" } dd { (by) }
                    dt { "Last" } dd { (format::moment(device.at(), now)) }
                    dt { "Times" } dd { (format::count(device.count())) }
                    dt { "Since then" } dd { (since(&device, now)) }
                }
            } }
            div { section {
                h2 { "What it sent" }
                @match &leaf {
                    None => p.quiet { "No certificate." },
                    Some(leaf) => { (presented::facts(leaf, now, html! {})) (presented::chain(&above, now)) },
                }
            } }
        }
    };
    Some(Fragment::new("refused-device", content))
}

fn since(device: &RefusedDevice, now: Timestamp) -> Markup {
    html! {
        @match device.admitted() {
            Some(at) => { span.badge.good { "admitted" } " " (format::moment(at, now)) " " a href=(format::device_path(device.id())) { "its page" } },
            None => span.quiet { "nothing" },
        }
    }
}

fn word(why: RefusalReason) -> String {
    let word = serde_json::to_value(why).unwrap_or_default();
    word.as_str().unwrap_or_default().replace('_', " ")
}
