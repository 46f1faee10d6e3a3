//! The rules for faults: those that there are, with their hits, and forms to add and to remove.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use iot_emulator::FaultRules;
use iot_emulator::view::Rule;
use live_page::Fragment;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::actions::bad;
use crate::api_client::reason;
use crate::forms::UNREADABLE;
use crate::{Page, format, layout, live, rule_text};

const INTERFACE: &str = "/emulator/faults";

/// What stands in the form at first.
const EXAMPLE: &str = "[[rule]]\nphase = \"telemetry\"\ndevice = \"thermo-*\"\nprobability = 0.1\nverdict = \"no-ack\"";

#[derive(Deserialize)]
pub(crate) struct Preset {
    preset: String,
}

#[derive(Deserialize)]
pub(crate) struct Rules {
    rules: String,
}

#[derive(Deserialize)]
pub(crate) struct Removal {
    id: Option<String>,
    #[serde(default)]
    all: bool,
}

pub(crate) async fn show(State(page): State<Page>) -> Response {
    view(&page, StatusCode::OK, None, "")
}

pub(crate) async fn live(State(page): State<Page>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, fragments)
}

pub(crate) async fn add_preset(
    State(page): State<Page>,
    headers: HeaderMap,
    form: Result<Form<Preset>, FormRejection>,
) -> Response {
    let Ok(Form(Preset { preset })) = form else {
        return page.respond(&headers, StatusCode::BAD_REQUEST, bad(UNREADABLE), "");
    };
    let body = json!({ "preset": preset }).to_string();
    let (status, reply) = page.call(Method::POST, INTERFACE, body).await;
    page.respond(&headers, status, added(status, &reply), "")
}

/// Adds the rules of a form, in TOML as in a file or in JSON as for the interface.
pub(crate) async fn add_rules(
    State(page): State<Page>,
    headers: HeaderMap,
    form: Result<Form<Rules>, FormRejection>,
) -> Response {
    let Ok(Form(Rules { rules })) = form else {
        return page.respond(&headers, StatusCode::BAD_REQUEST, bad(UNREADABLE), "");
    };
    // No TOML begins with a brace.
    let body = if rules.trim_start().starts_with('{') {
        rules.clone()
    } else {
        match toml::from_str::<Map<String, Value>>(&rules) {
            Ok(table) if table.is_empty() => {
                let answer = bad("There is no rule in it.");
                return page.respond(&headers, StatusCode::UNPROCESSABLE_ENTITY, answer, &rules);
            }
            Ok(table) => Value::from(table).to_string(),
            Err(wrong) => {
                let answer = refused(wrong.to_string().trim_end());
                return page.respond(&headers, StatusCode::UNPROCESSABLE_ENTITY, answer, &rules);
            }
        }
    };
    let (status, reply) = page.call(Method::POST, INTERFACE, body).await;
    let kept = if status.is_success() { "" } else { &rules };
    page.respond(&headers, status, added(status, &reply), kept)
}

pub(crate) async fn remove(
    State(page): State<Page>,
    headers: HeaderMap,
    form: Result<Form<Removal>, FormRejection>,
) -> Response {
    let (path, done) = match form {
        Ok(Form(Removal { id: Some(id), .. })) => (
            format!("{INTERFACE}/{}", format::encoded(&id)),
            html! { p { "The rule " code { (id) } " is removed." } },
        ),
        Ok(Form(Removal { all: true, .. })) => (INTERFACE.to_owned(), html! { p { "All rules are removed." } }),
        _ => return page.respond(&headers, StatusCode::BAD_REQUEST, bad(UNREADABLE), ""),
    };
    let (status, reply) = page.call(Method::DELETE, &path, String::new()).await;
    // There is no body where there was nothing to report, which is no answer for a person.
    let (status, answer) = match status {
        StatusCode::NO_CONTENT => (StatusCode::OK, done),
        _ => (status, refused(reason(&reply))),
    };
    page.respond(&headers, status, answer, "")
}

