//! The report as a page: `report.html`, one file that asks nothing of anybody and needs no script.
//!
//! | module | holds |
//! | --- | --- |
//! | `verdict` | sections 1 and 2: the judgement, and which run it is about |
//! | `devices`, `registration` | sections 3 and 4 |
//! | `messages` | section 5 |
//! | `latency`, `distribution` | sections 6 to 8: how long things took |
//! | `limits` | section 10: what was used of the documented limits |
//! | `circumstances` | sections 9 and 11 to 13: failures, events, generator, manifest |
//! | `chart` | the four kinds of charts |
//! | `scale`, `format` | axes with round steps, and numbers as a person reads them |

mod chart;
mod circumstances;
mod devices;
mod distribution;
mod format;
mod latency;
mod limits;
mod messages;
mod registration;
mod scale;
#[cfg(test)]
mod tests;
mod timeline;
mod verdict;

use iot_protocol::shown;
use maud::{DOCTYPE, Markup, PreEscaped, html as page};

use crate::report::Report;

const STYLE: &str = include_str!("html/page.css");

/// Nothing is loaded, nothing is run, and nothing leaves the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A part of the page that stands for itself.
pub(crate) struct Section {
    /// Its anchor.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) content: Markup,
}

/// `report.html` of a report.
#[must_use]
pub fn html(report: &Report) -> String {
    let sections = sections(report);
    let markup = page! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (verdict::title(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (verdict::header(report))
                nav aria-label="Sections" {
                    @for Section { id, title, .. } in &sections { a href={ "#" (id) } { (title) } }
                }
                main {
                    @for Section { id, title, content } in &sections {
                        section id=(id) aria-labelledby={ (id) "-title" } {
                            h2 id={ (id) "-title" } { (title) }
                            (content)
                        }
                    }
                }
                footer {
                    "fleet " (report.tool.version) " · made of report.json alone · times are UTC, seconds count from when \
                     the processes were started"
                }
            }
        }
    };
    markup.into_string()
}

/// All sections of which there is something to show, in their order.
pub(crate) fn sections(report: &Report) -> Vec<Section> {
    let of = |id, title, content: Option<Markup>| content.map(|content| Section { id, title, content });
    [
        of("thresholds", "Thresholds", Some(verdict::thresholds(report))),
        of("run", "Run", Some(verdict::run(report))),
        of("devices", "Devices", Some(devices::devices(report))),
        of("registration", "Registration", registration::registration(report)),
        of("messages", "Messages", Some(messages::messages(report))),
        of("latency", "Latency over time", latency::over_time(report)),
        of("distribution", "Distribution", distribution::distribution(report)),
        of("phases", "Phases and groups", Some(distribution::table(report))),
        of("errors", "Errors", Some(circumstances::errors(report))),
        of("quotas", "Quotas", Some(limits::quotas(report))),
        of("events", "Events", circumstances::events(report)),
        of("generator", "Generator", circumstances::generator(report)),
        of("manifest", "Manifest", circumstances::manifest(report)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Text that could be anything: without control characters and secrets. Markup in it is escaped where it is put.
fn shown(text: &str) -> String {
    shown::text(text).to_string()
}
