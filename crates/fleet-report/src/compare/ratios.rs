//! Failures of both sides, by what failed and group.

use std::collections::BTreeSet;

use fleet_protocol::lines::{Phase, counter};
use serde::Serialize;

use super::interval::{Interval, of_runs, wilson};
use super::{Bounds, Change};
use crate::metric::Metric;
use crate::report::Report;

/// A ratio of failures in a group, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RatioRow {
    /// The ratio, as thresholds call it.
    pub metric: Metric,
    /// The group.
    pub group: String,
    /// Of the base.
    pub base: Option<Interval>,
    /// Of the new runs.
    pub new: Option<Interval>,
    /// What became of it.
    pub change: Change,
}

/// The ratios that are compared.
const RATIOS: [Metric; 7] = [
    Metric::RegisterFailed,
    Metric::ConnectFailed,
    Metric::TwinGetFailed,
    Metric::ReportFailed,
    Metric::CommandFailed,
    Metric::TelemetryLost,
    Metric::DevicesFailed,
];

pub(super) fn rows(base: &[Report], new: &[Report], bounds: Bounds) -> Vec<RatioRow> {
    let groups = base
        .iter()
        .chain(new)
        .flat_map(|report| report.counters.keys().cloned());
    let groups: BTreeSet<String> = groups.collect();
    let mut rows = Vec::new();
    for metric in RATIOS {
        for group in &groups {
            let (old, fresh) = (ratio(base, metric, group), ratio(new, metric, group));
            // Nothing was attempted on either side.
            if old.is_none() && fresh.is_none() {
                continue;
            }
            rows.push(RatioRow {
                metric,
                group: group.clone(),
                change: change(old, fresh, bounds),
                base: old,
                new: fresh,
            });
        }
    }
    rows
}

fn change(base: Option<Interval>, new: Option<Interval>, bounds: Bounds) -> Change {
    let Some((base, new)) = base.zip(new) else {
        return Change::TooFew;
    };
    let matters =
        |more: Interval, less: Interval| more.is_apart_from(&less) && more.value > less.value * (1.0 + bounds.ratio);
    match (matters(new, base), matters(base, new)) {
        (true, _) => Change::Worse,
        (_, true) => Change::Better,
        _ => Change::None,
    }
}

/// One run's ratio by Wilson; of several runs that of all together, or what they differ by if that is wider.
fn ratio(reports: &[Report], metric: Metric, group: &str) -> Option<Interval> {
    let counts: Vec<_> = reports
        .iter()
        .filter_map(|report| counts(report, metric, group))
        .collect();
    let (part, whole) = counts
        .iter()
        .fold((0, 0), |(part, whole), (more, of)| (part + more, whole + of));
    let together = wilson(part, whole)?;
    #[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^53 of anything")]
    let each: Vec<_> = counts
        .iter()
        .filter(|(_, whole)| *whole > 0)
        .map(|(part, whole)| *part as f64 / *whole as f64)
        .collect();
    let apart = of_runs(&each).unwrap_or(together);
    Some(Interval {
        value: together.value,
        low: together.low.min(apart.low).max(0.0),
        high: together.high.max(apart.high).min(1.0),
    })
}

/// Failures and attempts.
fn counts(report: &Report, metric: Metric, group: &str) -> Option<(u64, u64)> {
    let counters = report.counters.get(group)?;
    let count = |name: &str| counters.get(name).copied().unwrap_or(0);
    let failed = |prefix: &str| -> u64 {
        counters
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, count)| count)
            .sum()
    };
    let ended = |phase: Phase| {
        let latency = report.latency.get(phase.word());
        latency
            .and_then(|latency| latency.groups.get(group))
            .map_or(0, |latency| latency.count)
    };
    // What ended well is timed; a refused report is answered, and a command counts when it arrives.
    let of = |prefix: &str, phase: Phase| (failed(prefix), failed(prefix).saturating_add(ended(phase)));
    Some(match metric {
        Metric::RegisterFailed => of(counter::REGISTER_FAILED, Phase::Register),
        Metric::ConnectFailed => of(counter::CONNECT_FAILED, Phase::Connect),
        Metric::TwinGetFailed => of(counter::TWIN_GET_FAILED, Phase::TwinGet),
        Metric::ReportFailed => of(counter::REPORT_FAILED, Phase::Report),
        Metric::CommandFailed => (failed(counter::COMMAND_FAILED), count(counter::COMMANDS)),
        Metric::TelemetryLost => {
            let offered = count(counter::TELEMETRY_OFFERED);
            (offered.saturating_sub(count(counter::TELEMETRY_ACKED)), offered)
        }
        Metric::DevicesFailed => {
            let devices = report.devices.by_group.get(group)?;
            (devices.failed, devices.wanted)
        }
        _ => return None,
    })
}
