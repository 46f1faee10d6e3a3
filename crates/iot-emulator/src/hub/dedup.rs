//! Which messages of a device have come before, in little memory: the ids that our devices give are
//! `<run>-<sequence number>`, so what has been seen is a few ranges of numbers per run. A process that takes over the
//! devices of another counts from 1 again, and puts its number behind the run: `<run>.<number>-<sequence number>`.

use std::sync::Arc;

use crate::runs::{Run, Runs};

/// Runs that are remembered of one device, each process of a run apart.
const RUNS: usize = 4;
/// The longest id that is remembered; IoT Hub takes none that is longer
/// (<https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-construct>).
const LONGEST: usize = 128;
/// Ranges that are remembered of one run. Beyond that, the gap between the two lowest counts as seen.
const RANGES: usize = 1024;

/// The message ids that one device has used.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The oldest first.
    runs: Vec<OfRun>,
}

#[derive(Debug)]
struct OfRun {
    /// The run, and which of its processes.
    process: Box<str>,
    numbers: Ranges,
    run: Arc<Run>,
}

impl Seen {
    /// Takes note of an id and returns whether it is new. An id of another form can't be remembered and counts as new.
    /// The message counts for its run among `runs`.
    pub(crate) fn is_new(&mut self, message_id: Option<&str>, runs: &Runs) -> bool {
        let id = message_id.filter(|id| id.len() <= LONGEST);
        let parts = id.and_then(|id| id.rsplit_once('-'));
        let Some((process, number)) = parts.and_then(|(process, number)| Some((process, number.parse().ok()?))) else {
            return true;
        };
        if let Some(known) = self.runs.iter_mut().find(|known| *known.process == *process) {
            let is_new = known.numbers.insert(number);
            known.run.count(is_new);
            return is_new;
        }
        if self.runs.len() == RUNS {
            self.runs.remove(0);
        }
        let run = runs.remember(process.split('.').next().unwrap_or(process));
        run.count(true);
        self.runs.reserve_exact(1);
        self.runs.push(OfRun {
            process: process.into(),
            numbers: Ranges::of(number),
            run,
        });
        true
    }
}

/// A set of numbers as ranges from the first number to the last one, in order. Almost always it is one range, which grows
/// at its end.
#[derive(Debug, Default)]
struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// One number, with room for no more than the one range that it will be.
    fn of(number: u64) -> Self {
        Self(vec![(number, number)])
    }

    /// Whether the number was not in yet.
    fn insert(&mut self, number: u64) -> bool {
        let place = self.0.partition_point(|(first, _)| *first <= number);
        let below = place.checked_sub(1);
        if below.is_some_and(|below| number <= self.0[below].1) {
            return false;
        }
        let below = below.filter(|below| self.0[*below].1 + 1 == number);
        let above = self.0.get(place).is_some_and(|(first, _)| *first - 1 == number);
        match (below, above) {
            (Some(below), true) => self.0[below].1 = self.0.remove(place).1,
            (Some(below), false) => self.0[below].1 = number,
            (None, true) => self.0[place].0 = number,
            (None, false) => self.0.insert(place, (number, number)),
        }
        if self.0.len() > RANGES {
            // The gap between the two lowest closes.
            self.0[0].1 = self.0.remove(1).1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_new_once_per_run_and_ids_of_other_forms_always_are() {
        let (mut seen, runs) = (Seen::default(), Runs::default());
        assert!(seen.is_new(Some("run-1-7"), &runs));
        assert!(!seen.is_new(Some("run-1-7"), &runs));
        assert!(seen.is_new(Some("run-2-7"), &runs), "another run");
        for _ in 0..2 {
            assert!(seen.is_new(None, &runs));
            assert!(seen.is_new(Some("550e8400-e29b-41d4-a716-44665544000g"), &runs));
            let long = format!("{}-1", "x".repeat(LONGEST));
            assert!(seen.is_new(Some(&long), &runs));
        }
        assert_eq!(seen.runs.len(), 2);
    }

    #[test]
    fn a_run_counts_what_all_its_processes_sent_for_all_devices() {
        let (mut one, mut other, runs) = (Seen::default(), Seen::default(), Runs::default());
        for id in ["a-1", "a-2", "a-2", "a.2-1", "a.2-1", "b-1"] {
            one.is_new(Some(id), &runs);
        }
        other.is_new(Some("a-1"), &runs);
        let counted = |id| {
            let stats = runs.read(id);
            (stats.telemetry_received, stats.telemetry_received_unique)
        };
        assert_eq!((counted("a"), counted("b"), counted("c")), ((6, 4), (1, 1), (0, 0)));
        // A device that makes up runs pushes out its own.
        for number in 0..100 {
            other.is_new(Some(&format!("made-up-{number}-1")), &runs);
        }
        assert_eq!(counted("a"), (6, 4), "the first device remembers it");
    }

    #[test]
    fn numbers_in_a_row_are_one_range_whatever_their_order() {
        let mut ranges = Ranges::default();
        for number in [5, 3, 4, 1, 2, u64::MAX, 0] {
            assert!(ranges.insert(number), "{number}");
        }
        assert_eq!(ranges.0, [(0, 5), (u64::MAX, u64::MAX)]);
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
