//! The report as Markdown: for the page that a pipeline shows of a job.

use std::fmt::Write as _;

use iot_protocol::shown;

use crate::report::{Latency, Report};
use crate::summary::verdict_lines;
use crate::thresholds::{Marks, ThresholdRow};
use crate::words::readable;

/// `summary.md` of a report.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = write_all(&mut text, report);
    text
}

fn write_all(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut verdict = verdict_lines(report).into_iter();
    writeln!(text, "## {}", cell(&verdict.next().unwrap_or_default()))?;
    for reason in verdict {
        writeln!(text, "\n{}", cell(&reason))?;
    }
    if !report.thresholds.is_empty() {
        writeln!(
            text,
            "\n| | metric | threshold | measured | |\n| --- | --- | --- | ---: | --- |"
        )?;
    }
    for result in &report.thresholds {
        let row = ThresholdRow::of(result);
        let [name, expression, actual, notes] =
            [&row.name, &row.expression, &row.actual, &row.notes].map(|text| cell(text));
        let mark = Marks::Unicode.of(result);
        writeln!(text, "| {mark} | `{name}` | `{expression}` | {actual} | {notes} |")?;
    }
    if let Some(generator) = &report.generator {
        writeln!(text, "\nGenerator: {}.", cell(&generator.words()))?;
    }
    figures(text, report)?;
    latencies(text, report)?;
    errors(text, report)?;
    let run = &report.run;
    let took = run
        .duration_s
        .map(|seconds| format!(", {seconds:.1} s"))
        .unwrap_or_default();
    writeln!(
        text,
        "\nRun `{}`{took}, fleet {}.",
        cell(&run.id),
        cell(&report.tool.version)
    )?;
    match &run.command {
        Some(command) => writeln!(text, "\n```\n{}\n```", shown::text(command)),
        None => Ok(()),
    }
}

fn figures(text: &mut String, report: &Report) -> std::fmt::Result {
    let (devices, telemetry) = (&report.devices, &report.telemetry);
    writeln!(text, "\n| devices | | telemetry | |\n| --- | ---: | --- | ---: |")?;
    let received = report
        .target
        .map_or("–".to_owned(), |target| target.received_unique.to_string());
    for (left, devices, right, telemetry) in [
        ("wanted", devices.wanted, "offered", telemetry.offered.to_string()),
        ("registered", devices.registered, "sent", telemetry.sent.to_string()),
        (
            "connected",
            devices.connected,
            "acknowledged",
            telemetry.acked.to_string(),
        ),
        ("failed", devices.failed, "received", received),
    ] {
        writeln!(text, "| {left} | {devices} | {right} | {telemetry} |")?;
    }
    if let Some(negative) = &devices.negative {
        writeln!(text, "\n{}.", negative.words())?;
    }
    if !devices.faulty.is_empty() {
        let faulty = devices
            .faulty
            .iter()
            .map(|(kind, count)| format!("{count} {}", cell(kind)));
        writeln!(
            text,
            "\nWith a fault of their own on purpose: {}.",
            faulty.collect::<Vec<_>>().join(", ")
        )?;
    }
    Ok(())
}

fn latencies(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut rows = report.phases().map(|(phase, latency)| (phase, &latency.all)).peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    writeln!(
        text,
        "\n| phase | count | p50 | p95 | p99 | max |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for (phase, latency) in rows {
        let Latency {
            count,
            p50,
            p95,
            p99,
            max,
            ..
        } = *latency;
        let [p50, p95, p99, max] = [p50, p95, p99, max].map(|value| value.map_or("–".to_owned(), readable));
        writeln!(text, "| {} | {count} | {p50} | {p95} | {p99} | {max} |", phase.word())?;
    }
    Ok(())
}

fn errors(text: &mut String, report: &Report) -> std::fmt::Result {
    if report.errors.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\n| error | count | first | last | what helps |\n| --- | ---: | ---: | ---: | --- |"
    )?;
    for row in &report.errors {
        let at = |seconds: Option<f64>| seconds.map_or("–".to_owned(), |seconds| format!("{seconds:.0} s"));
        let remedy = row.remedy.as_deref().unwrap_or_default();
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            cell(&row.name()),
            row.count,
            at(row.first_s),
            at(row.last_s),
            cell(remedy)
        )?;
    }
    Ok(())
}

/// A text that can't end its cell or become markup of its own.
fn cell(text: &str) -> String {
    let mut escaped = String::new();
    for character in shown::text(text).to_string().chars() {
        match character {
            '|' => escaped.push_str("\\|"),
            '`' => escaped.push('\''),
            '<' => escaped.push_str("&lt;"),
            '\n' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_cell() {
        assert_eq!(cell("a|b`c\n<script>"), "a\\|b'c\\n&lt;script>");
    }
}
