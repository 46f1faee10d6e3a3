//! The summary of a run for a person, on stdout: the verdict first.

use std::fmt::Write as _;

use fleet_protocol::lines::{Phase, counter};
use iot_protocol::shown;

use crate::exit::{INTERRUPTED, PASSED};
use crate::phases::meaning;
use crate::plan::text::percent;
use crate::report::{Latency, NegativeCounts, PhaseLatency, Report};
use crate::thresholds::{Marks, headline, lines};
use crate::words::{clock, counted, readable, stretches};

/// The report in words and figures.
#[must_use]
pub fn summary(report: &Report, marks: Marks) -> String {
    let mut text = String::new();
    // Writing into a string can't fail.
    let _ = verdict(&mut text, report);
    text += &lines(&report.thresholds, marks);
    let _ = generator(&mut text, report);
    let _ = quotas(&mut text, report);
    let _ = run(&mut text, report);
    let _ = devices(&mut text, report);
    let _ = telemetry(&mut text, report);
    let _ = latencies(&mut text, report);
    let _ = errors(&mut text, report);
    text
}

fn verdict(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut lines = verdict_lines(report).into_iter();
    let first = lines.next().unwrap_or_default();
    let indent = first.find(": ").map_or(0, |colon| colon + 2);
    writeln!(text, "{first}")?;
    lines.try_for_each(|reason| writeln!(text, "{:indent$}{reason}", ""))
}

/// The verdict and its first reason, such as `FAILED: 1 of 4 thresholds`, and the other reasons.
pub(crate) fn verdict_lines(report: &Report) -> Vec<String> {
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
    let mut reasons = crossed.into_iter().chain(failures).chain(passed).map(str::to_owned);
    let first = match reasons.next() {
        None => word.to_owned(),
        Some(first) => format!("{word}: {first}"),
    };
    std::iter::once(first).chain(reasons).collect()
}

fn generator(text: &mut String, report: &Report) -> std::fmt::Result {
    match &report.generator {
        Some(generator) => writeln!(text, "Generator  {}", generator.words()),
        None => Ok(()),
    }
}

/// The limits that were used most; those of which next to nothing was used are left out.
fn quotas(text: &mut String, report: &Report) -> std::fmt::Result {
    let used = report.quotas_by_peak();
    if used.is_empty() {
        return Ok(());
    }
    let words = used.iter().map(|used| {
        let at = if used.peak > 1.0 {
            format!(" at {}", clock(used.peak_at_s))
        } else {
            String::new()
        };
        let [what, per] = [&used.what, &used.per].map(|text| shown::text(text));
        format!("{what} {:.0} % of {}/{per}{at}", used.peak * 100.0, used.allowed)
    });
    writeln!(text, "Quotas     {}", words.collect::<Vec<_>>().join(", "))
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
    writeln!(text, "  shards          {:>9}", merged.shards)?;
    writeln!(text, "  processes       {:>9}", merged.processes)?;
    if !merged.missing.is_empty() {
        writeln!(text, "  nothing of shard {}", stretches(&merged.missing))?;
    }
    if !merged.open.is_empty() {
        writeln!(text, "  no end of shard {}", stretches(&merged.open))?;
    }
    writeln!(text)
}

fn devices(text: &mut String, report: &Report) -> std::fmt::Result {
    let devices = &report.devices;
    let reused = match devices.reused {
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
        in_brackets(report.reasons_of(counter::DEVICES_FAILED))
    )?;
    for (kind, count) in &devices.faulty {
        writeln!(
            text,
            "  {:<15} {count:>9}  (on purpose)",
            format!("with {}", shown::text(kind))
        )?;
    }
    match &devices.negative {
        Some(negative) => negatives(text, negative, report),
        None => Ok(()),
    }
}

