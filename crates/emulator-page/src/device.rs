//! One device: its temperature as it comes, its properties, what can be asked of it, and what happened to it.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use iot_emulator::view::{self, Command, Device};
use iot_emulator::{Entry, Event};
use live_page::Fragment;
use maud::{Markup, html};

mod answered;
mod connect;
mod frame;
mod raw;

use connect::Removal;
use frame::{EVENTS, Tab};

use crate::device_view::DeviceView;
use crate::forms::{self, Done, Problem};
use crate::{
    Page, certificate, chart, commands, format, journal, live, presented, properties, refused, telemetry, unmodeled,
};

pub(crate) const TARGET: &str = "targetTemperature";
pub(crate) const REPORT: &str = "getMaxMinReport";

/// The views of one device, and what is changed of it. What is asked of it is in `actions`.
pub(crate) fn router() -> Router<Page> {
    let remove = |removal| post(connect::remove).layer(Extension(removal));
    Router::new()
        .route("/devices/{id}", get(show))
        .route("/live/devices/{id}", get(live))
        .route("/devices/{id}/delete", post(delete))
        .route("/devices/{id}/connect", get(connect::show).post(connect::save))
        .route("/live/devices/{id}/connect", get(connect::live))
        .route("/devices/{id}/raw", get(raw::show))
        .route("/live/devices/{id}/raw", get(raw::live))
        .route("/devices/{id}/commands", get(answered::show))
        .route("/live/devices/{id}/commands", get(answered::live))
        .route("/devices/{id}/connect/delete", remove(Removal::All))
        .route("/devices/{id}/connect/delete-secondary", remove(Removal::Secondary))
}

async fn show(State(page): State<Page>, Path(id): Path<String>, done: Result<Query<Done>, QueryRejection>) -> Response {
    shown(&page, &id, StatusCode::OK, &Done::of(done).notice(), None)
}

async fn live(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, move |page| fragments(page, &id).into_iter().flatten())
}

async fn delete(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let path = format!("/api/devices/{}", format::encoded(&id));
    let answer = page.call(Method::DELETE, &path, String::new()).await;
    match Problem::of("", &answer) {
        Ok(()) => forms::done("/devices", "device-deleted"),
        Err(problem) => {
            let notice = problem.notice();
            shown(&page, &id, problem.status, &notice, None)
        }
    }
}

/// The view, with the result of the last action.
pub(crate) fn view(page: &Page, id: &str, status: StatusCode, answer: Option<Markup>) -> Response {
    shown(page, id, status, &html! {}, answer)
}

fn shown(page: &Page, id: &str, status: StatusCode, notice: &Markup, answer: Option<Markup>) -> Response {
    let Some([standing, chart, telemetry, properties, controls, facts, events]) = fragments(page, id) else {
        return frame::unknown(page, id);
    };
    let delete = format!("{}/delete", format::device_path(id));
    let words =
        html! { "Its twin, its messages and its individual enrollment go with it. A group may let it in again." };
    let content = html! {
        (notice)
        div.columns {
            div {
                section.first { h2 { "Temperature" } (chart) }
                section { h2 { "Telemetry" } (telemetry) }
                section { h2 { "Properties" } (properties) }
                section { h2 { "What happened" } (events) }
            }
            div {
                section.second {
                    h2 { "Ask the device" }
                    (controls)
                    div #answer role="status" { @if let Some(answer) = answer { (answer) } }
                }
                section { h2 { "About it" } (facts) }
                section { (forms::ask("delete", "Delete the device", &delete, &words)) }
            }
        }
    };
    (status, frame::around(page, id, Tab::Overview, &standing, &content)).into_response()
}

