//! One device: its temperature as it comes, its properties, what can be asked of it, and what happened to it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use iot_emulator::view::{self, Command, Device};
use maud::{Markup, html};

use crate::device_view::{DeviceView, Status, connection};
use crate::layout::{self, Fragment};
use crate::{Page, chart, commands, format, groups, journal, live, missing, properties, telemetry};

const EVENTS: usize = 12;
pub(crate) const TARGET: &str = "targetTemperature";
pub(crate) const REPORT: &str = "getMaxMinReport";

pub(crate) async fn show(State(page): State<Page>, Path(id): Path<String>) -> Response {
    view(&page, &id, StatusCode::OK, None)
}

pub(crate) async fn live(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, move |page| {
        fragments(page, &id).map(Vec::from).unwrap_or_default()
    })
}

/// The view, with the result of the last action.
pub(crate) fn view(page: &Page, id: &str, status: StatusCode, answer: Option<Markup>) -> Response {
    let path = format::device_path(id);
    let Some([standing, chart, telemetry, properties, controls, facts, events]) = fragments(page, id) else {
        return missing::thing(page, "device", id, "/devices", "All devices");
    };
    let content = html! {
        p.trail { a href="/devices" { "Devices" } " /" }
        div.title { h1 { (id) } (standing) }
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
            }
        }
    };
    let content = layout::inside(page, id, "/devices", Some(&format!("/live{path}")), content);
    (status, content).into_response()
}

fn fragments(page: &Page, id: &str) -> Option<[Fragment; 7]> {
    let application = page.view.application();
    let device = application.device(id)?;
    let view = DeviceView::at(&device);
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
        chart = chart::draw(&history, &in_force.collect::<Vec<_>>());
    }
    thermostats.sort_unstable();
    thermostats.dedup();
    let events = page.view.journal().tail(EVENTS, |entry| {
        entry
            .device
            .as_deref()
            .is_some_and(|device| device.eq_ignore_ascii_case(id))
    });
    let part = |id, content| Fragment { id, content };
    Some([
        part("standing", standing(&view)),
        part("chart", chart),
        part("telemetry", telemetry::table(&values, view::now())),
        part("properties", properties::table(&known)),
        part("controls", controls(&view.id, &thermostats, &commands)),
        part("facts", facts(&view, &device)),
        part("events", journal::list(&events, false)),
    ])
}

fn standing(view: &DeviceView) -> Markup {
    let (button, enabled) = match view.status {
        Status::Waiting => ("Approve", true),
        Status::Blocked => ("Unblock", true),
        Status::Registered | Status::Provisioned => ("Block", false),
    };
    html! {
        div.standing {
            (connection(view.online)) (view.status.badge())
            form method="post" action={ (format::device_path(&view.id)) "/enabled" } data-answer="answer" {
                button #enabled.plain name="enabled" value=(enabled) { (button) }
            }
        }
    }
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
            dt { "Model" } dd { (view.model.as_deref().unwrap_or("not announced")) }
            dt { "Hub" } dd { (view.hub.as_deref().unwrap_or("not assigned")) }
            dt { "Telemetry" } dd { (format::count(view.received)) " messages" }
            dt { "Last telemetry" } dd { @match view.last { Some(at) => (format::moment(at, now)), None => "none" } }
            dt { "Enrollment" } dd { (if device.is_individual() { "individual" } else { "by group" }) }
        }
        @if device.is_individual() {
            table.facts-certificates { tbody {
                @for certificate in device.certificates() { tr { (groups::certificate(certificate, now)) } }
            } }
            @for (place, certificate) in ["primary", "secondary"].into_iter().zip(device.certificates()) {
                @if !certificate.is_named(&view.id) {
                    div.notice { p {
                        "The " (place) " certificate is for " (certificate.subject()) ", and its common name is not the device id: DPS refuses a device that shows it."
                    } }
                }
            }
        }
    }
}
