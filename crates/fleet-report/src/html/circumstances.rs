//! What failed, what happened, on what the load was made, and the manifest.

use maud::{Markup, html};

use super::format::{bytes, clock, grouped, or_dash, percent, share, words};
use super::shown;
use crate::generator::Fitness;
use crate::report::{FailureRow, Report};
use crate::words::readable;

pub(super) fn errors(report: &Report) -> Markup {
    if report.errors.is_empty() {
        return html! { p { "Nothing failed." } };
    }
    let mut rows: Vec<&FailureRow> = report.errors.iter().collect();
    rows.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.name().cmp(&other.name())));
    let has_remedy = rows.iter().any(|row| row.remedy.is_some());
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of errors" {
            table.errors {
                thead { tr {
                    th scope="col" { "What" }
                    th scope="col" { "Reason" }
                    th.number scope="col" { "Count" }
                    th.number scope="col" { "Share" }
                    th.number scope="col" { "First" }
                    th.number scope="col" { "Last" }
                    @if has_remedy { th scope="col" { "What helps" } }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (words(&row.operation)) }
                            td { @if let Some(reason) = &row.reason { code { (shown(reason)) } } @else { "–" } }
                            td.number { (grouped(row.count)) }
                            td.number { (or_dash(share_of(report, row).map(percent))) }
                            td.number { (or_dash(row.first_s.map(clock))) }
                            td.number { (or_dash(row.last_s.map(clock))) }
                            @if has_remedy { td.remedy { @if let Some(remedy) = &row.remedy { (shown(remedy)) } } }
                        }
                    }
                }
            }
        }
        p.quiet { "The share is of the attempts, of the messages that were offered, or of the devices that were wanted." }
    }
}

/// The share of what was tried; nothing where that is not counted.
fn share_of(report: &Report, row: &FailureRow) -> Option<f64> {
    let whole = match row.operation.as_str() {
        "devices_failed" => report.devices.wanted,
        "telemetry_dropped" => report.telemetry.offered,
        operation => {
            let latency = report.latency.get(operation.strip_suffix("_failed")?)?;
            latency.all.count + latency.all.failed
        }
    };
    share(row.count.min(whole), whole)
}

/// Nothing where nothing happened.
pub(super) fn events(report: &Report) -> Option<Markup> {
    if report.events.is_empty() {
        return None;
    }
    Some(html! {
        p.quiet { "Each is a thin line through the charts over time, with its number where there is room." }
        ol.events {
            @for (number, event) in (1_usize..).zip(&report.events) {
                li {
                    span.no { (number) }
                    span.when { (clock(event.at_s)) }
                    span.kind { (words(&event.kind)) }
                    span.what {
                        (shown(&event.what))
                        @if let Some(devices) = event.devices { " · " (crate::words::devices(devices)) }
                    }
                }
            }
        }
    })
}

/// Nothing where no process reported about itself.
pub(super) fn generator(report: &Report) -> Option<Markup> {
    let generator = report.generator.as_ref();
    let merged = report.merged.as_ref();
    if generator.is_none() && merged.is_none() {
        return None;
    }
    Some(html! {
        @if let Some(merged) = merged {
            p {
                "Merged from the records of " (crate::words::counted(merged.processes, "process", "processes")) ", "
                (crate::words::counted(merged.shards, "shard", "shards")) "."
                @if !merged.missing.is_empty() { strong.bad { " Nothing of shard " (crate::words::stretches(&merged.missing)) "." } }
                @if !merged.open.is_empty() { strong.bad { " No end of shard " (crate::words::stretches(&merged.open)) "." } }
            }
        }
        @if let Some(generator) = generator {
            p { (shown(&generator.words())) "." }
            div.scroll tabindex="0" role="region" aria-label="Shards" {
                table {
                    thead { tr {
                        th scope="col" { "Shard" }
                        th scope="col" { "Host" }
                        th.number scope="col" { "CPU" }
                        th.number scope="col" { "Memory" }
                        th.number scope="col" { "Lag p99" }
                        th.number scope="col" { "File handles" }
                        th scope="col" { "Verdict" }
                    } }
                    tbody {
                        @for shard in &generator.shards {
                            tr {
                                th scope="row" { (shard.shard) }
                                td { (shown(&shard.host)) }
                                td.number { (format!("{:.1} s", shard.cpu_s)) }
                                td.number { (bytes(shard.rss_bytes)) }
                                td.number { (or_dash(shard.lag_p99_s.map(readable))) }
                                td.number { (grouped(shard.nofile_used)) " of " (grouped(shard.nofile_limit)) }
                                @match shard.verdict {
                                    Fitness::Fit => td { "had room to spare" },
                                    Fitness::Bottleneck => td.bad { "was a bottleneck" },
                                }
                            }
                        }
                    }
                }
            }
            p.quiet {
                "A second is strained when a process is late, or its host short of CPU; "
                (percent(generator.strained)) " of the seconds were. Figures of a bottleneck are, in part, figures of itself."
            }
        }
    })
}

/// Nothing where the report has none.
pub(super) fn manifest(report: &Report) -> Option<Markup> {
    let manifest = report.manifest.as_ref()?;
    let json = serde_json::to_string_pretty(manifest).unwrap_or_default();
    Some(html! {
        details.more {
            summary { "The manifest as it was used: with defaults and overrides, without secrets" }
            pre tabindex="0" { code { (iot_protocol::shown::lines(&json).to_string()) } }
        }
    })
}
