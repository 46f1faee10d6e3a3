//! The journal's tail.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use iot_emulator::{Entry, view};
use jiff::Timestamp;
use live_page::Fragment;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::{Page, format, layout, live};

const SHOWN: usize = 100;
const LONGEST_FILTER: usize = 128;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    /// A part of a device's id.
    #[serde(default)]
    device: String,
}

pub(crate) async fn show(State(page): State<Page>, filter: Result<Query<Filter>, QueryRejection>) -> Markup {
    let filter = filter.map(|Query(filter)| filter).unwrap_or_default();
    let [tail] = fragments(&page, &filter);
    let live = format!("/live/journal?device={}", format::encoded(&filter.device));
    let content = html! {
        h1 { "Journal" }
        form.filter method="get" action="/journal" role="search" {
            div {
                label for="device" { "Device" }
                input #device name="device" type="search" value=(filter.device) maxlength=(LONGEST_FILTER) placeholder="part of an id";
            }
            button type="submit" { "Filter" }
        }
        (tail)
    };
    layout::inside(&page, "Journal", "/journal", Some(&live), content)
}

pub(crate) async fn live(
    State(page): State<Page>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Response {
    let filter = filter.map(|Query(filter)| filter).unwrap_or_default();
    live::stream(page, &headers, move |page| fragments(page, &filter))
}

fn fragments(page: &Page, filter: &Filter) -> [Fragment; 1] {
    let part = filter.device.trim().to_lowercase();
    let fits = |entry: &Entry| {
        let device = entry.device.as_deref();
        part.is_empty() || device.is_some_and(|device| device.to_lowercase().contains(&part))
    };
    let content = html! {
        p.quiet { "The last " (SHOWN) " events at most, newest first, of " (format::count(page.view.journal().last())) " since the start." }
        (list(&page.view.journal().tail(SHOWN, fits), true))
    };
    [Fragment::new("journal", content)]
}

/// Whether an event is one of this device, whatever the case of its id.
pub(crate) fn is_of(entry: &Entry, id: &str) -> bool {
    let device = entry.device.as_deref();
    device.is_some_and(|device| device.eq_ignore_ascii_case(id))
}

pub(crate) fn list(entries: &[Entry], with_device: bool) -> Markup {
    let now = view::now();
    html! {
        @if entries.is_empty() { p.quiet { "Nothing yet." } }
        ol.journal {
            @for entry in entries { (line(entry, with_device, now)) }
        }
    }
}

fn line(entry: &Entry, with_device: bool, now: Timestamp) -> Markup {
    // As its JSON has it, so that events of any kind can be shown.
    let event = serde_json::to_value(&entry.event).unwrap_or_default();
    let name = event["event"].as_str().unwrap_or("event").replace('_', " ");
    html! {
        li {
            span.when { (format::moment(entry.at, now)) }
            @if with_device {
                @match &entry.device {
                    Some(device) => a.who href=(format::device_path(device)) { (device) },
                    None => span.who { "–" },
                }
            }
            span.what { (name) @if let Some(more) = details(&event) { " " span.quiet { (more) } } }
        }
    }
}

fn details(event: &Value) -> Option<String> {
    let event = event.as_object()?;
    // The sentence holds the word too.
    let is_shown = |key: &str| key != "event" && !(key == "why" && event.contains_key("reason"));
    let fields = event.iter().filter(|(key, _)| is_shown(key));
    let texts: Vec<_> = fields
        .map(|(key, value)| match key.as_str() {
            // A sentence may name a certificate, in which an underscore is one.
            "reason" | "detail" => format::value(value),
            "why" | "service" => format::value(value).replace('_', " "),
            _ => format!("{} {}", key.replace('_', " "), format::value(value)),
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

#[cfg(test)]
mod tests {
    use iot_emulator::{DisconnectReason, Event, Service};

    use super::*;

    #[test]
    fn an_event_reads_as_a_line_and_its_texts_are_escaped() {
        let entry = |event| Entry {
            seq: 1,
            at: "2026-11-23T15:00:00Z".parse().unwrap(),
            device: Some("t<1>".into()),
            event,
        };
        let now = "2026-11-23T16:00:00Z".parse().unwrap();
        let disconnected = Event::Disconnected {
            service: Service::Hub,
            reason: DisconnectReason::KeepAliveExpired,
        };
        let text = line(&entry(disconnected), true, now).0;
        assert!(
            text.contains("disconnected") && text.contains("hub, keep alive expired"),
            "{text}"
        );
        assert!(text.contains("15:00:00") && text.contains("t&lt;1&gt;"), "{text}");
        let refused = Event::Dropped {
            reason: "<script>".into(),
        };
        let text = line(&entry(refused), false, now).0;
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script"), "{text}");
    }
}
