//! The last value of everything that a device sends.

use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use crate::format;

#[derive(Debug, Clone)]
pub(crate) struct Last {
    pub(crate) component: Option<String>,
    pub(crate) name: String,
    pub(crate) at: Timestamp,
    pub(crate) value: Value,
}

/// As a table: what the root sends first, then each component under its name.
pub(crate) fn table(values: &[Last], now: Timestamp) -> Markup {
    let mut values: Vec<_> = values.iter().collect();
    values.sort_by_key(|last| (&last.component, &last.name));
    html! {
        @if values.is_empty() { p.quiet { "It has sent nothing yet." } }
        @else {
            table.properties {
                thead { tr { th scope="col" { "Telemetry" } th scope="col" { "Last value" } th scope="col" { "Sent" } } }
                @for part in values.chunk_by(|one, next| one.component == next.component) {
                    tbody {
                        @if let Some(component) = part.first().and_then(|first| first.component.as_ref()) {
                            tr.component { th colspan="3" scope="rowgroup" { (component) } }
                        }
                        @for last in part {
                            tr {
                                th scope="row" { (last.name) }
                                td data-label="Last value" { (format::value(&last.value)) }
                                td data-label="Sent" { (format::moment(last.at, now)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
