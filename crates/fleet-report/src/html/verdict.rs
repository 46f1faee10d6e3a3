//! The judgement on a run, and which run it was.

use maud::{Markup, html};

use super::format::{bytes, duration, float, grouped, number, or_dash, percent, share};
use super::shown;
use crate::exit::{INTERRUPTED, PASSED};
use crate::generator::Fitness;
use crate::report::{EndReason, Report};
use crate::summary::verdict_lines;
use crate::thresholds::{Marks, ThresholdRow};
use crate::words::{counted, readable};

/// The title of the page: the verdict, and on what.
pub(super) fn title(report: &Report) -> String {
    let name = name(report).map(|name| format!("{name} · ")).unwrap_or_default();
    format!("{} · {name}{}", word(report).0, shown(&report.run.id))
}

fn word(report: &Report) -> (&'static str, &'static str, &'static str) {
    match report.exit {
        PASSED => ("Passed", "good", "✓"),
        INTERRUPTED => ("Interrupted", "wait", "–"),
        _ => ("Failed", "bad", "✗"),
    }
}

pub(super) fn name(report: &Report) -> Option<String> {
    report.fleet_name().map(shown)
}

/// The verdict with its reasons, and the figures that are asked for first.
pub(super) fn header(report: &Report) -> Markup {
    let (word, class, mark) = word(report);
    let mut reasons = verdict_lines(report).into_iter();
    let first = reasons.next().unwrap_or_default();
    let first = first.split_once(": ").map(|(_, reason)| shown(reason));
    html! {
        (kicker(report))
        h1 { span class={ "badge " (class) } { span aria-hidden="true" { (mark) " " } (word) } @if let Some(first) = first { " " (first) } }
        @for reason in reasons { p.reason { (shown(&reason)) } }
        (figures(report))
    }
}

/// The same of a run that is in the middle of what `now` says: nothing is decided, but what would fail it is named.
pub(super) fn live_header(report: &Report, now: &str) -> Markup {
    let failing = report.thresholds.iter().filter(|result| result.fails()).count();
    html! {
        (kicker(report))
        h1 { span.badge.wait { "Running" } " " (now) }
        @if failing > 0 {
            p.reason { (counted(failing, "threshold", "thresholds")) " of " (report.thresholds.len()) " would fail it now" }
        }
        @for failure in &report.run.failures { p.reason { (shown(failure)) } }
        (figures(report))
    }
}

fn kicker(report: &Report) -> Markup {
    html! {
        p.kicker {
            "Fleet run" @if let Some(name) = name(report) { " · " (name) }
            @if let Some(started) = report.run.started { " · " (started.strftime("%Y-%m-%d %H:%M").to_string()) " UTC" }
        }
    }
}

fn figures(report: &Report) -> Markup {
    let mut figures: Vec<(&str, String, String)> = Vec::new();
    let devices = &report.devices;
    if devices.wanted > 0 {
        let words = format!("{} of {} wanted", grouped(devices.connected), grouped(devices.wanted));
        figures.push(("Came online", online_share(report), words));
    }
    if let Some(seconds) = report.run.time_to_online_s {
        figures.push(("All online after", readable(seconds), "since stage 1 began".to_owned()));
    }
    if let Some((share, words)) = acknowledged(report) {
        figures.push(("Acknowledged", share, words));
    }
    if let Some(rate) = rate(report) {
        figures.push(("Messages", format!("{rate}/s"), "mean of the run".to_owned()));
    }
    if let Some((p95, max)) = publish(report) {
        figures.push(("Publish p95", p95, format!("max {max}")));
    }
    if let Some(generator) = &report.generator {
        let words = match generator.verdict {
            Fitness::Fit => "not the bottleneck",
            Fitness::Bottleneck => "was the bottleneck",
        };
        figures.push((
            "Generator CPU",
            format!("{:.0} %", generator.cpu * 100.0),
            words.to_owned(),
        ));
    }
    html! {
        dl.figures {
            @for (name, value, words) in figures { div { dt { (name) } dd { (value) } dd.quiet { (words) } } }
        }
    }
}

/// The share of wanted devices that came online.
fn online_share(report: &Report) -> String {
    or_dash(
        share(
            report.devices.connected.min(report.devices.wanted),
            report.devices.wanted,
        )
        .map(percent),
    )
}

