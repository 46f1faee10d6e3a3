//! API tokens: the list, and a new one, whose secret is shown once.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use iot_emulator::view::{self, Token};
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::forms::{Done, Draft, Line, Problem, Sent, ask, copyable, done, submit};
use crate::{Page, format, layout};

const ID: Line = Line {
    name: "id",
    label: "Token name",
    hint: "Letters, digits and dashes.",
    longest: 128,
    needed: true,
};

/// How long a token may be good, in days.
const LIFETIMES: [(u16, &str); 3] = [(365, "a year"), (30, "30 days"), (1, "a day")];

pub(crate) fn router() -> Router<Page> {
    Router::new()
        .route("/tokens", get(list))
        .route("/new/token", get(new).post(make))
        .route("/tokens/{id}/delete", post(delete))
}

fn resource(id: &str) -> String {
    format!("/api/apiTokens/{}", format::encoded(id))
}

async fn list(State(page): State<Page>, done: Result<Query<Done>, QueryRejection>) -> Markup {
    all(&page, &Done::of(done).notice())
}

fn all(page: &Page, notice: &Markup) -> Markup {
    let application = page.view.application();
    let now = view::now();
    let content = html! {
        div.title {
            h1 { "API tokens" }
            a.button #new href="/new/token" { "New token" }
        }
        (notice)
        section {
            @if application.tokens().next().is_none() { p.quiet { "None was made. The emulator’s own is in its state folder." } }
            @else {
                table {
                    thead { tr {
                        th scope="col" { "Token" } th scope="col" { "Role" } th scope="col" { "Expires" }
                        th scope="col" { span.unseen { "Delete" } }
                    } }
                    tbody { @for token in application.tokens() { (row(&token, now)) } }
                }
            }
        }
    };
    layout::inside(page, "API tokens", "/tokens", None, content)
}

fn row(token: &Token<'_>, now: Timestamp) -> Markup {
    let words = html! { "Programs that use it are refused from then on." };
    let id = format!("delete-{}", token.id());
    let path = format!("/tokens/{}/delete", format::encoded(token.id()));
    html! {
        tr {
            th scope="row" { (token.id()) }
            td data-label="Role" { (token.role()) }
            td data-label="Expires" { (format::expiry(token.expiry(), now)) }
            td { (ask(&id, "Delete", &path, &words)) }
        }
    }
}

async fn delete(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let answer = page.call(Method::DELETE, &resource(&id), String::new()).await;
    match Problem::of("", &answer) {
        Ok(()) => done("/tokens", "token-deleted"),
        Err(problem) => {
            let notice = problem.notice();
            (problem.status, all(&page, &notice)).into_response()
        }
    }
}

async fn new(State(page): State<Page>) -> Markup {
    form(&page, Draft::EMPTY).await
}

async fn make(State(page): State<Page>, sent: Result<Sent, Problem>) -> Response {
    let put = async |sent: &Sent| put(&page, sent).await;
    submit(sent, put, async |draft| form(&page, draft).await).await
}

/// Has a token made, and shows its secret.
async fn put(page: &Page, sent: &Sent) -> Result<Response, Problem> {
    let id = sent.needed_text("id", "A token needs a name.")?;
    let days = sent.text("days").parse::<u16>().ok();
    let days = days
        .filter(|days| LIFETIMES.iter().any(|(known, _)| known == days))
        .unwrap_or(LIFETIMES[0].0);
    let expiry = view::now()
        .checked_add((i64::from(days) * 24).hours())
        .unwrap_or(Timestamp::MAX);
    let body = json!({ "roles": [{ "role": sent.text("role") }], "expiry": view::millis(expiry) });
    let (status, reply) = page.call(Method::PUT, &resource(id), body.to_string()).await;
    let field = if status == StatusCode::UNPROCESSABLE_ENTITY {
        "role"
    } else {
        "id"
    };
    let secret = reply["token"].as_str().unwrap_or_default().to_owned();
    Problem::of(field, &(status, reply)).map(|()| made(page, id, &secret).into_response())
}

/// The one view that ever shows the secret.
fn made(page: &Page, id: &str, secret: &str) -> Markup {
    let content = html! {
        p.trail { a href="/tokens" { "API tokens" } " /" }
        h1 { (id) }
        section.narrow {
            p.done role="status" { "The token is made. Copy it now: it is not shown again." }
            p { (copyable("token", secret)) }
            p.hint { "It is the whole value of the " code { "Authorization" } " header, and of " code { "IOTC_API_TOKEN" } "." }
            p { a href="/tokens" { "All tokens" } }
        }
    };
    layout::inside(page, id, "/tokens", None, content)
}

async fn form(page: &Page, draft: Draft<'_>) -> Markup {
    let (_, roles) = page.call(Method::GET, "/api/roles", String::new()).await;
    let roles: Vec<&Value> = roles["value"].as_array().into_iter().flatten().collect();
    let text = |role: &Value, key: &str| role[key].as_str().unwrap_or_default().to_owned();
    let content = html! {
        p.trail { a href="/tokens" { "API tokens" } " /" }
        h1 { "New token" }
        section.narrow {
            (draft.problem_of(""))
            form method="post" action="/new/token" {
                (draft.line(&ID))
                div.field {
                    label for="role" { "Role" }
                    select #role name="role" {
                        @for role in roles {
                            option value=(text(role, "id")) selected[draft.is("role", &text(role, "id"))] { (text(role, "displayName")) }
                        }
                    }
                    (draft.problem_of("role"))
                }
                div.field {
                    label for="days" { "Good for" }
                    select #days name="days" {
                        @for (days, words) in LIFETIMES { option value=(days) selected[draft.is("days", &days.to_string())] { (words) } }
                    }
                }
                button #make type="submit" { "Generate" }
            }
        }
    };
    layout::inside(page, "New token", "/tokens", None, content)
}
