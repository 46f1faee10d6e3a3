//! One group: how it stands, its certificates, and how many devices came through it.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use iot_emulator::view::{Application, Group};
use live_page::Fragment;
use maud::{Markup, html};
use serde_json::json;

use super::{Slot, list, resource};
use crate::counts::Members;
use crate::forms::{Done, Problem, Sent, ask, copyable, done};
use crate::{Page, certificate, format, layout, live, missing};

pub(crate) async fn show(
    State(page): State<Page>,
    Path(id): Path<String>,
    done: Result<Query<Done>, QueryRejection>,
) -> Response {
    view(&page, &id, &Done::of(done).notice())
}

pub(crate) async fn live(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, move |page| fragments(page, &id).into_iter().flatten())
}

/// Enables the group, or disables it.
pub(crate) async fn set_enabled(
    State(page): State<Page>,
    Path(id): Path<String>,
    sent: Result<Sent, Problem>,
) -> Response {
    let enable = sent.is_ok_and(|sent| sent.text("enabled") == "true");
    let body = json!({ "enabled": enable }).to_string();
    let answer = page.call(Method::PATCH, &resource(&id), body).await;
    match Problem::of("", &answer) {
        Ok(()) => done(&format::group_path(&id), if enable { "enabled" } else { "disabled" }),
        Err(problem) => refused(&page, &id, &problem),
    }
}

pub(crate) async fn delete(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let answer = page.call(Method::DELETE, &resource(&id), String::new()).await;
    match Problem::of("", &answer) {
        Ok(()) => done("/groups", "group-deleted"),
        Err(problem) => refused(&page, &id, &problem),
    }
}

fn refused(page: &Page, id: &str, problem: &Problem) -> Response {
    let notice = problem.notice();
    (problem.status, view(page, id, &notice)).into_response()
}

fn view(page: &Page, id: &str, notice: &Markup) -> Response {
    let counts = page.counts();
    let application = page.view.application();
    let Some(group) = application.group(id) else {
        return missing::thing(page, "group", id, "/groups", "All groups");
    };
    let [standing, certificates, members] = parts(&application, &group, counts.members(id));
    let path = format::group_path(id);
    let name = group.display_name();
    let words = html! {
        "The devices that came through it stay, and are refused when they register again: none of its certificates counts any more."
    };
    let content = html! {
        p.trail { a href="/groups" { "Device connection groups" } " /" }
        div.title { h1 { (name) } (standing) }
        (notice)
        div.columns {
            div {
                section.first { h2 { "Certificates" } (certificates) }
                section { h2 { "Devices" } (members) }
            }
            div {
                section.second { h2 { "About it" } (facts(page, &group)) }
                section { (ask("delete", "Delete the group", &format!("{path}/delete"), &words)) }
            }
        }
    };
    layout::inside(page, name, "/groups", Some(&format!("/live{path}")), content).into_response()
}

fn fragments(page: &Page, id: &str) -> Option<[Fragment; 3]> {
    let counts = page.counts();
    let application = page.view.application();
    let group = application.group(id)?;
    Some(parts(&application, &group, counts.members(id)))
}

/// What changes in the view.
fn parts(application: &Application<'_>, group: &Group<'_>, came: Members) -> [Fragment; 3] {
    [
        Fragment::new("standing", standing(group)),
        Fragment::new("certificates", certificates(application, group)),
        Fragment::new("members", members(group.id(), came)),
    ]
}

fn standing(group: &Group<'_>) -> Markup {
    let word = if group.is_enabled() { "Disable" } else { "Enable" };
    html! {
        div.standing {
            (super::enabled(group))
            form method="post" action={ (format::group_path(group.id())) "/enabled" } {
                button #enabled.plain name="enabled" value=(!group.is_enabled()) { (word) }
            }
        }
    }
}

/// Both places, of which one may be empty.
fn certificates(application: &Application<'_>, group: &Group<'_>) -> Markup {
    html! {
        div.slots {
            @for slot in Slot::ALL {
                div {
                    h3 { (slot.word()) " " (super::proof(group, slot)) }
                    @if let Some(signing) = slot.of(group) { (certificate::of_group(application, signing.certificate)) }
                    p { a.button.plain id={ "manage-" (slot.key()) } href=(slot.path(group.id())) { "Manage " (slot.key()) } }
                }
            }
        }
    }
}

fn members(id: &str, members: Members) -> Markup {
    html! {
        @if members.total == 0 { p.quiet { "No device has come through it yet." } }
        @else {
            p {
                a href={ "/devices?group=" (format::encoded(id)) } { (format::count(members.total)) " came through it" }
                ", " (format::count(members.online)) " of them online."
            }
        }
    }
}

fn facts(page: &Page, group: &Group<'_>) -> Markup {
    html! {
        dl.facts {
            dt { "Group ID" } dd { (group.id()) }
            dt { "Group type" } dd { (list::kind(group)) }
            dt { "Attestation" } dd { "Certificates (X.509)" }
            dt { "ID scope" } dd { (copyable("id-scope", page.view.id_scope().as_str())) }
        }
    }
}
