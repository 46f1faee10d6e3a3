//! Device templates: the list, a new one, and one with what its devices can do.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use iot_emulator::view::Template;
use maud::{Markup, html};
use serde_json::Value;

mod capability;
mod new;

use crate::forms::{Done, Problem, ask, done};
use crate::{Page, format, layout, missing};

/// Largest template that a person may send: what the interface takes.
const MAX_TEMPLATE: usize = 1024 * 1024;

pub(crate) fn router() -> Router<Page> {
    let new = get(new::show).post(new::make);
    Router::new()
        .route("/templates", get(list))
        .route("/new/template", new.layer(DefaultBodyLimit::max(MAX_TEMPLATE)))
        .route("/templates/{id}", get(show))
        .route("/templates/{id}/delete", post(delete))
}

fn path(id: &str) -> String {
    format!("/templates/{}", format::encoded(id))
}

/// A template in the REST interface.
fn resource(id: &str) -> String {
    format!("/api/deviceTemplates/{}", format::encoded(id))
}

async fn list(State(page): State<Page>, done: Result<Query<Done>, QueryRejection>) -> Markup {
    let application = page.view.application();
    let mut devices: BTreeMap<&str, usize> = BTreeMap::new();
    let assigned = application.devices().filter_map(|(_, device)| device.template_id());
    assigned.for_each(|id| *devices.entry(id).or_default() += 1);
    let content = html! {
        div.title {
            h1 { "Device templates" }
            a.button #new href="/new/template" { "New template" }
        }
        (Done::of(done).notice())
        section {
            @if application.templates().next().is_none() {
                p { "There is no template yet. One comes by itself with the first device that announces a model of the public samples." }
            }
            @else {
                table {
                    thead { tr { th scope="col" { "Template" } th scope="col" { "Model" } th scope="col" { "Components" } th.number scope="col" { "Devices" } } }
                    tbody {
                        @for template in application.templates() {
                            (row(&template, devices.get(template.id()).copied().unwrap_or_default()))
                        }
                    }
                }
            }
        }
    };
    layout::inside(&page, "Device templates", "/templates", None, content)
}

fn row(template: &Template<'_>, devices: usize) -> Markup {
    let components: Vec<_> = template.components().collect();
    html! {
        tr {
            th scope="row" { a href=(path(template.id())) { (template.display_name()) } }
            td data-label="Model" { code { (template.model_id().unwrap_or("–")) } }
            td data-label="Components" { (components.join(", ")) }
            td.number data-label="Devices" { a href=(devices_of(template.id())) { (format::count(devices)) } }
        }
    }
}

fn devices_of(id: &str) -> String {
    format!("/devices?template={}", format::encoded(id))
}

async fn show(State(page): State<Page>, Path(id): Path<String>, done: Result<Query<Done>, QueryRejection>) -> Response {
    view(&page, &id, &Done::of(done).notice())
}

async fn delete(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let answer = page.call(Method::DELETE, &resource(&id), String::new()).await;
    match Problem::of("", &answer) {
        Ok(()) => done("/templates", "template-deleted"),
        Err(problem) => {
            let notice = problem.notice();
            (problem.status, view(&page, &id, &notice)).into_response()
        }
    }
}

fn view(page: &Page, id: &str, notice: &Markup) -> Response {
    let application = page.view.application();
    let Some(template) = application.template(id) else {
        return missing::thing(page, "template", id, "/templates", "All templates");
    };
    let words = html! { "Its devices stay, and are unassigned then." };
    let document = Value::from(template.document().clone());
    let content = html! {
        p.trail { a href="/templates" { "Device templates" } " /" }
        h1 { (template.display_name()) }
        (notice)
        div.columns {
            div {
                section.first { h2 { "What its devices can do" } (capability::table(&document)) }
                section { details { summary #json { "As JSON" } pre { (format!("{document:#}")) } } }
            }
            div {
                section.second {
                    h2 { "About it" }
                    dl.facts {
                        dt { "Template ID" } dd { (template.id()) }
                        dt { "Model" } dd { (template.model_id().unwrap_or("–")) }
                        dt { "Devices" } dd { a href=(devices_of(id)) { "with this template" } }
                    }
                }
                section { (ask("delete", "Delete the template", &format!("{}/delete", path(id)), &words)) }
            }
        }
    };
    layout::inside(page, template.display_name(), "/templates", None, content).into_response()
}
