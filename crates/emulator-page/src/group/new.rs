//! A new group.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::json;

use super::resource;
use crate::forms::{Draft, Line, Problem, Sent, done, submit};
use crate::{Page, format, layout};

const NAME: Line = Line {
    name: "name",
    label: "Name",
    hint: "What people call it.",
    longest: 200,
    needed: true,
};

const ID: Line = Line {
    name: "id",
    label: "Group ID",
    hint: "Letters, digits and dashes. Left empty, it is made of the name.",
    longest: 255,
    needed: false,
};

const KINDS: [(&str, &str); 2] = [("iot", "IoT devices"), ("iotEdge", "IoT Edge devices")];

pub(crate) async fn show(State(page): State<Page>) -> Markup {
    view(&page, Draft::EMPTY)
}

pub(crate) async fn make(State(page): State<Page>, sent: Result<Sent, Problem>) -> Response {
    let put = async |sent: &Sent| put(&page, sent).await;
    submit(sent, put, async |draft| view(&page, draft)).await
}

async fn put(page: &Page, sent: &Sent) -> Result<Response, Problem> {
    let name = sent.needed_text("name", "A group needs a name.")?;
    let id = match sent.text("id") {
        "" => id_of(name),
        given => given.to_owned(),
    };
    if id.is_empty() {
        let text = "There is no letter or digit in the name, so the group needs an ID of its own.";
        return Err(Problem::wrong("id", text));
    }
    if page.view.application().group(&id).is_some() {
        return Err(Problem::taken(
            "id",
            format!("There is a group with the ID {id} already."),
        ));
    }
    let body = json!({
        "displayName": name,
        "type": sent.text("type"),
        "enabled": true,
        "attestation": { "type": "x509", "x509": { "signingCertificates": {} } },
    });
    let answer = page.call(Method::PUT, &resource(&id), body.to_string()).await;
    // The interface looks at the id first, and answers 400; what it finds in the body is 422.
    let field = if answer.0 == StatusCode::BAD_REQUEST { "id" } else { "" };
    Problem::of(field, &answer).map(|()| done(&format::group_path(&id), "group"))
}

/// The name with all that an id can't have as single dashes.
fn id_of(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

fn view(page: &Page, draft: Draft<'_>) -> Markup {
    let content = html! {
        p.trail { a href="/groups" { "Device connection groups" } " /" }
        h1 { "New group" }
        section.narrow {
            (draft.problem_of(""))
            form method="post" action="/new/group" {
                (draft.line(&NAME))
                (draft.line(&ID))
                div.field {
                    label for="type" { "Group type" }
                    select #type name="type" {
                        @for (key, word) in KINDS { option value=(key) selected[draft.is("type", key)] { (word) } }
                    }
                }
                div.field {
                    p.label { "Attestation type" }
                    p { "Certificates (X.509)" }
                    p.hint { "Shared access signatures (SAS) are not emulated." }
                }
                button #make type="submit" { "Save" }
            }
        }
    };
    layout::inside(page, "New group", "/groups", None, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_the_letters_and_digits_of_a_name() {
        for (name, id) in [
            ("MyX509Group", "MyX509Group"),
            (" Floor 2, ümlaut ", "Floor-2-mlaut"),
            ("–", ""),
        ] {
            assert_eq!(id_of(name), id);
        }
    }
}
