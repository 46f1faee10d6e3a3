//! A new device.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::json;

use crate::forms::{Draft, Line, Problem, Sent, done, submit};
use crate::{Page, format, layout};

const ID: Line = Line {
    name: "id",
    label: "Device ID",
    hint: "The common name of the device’s certificate.",
    longest: 128,
    needed: true,
};

const NAME: Line = Line {
    name: "name",
    label: "Device name",
    hint: "What people call it. Left empty, it is the device ID.",
    longest: 148,
    needed: false,
};

pub(crate) async fn show(State(page): State<Page>) -> Markup {
    view(&page, Draft::EMPTY)
}

pub(crate) async fn make(State(page): State<Page>, sent: Result<Sent, Problem>) -> Response {
    let put = async |sent: &Sent| put(&page, sent).await;
    submit(sent, put, async |draft| view(&page, draft)).await
}

async fn put(page: &Page, sent: &Sent) -> Result<Response, Problem> {
    let id = sent.needed_text("id", "A device needs an ID.")?;
    let (name, template) = (sent.text("name"), sent.text("template"));
    if page.view.application().device(id).is_some() {
        return Err(Problem::taken(
            "id",
            format!("There is a device with the ID {id} already."),
        ));
    }
    let mut body =
        json!({ "displayName": if name.is_empty() { id } else { name }, "simulated": false, "enabled": true });
    if !template.is_empty() {
        body["template"] = template.into();
    }
    let path = format!("/api/devices/{}", format::encoded(id));
    let answer = page.call(Method::PUT, &path, body.to_string()).await;
    // The interface looks at the id first, and answers 400; what it finds in the body is 422.
    let field = if answer.0 == StatusCode::BAD_REQUEST {
        "id"
    } else {
        "template"
    };
    Problem::of(field, &answer).map(|()| done(&format::device_path(id), "device"))
}

fn view(page: &Page, draft: Draft<'_>) -> Markup {
    let application = page.view.application();
    let content = html! {
        p.trail { a href="/devices" { "Devices" } " /" }
        h1 { "New device" }
        section.narrow {
            (draft.problem_of(""))
            form method="post" action="/new/device" {
                (draft.line(&ID))
                (draft.line(&NAME))
                div.field {
                    label for="template" { "Device template" }
                    select #template name="template" {
                        option value="" { "Unassigned" }
                        @for template in application.templates() {
                            option value=(template.id()) selected[draft.is("template", template.id())] { (template.display_name()) }
                        }
                    }
                    p.hint { "An unassigned device gets the template of the model that it announces." }
                    (draft.problem_of("template"))
                }
                div.field {
                    p.label { "Simulate this device?" }
                    p { "No" }
                    p.hint { "The emulator simulates none: `fleet run` and `fleet device-sim` do." }
                }
                button #make type="submit" { "Create" }
            }
        }
    };
    layout::inside(page, "New device", "/devices", None, content)
}
