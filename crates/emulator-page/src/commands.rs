//! A form for every command of a device's template, by the schema of what it takes.

use iot_emulator::view::{Command, Request};
use maud::{Markup, html};
use serde_json::Value;

/// How a request is written in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Whole,
    Number,
    Truth,
    Text,
    /// Of a schema with parts: as JSON.
    Json,
}

impl Kind {
    /// The primitive schemas of DTDL 2; times and durations are texts.
    pub(crate) fn of(schema: &Value) -> Self {
        match schema.as_str() {
            Some("integer" | "long") => Self::Whole,
            Some("double" | "float") => Self::Number,
            Some("boolean") => Self::Truth,
            Some(_) => Self::Text,
            None => Self::Json,
        }
    }

    /// What a person has written, as JSON; or what it should have been.
    pub(crate) fn read(self, text: &str) -> Result<Value, &'static str> {
        let text = text.trim();
        match self {
            Self::Whole => text
                .parse::<i64>()
                .map(Into::into)
                .map_err(|_| "It takes a whole number."),
            Self::Number => match text.replace(',', ".").parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number.into()),
                _ => Err("It takes a number."),
            },
            Self::Truth => text
                .parse::<bool>()
                .map(Into::into)
                .map_err(|_| "It takes true or false."),
            Self::Text => Ok(text.into()),
            Self::Json => serde_json::from_str(text).map_err(|_| "It takes JSON."),
        }
    }
}

/// The forms. What has one of its own does not come here.
pub(crate) fn forms(device_path: &str, commands: &[Command]) -> Markup {
    html! {
        @for (number, command) in commands.iter().enumerate() {
            form.control method="post" action={ (device_path) "/command" } data-answer="answer" {
                input type="hidden" name="command" value=(command.name);
                input type="hidden" name="component" value=(command.component.as_deref().unwrap_or_default());
                (label(command, number))
                div.row {
                    @if let Some(request) = &command.request { (field(request, number)) }
                    button type="submit" { "Run " (command.name) }
                }
            }
        }
    }
}

/// Which command of what, and what it takes.
fn label(command: &Command, number: usize) -> Markup {
    let of = command.component.as_deref().map(|component| format!(" of {component}"));
    let of = of.unwrap_or_default();
    html! {
        @match &command.request {
            Some(request) => label for={ "request-" (number) } {
                (command.name) (of) ", " (request.name) " (" (kind_name(&request.schema)) ")"
            },
            None => p.label { (command.name) (of) },
        }
    }
}

fn kind_name(schema: &Value) -> &str {
    schema.as_str().unwrap_or("JSON")
}

fn field(request: &Request, number: usize) -> Markup {
    let id = format!("request-{number}");
    html! {
        @match Kind::of(&request.schema) {
            Kind::Whole => input id=(id) name="request" type="number" step="1" inputmode="numeric" required;,
            Kind::Number => input id=(id) name="request" type="number" step="any" inputmode="decimal" required;,
            Kind::Truth => select id=(id) name="request" { option { "true" } option { "false" } },
            Kind::Text => input id=(id) name="request" type="text" placeholder=[example(&request.schema)] autocapitalize="off" spellcheck="false" required;,
            Kind::Json => textarea id=(id) name="request" rows="3" spellcheck="false" required {},
        }
    }
}

/// How a time is written in DTDL.
fn example(schema: &Value) -> Option<&'static str> {
    match schema.as_str() {
        Some("dateTime") => Some("2030-01-01T12:00:00Z"),
        Some("date") => Some("2030-01-01"),
        Some("time") => Some("12:00:00"),
        Some("duration") => Some("PT5M"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_person_writes_is_read_by_its_schema() {
        for (schema, text, read) in [
            ("integer", " 5 ", Some(json!(5))),
            ("integer", "5.5", None),
            ("long", "-1", Some(json!(-1))),
            ("double", "2,5", Some(json!(2.5))),
            ("double", "inf", None),
            ("boolean", "true", Some(json!(true))),
            ("boolean", "yes", None),
            ("dateTime", "2030-01-01T12:00:00Z", Some(json!("2030-01-01T12:00:00Z"))),
            ("string", "5", Some(json!("5"))),
        ] {
            assert_eq!(Kind::of(&json!(schema)).read(text).ok(), read, "{schema} {text}");
        }
        let object = Kind::of(&json!({"@type": "Object"}));
        assert_eq!(object.read(r#"{"a": [1]}"#), Ok(json!({"a": [1]})));
        assert!(object.read("{").is_err());
    }
}
