//! The first view: totals, the last minutes, the fleet, connection groups, individual enrollments, and what happened last.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use iot_emulator::{Event, Service, Stats};
use live_page::Fragment;
use maud::{Markup, html};

use crate::counts::Counts;
use crate::device_view::Status;
use crate::samples::{Sample, rate};
use crate::{Page, chart, enrollments, format, journal, layout, live};

const EVENTS: usize = 12;

pub(crate) async fn show(State(page): State<Page>) -> Markup {
    let [in_force, totals, curves, legend, _, states, groups, events] = fragments(&page);
    let content = html! {
        h1.unseen { "Overview" }
        (in_force)
        (totals)
        section { h2 { "The last five minutes" } (curves) }
        section { h2 { "Fleet" } (legend) (page.fleet().dots_now()) (states) }
        section {
            h2 { "What happened" }
            (events)
            p { a href="/journal" { "All of the journal" } }
        }
        (groups)
    };
    layout::inside(&page, "Overview", "/", Some("/live"), content)
}

pub(crate) async fn live(State(page): State<Page>, headers: HeaderMap) -> Response {
    live::stream(page, &headers, fragments)
}

fn fragments(page: &Page) -> [Fragment; 8] {
    let (counts, fleet) = (page.counts(), page.fleet());
    let samples = page.shared.samples.read();
    let events = page.view.journal().tail(EVENTS, |entry| is_news(&entry.event));
    [
        Fragment::new("in-force", in_force(page)),
        Fragment::new(
            "totals",
            totals(
                &page.view.stats(),
                &counts,
                messages_per_second(&samples),
                fleet.refused,
            ),
        ),
        Fragment::new("curves", chart::totals::draw(&samples)),
        fleet.legend.clone(),
        fleet.dots.clone(),
        fleet.states.clone(),
        Fragment::new("groups", enrollments::all(page, &counts)),
        Fragment::new("events", journal::list(&events, true)),
    ]
}

/// Devices report all the time, and each registration is a connection of its own: they would leave no room for anything else.
fn is_news(event: &Event) -> bool {
    !matches!(
        event,
        Event::Reported { .. }
            | Event::Connected { service: Service::Dps }
            | Event::Disconnected {
                service: Service::Dps,
                ..
            }
    )
}

/// What is in the devices' way on purpose; nothing when nothing is.
fn in_force(page: &Page) -> Markup {
    let rules = page.view.rules();
    let rules = rules.iter().filter(|(rule, _)| rule.enabled).count();
    let quota = page.view.quota();
    html! {
        @if rules > 0 || quota.is_some() {
            p.in-force {
                @if rules > 0 {
                    span { span.badge.wait { "faults" } " " a href="/faults" { (format::rules(rules)) @if rules == 1 { " is on" } @else { " are on" } } }
                }
                @if let Some(quota) = quota { span { span.badge { "quota" } " " (quota) } }
            }
        }
    }
}

/// Between the last two samples, once there are two.
fn messages_per_second(samples: &[Sample]) -> Option<f64> {
    match samples {
        [.., earlier, later] => rate(earlier, later, |stats| stats.telemetry_received),
        _ => None,
    }
}

fn totals(stats: &Stats, counts: &Counts, rate: Option<f64>, refused: usize) -> Markup {
    html! {
        dl.figures {
            (figure("Online", "online", counts.online, &format!("of {}", format::count(counts.total()))))
            @for status in Status::ALL {
                (figure(status.word(), status.key(), counts.of(status), ""))
            }
            div {
                dt { "Telemetry" }
                dd id="telemetry" { (format::count(stats.telemetry_received)) }
                dd.quiet { @if let Some(rate) = rate { (format!("{rate:.0}")) " per second" } }
            }
            div {
                dt { "Throttled" }
                dd id="throttled" { (format::count(stats.throttled)) }
                dd.quiet { "by the quota" }
            }
            div {
                dt { a href="/refused" { "Refused" } }
                dd id="refused" { (format::count(stats.refused + stats.registrations_refused)) }
                dd.quiet { @if refused > 0 { "now " (format::count(refused)) @if refused == 1 { " device" } @else { " devices" } } @else { "since the start" } }
            }
        }
    }
}

fn figure(name: &str, key: &str, number: usize, more: &str) -> Markup {
    html! {
        div {
            dt { a href={ "/devices?state=" (key) } { (name) } }
            dd id=(key) { (format::count(number)) }
            dd.quiet { (more) }
        }
    }
}
