//! Times of both sides, by phase, group and quantile.

use std::collections::BTreeSet;

use fleet_protocol::histogram::decode;
use fleet_protocol::lines::Phase;
use serde::Serialize;

use super::{Bounds, Change};
use crate::interval::{Interval, of_blocks, of_runs};
use crate::report::{Latency, Report};
use crate::sparse::SparseHistogram;

/// The quantiles that are compared.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

/// A quantile of a phase in a group, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantileRow {
    /// The word of the phase.
    pub phase: String,
    /// The group.
    pub group: String,
    /// The quantile: 0.95 is the 95th percentile.
    pub quantile: f64,
    /// How many values the side with fewer has.
    pub count: u64,
    /// Of the base, in seconds.
    pub base: Option<Interval>,
    /// Of the new runs, in seconds.
    pub new: Option<Interval>,
    /// What became of it.
    pub change: Change,
}

/// The times of a side: one histogram and its blocks for each run.
struct Side(Vec<(SparseHistogram, Vec<SparseHistogram>)>);

pub(super) fn rows(base: &[Report], new: &[Report], bounds: Bounds) -> Vec<QuantileRow> {
    let mut rows = Vec::new();
    for phase in Phase::ALL {
        let of = |report: &Report| report.latency.get(phase.word()).map(|latency| latency.groups.clone());
        let groups: BTreeSet<String> = base
            .iter()
            .chain(new)
            .filter_map(of)
            .flat_map(|groups| groups.into_keys())
            .collect();
        for group in groups {
            let (old, fresh) = (Side::of(base, phase, &group), Side::of(new, phase, &group));
            let count = old.count().min(fresh.count());
            let sides = old.quantiles().into_iter().zip(fresh.quantiles());
            for (quantile, (base, new)) in QUANTILES.into_iter().zip(sides) {
                rows.push(QuantileRow {
                    phase: phase.word().to_owned(),
                    group: group.clone(),
                    quantile,
                    count,
                    change: change(base, new, is_enough(count, quantile), bounds),
                    base,
                    new,
                });
            }
        }
    }
    rows
}

/// Of the values beyond the quantile there have to be a hundred.
#[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^53 values")]
fn is_enough(count: u64, quantile: f64) -> bool {
    count as f64 >= 100.0 / (1.0 - quantile) - 1e-6
}

fn change(base: Option<Interval>, new: Option<Interval>, is_enough: bool, bounds: Bounds) -> Change {
    let (Some(base), Some(new), true) = (base, new, is_enough) else {
        return Change::TooFew;
    };
    let matters = |slow: Interval, quick: Interval| {
        slow.is_apart_from(&quick)
            && slow.value > quick.value * (1.0 + bounds.ratio)
            && slow.value - quick.value > bounds.min_difference_s
    };
    match (matters(new, base), matters(base, new)) {
        (true, _) => Change::Worse,
        (_, true) => Change::Better,
        _ => Change::None,
    }
}

impl Side {
    fn of(reports: &[Report], phase: Phase, group: &str) -> Self {
        let of = |report: &Report| {
            let latency = report.latency.get(phase.word())?.groups.get(group)?;
            let sparse = |text: &String| decode(text).as_ref().map(SparseHistogram::from);
            let Latency { histogram, blocks, .. } = latency;
            Some((
                histogram.as_ref().and_then(sparse)?,
                blocks.iter().filter_map(sparse).collect(),
            ))
        };
        Self(reports.iter().filter_map(of).collect())
    }

    /// The values of the run that has fewest.
    fn count(&self) -> u64 {
        self.0.iter().map(|(all, _)| all.len()).min().unwrap_or(0)
    }

    /// Each of [`QUANTILES`], in seconds, where there are values.
    fn quantiles(&self) -> [Option<Interval>; QUANTILES.len()] {
        let micros = match self.0.as_slice() {
            [] => [None; QUANTILES.len()],
            [(all, blocks)] => match of_blocks(all, blocks, QUANTILES) {
                Some(intervals) => intervals.map(Some),
                None => [None; QUANTILES.len()],
            },
            runs => QUANTILES.map(|quantile| {
                #[expect(clippy::cast_precision_loss, reason = "the values are far below 2^53")]
                let of = |(all, _): &(SparseHistogram, _)| all.value_at_quantile(quantile).map(|value| value as f64);
                of_runs(&runs.iter().filter_map(of).collect::<Vec<_>>())
            }),
        };
        micros.map(|interval| {
            interval.map(|Interval { value, low, high }| Interval {
                value: value / 1e6,
                low: low / 1e6,
                high: high / 1e6,
            })
        })
    }
}
