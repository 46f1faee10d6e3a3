//! A new template, from a file or a text: a whole template of IoT Central, or an interface of DTDL.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::forms::{Draft, Problem, Sent, done, submit};
use crate::{Page, layout};

/// The field for the document.
const MODEL: &str = "model";

pub(super) async fn show(State(page): State<Page>) -> Markup {
    view(&page, Draft::EMPTY)
}

pub(super) async fn make(State(page): State<Page>, sent: Result<Sent, Problem>) -> Response {
    let put = async |sent: &Sent| put(&page, sent).await;
    submit(sent, put, async |draft| view(&page, draft)).await
}

async fn put(page: &Page, sent: &Sent) -> Result<Response, Problem> {
    let wrong = |text: String| Problem::wrong(MODEL, text);
    let content = sent.content(MODEL);
    if content.is_empty() {
        return Err(wrong("Choose a file, or paste the text of a model.".into()));
    }
    let given = serde_json::from_slice(content).map_err(|error| wrong(format!("That is no JSON: {error}.")))?;
    let template = template(given);
    let Some(id) = template["@id"].as_str().map(str::to_owned) else {
        return Err(wrong(
            "It has no @id, by which devices announce the model: dtmi:…;1".into(),
        ));
    };
    if page.view.application().template(&id).is_some() && !sent.has("replace") {
        let text = format!("There is a template {id} already. Tick the box below to replace it.");
        return Err(Problem::taken(MODEL, text));
    }
    let answer = page
        .call(Method::PUT, &super::resource(&id), template.to_string())
        .await;
    Problem::of(MODEL, &answer).map(|()| done(&super::path(&id), "template"))
}

/// The template itself, or one around the interface of a model. What else it may be, the interface refuses.
fn template(given: Value) -> Value {
    let is_interface = given.get("capabilityModel").is_none() && given["@type"] == "Interface";
    if !is_interface {
        return given;
    }
    json!({
        "@id": given["@id"],
        "@type": ["ModelDefinition", "DeviceModel"],
        "@context": ["dtmi:iotcentral:context;2", "dtmi:dtdl:context;2"],
        "displayName": name(&given),
        "capabilityModel": given,
    })
}

/// What an interface is called, which DTDL allows in several languages.
fn name(interface: &Value) -> &Value {
    match &interface["displayName"] {
        Value::Null => &interface["@id"],
        Value::Object(names) => names
            .get("en")
            .or_else(|| names.values().next())
            .unwrap_or(&interface["@id"]),
        name => name,
    }
}

fn view(page: &Page, draft: Draft<'_>) -> Markup {
    let content = html! {
        p.trail { a href="/templates" { "Device templates" } " /" }
        h1 { "New template" }
        section.narrow {
            (draft.problem_of(""))
            p.quiet { "A template that was exported from IoT Central, or one interface of DTDL 2 with its components written out. It is published at once." }
            form method="post" action="/new/template" enctype="multipart/form-data" {
                (draft.json(MODEL, "Template or model, JSON"))
                label.tick for="replace" {
                    input #replace name="replace" type="checkbox" value="true" checked[draft.has("replace")];
                    " Replace the template with this id, if there is one"
                }
                p.hint {}
                button #make type="submit" { "Publish" }
            }
        }
    };
    layout::inside(page, "New template", "/templates", None, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_gets_a_template_around_it_and_a_template_stays() {
        let interface = json!({"@id": "dtmi:a;1", "@type": "Interface", "displayName": {"en": "A"}, "contents": []});
        let made = template(interface.clone());
        assert_eq!((&made["@id"], &made["displayName"]), (&json!("dtmi:a;1"), &json!("A")));
        assert_eq!(made["capabilityModel"], interface);
        assert_eq!(template(made.clone()), made);
        for other in [json!([interface]), json!("text"), json!({"@id": "dtmi:a;1"})] {
            assert_eq!(template(other.clone()), other);
        }
    }
}