fn fragments(page: &Page, id: &str) -> Option<[Fragment; 7]> {
    let application = page.view.application();
    let device = application.device(id)?;
    let view = DeviceView::at(&device);
    let unmodeled = device.unmodeled();
    let mut thermostats = device.places_of(TARGET);
    let mut commands = device.commands();
    // Highest and lowest have a form of their own.
    commands.retain(|command| command.name != REPORT);
    let (mut chart, mut known) = (html! { p.quiet { "It has never been connected." } }, Vec::new());
    let mut values = Vec::new();
    if let Some(in_hub) = device.in_hub() {
        let state = in_hub.read();
        known = properties::of(&state);
        values.extend(state.values().filter_map(|(component, name, at, json)| {
            Some(telemetry::Last {
                component: component.map(Into::into),
                name: name.to_owned(),
                at,
                value: serde_json::from_str(json).ok()?,
            })
        }));
        let history = page.shared.histories.look(device.id(), state.numbers("temperature"));
        drop(state);
        let targets = known.iter().filter(|property| property.name == TARGET);
        thermostats.extend(targets.clone().map(|property| property.component.clone()));
        let in_force =
            targets.filter_map(|target| Some((target.component.clone(), target.reported.as_ref()?.as_f64()?)));
        chart = chart::temperature::draw(&history, &in_force.collect::<Vec<_>>());
    }
    thermostats.sort_unstable();
    thermostats.dedup();
    let events = events_of(page, id);
    let part = Fragment::new;
    Some([
        frame::standing(&view),
        part("chart", chart),
        part(
            "telemetry",
            html! { (telemetry::table(&values, view::now())) (unmodeled::table(&unmodeled, view::now())) },
        ),
        part("properties", properties::table(&known)),
        part("controls", controls(&view.id, &thermostats, &commands)),
        part(
            "facts",
            html! {
                (facts(&view, &device)) (presented::of_device(&device))
                @if let Some(refusal) = page.view.refused_device(id) { (refused::link(&refusal)) }
            },
        ),
        part("events", journal::list(&events, false)),
    ])
}

/// The last events of a device. Of its reports, which it sends all the time, the last one is enough.
fn events_of(page: &Page, id: &str) -> Vec<Entry> {
    let is_report = |entry: &Entry| matches!(entry.event, Event::Reported { .. });
    let journal = page.view.journal();
    let mut events = journal.tail(1, |entry| is_report(entry) && journal::is_of(entry, id));
    events.extend(journal.tail(EVENTS, |entry| !is_report(entry) && journal::is_of(entry, id)));
    events.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.seq));
    events
}

fn controls(id: &str, thermostats: &[Option<String>], commands: &[Command]) -> Markup {
    let path = format::device_path(id);
    html! {
        @if thermostats.is_empty() && commands.is_empty() { p.quiet { "No thermostat of it is known: its model has none, or it has not announced it yet." } }
        @if !thermostats.is_empty() {
            form.control method="post" action={ (path) "/target" } data-answer="answer" {
                (choice(thermostats, "target-thermostat"))
                label for="target" { "Target temperature, °C" }
                div.row {
                    input #target name="target" type="number" step="0.1" inputmode="decimal" required;
                    button type="submit" { "Set target" }
                }
            }
            form.control method="post" action={ (path) "/report" } data-answer="answer" {
                (choice(thermostats, "report-thermostat"))
                label for="minutes" { "Highest and lowest temperature of the last" }
                div.row {
                    select #minutes name="minutes" {
                        @for (minutes, text) in [(1, "minute"), (5, "5 minutes"), (15, "15 minutes"), (60, "hour"), (1440, "day")] {
                            option value=(minutes) selected[minutes == 5] { (text) }
                        }
                    }
                    button type="submit" { "Run " (REPORT) }
                }
            }
        }
        (commands::forms(&path, commands))
    }
}

/// Which thermostat, where there is a choice.
fn choice(thermostats: &[Option<String>], id: &str) -> Markup {
    html! {
        @match thermostats {
            [only] => input type="hidden" name="thermostat" value=(only.as_deref().unwrap_or_default());,
            _ => {
                label for=(id) { "Thermostat" }
                select id=(id) name="thermostat" {
                    @for thermostat in thermostats {
                        option value=(thermostat.as_deref().unwrap_or_default()) { (format::thermostat(thermostat.as_deref())) }
                    }
                }
            }
        }
    }
}

fn facts(view: &DeviceView, device: &Device<'_>) -> Markup {
    let now = view::now();
    html! {
        dl.facts {
            @if view.name != view.id { dt { "Name" } dd { (view.name) } }
            dt { "Model" } dd { (view.model.as_deref().unwrap_or("not announced")) }
            dt { "Hub" } dd { (view.hub.as_deref().unwrap_or("not assigned")) }
            dt { "Telemetry" } dd { (format::count(view.received)) " messages" }
            dt { "Last telemetry" } dd { @match view.last { Some(at) => (format::moment(at, now)), None => "none" } }
            dt { "Enrollment" } dd { (view.enrollment()) }
        }
        @if device.is_individual() {
            table.facts-certificates { tbody {
                @for certificate in device.certificates() { tr { (certificate::cells(certificate, now)) } }
            } }
            @for (place, shown) in ["primary", "secondary"].into_iter().zip(device.certificates()) {
                @if !shown.is_named(&view.id) { (certificate::misnamed(place, shown)) }
            }
        }
    }
}
