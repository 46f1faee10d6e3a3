//! Messages per second, and their account.

use maud::{Markup, html};

use super::chart::{Fold, Line, Swatch};
use super::format::{Unit, grouped, percent, share};
use super::scale::Scale;
use super::timeline::{Points, Time, values};
use crate::report::{Report, TelemetryCounts};

pub(super) fn messages(report: &Report) -> Markup {
    let TelemetryCounts { offered, missed, .. } = report.telemetry;
    if offered == 0 && missed == 0 {
        return html! {
            p.quiet { "No message was due." }
            (to_devices(report))
        };
    }
    html! {
        (to_devices(report))
        @if let Some(time) = Time::of(report) {
            @let undelivered = undelivered(&time);
            @if undelivered.is_none() { p { "No message was missed, given up or sent again." } }
            div.charts { (rates(&time)) @if let Some(charts) = undelivered { (charts) } }
        }
        (account(report))
    }
}

/// What the operator has sent the other way.
fn to_devices(report: &Report) -> Markup {
    html! {
        @if let Some(messages) = &report.cloud_to_device {
            p { "Of " (grouped(messages.sent)) " cloud-to-device messages, " (grouped(messages.received)) " reached their devices." }
        }
    }
}

/// What was due is what devices produced and what they had no time to.
fn due(time: &Time<'_>) -> Option<Points> {
    let offered = time.per_second("offered");
    let missed = time.per_second("missed");
    match (offered, missed) {
        (Some(mut offered), Some(missed)) => {
            for ((_, due), (_, missed)) in offered.iter_mut().zip(missed) {
                *due = Some(due.unwrap_or(0.0) + missed.unwrap_or(0.0));
            }
            Some(offered)
        }
        (one, other) => one.or(other),
    }
}

fn rates(time: &Time<'_>) -> Markup {
    let series = [
        ("due", "c0", Swatch::Dashed, due(time)),
        ("sent", "c2", Swatch::Line, time.per_second("sent")),
        ("acknowledged", "c1", Swatch::Line, time.per_second("acked")),
    ];
    let lines: Vec<_> = series
        .into_iter()
        .filter_map(|(name, class, swatch, points)| Some(Line::new(name, class, swatch, points?)))
        .collect();
    let scale = Scale::linear(values(lines.iter().map(|line| &line.points)), Unit::Count);
    let columns: Vec<_> = lines.iter().map(|line| line.column(Unit::Count, Fold::Mean)).collect();
    html! { (time.lines("Messages", "per second", &lines, (scale, Unit::Count), &columns)) }
}

/// What was missed, given up or sent again; nothing where nothing was.
fn undelivered(time: &Time<'_>) -> Option<Markup> {
    let kinds = [
        ("Missed", "missed", "c0"),
        ("Given up", "dropped", "c3"),
        ("Sent again", "resent", "c2"),
    ];
    let charts: Vec<_> = kinds
        .into_iter()
        .filter_map(|(title, name, class)| time.bars(title, "messages per second", name, name, class))
        .collect();
    (!charts.is_empty()).then(|| html! { @for chart in charts { (chart) } })
}

fn account(report: &Report) -> Markup {
    let TelemetryCounts {
        offered,
        sent,
        acked,
        resent,
        dropped,
        lost,
        missed,
        unreported,
    } = report.telemetry;
    let mut rows = vec![
        ("Due", offered + missed, "by the intervals of the devices"),
        ("Missed", missed, "came too late to be worth a message"),
        ("Offered", offered, "produced by a device"),
        ("Sent", sent, "written to a connection, each message once"),
        ("Acknowledged", acked, "by the hub"),
        ("Sent again", resent, "with the same message id"),
        ("Given up", dropped, "the reasons are among the errors"),
    ];
    if lost > 0 {
        rows.push((
            "Lost",
            lost,
            "neither acknowledged nor given up: with a process that died",
        ));
    }
    if unreported > 0 {
        rows.push((
            "Not reported",
            unreported,
            "about so many in the last second of processes that died",
        ));
    }
    if let Some(target) = report.target {
        rows.push(("Received", target.received_unique, "by the target, each message once"));
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Account of messages" {
            table.account {
                thead { tr { th scope="col" { "Account" } th.number scope="col" { "Messages" } th.number scope="col" { "Of those due" } th scope="col" { span.unseen { "Meaning" } } } }
                tbody {
                    @for (name, count, words) in rows {
                        tr {
                            th scope="row" { (name) }
                            td.number { (grouped(count)) }
                            td.number { @if let Some(share) = share(count, offered + missed) { (percent(share)) } }
                            td.quiet { (words) }
                        }
                    }
                }
            }
        }
        @if let Some(arrival) = report.arrival {
            p { "Arrived: " strong { (percent(arrival.share)) } ", " (arrival.words()) "." }
        }
        @if report.target_unknown { p.quiet { "The target counts what it receives, and did not answer." } }
    }
}
