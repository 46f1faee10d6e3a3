//! What was used of the documented limits.

use maud::{Markup, html};

use super::chart::{Column, Fold, Line, PALETTE, Swatch};
use super::format::{Unit, clock, float, number, or_dash, percent};
use super::scale::Scale;
use super::shown;
use super::timeline::{Time, values};
use crate::quota_use::QuotaUse;
use crate::report::Report;

pub(super) fn quotas(report: &Report) -> Markup {
    if report.quotas.is_empty() {
        return html! {
            p.quiet {
                "No limit was measured: the run names no quota (" code { "quota" } " under " code { "[target]" } "), or the \
                 report is of several runs."
            }
        };
    }
    let planned = |id: &str| {
        let quotas = report.plan.iter().flat_map(|plan| &plan.quotas);
        quotas.filter(|quota| quota.id == id).map(|quota| quota.share).next()
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of quotas" {
            table.quotas {
                thead { tr {
                    th scope="col" { "Limit" }
                    th.number scope="col" { "Allowed" }
                    th scope="col" { "Used at the peak" }
                    th.number scope="col" { "Peak" }
                    th.number scope="col" { "At" }
                    th.number scope="col" { "Mean" }
                    th.number scope="col" { "Planned" }
                } }
                tbody {
                    @for QuotaUse { id, what, allowed, per, peak, peak_at_s, mean } in &report.quotas {
                        tr {
                            th scope="row" { (shown(what)) span.quiet { (shown(id)) } }
                            td.number { (number(*allowed)) " per " (shown(per)) }
                            td { (meter(*peak, *mean)) }
                            td.number.bad[*peak > 1.0] { (percent(*peak)) }
                            td.number { @if *peak > 0.0 { (clock(float(*peak_at_s))) } @else { "–" } }
                            td.number { (percent(*mean)) }
                            td.number { (or_dash(planned(id).map(percent))) }
                        }
                    }
                }
            }
        }
        @if let Some(time) = Time::of(report) { div.charts.wide { (used(&time, report)) } }
        p.quiet {
            "What is asked counts, also where the service refuses it. A limit per second is measured over the last five \
             seconds, one per day by the whole run."
        }
    }
}

/// The peak as a bar, the mean as a line in it.
fn meter(peak: f64, mean: f64) -> Markup {
    html! {
        div.meter.over[peak > 1.0] aria-hidden="true" {
            span.peak style=(format!("width:{:.1}%", peak.clamp(0.0, 1.0) * 100.0)) {}
            span.mean style=(format!("left:{:.1}%", mean.clamp(0.0, 1.0) * 100.0)) {}
        }
    }
}

/// Limits of which something was used, over time.
fn used(time: &Time<'_>, report: &Report) -> Markup {
    let mut lines: Vec<_> = report
        .quotas_by_peak()
        .into_iter()
        .zip(PALETTE)
        .filter_map(|(quota, class)| {
            let shares = time.series.quota.get(&quota.id)?;
            let points = time.with(shares.iter().map(|share| Some(*share)));
            Some(Line::new(&quota.what, class, Swatch::Line, points))
        })
        .collect();
    if lines.is_empty() {
        return html! {};
    }
    let columns: Vec<_> = lines
        .iter()
        .map(|line| Column::new(shown(line.name), Unit::Share, Fold::Most, line.points.clone()))
        .collect();
    let scale = Scale::linear(values(lines.iter().map(|line| &line.points)), Unit::Share);
    if scale.value(1.0) >= 1.0 {
        lines.push(Line::level("all that is allowed", 1.0));
    }
    let mut chart = time.lines(
        "Used over time",
        "share of the limit",
        &lines,
        (scale, Unit::Share),
        &columns,
    );
    chart.keys.iter_mut().for_each(|key| key.name = shown(&key.name));
    html! { (chart) }
}
