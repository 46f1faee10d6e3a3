//! What the devices of a template can do, as a table: the root first, then each component under its name.

use maud::{Markup, html};
use serde_json::Value;

use crate::format;

/// The kinds that a person looks for; a content may be of further types, such as a unit's.
const KINDS: [&str; 3] = ["Telemetry", "Property", "Command"];

#[derive(Debug, PartialEq)]
struct Capability<'a> {
    kind: &'static str,
    name: &'a str,
    schema: String,
    is_writable: bool,
}

/// Of a whole template.
pub(super) fn table(document: &Value) -> Markup {
    let model = &document["capabilityModel"];
    let root = contents(model);
    let components = model["contents"].as_array().into_iter().flatten();
    let components = components.filter(|content| is_a(content, "Component"));
    let components: Vec<_> = components
        .map(|component| {
            (
                component["name"].as_str().unwrap_or("–"),
                contents(&component["schema"]),
            )
        })
        .collect();
    html! {
        table.properties {
            thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th scope="col" { "Schema" } } }
            tbody { @for capability in &root { (row(capability)) } }
            @for (name, capabilities) in &components {
                tbody {
                    tr.component { th colspan="3" scope="rowgroup" { (name) } }
                    @for capability in capabilities { (row(capability)) }
                }
            }
        }
        @if root.is_empty() && components.is_empty() { p.quiet { "Nothing: its model is empty." } }
    }
}

fn row(capability: &Capability<'_>) -> Markup {
    html! {
        tr {
            th scope="row" { (capability.name) }
            td data-label="Kind" { (capability.kind) @if capability.is_writable { ", writable" } }
            td data-label="Schema" { (capability.schema) }
        }
    }
}

fn contents(interface: &Value) -> Vec<Capability<'_>> {
    let contents = interface["contents"].as_array().into_iter().flatten();
    contents
        .filter_map(|content| {
            let kind = KINDS.into_iter().find(|kind| is_a(content, kind))?;
            let schema = match kind {
                "Command" => &content["request"]["schema"],
                _ => &content["schema"],
            };
            Some(Capability {
                kind,
                name: content["name"].as_str()?,
                schema: schema_name(schema),
                is_writable: content["writable"] == true,
            })
        })
        .collect()
}

/// A primitive schema by its name, another one by its type.
fn schema_name(schema: &Value) -> String {
    match schema {
        Value::Null => String::new(),
        Value::Object(parts) => parts.get("@type").map(format::value).unwrap_or_default(),
        other => format::value(other),
    }
}

/// Whether a content is of a type, which may be one of several.
fn is_a(content: &Value, kind: &str) -> bool {
    match &content["@type"] {
        Value::Array(kinds) => kinds.iter().any(|known| known == kind),
        one => one == kind,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contents_of_any_spelling_are_read_and_others_left_out() {
        let interface = json!({"contents": [
            {"@type": ["Telemetry", "Temperature"], "name": "temperature", "schema": "double"},
            {"@type": "Property", "name": "target", "schema": {"@type": "Object"}, "writable": true},
            {"@type": "Command", "name": "reboot", "request": {"name": "delay", "schema": "integer"}},
            {"@type": "Component", "name": "c"},
            {"@type": "Telemetry"},
        ]});
        let found = contents(&interface);
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.kind, it.name, &*it.schema, it.is_writable))
            .collect();
        assert_eq!(
            found,
            [
                ("Telemetry", "temperature", "double", false),
                ("Property", "target", "Object", true),
                ("Command", "reboot", "integer", false),
            ]
        );
        assert!(contents(&json!("no interface")).is_empty());
    }
}