fn added(status: StatusCode, reply: &Value) -> Markup {
    if !status.is_success() {
        return refused(reason(reply));
    }
    let ids: Vec<_> = reply["value"].as_array().into_iter().flatten().collect();
    let ids: Vec<_> = ids.iter().filter_map(|rule| rule["id"].as_str()).collect();
    html! { p {
        @for (i, id) in ids.iter().enumerate() { @if i > 0 { ", " } code { (id) } }
        @match ids.len() { 0 => "There was no rule in it.", 1 => " is added.", _ => " are added." }
    } }
}

/// Everything that is wrong, a line for each.
fn refused(why: &str) -> Markup {
    html! { div.notice { p { "That was refused:" } pre { (why) } } }
}

impl Page {
    /// The answer alone for our script, in a whole page with the text that was sent for a browser without scripts.
    fn respond(&self, headers: &HeaderMap, status: StatusCode, answer: Markup, kept: &str) -> Response {
        if headers.contains_key("x-requested-with") {
            return (status, answer).into_response();
        }
        view(self, status, Some(answer), kept)
    }
}

fn view(page: &Page, status: StatusCode, answer: Option<Markup>, kept: &str) -> Response {
    let [rules] = fragments(page);
    let content = html! {
        h1 { "Faults" }
        div.columns {
            div { section.first { h2 { "What goes wrong on purpose" } (rules) } }
            div { section.second {
                h2 { "Add" }
                form.control method="post" action="/faults/preset" data-answer="answer" {
                    label for="preset" { "A story" }
                    div.row {
                        select #preset name="preset" {
                            @for preset in FaultRules::presets() { option value=(preset) { (preset) } }
                        }
                        button #add-preset type="submit" { "Add" }
                    }
                }
                form.control method="post" action="/faults/rules" data-answer="answer" data-reset {
                    label for="rules-text" { "Rules of your own, in TOML or JSON" }
                    // The first line break in it is not the text's.
                    textarea #rules-text name="rules" rows="8" required spellcheck="false" autocapitalize="off" placeholder=(EXAMPLE) { "\n" (kept) }
                    button #add-rules type="submit" { "Add rules" }
                }
                div #answer role="status" { @if let Some(answer) = answer { (answer) } }
            } }
        }
    };
    (
        status,
        layout::inside(page, "Faults", "/faults", Some("/live/faults"), content),
    )
        .into_response()
}

fn fragments(page: &Page) -> [Fragment; 1] {
    let all = page.view.rules();
    let content = html! {
        @if all.is_empty() { p.quiet { "Nothing. Every device gets what it asks for." } }
        @else {
            table.rules {
                thead { tr {
                    th scope="col" { "Rule" } th scope="col" { "When" } th scope="col" { "What happens" }
                    th.number scope="col" { "Hits" } th scope="col" { span.unseen { "Remove" } }
                } }
                tbody { @for (rule, hits) in &all { (row(rule, *hits)) } }
            }
            form method="post" action="/faults/remove" data-answer="answer" {
                button #remove-all.plain name="all" value="true" { "Remove all" }
            }
        }
    };
    [Fragment::new("rules", content)]
}

fn row(rule: &Rule, hits: u64) -> Markup {
    let limits = rule_text::limits(rule);
    html! {
        tr {
            th scope="row" { (rule.id) @if !rule.enabled { " " span.badge { "off" } } }
            td data-label="When" { div { (rule_text::moment(rule.phase)) @if !limits.is_empty() { div.quiet { (limits) } } } }
            td data-label="What happens" { (rule_text::outcome(&rule.verdict)) }
            td.number data-label="Hits" { (format::count(hits)) }
            td {
                form method="post" action="/faults/remove" data-answer="answer" {
                    button id={ "remove-" (rule.id) } .plain name="id" value=(rule.id) aria-label={ "Remove " (rule.id) } { "Remove" }
                }
            }
        }
    }
}
