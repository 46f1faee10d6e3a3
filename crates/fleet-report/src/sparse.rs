//! A histogram that takes as much memory as it has different values.
//!
//! One of HDR takes 170 KB, however little is in it; a run keeps one for each phase and group.

mod packed;

pub(crate) use packed::PackedHistogram;

use fleet_protocol::lines::Phase;
use hdrhistogram::Histogram;

/// Times in microseconds, as HDR's buckets distinguish them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SparseHistogram {
    /// Bucket and count, by bucket.
    counts: Vec<(u64, u64)>,
}

impl From<&Histogram<u64>> for SparseHistogram {
    fn from(values: &Histogram<u64>) -> Self {
        let counts = values.iter_recorded();
        Self {
            counts: counts
                .map(|value| (value.value_iterated_to(), value.count_at_value()))
                .collect(),
        }
    }
}

impl SparseHistogram {
    /// Adds all of another one.
    pub fn add(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
            return;
        }
        let mut merged = Vec::with_capacity(self.counts.len() + other.counts.len());
        let (mut left, mut right) = (self.counts.iter().peekable(), other.counts.iter().peekable());
        while let (Some(&&(bucket, count)), Some(&&(other_bucket, other_count))) = (left.peek(), right.peek()) {
            match bucket.cmp(&other_bucket) {
                std::cmp::Ordering::Less => merged.extend(left.next()),
                std::cmp::Ordering::Greater => merged.extend(right.next()),
                std::cmp::Ordering::Equal => {
                    merged.push((bucket, count.saturating_add(other_count)));
                    left.next();
                    right.next();
                }
            }
        }
        merged.extend(left);
        merged.extend(right);
        merged.shrink_to_fit();
        self.counts = merged;
    }

    /// The same values to two digits: none is more than 0.8 % too high, and the greatest is what it was.
    #[must_use]
    pub(crate) fn two_digits(&self) -> Self {
        let Some(max) = self.max() else {
            return Self::default();
        };
        let mut counts: Vec<(u64, u64)> = Vec::new();
        for (bucket, count) in self.iter() {
            let bucket = highest_of_two_digits(bucket).min(max);
            match counts.last_mut() {
                Some((last, all)) if *last == bucket => *all = all.saturating_add(count),
                _ => counts.push((bucket, count)),
            }
        }
        Self { counts }
    }

    /// What has been added since it was `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut before = earlier.counts.iter().peekable();
        let added = self.counts.iter().filter_map(|&(bucket, count)| {
            while before.next_if(|(other, _)| *other < bucket).is_some() {}
            let known = before
                .next_if(|(other, _)| *other == bucket)
                .map_or(0, |(_, known)| *known);
            Some((bucket, count.saturating_sub(known))).filter(|(_, added)| *added > 0)
        });
        Self {
            counts: added.collect(),
        }
    }

    /// Each different value, by size, and how often it is there.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().copied()
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.iter().fold(0, |all, (_, count)| all.saturating_add(*count))
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The value that a share of all values does not exceed, as HDR computes it; nothing where there is no value.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a quantile is from 0 to 1, and a run has far fewer than 2^53 values"
    )]
    pub fn value_at_quantile(&self, quantile: f64) -> Option<u64> {
        let target = ((quantile * self.len() as f64).ceil() as u64).max(1);
        let mut seen = 0_u64;
        let at = self.counts.iter().find(|(_, count)| {
            seen = count.saturating_add(seen);
            seen >= target
        });
        at.or(self.counts.last()).map(|(bucket, _)| *bucket)
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.counts.last().map(|(bucket, _)| *bucket)
    }

    /// The same values as HDR keeps them.
    #[must_use]
    pub fn to_histogram(&self) -> Histogram<u64> {
        let mut histogram = Phase::histogram();
        for (bucket, count) in &self.counts {
            histogram.saturating_record_n(*bucket, *count);
        }
        histogram
    }
}

/// The greatest value that has the same eight leading bits: what an HDR histogram of two digits distinguishes.
fn highest_of_two_digits(value: u64) -> u64 {
    let bits = u64::BITS - value.leading_zeros();
    value | ((1 << bits.saturating_sub(8)) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dense(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Phase::histogram();
        values.iter().for_each(|value| histogram.saturating_record(*value));
        histogram
    }

    proptest! {
        #[test]
        fn it_is_what_hdr_would_be(
            one in prop::collection::vec(1..=Phase::LONGEST_US, 0..40),
            other in prop::collection::vec(1_u64..5_000, 0..40),
            quantile in 0.0..=1.0_f64,
        ) {
            let mut all = dense(&one);
            all.add(dense(&other)).unwrap();
            let mut sparse = SparseHistogram::from(&dense(&one));
            sparse.add(&SparseHistogram::from(&dense(&other)));
            prop_assert_eq!(sparse.len(), all.len());
            prop_assert_eq!(&sparse.to_histogram(), &all);
            prop_assert_eq!(sparse.is_empty(), all.is_empty());
            if !all.is_empty() {
                prop_assert_eq!(sparse.value_at_quantile(quantile), Some(all.value_at_quantile(quantile)));
                prop_assert_eq!(sparse.max(), Some(all.max()));
            }
        }
    }

    proptest! {
        #[test]
        fn two_digits_are_those_of_hdr(values in prop::collection::vec(1..=Phase::LONGEST_US, 1..40)) {
            let exact = SparseHistogram::from(&dense(&values));
            let rounded = exact.two_digits();
            let mut of_hdr = Histogram::<u64>::new_with_bounds(1, Phase::LONGEST_US, 2).unwrap();
            exact.iter().for_each(|(value, count)| of_hdr.record_n(value, count).unwrap());
            let of_hdr = SparseHistogram::from(&of_hdr);
            // The greatest keeps its three digits.
            let below = exact.max().unwrap();
            prop_assert_eq!(
                rounded.iter().collect::<Vec<_>>(),
                of_hdr.iter().map(|(value, count)| (value.min(below), count)).collect::<Vec<_>>()
            );
            prop_assert_eq!(rounded.two_digits(), rounded);
        }
    }

    #[test]
    fn what_was_added_since_is_the_rest() {
        let all = |values: &[u64]| SparseHistogram::from(&dense(values));
        let before = all(&[1, 7, 7, 900]);
        let mut after = before.clone();
        after.add(&all(&[7, 30, 900, 5_000]));
        assert_eq!(after.since(&before), all(&[7, 30, 900, 5_000]));
        assert_eq!(after.since(&SparseHistogram::default()), after);
        assert!(after.since(&after).is_empty());
    }

    #[test]
    fn of_nothing_there_is_no_value() {
        let nothing = SparseHistogram::default();
        assert_eq!(
            (nothing.value_at_quantile(0.5), nothing.max(), nothing.len()),
            (None, None, 0)
        );
    }
}
