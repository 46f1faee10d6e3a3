//! Which messages of a device have come before, in little memory: the ids that our devices give are
//! `<run>-<sequence number>`, so what has been seen is a few ranges of numbers per run.

use std::collections::{BTreeMap, VecDeque};

/// Runs that are remembered of one device.
const RUNS: usize = 4;
/// Ranges that are remembered of one run. Beyond that, the gap between the two lowest counts as seen.
const RANGES: usize = 1024;

/// The message ids that one device has used.
#[derive(Debug, Default)]
pub(super) struct Seen {
    runs: VecDeque<(Box<str>, Ranges)>,
}

impl Seen {
    /// Takes note of an id and says whether it is new. An id of another form can't be remembered and counts as new.
    pub(super) fn is_new(&mut self, message_id: Option<&str>) -> bool {
        let parts = message_id.and_then(|id| id.rsplit_once('-'));
        let Some((run, number)) = parts.and_then(|(run, number)| Some((run, number.parse().ok()?))) else {
            return true;
        };
        if let Some((_, ranges)) = self.runs.iter_mut().find(|(known, _)| **known == *run) {
            return ranges.insert(number);
        }
        if self.runs.len() == RUNS {
            self.runs.pop_front();
        }
        let mut ranges = Ranges::default();
        ranges.insert(number);
        self.runs.push_back((run.into(), ranges));
        true
    }
}

/// A set of numbers as ranges, by their first number and with their last one.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Whether the number was not in yet.
    fn insert(&mut self, number: u64) -> bool {
        let below = self.0.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if below.is_some_and(|(_, last)| number <= last) {
            return false;
        }
        let first = match below {
            Some((first, last)) if last + 1 == number => first,
            _ => number,
        };
        let above = number.checked_add(1).and_then(|next| self.0.remove(&next));
        self.0.insert(first, above.unwrap_or(number));
        if self.0.len() > RANGES {
            self.join_lowest();
        }
        true
    }

    fn join_lowest(&mut self) {
        if let (Some((first, _)), Some((_, last))) = (self.0.pop_first(), self.0.pop_first()) {
            self.0.insert(first, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_new_once_per_run_and_ids_of_other_forms_always_are() {
        let mut seen = Seen::default();
        assert!(seen.is_new(Some("run-1-7")));
        assert!(!seen.is_new(Some("run-1-7")));
        assert!(seen.is_new(Some("run-2-7")), "another run");
        for _ in 0..2 {
            assert!(seen.is_new(None));
            assert!(seen.is_new(Some("550e8400-e29b-41d4-a716-44665544000g")));
        }
    }

    #[test]
    fn numbers_in_a_row_are_one_range_whatever_their_order() {
        let mut ranges = Ranges::default();
        for number in [5, 3, 4, 1, 2, u64::MAX, 0] {
            assert!(ranges.insert(number), "{number}");
        }
        assert_eq!(ranges.0, BTreeMap::from([(0, 5), (u64::MAX, u64::MAX)]));
    }

    #[test]
    fn gaps_without_end_take_no_memory_without_end() {
        let mut ranges = Ranges::default();
        for number in 0..10_000 {
            assert!(ranges.insert(number * 2));
        }
        assert_eq!(ranges.0.len(), RANGES);
    }

    proptest! {
        #[test]
        fn ranges_are_a_set(numbers in proptest::collection::vec(0u64..200, 0..300)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), set.insert(number));
            }
        }
    }
}
