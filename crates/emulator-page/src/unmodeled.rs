//! What a device sends that its template does not have, or has in another form.

use iot_emulator::view::Unmodeled;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::format;

/// As a table; nothing where everything is in the template.
pub(crate) fn table(marks: &[Unmodeled], now: Timestamp) -> Markup {
    html! {
        @if !marks.is_empty() {
            h3 { "Not in its template" }
            p.quiet { "It was taken all the same: IoT Central shows it as unmodeled." }
            table.properties {
                thead { tr { th scope="col" { "What" } th scope="col" { "Of" } th scope="col" { "Times" } th scope="col" { "Last" } } }
                tbody {
                    @for mark in marks {
                        tr {
                            th scope="row" { (mark.words) }
                            td data-label="Of" { (mark.of) ", " (mark.kind) }
                            td.number data-label="Times" { (format::count(mark.count)) }
                            td data-label="Last" { (format::moment(mark.last, now)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_wrote_is_escaped_and_nothing_is_shown_where_there_is_nothing() {
        assert_eq!(table(&[], Timestamp::UNIX_EPOCH).0, "");
        let mark = Unmodeled {
            of: "telemetry",
            component: None,
            name: "<b>".to_owned(),
            kind: "unmodeled",
            words: "<b> is not telemetry of the model".to_owned(),
            count: 3,
            last: Timestamp::UNIX_EPOCH,
        };
        let text = table(&[mark], Timestamp::UNIX_EPOCH).0;
        assert!(
            text.contains("&lt;b&gt; is not telemetry") && !text.contains("<b>"),
            "{text}"
        );
    }
}