/// The devices that must be refused.
fn negatives(text: &mut String, negative: &NegativeCounts, report: &Report) -> std::fmt::Result {
    writeln!(text, "\nDevices that must be refused")?;
    writeln!(text, "  asked           {:>9}", negative.asked)?;
    let refused = report.counted_by_reason(counter::DEVICES_REFUSED);
    let refused = in_brackets(refused.iter().map(|(reason, count)| (*reason, *count)));
    writeln!(text, "  as expected     {:>9}{refused}", negative.refused)?;
    let others = [
        (
            "otherwise",
            negative.refused_otherwise,
            counter::DEVICES_REFUSED_OTHERWISE,
        ),
        ("not judged", negative.not_judged, counter::DEVICES_NOT_JUDGED),
    ];
    for (name, count, counter) in others {
        writeln!(
            text,
            "  {name:<15} {count:>9}{}",
            in_brackets(report.reasons_of(counter))
        )?;
    }
    writeln!(text, "  let in          {:>9}", negative.let_in)
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
        in_brackets(report.reasons_of(counter::TELEMETRY_DROPPED))
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
    } else if report.target_unknown {
        writeln!(text, "  received          unknown  (the emulator did not answer)")?;
    }
    if let Some(arrival) = report.arrival {
        writeln!(
            text,
            "  arrived         {:>9}  ({})",
            percent(arrival.share),
            arrival.words()
        )?;
    }
    if let Some(messages) = report.cloud_to_device {
        writeln!(text, "\nCloud-to-device messages")?;
        writeln!(text, "  sent            {:>9}", messages.sent)?;
        writeln!(text, "  received        {:>9}", messages.received)?;
    }
    Ok(())
}

fn latencies(text: &mut String, report: &Report) -> std::fmt::Result {
    if report.phases().next().is_none() {
        return Ok(());
    }
    let width = report.phases().map(|(phase, _)| phase.word().len());
    let width = width.max().unwrap_or(0).max(14);
    writeln!(
        text,
        "\n{:<wide$} {:>7} {:>8} {:>8} {:>8} {:>8}",
        "Latency",
        "count",
        "p50",
        "p90",
        "p99",
        "max",
        wide = width + 2
    )?;
    for (phase, PhaseLatency { all: latency, .. }) in report.phases() {
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
            "  {phase_word:<width$} {count:>7} {p50:>8} {p90:>8} {p99:>8} {max:>8}"
        )?;
        let beside = beside(phase, latency);
        if !beside.is_empty() {
            writeln!(text, "    beside these: {beside}")?;
        }
    }
    legend(text, width, report.phases().map(|(phase, _)| phase))
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

fn legend(text: &mut String, width: usize, phases: impl Iterator<Item = Phase>) -> std::fmt::Result {
    writeln!(text, "\nWhat a row times, where it ended well")?;
    for phase in phases {
        // The parts of connecting are one row.
        let (row, words) = match phase {
            Phase::ConnectDns => ("connect_*", "its parts: name look-up, TCP, TLS, and CONNECT to CONNACK"),
            Phase::ConnectTcp | Phase::ConnectTls | Phase::ConnectMqtt => continue,
            phase => (phase.word(), meaning(phase)),
        };
        writeln!(text, "  {row:<wide$} {words}", wide = width + 1)?;
    }
    Ok(())
}

fn errors(text: &mut String, report: &Report) -> std::fmt::Result {
    // Those of devices and of telemetry stand in brackets already.
    let shown = [
        counter::DEVICES_FAILED,
        counter::DEVICES_REFUSED_OTHERWISE,
        counter::DEVICES_NOT_JUDGED,
        counter::DEVICES_LET_IN,
        counter::TELEMETRY_DROPPED,
    ]
    .map(|prefix| prefix.trim_end_matches('/'));
    let mut others = report
        .errors
        .iter()
        .filter(|row| !shown.contains(&&*row.operation))
        .peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    writeln!(text, "\nErrors")?;
    // The words of a report that comes from elsewhere could be anything.
    others.try_for_each(|row| writeln!(text, "  {:<40} {:>9}", shown::text(&row.name()).to_string(), row.count))
}

fn in_brackets<'a>(reasons: impl Iterator<Item = (&'a str, u64)>) -> String {
    let words: Vec<_> = reasons
        .map(|(reason, count)| format!("{} {count}", shown::text(reason)))
        .collect();
    match words.is_empty() {
        true => String::new(),
        false => format!("  ({})", words.join(", ")),
    }
}
