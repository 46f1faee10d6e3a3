//! The summary of a run for a person, on stdout: the verdict first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fleet_protocol::lines::{Phase, counter};

use crate::exit::{INTERRUPTED, PASSED};
use crate::report::{Latency, Report};
use crate::thresholds::{Marks, headline, lines};
use crate::words::counted;

/// The report in words and figures.
#[must_use]
pub fn summary(report: &Report, marks: Marks) -> String {
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = verdict(&mut text, report);
    text += &lines(&report.thresholds, marks);
    let _ = run(&mut text, report);
    let _ = devices(&mut text, report);
    let _ = telemetry(&mut text, report);
    let _ = latencies(&mut text, report);
    let _ = errors(&mut text, report);
    text
}

fn verdict(text: &mut String, report: &Report) -> std::fmt::Result {
    let word = match report.exit {
        PASSED => "PASSED",
        INTERRUPTED => "INTERRUPTED",
        _ => "FAILED",
    };
    let judged = headline(&report.thresholds);
    let judged = judged.as_deref().and_then(|line| line.split_once(": "));
    let crossed = judged.filter(|(word, _)| *word == "FAILED").map(|(_, words)| words);
    let passed = judged.filter(|_| report.exit == PASSED).map(|(_, words)| words);
    let failures = report.run.failures.iter().map(String::as_str);
    let mut reasons = crossed.into_iter().chain(failures).chain(passed);
    match reasons.next() {
        None => writeln!(text, "{word}"),
        Some(first) => {
            writeln!(text, "{word}: {first}")?;
            let indent = word.len() + 2;
            reasons.try_for_each(|reason| writeln!(text, "{:indent$}{reason}", ""))
        }
    }
}

fn run(text: &mut String, report: &Report) -> std::fmt::Result {
    let run = &report.run;
    writeln!(text, "\nRun {}", run.id)?;
    if let Some(started) = run.started {
        writeln!(text, "  began           {} UTC", started.strftime("%Y-%m-%d %H:%M:%S"))?;
    }
    if let Some(seconds) = run.duration_s {
        writeln!(text, "  took            {seconds:.1} s")?;
    }
    writeln!(text, "  fleet           {}", report.tool.version)?;
    let Some(merged) = &report.merged else {
        return writeln!(text);
    };
    let list = |shards: &[u32]| shards.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
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
    writeln!(text, "  wanted          {:>9}", devices.wanted)?;
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
    if telemetry.lost > 0 {
        writeln!(
            text,
            "  lost            {:>9}  (with processes that died)",
            telemetry.lost
        )?;
    }
    if telemetry.unreported > 0 {
        writeln!(
            text,
            "  not reported    {:>9}  (about so many in the last second of processes that died)",
            telemetry.unreported
        )?;
    }
    if let Some(target) = report.target {
        writeln!(
            text,
            "  received        {:>9}  ({} unique, counted by the emulator, of this run)",
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
        let Some(latency) = report.latency.get(phase.word()) else {
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
        let [p50, p90, p99, max] = [p50, p90, p99, max].map(|value| value.map_or("-".to_owned(), readable));
        let phase_word = phase.word();
        writeln!(
            text,
            "  {phase_word:<14} {count:>10} {p50:>9} {p90:>9} {p99:>9} {max:>9}"
        )?;
        let beside = beside(*phase, latency);
        if !beside.is_empty() {
            writeln!(text, "    beside these: {beside}")?;
        }
    }
    legend(text, &report.phases)
}

/// What the percentiles of a row leave out.
fn beside(phase: Phase, latency: &Latency) -> String {
    let mut parts = Vec::new();
    if latency.failed > 0 {
        parts.push(format!("{} failed", counted(latency.failed, "attempt", "attempts")));
    }
    if let Some(oldest) = latency.unfinished.oldest_s {
        let what = match phase {
            Phase::Register => "not assigned",
            Phase::TimeToOnline => "never online",
            Phase::Publish | Phase::PublishSent => "never acknowledged",
            Phase::TwinGet | Phase::Report => "never answered",
            _ => "not finished",
        };
        parts.push(format!(
            "{} {what}, the oldest after {}",
            latency.unfinished.count,
            readable(oldest)
        ));
    }
    if latency.clipped > 0 {
        parts.push(format!("{} longer than 600 s, counted as 600 s", latency.clipped));
    }
    parts.join("; ")
}

fn legend(text: &mut String, phases: &[Phase]) -> std::fmt::Result {
    writeln!(text, "\nWhat a row times, where it ended well")?;
    for phase in phases {
        let words = match phase {
            Phase::Register => "the conversation with DPS, up to the assignment",
            Phase::DpsWait => "the part of it in which DPS had told the device to wait",
            Phase::Connect => "name look-up to CONNACK",
            Phase::ConnectDns => "its parts: name look-up, TCP, TLS, and CONNECT to CONNACK",
            Phase::ConnectTcp | Phase::ConnectTls | Phase::ConnectMqtt => continue,
            Phase::TwinGet => "the request for the twin to its answer",
            Phase::TimeToOnline => "first wanted online to first online, whatever failed between",
            Phase::Publish => "the instant a message was due to its acknowledgement",
            Phase::PublishSent => "the first writing of a message to its acknowledgement",
            Phase::Report => "the first writing of reported properties to their answer",
            Phase::Command => "the arrival of a command to its answer",
        };
        let row = match phase {
            Phase::ConnectDns => "connect_*",
            other => other.word(),
        };
        writeln!(text, "  {row:<15} {words}")?;
    }
    Ok(())
}

fn errors(text: &mut String, report: &Report) -> std::fmt::Result {
    // Those of devices and of telemetry stand in brackets already.
    let shown = [counter::DEVICES_FAILED, counter::TELEMETRY_DROPPED];
    let others = report.errors.iter();
    let mut others = others.filter(|(name, _)| !shown.iter().any(|prefix| name.starts_with(prefix)));
    let Some(first) = others.next() else {
        return Ok(());
    };
    writeln!(text, "\nErrors")?;
    for (reason, count) in std::iter::once(first).chain(others) {
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
pub fn readable(seconds: f64) -> String {
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
