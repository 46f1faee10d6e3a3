//! Intervals that hold the true value about 19 times out of 20.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde::Serialize;

use crate::sparse::SparseHistogram;

/// A value and the interval around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The value.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether no value is in both.
    #[must_use]
    pub fn is_apart_from(&self, other: &Self) -> bool {
        self.high < other.low || other.high < self.low
    }
}

/// How often blocks are drawn anew. With more, the ends of an interval move by less than their own width matters.
const RESAMPLES: usize = 400;
/// With fewer blocks that hold values, drawing them anew says little.
const FEWEST_BLOCKS: usize = 5;
/// The ends of an interval leave 2.5 % on each side.
const TAIL: f64 = 0.025;
/// The normal distribution's quantile of 97.5 %.
const Z: f64 = 1.959_964;

/// Quantiles of one run, in microseconds, from the blocks of its time: whole blocks are drawn anew, with replacement, so
/// that what belongs together stays together (a block bootstrap). Where there are few blocks, an interval reaches at least
/// from the lowest to the highest quantile of a block. It is never narrower than independent values would make it.
///
/// The same run has the same intervals: the draw has a seed of its own.
#[must_use]
pub fn of_blocks<const N: usize>(
    all: &SparseHistogram,
    blocks: &[SparseHistogram],
    quantiles: [f64; N],
) -> Option<[Interval; N]> {
    if all.is_empty() {
        return None;
    }
    let blocks: Vec<_> = blocks.iter().filter(|block| !block.is_empty()).collect();
    let is_few = blocks.len() < FEWEST_BLOCKS;
    let drawn: Vec<[f64; N]> = match is_few {
        true => {
            let of = |block: &&SparseHistogram| quantiles.map(|quantile| at_quantile(block, quantile));
            blocks.iter().map(of).collect()
        }
        false => resampled(&blocks, quantiles),
    };
    let mut index = 0..N;
    Some(quantiles.map(|quantile| {
        let value = at_quantile(all, quantile);
        let (mut low, mut high) = of_independent_values(all, quantile);
        let index = index.next().unwrap_or(0);
        let mut ends: Vec<f64> = drawn.iter().map(|quantiles| quantiles[index]).collect();
        ends.sort_by(f64::total_cmp);
        let tail = if is_few { 0.0 } else { TAIL };
        if let Some((lowest, highest)) = at(&ends, tail).zip(at(&ends, 1.0 - tail)) {
            (low, high) = (low.min(lowest), high.max(highest));
        }
        Interval {
            value,
            low: low.min(value),
            high: high.max(value),
        }
    }))
}

/// The quantiles of each draw.
fn resampled<const N: usize>(blocks: &[&SparseHistogram], quantiles: [f64; N]) -> Vec<[f64; N]> {
    // Values of all blocks by their size, so that a draw is one pass over them.
    let mut values: Vec<(u64, usize, u64)> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        values.extend(block.iter().map(|(value, count)| (value, index, count)));
    }
    values.sort_unstable();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(0);
    let mut draw = || {
        let mut drawn = vec![0_u64; blocks.len()];
        for _ in blocks {
            let index = random.next_u64() % blocks.len() as u64;
            drawn[usize::try_from(index).unwrap_or(0)] += 1;
        }
        let all: u64 = blocks
            .iter()
            .zip(&drawn)
            .map(|(block, times)| block.len() * times)
            .sum();
        let targets = quantiles.map(|quantile| (quantile * float(all)).ceil().max(1.0));
        let (mut found, mut seen) = ([0.0; N], 0);
        for (value, block, count) in &values {
            let before = float(seen);
            seen += count * drawn[*block];
            for (target, found) in targets.iter().zip(&mut found) {
                if before < *target && float(seen) >= *target {
                    *found = float(*value);
                }
            }
        }
        found
    };
    (0..RESAMPLES).map(|_| draw()).collect()
}

/// Of a histogram that has values.
fn at_quantile(values: &SparseHistogram, quantile: f64) -> f64 {
    float(values.value_at_quantile(quantile.clamp(0.0, 1.0)).unwrap_or(0))
}

/// The interval between two of the values, by their rank, if all values were independent of each other.
fn of_independent_values(all: &SparseHistogram, quantile: f64) -> (f64, f64) {
    let spread = Z * (quantile * (1.0 - quantile) / float(all.len())).sqrt();
    (at_quantile(all, quantile - spread), at_quantile(all, quantile + spread))
}

/// The mean of one figure of several runs, which are independent of each other.
#[must_use]
pub fn of_runs(values: &[f64]) -> Option<Interval> {
    let n = u32::try_from(values.len()).ok().filter(|n| *n >= 2)?;
    let mean = values.iter().sum::<f64>() / f64::from(n);
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / f64::from(n - 1);
    let half = student(n - 1) * (variance / f64::from(n)).sqrt();
    Some(Interval {
        value: mean,
        low: mean - half,
        high: mean + half,
    })
}

/// Student's t of 97.5 % for so many degrees of freedom.
fn student(degrees: u32) -> f64 {
    const T: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    let index = (degrees as usize).checked_sub(1);
    index.and_then(|index| T.get(index).copied()).unwrap_or(Z)
}