/// What a phase took at most for 95 % and for all.
fn publish(report: &Report) -> Option<(String, String)> {
    let latency = &report.latency.get("publish")?.all;
    Some((readable(latency.p95?), readable(latency.max?)))
}

/// Messages acknowledged, of those due.
fn acknowledged(report: &Report) -> Option<(String, String)> {
    let telemetry = report.telemetry;
    let due = telemetry.offered + telemetry.missed;
    let share = share(telemetry.acked, due)?;
    Some((
        percent(share),
        format!("{} of {}", grouped(telemetry.acked), grouped(due)),
    ))
}

/// The mean rate of acknowledged messages.
fn rate(report: &Report) -> Option<String> {
    let seconds = report.run.duration_s.filter(|seconds| *seconds > 0.0)?;
    Some(number(float(report.telemetry.acked) / seconds))
}

/// Each threshold with its judgement.
pub(super) fn thresholds(report: &Report) -> Markup {
    if report.thresholds.is_empty() {
        return html! {
            p.quiet { "The manifest has no thresholds; the run passes if every wanted device came online and nothing broke." }
        };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of thresholds" {
            table.thresholds {
                thead { tr {
                    th scope="col" { span.unseen { "Verdict" } }
                    th scope="col" { "Metric" }
                    th scope="col" { "Threshold" }
                    th.number scope="col" { "Measured" }
                    th scope="col" { span.unseen { "Notes" } }
                } }
                tbody {
                    @for result in &report.thresholds {
                        @let row = ThresholdRow::of(result);
                        @let mark = Marks::Unicode.of(result);
                        @let class = match mark { "✓" => "good", "✗" => "bad", _ => "quiet" };
                        tr {
                            td class={ "mark " (class) } { (mark) span.unseen { (if result.fails() { "failed" } else { "passed" }) } }
                            th scope="row" { code { (row.name) } }
                            td { code { (row.expression) } }
                            td.number.bad[result.fails()] { (row.actual) }
                            td.quiet { (row.notes) }
                        }
                    }
                }
            }
        }
    }
}

/// Which run it was.
pub(super) fn run(report: &Report, is_over: bool) -> Markup {
    let run = &report.run;
    let at = |time: jiff::Timestamp| format!("{} UTC", time.strftime("%Y-%m-%d %H:%M:%S"));
    let tool = &report.tool;
    let commit = tool
        .git
        .as_ref()
        .map(|git| format!(", commit {}", shown(git)))
        .unwrap_or_default();
    let facts = [
        ("Run", Some(shown(&run.id))),
        ("Began", run.started.map(at)),
        ("Ended", run.ended.map(at)),
        ("Took", run.duration_s.map(duration)),
        ("End", run.end_reason.map(|reason| ended(reason).to_owned())),
        ("Exit code", is_over.then(|| report.exit.to_string())),
        (
            "Version",
            Some(format!(
                "fleet {}{commit}, {}",
                shown(&tool.version),
                shown(&tool.target)
            )),
        ),
        ("Machine", machine(report)),
    ];
    html! {
        @if let Some(command) = &run.command { pre.command tabindex="0" { code { (shown(command)) } } }
        dl.facts {
            @for (name, value) in facts {
                @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
            }
        }
        @for warning in report.plan.iter().flat_map(|plan| &plan.warnings) { p { "The plan warned: " (shown(warning)) } }
    }
}

/// The machine, for the facts about the run.
fn machine(report: &Report) -> Option<String> {
    let environment = report.environment.as_ref()?;
    Some(format!(
        "{}, {}, {}",
        shown(&environment.os),
        crate::words::counted(environment.cores, "core", "cores"),
        bytes(environment.memory_bytes)
    ))
}

fn ended(reason: EndReason) -> &'static str {
    match reason {
        EndReason::StagesOver => "the stages were over",
        EndReason::Interrupted => "a signal asked for it",
        EndReason::ProcessDied => "a device-sim process died",
        EndReason::ShardsMissing => "not all shards came in time",
        EndReason::EmulatorDied => "the emulator died",
        EndReason::AllFailed => "all devices had failed for the same reason",
        EndReason::ThresholdCrossed => "a threshold that ends the run was crossed",
        EndReason::MessagesSent => "all of its messages had been sent",
    }
}
