//! What the solution wants of a device beside what the device reports.

use iot_emulator::view::{HubState, is_component};
use iot_protocol::pnp::{Acknowledgement, COMPONENT_MARKER};
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::format;

/// A property of a device or of one of its components.
#[derive(Debug, PartialEq)]
pub(crate) struct Property {
    pub(crate) component: Option<String>,
    pub(crate) name: String,
    pub(crate) desired: Option<Value>,
    /// The value in force.
    pub(crate) reported: Option<Value>,
    answer: Option<Acknowledgement>,
    standing: Standing,
}

/// How a wish stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing is desired.
    Free,
    Waiting,
    Synced,
    /// The device has answered that it won't.
    Refused,
}

/// The properties of a twin: of the root first, then of each component.
pub(crate) fn of(state: &HubState<'_>) -> Vec<Property> {
    let document = state.twin();
    let (desired, reported) = (&document.desired.properties, &document.reported.properties);
    let part = |section: &Map<String, Value>, component: &str| {
        let part = section.get(component).and_then(Value::as_object);
        part.filter(|part| is_component(part)).cloned().unwrap_or_default()
    };
    let components = reported
        .iter()
        .chain(desired)
        .filter(|(_, value)| value.as_object().is_some_and(is_component));
    let mut components: Vec<_> = components.map(|(name, _)| name.as_str()).collect();
    components.sort_unstable();
    components.dedup();
    let plain = |section: &Map<String, Value>| -> Map<String, Value> {
        let plain = section.iter().filter(|(name, _)| !components.contains(&name.as_str()));
        plain.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut properties = section(state, None, &plain(desired), &plain(reported));
    for component in components {
        let (desired, reported) = (part(desired, component), part(reported, component));
        properties.extend(section(state, Some(component), &desired, &reported));
    }
    properties
}

fn section(
    state: &HubState<'_>,
    component: Option<&str>,
    desired: &Map<String, Value>,
    reported: &Map<String, Value>,
) -> Vec<Property> {
    let names = reported
        .keys()
        .chain(desired.keys().filter(|name| !reported.contains_key(*name)));
    let named = names.filter(|name| *name != COMPONENT_MARKER).map(|name| {
        let (wish, report) = (desired.get(name), reported.get(name));
        let answer: Option<Acknowledgement> = report.and_then(|report| serde_json::from_value(report.clone()).ok());
        let version = state.desired_version(component, name).unwrap_or(0);
        Property {
            component: component.map(Into::into),
            name: name.clone(),
            desired: wish.cloned(),
            reported: answer
                .as_ref()
                .map(|answer| answer.value.clone())
                .or_else(|| report.cloned()),
            standing: standing(wish, report, answer.as_ref(), version),
            answer,
        }
    });
    named.collect()
}

fn standing(
    wish: Option<&Value>,
    reported: Option<&Value>,
    answer: Option<&Acknowledgement>,
    version: u64,
) -> Standing {
    match (wish, answer) {
        (None, _) => Standing::Free,
        (Some(_), Some(answer)) if answer.version < version => Standing::Waiting,
        (Some(_), Some(answer)) if (200..300).contains(&answer.code) => Standing::Synced,
        (Some(_), Some(_)) => Standing::Refused,
        (Some(wish), None) if reported == Some(wish) => Standing::Synced,
        (Some(_), None) => Standing::Waiting,
    }
}

impl Standing {
    fn badge(self) -> Markup {
        match self {
            Self::Free => html! {},
            Self::Waiting => html! { span.badge.wait { "waiting" } },
            Self::Synced => html! { span.badge.good { "synced" } },
            Self::Refused => html! { span.badge.bad { "refused" } },
        }
    }
}

/// The properties as a table: what can be wished for first, then the rest, each component under its name.
pub(crate) fn table(properties: &[Property]) -> Markup {
    let mut parts: Vec<_> = properties
        .chunk_by(|one, next| one.component == next.component)
        .collect();
    parts.sort_by_key(|part| {
        part.iter()
            .all(|property| property.desired.is_none() && property.answer.is_none())
    });
    html! {
        @if properties.is_empty() { p.quiet { "The device has reported nothing yet." } }
        @else {
            table.properties {
                thead { tr {
                    th scope="col" { "Property" }
                    th scope="col" { "Desired" }
                    th scope="col" { "Reported" }
                    th scope="col" { "Answer" }
                } }
                @for part in parts {
                    tbody {
                        @if let Some(component) = part.first().and_then(|first| first.component.as_ref()) {
                            tr.component { th colspan="4" scope="rowgroup" { (component) } }
                        }
                        @for property in part { (row(property)) }
                    }
                }
            }
        }
    }
}

fn row(property: &Property) -> Markup {
    let text = |value: &Option<Value>| value.as_ref().map(format::value);
    html! {
        tr {
            th scope="row" { (property.name) }
            td data-label="Desired" { @if let Some(text) = text(&property.desired) { (text) } }
            td data-label="Reported" { @if let Some(text) = text(&property.reported) { (text) } }
            td data-label="Answer" {
                (property.standing.badge())
                @if let Some(answer) = &property.answer {
                    span.quiet {
                        " code " (answer.code) ", version " (answer.version)
                        @if let Some(description) = &answer.description { ": " (description) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wish_waits_until_the_device_has_answered_this_wish() {
        let answer = |code, version| Acknowledgement {
            value: json!(20.0),
            code,
            version,
            description: None,
        };
        let (wish, other) = (json!(21.0), json!(22.0));
        for (wish, reported, answer, expected) in [
            (None, None, None, Standing::Free),
            (None, None, Some(answer(203, 0)), Standing::Free),
            (Some(&wish), None, None, Standing::Waiting),
            (Some(&wish), Some(&other), None, Standing::Waiting),
            (Some(&wish), Some(&wish), None, Standing::Synced),
            (Some(&wish), None, Some(answer(200, 6)), Standing::Waiting),
            (Some(&wish), None, Some(answer(200, 7)), Standing::Synced),
            (Some(&wish), None, Some(answer(200, 8)), Standing::Synced),
            (Some(&wish), None, Some(answer(400, 7)), Standing::Refused),
        ] {
            assert_eq!(
                standing(wish, reported, answer.as_ref(), 7),
                expected,
                "{wish:?} {answer:?}"
            );
        }
    }
}
