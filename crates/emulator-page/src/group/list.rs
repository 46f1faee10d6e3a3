//! All groups.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use iot_emulator::view::Group;
use live_page::Fragment;
use maud::{Markup, html};

use super::{Slot, enabled, proof};
use crate::counts::Members;
use crate::forms::Done;
use crate::{Page, format, layout, live};

pub(crate) async fn show(State(page): State<Page>, done: Result<Query<Done>, QueryRejection>) -> Markup {
    let [list] = fragments(&page);
    let content = html! {
        div.title {
            h1 { "Device connection groups" }
            a.button #new href="/new/group" { "New group" }
        }
        (Done::of(done).notice())
        section { (list) }
    };
    layout::inside(
        &page,
        "Device connection groups",
        "/groups",
        Some("/live/groups"),
        content,
    )
}

pub(crate) async fn live(State(page): State<Page>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, fragments)
}

fn fragments(page: &Page) -> [Fragment; 1] {
    let counts = page.counts();
    let application = page.view.application();
    let content = html! {
        @if application.groups().next().is_none() {
            p { "There is no group yet. A group trusts the certificate of a CA, and admits every device whose chain leads to it." }
        }
        @else {
            table {
                thead { tr {
                    th scope="col" { "Group" } th scope="col" { "Type" } th scope="col" { "Status" }
                    @for slot in Slot::ALL { th scope="col" { (slot.word()) } }
                    th.number scope="col" { "Devices" } th.number scope="col" { "Online" }
                } }
                tbody { @for group in application.groups() { (row(&group, counts.members(group.id()))) } }
            }
        }
    };
    [Fragment::new("list", content)]
}

fn row(group: &Group<'_>, members: Members) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(format::group_path(group.id())) { (group.display_name()) } }
            td data-label="Type" { (kind(group)) }
            td data-label="Status" { (enabled(group)) }
            @for slot in Slot::ALL { td data-label=(slot.word()) { (proof(group, slot)) } }
            td.number data-label="Devices" { (format::count(members.total)) }
            td.number data-label="Online" { (format::count(members.online)) }
        }
    }
}

pub(super) fn kind(group: &Group<'_>) -> &'static str {
    if group.is_edge() {
        "IoT Edge devices"
    } else {
        "IoT devices"
    }
}
