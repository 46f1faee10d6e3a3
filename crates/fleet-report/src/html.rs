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
/// As that, but for one script of the page's server, and the changes that it asks for.
const LIVE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'";

/// A part of the page that stands for itself, and is sent again when it changes.
#[derive(Debug, Clone)]
pub struct Part {
    /// The id of the element that holds it.
    pub id: &'static str,
    /// What is in there; empty where there is nothing to show.
    pub content: Markup,
}

/// Where a page of a live run gets what makes it live.
#[derive(Debug, Clone, Copy)]
pub struct LiveLinks {
    /// The script that puts changed parts in their places.
    pub script: &'static str,
    /// The stream of changes.
    pub changes: &'static str,
}

/// `report.html` of a report.
#[must_use]
pub fn html(report: &Report) -> String {
    document(report, &parts(report, None), None)
}

/// All parts of the page in their order: the title, the header, the list of sections, and the sections. With `now` the run is
/// in the middle of what that says, and `report` is how it would be if it were over; without, the header has the verdict.
#[must_use]
pub fn parts(report: &Report, now: Option<&str>) -> Vec<Part> {
    let sections = sections(report, now.is_none());
    let title = Part {
        id: "title",
        content: page! {
            (match now {
                Some(_) => format!("Running · {}", verdict::name(report).unwrap_or_default()),
                None => verdict::title(report),
            })
        },
    };
    let header = Part {
        id: "verdict",
        content: match now {
            Some(now) => verdict::live_header(report, now),
            None => verdict::header(report),
        },
    };
    let contents = Part {
        id: "contents",
        content: page! {
            @for Section { id, title, content } in &sections { @if content.is_some() { a href={ "#" (id) } { (title) } } }
        },
    };
    let sections = sections.into_iter().map(|Section { id, title, content }| Part {
        id,
        content: page! {
            @if let Some(content) = content {
                h2 id={ (id) "-title" } { (title) }
                (content)
            }
        },
    });
    [title, header, contents].into_iter().chain(sections).collect()
}

/// The page of these parts; with `live`, they are kept up to date.
#[must_use]
pub fn document(report: &Report, parts: &[Part], live: Option<LiveLinks>) -> String {
    let [title, header, contents, sections @ ..] = parts else {
        return String::new();
    };
    let markup = page! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(if live.is_some() { LIVE_POLICY } else { POLICY });
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title id=(title.id) { (title.content) }
                style { (PreEscaped(STYLE)) }
                @if let Some(LiveLinks { script, .. }) = live { script src=(script) defer {} }
            }
            body data-live=[live.map(|live| live.changes)] data-over=[live.map(|_| "the run is over")]
                data-background=[live.map(|_| "")] {
                @if live.is_some() { p.pulse id="pulse" role="status" {} }
                header id=(header.id) { (header.content) }
                nav id=(contents.id) aria-label="Sections" { (contents.content) }
                main {
                    // One without content would be an empty box in a file; a live page may fill it.
                    @for Part { id, content } in sections {
                        @if live.is_some() || !content.0.is_empty() {
                            section id=(id) aria-labelledby={ (id) "-title" } { (content) }
                        }
                    }
                }
                footer {
                    "fleet " (report.tool.version)
                    @if live.is_none() { " · made of report.json alone" }
                    " · times are UTC, seconds count from when the processes were started"
                }
            }
        }
    };
    markup.into_string()
}

struct Section {
    /// Its anchor.
    id: &'static str,
    title: &'static str,
    /// Nothing where there is nothing to show.
    content: Option<Markup>,
}

/// All sections in their order.
fn sections(report: &Report, is_over: bool) -> [Section; 13] {
    let of = |id, title, content| Section { id, title, content };
    [
        of("thresholds", "Thresholds", Some(verdict::thresholds(report))),
        of("run", "Run", Some(verdict::run(report, is_over))),
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
}

/// Text that could be anything: without control characters and secrets. Markup in it is escaped where it is put.
fn shown(text: &str) -> String {
    shown::text(text).to_string()
}
