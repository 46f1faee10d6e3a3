//! The times of a run in a few stretches of equal length, which say how sure its percentiles are.
//!
//! They have three digits, where a timeline's points have two: from two runs of two digits a comparison would take the
//! next bucket for a difference. As there are few of them, that takes little memory.

use std::collections::BTreeMap;

use super::{TimesOf, join_pairs};
use crate::sparse::{PackedHistogram, SparseHistogram};

/// The most blocks that a report has of a run.
const BLOCKS: usize = 20;

/// There are never more stretches than this; when there would be, each two become one.
/// A block is one to four of them, so that a long run has at least fourteen blocks.
const STRETCHES: usize = 4 * BLOCKS;

#[derive(Debug)]
pub(super) struct Stretches {
    step_s: u64,
    stretches: Vec<BTreeMap<TimesOf, PackedHistogram>>,
}

impl Default for Stretches {
    fn default() -> Self {
        Self {
            step_s: 1,
            stretches: Vec::new(),
        }
    }
}

impl Stretches {
    /// Takes what was timed in a second, counted from 0.
    pub(super) fn add(&mut self, second: u64, of: &TimesOf, times: &SparseHistogram) {
        while second / self.step_s >= STRETCHES as u64 {
            self.halve();
        }
        let index = usize::try_from(second / self.step_s).unwrap_or(STRETCHES - 1);
        if index >= self.stretches.len() {
            self.stretches.resize(index + 1, BTreeMap::new());
        }
        let own = self.stretches[index].entry(of.clone()).or_default();
        *own = (&own.and(times)).into();
    }

    fn halve(&mut self) {
        self.step_s *= 2;
        join_pairs(&mut self.stretches, |stretch, next| {
            for (of, times) in next {
                let own = stretch.entry(of).or_default();
                *own = (&own.and(&(&times).into())).into();
            }
        });
    }

    /// At most twenty blocks, of equally many stretches but for the last. Block *i* is of the same seconds whatever it is of.
    pub(super) fn blocks(&self, of: &TimesOf) -> Vec<SparseHistogram> {
        let each = self.stretches.len().div_ceil(BLOCKS).max(1);
        let block = |stretches: &[BTreeMap<TimesOf, PackedHistogram>]| {
            let mut all = SparseHistogram::default();
            let own = stretches.iter().filter_map(|stretch| stretch.get(of));
            own.for_each(|times| all.add(&times.into()));
            all
        };
        self.stretches.chunks(each).map(block).collect()
    }
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::Phase;

    use super::*;

    /// A second's times: one value of as many milliseconds.
    fn value(second: u64) -> SparseHistogram {
        let mut values = Phase::histogram();
        values.record(1_000 * (second + 1)).unwrap();
        (&values).into()
    }

    fn run(seconds: u64) -> Vec<SparseHistogram> {
        let of = (Phase::Publish, "g".to_owned());
        let mut stretches = Stretches::default();
        let mut values = Phase::histogram();
        for second in 0..seconds {
            values.reset();
            values.record(1_000 * (second + 1)).unwrap();
            stretches.add(second, &of, &(&values).into());
        }
        stretches.blocks(&of)
    }

    #[test]
    fn a_run_of_any_length_has_blocks_of_equal_length_and_loses_nothing() {
        for seconds in [1, 19, 20, 21, 79, 80, 81, 1_500] {
            let blocks = run(seconds);
            let fewest = if seconds < 20 { seconds } else { 11 };
            assert!(
                (fewest..=20).contains(&(blocks.len() as u64)),
                "{seconds} s: {}",
                blocks.len()
            );
            let mut lengths = blocks.iter().map(SparseHistogram::len);
            assert_eq!(lengths.clone().sum::<u64>(), seconds);
            let first = lengths.next().unwrap();
            assert!(lengths.rev().skip(1).all(|length| length == first), "{seconds} s");
        }
    }

    #[test]
    fn values_keep_three_digits() {
        let blocks = run(1_500);
        let mut all = Phase::histogram();
        (0..1_500).for_each(|second| all.record(1_000 * (second + 1)).unwrap());
        let mut of_blocks = SparseHistogram::default();
        blocks.iter().for_each(|block| of_blocks.add(block));
        assert_eq!(of_blocks, (&all).into());
    }

    #[test]
    fn a_block_is_of_the_same_seconds_in_each_group() {
        let mut stretches = Stretches::default();
        let of = |group: &str| (Phase::Publish, group.to_owned());
        for second in 0..100 {
            stretches.add(second, &of("always"), &value(second));
            if second >= 60 {
                stretches.add(second, &of("late"), &value(second));
            }
        }
        let (always, late) = (stretches.blocks(&of("always")), stretches.blocks(&of("late")));
        assert_eq!(always.len(), late.len());
        let since = late.iter().position(|block| !block.is_empty()).unwrap();
        assert_eq!(always[since].max(), late[since].max());
    }
}
