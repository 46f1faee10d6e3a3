//! What a person asks of a device. It goes through the REST interface, as a script's request does.

use std::time::Duration;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use iot_emulator::view::{self, Command};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api_client::reason;
use crate::commands::Kind;
use crate::device::{REPORT, TARGET};
use crate::forms::UNREADABLE;
use crate::{Page, device, format};

#[derive(Deserialize)]
pub(crate) struct Target {
    #[serde(default)]
    thermostat: String,
    target: String,
}

#[derive(Deserialize)]
pub(crate) struct Period {
    #[serde(default)]
    thermostat: String,
    minutes: u16,
}

#[derive(Deserialize)]
pub(crate) struct Run {
    #[serde(default)]
    component: String,
    command: String,
    #[serde(default)]
    request: String,
}

#[derive(Deserialize)]
pub(crate) struct Enabled {
    enabled: bool,
}

pub(crate) async fn set_target(
    State(page): State<Page>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Target>, FormRejection>,
) -> Response {
    let Ok(Form(Target { thermostat, target })) = form else {
        return page.answer(&id, &headers, StatusCode::BAD_REQUEST, bad(UNREADABLE));
    };
    let degrees = target
        .trim()
        .replace(',', ".")
        .parse()
        .ok()
        .filter(|degrees: &f64| degrees.is_finite());
    let Some(degrees) = degrees else {
        return page.answer(
            &id,
            &headers,
            StatusCode::BAD_REQUEST,
            bad("A target is a number of degrees."),
        );
    };
    let path = format!("{}/properties", place(&id, &thermostat));
    let (status, reply) = page
        .call(Method::PATCH, &path, json!({ TARGET: degrees }).to_string())
        .await;
    let answer = match status.is_success() {
        true => {
            html! { p { "Asked for " strong { (format::celsius(degrees)) } ". The device answers under Properties." } }
        }
        false => refused(&reply),
    };
    page.answer(&id, &headers, status, answer)
}

pub(crate) async fn run_report(
    State(page): State<Page>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Period>, FormRejection>,
) -> Response {
    let Ok(Form(Period { thermostat, minutes })) = form else {
        return page.answer(&id, &headers, StatusCode::BAD_REQUEST, bad(UNREADABLE));
    };
    let since = view::now() - Duration::from_secs(u64::from(minutes) * 60);
    let path = format!("{}/commands/{REPORT}", place(&id, &thermostat));
    let (status, reply) = page
        .call(
            Method::POST,
            &path,
            json!({ "request": view::millis(since) }).to_string(),
        )
        .await;
    let answer = match status.is_success() {
        true => report(&reply),
        false => refused(&reply),
    };
    page.answer(&id, &headers, status, answer)
}

/// Gives a command of the device's template, by way of the REST interface.
pub(crate) async fn run_command(
    State(page): State<Page>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Run>, FormRejection>,
) -> Response {
    let Ok(Form(run)) = form else {
        return page.answer(&id, &headers, StatusCode::BAD_REQUEST, bad(UNREADABLE));
    };
    let Some(command) = known(&page, &id, &run) else {
        let answer = bad("The device’s template has no such command.");
        return page.answer(&id, &headers, StatusCode::NOT_FOUND, answer);
    };
    let request = command.request.as_ref();
    let request = match request
        .map(|request| Kind::of(&request.schema).read(&run.request))
        .transpose()
    {
        Ok(request) => request,
        Err(wanted) => return page.answer(&id, &headers, StatusCode::BAD_REQUEST, bad(wanted)),
    };
    let path = format!(
        "{}/commands/{}",
        place(&id, &run.component),
        format::encoded(&run.command)
    );
    let body = request.map_or_else(|| json!({}), |request| json!({ "request": request }));
    let (status, reply) = page.call(Method::POST, &path, body.to_string()).await;
    let answer = match status.is_success() {
        true => html! {
            p { (command.name) " answered " strong { (format::value(&reply["responseCode"])) } }
            @if !reply["response"].is_null() { pre { (format::value(&reply["response"])) } }
        },
        false => refused(&reply),
    };
    page.answer(&id, &headers, status, answer)
}

pub(crate) async fn set_enabled(
    State(page): State<Page>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Enabled>, FormRejection>,
) -> Response {
    let Ok(Form(Enabled { enabled })) = form else {
        return page.answer(&id, &headers, StatusCode::BAD_REQUEST, bad(UNREADABLE));
    };
    let path = format!("/api/devices/{}", format::encoded(&id));
    let (status, reply) = page
        .call(Method::PATCH, &path, json!({ "enabled": enabled }).to_string())
        .await;
    let answer = match (status.is_success(), enabled) {
        (true, true) => html! { p { "The device may connect again." } },
        (true, false) => html! { p { "The device is blocked: its connection is closed, and it gets no other." } },
        (false, _) => refused(&reply),
    };
    page.answer(&id, &headers, status, answer)
}

fn known(page: &Page, id: &str, run: &Run) -> Option<Command> {
    let commands = page.view.application().device(id)?.commands();
    let is_it = |command: &Command| {
        command.name == run.command && command.component.as_deref().unwrap_or_default() == run.component
    };
    commands.into_iter().find(is_it)
}

/// A device in the REST interface, or a component of one.
fn place(id: &str, component: &str) -> String {
    let id = format::encoded(id);
    match component {
        "" => format!("/api/devices/{id}"),
        component => format!("/api/devices/{id}/components/{}", format::encoded(component)),
    }
}

pub(crate) fn bad(text: &str) -> Markup {
    html! { p.notice { (text) } }
}

fn refused(reply: &Value) -> Markup {
    html! { p.notice { "That was refused: " (reason(reply)) "." } }
}

/// The answer to `getMaxMinReport`, or whatever else the device has answered.
fn report(reply: &Value) -> Markup {
    let response = &reply["response"];
    let figures = [("Highest", "maxTemp"), ("Lowest", "minTemp"), ("Average", "avgTemp")];
    let times = [("From", "startTime"), ("To", "endTime")];
    let now = view::now();
    html! {
        p { (REPORT) " answered " strong { (format::value(&reply["responseCode"])) } }
        @if response["maxTemp"].is_number() {
            dl.facts {
                @for (name, key) in figures {
                    dt { (name) } dd { @match response[key].as_f64() { Some(degrees) => (format::celsius(degrees)), None => "–" } }
                }
                @for (name, key) in times {
                    dt { (name) }
                    dd { @match response[key].as_str().and_then(|text| text.parse().ok()) { Some(at) => (format::moment(at, now)), None => "–" } }
                }
            }
        }
        @else if !response.is_null() { pre { (format::value(response)) } }
    }
}

impl Page {
    /// The answer alone for our script, in a whole page for a browser without scripts.
    pub(crate) fn answer(&self, id: &str, headers: &HeaderMap, status: StatusCode, answer: Markup) -> Response {
        if headers.contains_key("x-requested-with") {
            return (status, answer).into_response();
        }
        device::view(self, id, status, Some(answer))
    }
}
