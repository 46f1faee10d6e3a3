//! The summary of a run for a person, on stdout.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::report::{Latency, Report};

/// The report in words and figures.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = merged(&mut text, report);
    let _ = devices(&mut text, report);
    let _ = telemetry(&mut text, report);
    let _ = latencies(&mut text, report);
    let _ = errors(&mut text, report);
    text
}

fn merged(text: &mut String, report: &Report) -> std::fmt::Result {
    let Some(merged) = &report.merged else {
        return Ok(());
    };
    let list = |shards: &[u32]| shards.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    writeln!(text, "Run {}", merged.run_id)?;
    writeln!(text, "  shards          {:>9}", merged.shards)?;
    writeln!(text, "  processes       {:>9}", merged.processes)?;
    if !merged.missing.is_empty() {
        writeln!(text, "  nothing of shard {}", list(&merged.missing))?;
    }
    if !merged.open.is_empty() {
        writeln!(text, "  no end of shard {}", list(&merged.open))?;
    }
    writeln!(text)
}

fn devices(text: &mut String, report: &Report) -> std::fmt::Result {
    let devices = report.devices;
    let reused = match report.assignments_reused {
        0 => String::new(),
        count => format!("  ({count} from an earlier run)"),
    };
    writeln!(text, "Devices")?;
    writeln!(text, "  asked           {:>9}", devices.asked)?;
    writeln!(text, "  registered      {:>9}{reused}", devices.registered)?;
    writeln!(text, "  connected       {:>9}", devices.connected)?;
    writeln!(
        text,
        "  failed          {:>9}{}",
        devices.failed,
        in_brackets(&report.failed_by_reason)
    )
}

fn telemetry(text: &mut String, report: &Report) -> std::fmt::Result {
    let telemetry = report.telemetry;
    writeln!(text, "\nTelemetry")?;
    writeln!(text, "  offered         {:>9}", telemetry.offered)?;
    writeln!(text, "  sent            {:>9}", telemetry.sent)?;
    writeln!(text, "  acknowledged    {:>9}", telemetry.acked)?;
    writeln!(text, "  sent again      {:>9}", telemetry.resent)?;
    writeln!(
        text,
        "  dropped         {:>9}{}",
        telemetry.dropped,
        in_brackets(&report.dropped_by_reason)
    )?;
    if let Some(merged) = report.merged.as_ref().filter(|merged| merged.telemetry_lost > 0) {
        writeln!(
            text,
            "  lost            {:>9}  (with processes that were killed)",
            merged.telemetry_lost
        )?;
    }
    if let Some(target) = report.target {
        writeln!(
            text,
            "  received        {:>9}  ({} unique, counted by the emulator)",
            target.received, target.received_unique
        )?;
    } else if report.received_unknown {
        writeln!(text, "  received          unknown  (the emulator did not answer)")?;
    }
    Ok(())
}

fn latencies(text: &mut String, report: &Report) -> std::fmt::Result {
    if report.phases.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\n{:<16} {:>10} {:>9} {:>9} {:>9} {:>9}",
        "Latency", "count", "p50", "p90", "p99", "max"
    )?;
    for phase in &report.phases {
        let Some(latency) = report.latency.get(phase) else {
            continue;
        };
        let Latency {
            count,
            p50,
            p90,
            p99,
            max,
            ..
        } = *latency;
        let [p50, p90, p99, max] = [p50, p90, p99, max].map(readable);
        writeln!(text, "  {phase:<14} {count:>10} {p50:>9} {p90:>9} {p99:>9} {max:>9}")?;
    }
    Ok(())
}

fn errors(text: &mut String, report: &Report) -> std::fmt::Result {
    if report.errors.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nErrors")?;
    for (reason, count) in &report.errors {
        writeln!(text, "  {reason:<40} {count:>9}")?;
    }
    Ok(())
}

fn in_brackets(reasons: &BTreeMap<String, u64>) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    let words: Vec<_> = reasons
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    format!("  ({})", words.join(", "))
}

/// Seconds in the unit in which a person thinks of them, with three digits.
pub(crate) fn readable(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let decimals = match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        for (seconds, text) in [
            (0.000_012, "12.0 µs"),
            (0.000_999, "999 µs"),
            (0.0034, "3.40 ms"),
            (0.25, "250 ms"),
            (3.02, "3.02 s"),
            (61.7, "61.7 s"),
            (600.0, "600 s"),
        ] {
            assert_eq!(readable(seconds), text);
        }
    }
}
