//! Two runs, or two sets of runs, side by side: what became slower or failed more often, and what is noise.
//!
//! A difference counts when three things hold: the intervals of both sides are apart, the ratio is beyond a bound, and
//! the difference is beyond one that a person would care about. Messages of one run are not independent, since what
//! slows one down slows its neighbours too; so the interval of a single run comes from blocks of its time
//! ([`interval`](crate::interval)), and the interval of several runs from the runs.

mod likeness;
mod quantiles;
mod ratios;
mod text;

use serde::Serialize;

use crate::report::Report;

pub use likeness::{Difference, differences};
pub use quantiles::QuantileRow;
pub use ratios::RatioRow;
pub use text::{Show, text};

/// From when on a difference counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The ratio, as a share: 0.1 is 10 % more.
    pub ratio: f64,
    /// The least difference of times, in seconds.
    pub min_difference_s: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            ratio: 0.1,
            min_difference_s: 0.005,
        }
    }
}

/// What became of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It takes longer, or fails more often.
    Worse,
    /// It is quicker, or fails less often.
    Better,
    /// What there is of a difference is noise, or too little to matter.
    None,
    /// There are too few values to say.
    TooFew,
}

/// A comparison of two sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The runs compared with, by id.
    pub base: Vec<String>,
    /// The runs that were compared, by id.
    pub new: Vec<String>,
    /// In what both sides are not alike, so that a difference may come from it.
    pub differences: Vec<Difference>,
    /// Times, by phase, group and quantile.
    pub quantiles: Vec<QuantileRow>,
    /// Failures, by what failed and group.
    pub ratios: Vec<RatioRow>,
}

impl Comparison {
    /// Whether anything became worse.
    #[must_use]
    pub fn is_regression(&self) -> bool {
        self.changes().any(|change| change == Change::Worse)
    }

    /// How often there is a change.
    #[must_use]
    pub fn count(&self, change: Change) -> usize {
        self.changes().filter(|one| *one == change).count()
    }

    fn changes(&self) -> impl Iterator<Item = Change> {
        let quantiles = self.quantiles.iter().map(|row| row.change);
        quantiles.chain(self.ratios.iter().map(|row| row.change))
    }
}

/// Compares new runs with base runs. There is at least one on each side.
#[must_use]
pub fn compare(base: &[Report], new: &[Report], bounds: Bounds) -> Comparison {
    let ids = |reports: &[Report]| reports.iter().map(|report| report.run.id.clone()).collect();
    Comparison {
        base: ids(base),
        new: ids(new),
        differences: differences(base, new),
        quantiles: quantiles::rows(base, new, bounds),
        ratios: ratios::rows(base, new, bounds),
    }
}

#[cfg(test)]
mod tests;
