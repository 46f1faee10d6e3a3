//! Failures of both sides, by what failed and group.

use std::collections::BTreeSet;

use fleet_protocol::lines::{Phase, counter};
use serde::Serialize;

use super::{Bounds, Change};
use crate::attempts::ATTEMPTS;
use crate::interval::{Interval, of_runs, wilson};
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

pub(super) fn rows(base: &[Report], new: &[Report], bounds: Bounds) -> Vec<RatioRow> {
    let groups = base
        .iter()
        .chain(new)
        .flat_map(|report| report.counters.keys().cloned());
    let groups: BTreeSet<String> = groups.collect();
    let ratios = ATTEMPTS.iter().map(|attempt| attempt.ratio);
    let mut rows = Vec::new();
    for metric in ratios.chain([Metric::TelemetryLost, Metric::DevicesFailed, Metric::ArrivalStale]) {
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
    let count = |name: &str| counter::count(counters, name);
    if metric == Metric::TelemetryLost {
        let offered = count(counter::TELEMETRY_OFFERED);
        return Some((offered.saturating_sub(count(counter::TELEMETRY_ACKED)), offered));
    }
    if metric == Metric::DevicesFailed {
        let devices = report.devices.by_group.get(group)?;
        return Some((devices.failed, devices.wanted));
    }
    if metric == Metric::ArrivalStale {
        return Some((count(counter::ARRIVAL_STALE), count(counter::ARRIVAL_LOOKS)));
    }
    let attempt = ATTEMPTS.iter().find(|attempt| attempt.ratio == metric)?;
    let failed = count(attempt.failed);
    let ended = report
        .latency
        .get(attempt.phase.word())
        .and_then(|latency| latency.groups.get(group));
    let attempts = match attempt.phase {
        // A command counts when it arrives.
        Phase::Command => count(counter::COMMANDS),
        _ => failed.saturating_add(ended.map_or(0, |latency| latency.count)),
    };
    Some((failed, attempts))
}