/// A share of `part` in `whole`, by Wilson: it stays within 0 and 1, and means something where nothing failed.
#[must_use]
pub fn wilson(part: u64, whole: u64) -> Option<Interval> {
    if whole == 0 {
        return None;
    }
    let (n, share) = (float(whole), float(part.min(whole)) / float(whole));
    let z2 = Z * Z / n;
    let middle = (share + z2 / 2.0) / (1.0 + z2);
    let half = Z / (1.0 + z2) * (share * (1.0 - share) / n + z2 / (4.0 * n)).sqrt();
    Some(Interval {
        value: share,
        // Rounding leaves an end a hair on the wrong side of its value, where all or nothing is counted.
        low: (middle - half).max(0.0).min(share),
        high: (middle + half).min(1.0).max(share),
    })
}

/// The value at a share of a sorted list.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the list is short, and the share from 0 to 1"
)]
fn at(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().saturating_sub(1);
    sorted.get((share * last as f64).round() as usize).copied()
}

#[expect(clippy::cast_precision_loss, reason = "the values are far below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::Phase;

    use super::*;

    fn random(seed: u64) -> impl FnMut() -> f64 {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        move || float(random.next_u64() >> 11) / float(1 << 53)
    }

    fn sparse(values: impl IntoIterator<Item = f64>) -> SparseHistogram {
        let mut histogram = Phase::histogram();
        for value in values {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is some milliseconds"
            )]
            histogram.saturating_record(value.max(1.0) as u64);
        }
        SparseHistogram::from(&histogram)
    }

    /// Exponential times with a mean of 20 ms, whose blocks differ by so much.
    fn run(seed: u64, blocks: usize, between: f64) -> Vec<SparseHistogram> {
        let mut random = random(seed);
        let mut block = || {
            let slow = 1.0 + between * (random() - 0.5);
            sparse(
                (0..200)
                    .map(|_| -(1.0 - random()).ln() * 20_000.0 * slow)
                    .collect::<Vec<_>>(),
            )
        };
        (0..blocks).map(|_| block()).collect()
    }

    fn of(blocks: &[SparseHistogram], quantile: f64) -> Interval {
        let mut all = SparseHistogram::default();
        blocks.iter().for_each(|block| all.add(block));
        let [interval] = of_blocks(&all, blocks, [quantile]).unwrap();
        interval
    }

    #[test]
    fn an_interval_holds_the_true_quantile_of_a_known_distribution() {
        let quantiles = [0.5, 0.9, 0.95, 0.99];
        let mut covered = [0; 4];
        for seed in 0..40 {
            let blocks = run(seed, 20, 0.0);
            let mut all = SparseHistogram::default();
            blocks.iter().for_each(|block| all.add(block));
            let intervals = of_blocks(&all, &blocks, quantiles).unwrap();
            for ((interval, quantile), covered) in intervals.into_iter().zip(quantiles).zip(&mut covered) {
                let truth = -(1.0_f64 - quantile).ln() * 20_000.0;
                *covered += u32::from(interval.low <= truth && truth <= interval.high);
            }
        }
        // 19 of 20 would be 38 of 40; with twenty blocks a bootstrap is a little below.
        assert!(covered.iter().all(|covered| *covered >= 34), "{covered:?}");
    }

    #[test]
    fn blocks_that_differ_make_an_interval_wide_and_the_same_run_has_the_same_one() {
        let (alike, apart) = (of(&run(1, 20, 0.0), 0.5), of(&run(1, 20, 1.6), 0.5));
        let width = |interval: Interval| (interval.high - interval.low) / interval.value;
        assert!(width(apart) > 1.5 * width(alike), "{apart:?} {alike:?}");
        assert_eq!(of(&run(1, 20, 1.6), 0.5), apart);
    }

    #[test]
    fn few_blocks_reach_from_the_lowest_to_the_highest() {
        let blocks = [sparse([10_000.0; 300]), sparse([14_000.0; 300])];
        let interval = of(&blocks, 0.5);
        assert!(interval.low <= 10_010.0 && interval.high >= 13_990.0, "{interval:?}");
        assert_eq!(of_blocks(&SparseHistogram::default(), &[], [0.5]), None);
    }

    #[test]
    fn several_runs_make_an_interval_of_students_t() {
        let interval = of_runs(&[10.0, 12.0, 14.0]).unwrap();
        // 12 ± 4.303 · 2 / √3
        assert!(
            (interval.high - 16.969).abs() < 0.001 && (interval.low - 7.031).abs() < 0.001,
            "{interval:?}"
        );
        assert_eq!(of_runs(&[10.0]), None);
    }

    #[test]
    fn wilsons_interval_is_that_of_the_books() {
        // https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval: 10 of 100.
        let interval = wilson(10, 100).unwrap();
        assert!(
            (interval.low - 0.0552).abs() < 0.0001 && (interval.high - 0.1744).abs() < 0.0001,
            "{interval:?}"
        );
        let none = wilson(0, 20).unwrap();
        assert!(
            none.low.abs() < 1e-12 && (none.high - 0.1611).abs() < 0.0001,
            "{none:?}"
        );
        assert_eq!(wilson(0, 0), None);
    }
}
