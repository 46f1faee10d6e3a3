//! Registration: how many in a minute beside the limit, and what took the time.

use maud::{Markup, html};

use super::chart::{Column, Fold, Line, Swatch};
use super::format::{Unit, float, number, percent};
use super::scale::Scale;
use super::timeline::{Points, Time, values};
use crate::quota_use::QuotaUse;
use crate::report::Report;
use crate::words::{counted, readable};

/// The limit on registrations in a minute that is used most.
fn limit(report: &Report) -> Option<&QuotaUse> {
    let limits = report
        .quotas
        .iter()
        .filter(|quota| quota.id.ends_with(".registrations") && quota.per == "min");
    limits.max_by(|one, other| one.peak.total_cmp(&other.peak))
}

/// Nothing where nothing has registered.
pub(super) fn registration(report: &Report) -> Option<Markup> {
    let register = report.latency.get("register").map(|latency| &latency.all);
    let wait = report.latency.get("dps_wait").map(|latency| &latency.all);
    let time = Time::of(report);
    let chart = time.as_ref().and_then(|time| registered(time, limit(report)));
    if register.is_none() && chart.is_none() {
        return None;
    }
    let throttled = time
        .as_ref()
        .and_then(|time| time.bars("Answers 429", "per second", "throttled", "429 per second", "c2"));
    Some(html! {
        @if let Some(register) = register {
            p {
                (counted(register.count, "registration", "registrations")) " ended with an assignment"
                @if register.failed > 0 { ", " (counted(register.failed, "attempt", "attempts")) " failed" }
                @if let (Some(p50), Some(p99)) = (register.p50, register.p99) {
                    "; half took " (readable(p50)) " at most, 99 % " (readable(p99)) " at most"
                }
                "."
            }
            @let whole = register.mean.unwrap_or(0.0) * float(register.count);
            @let waited = wait.map_or(0.0, |wait| wait.mean.unwrap_or(0.0) * float(wait.count)).min(whole);
            @if whole > 0.0 { (split(waited / whole, whole / float(register.count))) }
        }
        @if throttled.is_none() && time.is_some() { p.quiet { "DPS never answered 429." } }
        div.charts {
            @if let Some(chart) = chart { (chart) }
            @if let Some(chart) = &throttled { (chart) }
        }
    })
}

/// How much of a registration is waiting because DPS asked for it.
fn split(waited: f64, mean_s: f64) -> Markup {
    html! {
        div.split aria-hidden="true" {
            span.part.waited style=(format!("width:{:.1}%", waited * 100.0)) {}
            span.part.talked style=(format!("width:{:.1}%", (1.0 - waited) * 100.0)) {}
        }
        ul.legend {
            li { span.swatch.area.waited aria-hidden="true" {} "waiting, as DPS asked: " (percent(waited)) ", " (readable(waited * mean_s)) " on average" }
            li { span.swatch.area.talked aria-hidden="true" {} "talking with DPS: " (percent(1.0 - waited)) ", " (readable((1.0 - waited) * mean_s)) " on average" }
        }
    }
}

fn registered(time: &Time<'_>, limit: Option<&QuotaUse>) -> Option<Markup> {
    let done = time.per_minute("registered")?;
    let asked: Option<Points> = limit.and_then(|limit| {
        let used = time.series.quota.get(&limit.id)?;
        Some(time.with(used.iter().map(|share| Some(share * limit.allowed))))
    });
    let mut lines = vec![Line::new("done", "c1", Swatch::Line, done.clone())];
    let mut columns = vec![Column::new("done", Unit::Count, Fold::Most, done)];
    if let Some(begun) = time.per_minute("begun") {
        columns.insert(0, Column::new("begun", Unit::Count, Fold::Most, begun.clone()));
        lines.insert(0, Line::new("begun", "c0", Swatch::Dashed, begun));
    }
    if let Some(asked) = asked {
        columns.push(Column::new("asked", Unit::Count, Fold::Most, asked.clone()));
        lines.push(Line::new("asked, failed ones too", "c2", Swatch::Dotted, asked));
    }
    let bound = limit.map(|limit| format!("limit, {} per minute", number(limit.allowed)));
    if let (Some(limit), Some(name)) = (limit, &bound) {
        lines.push(Line::level(name, limit.allowed));
    }
    let scale = Scale::linear(values(lines.iter().map(|line| &line.points)), Unit::Count);
    let chart = time.lines(
        "Registrations",
        "in the minute before",
        &lines,
        (scale, Unit::Count),
        &columns,
    );
    Some(html! { (chart) })
}
