//! Times in the buckets that every histogram here has.

use std::sync::LazyLock;

use fleet_protocol::lines::Phase;
use hdrhistogram::Histogram;

/// The upper bounds of the buckets, in seconds. The last one is the longest time that a histogram of ours distinguishes.
pub(super) const BOUNDS_S: [f64; 18] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];
/// The same in microseconds.
const BOUNDS_US: [u64; BOUNDS_S.len()] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    Phase::LONGEST_US,
];

/// HDR gives the upper end of the range that it can't tell a value from, so a time that is exactly a bound is above it.
static UPPER_ENDS_US: LazyLock<[u64; BOUNDS_US.len()]> = LazyLock::new(|| {
    let histogram = Phase::histogram();
    BOUNDS_US.map(|bound| histogram.highest_equivalent(bound))
});

/// How many times are in each bucket: few numbers, however many times there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// Not cumulative; what is above all bounds is only in `count`.
    buckets: [u64; BOUNDS_S.len()],
    count: u64,
    sum_us: u64,
}

impl Distribution {
    /// Of times in microseconds as HDR has them, each with how often it occurred.
    pub(super) fn of(values: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut all = Self::default();
        for (value, count) in values {
            all.add(value, count);
        }
        all
    }

    /// Of a histogram of microseconds.
    pub(super) fn of_histogram(histogram: &Histogram<u64>) -> Self {
        let recorded = histogram.iter_recorded();
        Self::of(recorded.map(|value| (value.value_iterated_to(), value.count_at_value())))
    }

    fn add(&mut self, value_us: u64, count: u64) {
        let index = UPPER_ENDS_US.partition_point(|end| *end < value_us);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket = bucket.saturating_add(count);
        }
        self.count = self.count.saturating_add(count);
        self.sum_us = self.sum_us.saturating_add(value_us.saturating_mul(count));
    }

    /// Adds all of another one.
    pub(super) fn merge(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket = bucket.saturating_add(more);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// So many were above the last bound. HDR has the longest of them as if they were equal to it.
    pub(super) fn clip(&mut self, clipped: u64) {
        let within = self.buckets.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let above = self.count.saturating_sub(within);
        let last = &mut self.buckets[BOUNDS_S.len() - 1];
        *last = last.saturating_sub(clipped.saturating_sub(above));
    }

    /// Each bound, in seconds, with how many times are not above it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut sum = 0_u64;
        BOUNDS_S.into_iter().zip(self.buckets).map(move |(bound, count)| {
            sum = sum.saturating_add(count);
            (bound, sum)
        })
    }

    /// How many times there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// All times together, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "to a microsecond in 285 years")]
    pub(super) fn sum_s(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use fleet_report::sparse::SparseHistogram;

    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let mut histogram = Phase::histogram();
        values.iter().for_each(|value| histogram.saturating_record(*value));
        Distribution::of(SparseHistogram::from(&histogram).iter())
    }

    #[test]
    fn the_bounds_are_the_same_in_both_units() {
        for (seconds, micros) in BOUNDS_S.into_iter().zip(BOUNDS_US) {
            assert!((seconds * 1e6 - micros as f64).abs() < 1e-6, "{seconds}");
        }
    }

    #[test]
    fn a_time_that_is_a_bound_is_not_above_it() {
        for (index, bound) in BOUNDS_US.into_iter().enumerate() {
            let at = of(&[bound]);
            let counts: Vec<_> = at.cumulative().map(|(_, count)| count).collect();
            assert_eq!(counts.iter().position(|count| *count == 1), Some(index), "{bound} us");
            // HDR has three digits: a time that is 1 % longer is in the next bucket.
            let beyond = of(&[bound + bound / 100]);
            let counts: Vec<_> = beyond.cumulative().map(|(_, count)| count).collect();
            assert_eq!(counts[index], 0, "{bound} us");
        }
    }

    #[test]
    fn buckets_are_cumulative_and_clipped_times_are_above_all_bounds() {
        let longest = Phase::LONGEST_US;
        let mut times = of(&[500, 3_000, 3_000, longest, longest + longest / 9, longest * 2]);
        times.clip(2);
        let counts: Vec<_> = times.cumulative().map(|(_, count)| count).collect();
        assert_eq!(counts[..3], [1, 1, 3]);
        assert_eq!((counts[16], counts[17], times.count()), (3, 4, 6));
        // The longest counts as 600 s.
        assert!((times.sum_s() - 1_866.67).abs() < 2.0, "{}", times.sum_s());
        times.merge(&of(&[500]));
        assert_eq!((times.count(), times.cumulative().last().unwrap().1), (7, 5));
    }
}
