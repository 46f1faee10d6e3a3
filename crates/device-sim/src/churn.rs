//! When each device of a churn leaves, and when it is back. Pure: times are offsets from the churn's beginning.
//!
//! Each device leaves once in a period of 60 s divided by the share per minute, always at the same offset within it,
//! which seed and device id decide. So in each minute that share of the devices leaves, spread evenly, and the same
//! devices at the same offsets every time, in however many shards.

use std::collections::VecDeque;
use std::time::Duration;

use fleet_protocol::lines;
use rand::RngExt;

use crate::random::{Purpose, stream};

/// What a device does at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Leaves(usize),
    ComesBack(usize),
}

/// The steps of a churn, in the order of their time.
#[derive(Debug)]
pub(crate) struct Churn {
    of: lines::Churn,
    /// The offset of each device within a period, in order.
    offsets: Vec<(Duration, usize)>,
    /// How many departures there were.
    next: usize,
    /// The period in which the next one is.
    period_begin: Duration,
    /// Who is away, in the order of return.
    away: VecDeque<(Duration, usize)>,
}

impl Churn {
    /// Of these devices, each with its index.
    pub(crate) fn new<'a>(of: lines::Churn, seed: u64, devices: impl Iterator<Item = (usize, &'a str)>) -> Self {
        let period = of.period();
        let offset = |id: &str| period.mul_f64(stream(seed, id, Purpose::Churn).random_range(0.0..1.0));
        let mut offsets: Vec<_> = devices.map(|(index, id)| (offset(id), index)).collect();
        offsets.sort_unstable();
        Self {
            of,
            offsets,
            next: 0,
            period_begin: Duration::ZERO,
            away: VecDeque::new(),
        }
    }

    /// When the next departure is, while there is one.
    fn departure(&self) -> Option<(Duration, usize)> {
        let (offset, device) = self.offsets.get(self.next)?;
        let at = self.period_begin + *offset;
        (at < self.of.lasts).then_some((at, *device))
    }

    fn departed(&mut self, at: Duration, device: usize) {
        self.away.push_back((at + self.of.away, device));
        self.next += 1;
        if self.next == self.offsets.len() {
            self.next = 0;
            self.period_begin += self.of.period();
        }
    }
}

impl Iterator for Churn {
    type Item = (Duration, Step);

    fn next(&mut self) -> Option<(Duration, Step)> {
        let returns = self.away.front().copied();
        match self.departure() {
            Some((at, device)) if returns.is_none_or(|(back, _)| at < back) => {
                self.departed(at, device);
                Some((at, Step::Leaves(device)))
            }
            _ => {
                let (at, device) = self.away.pop_front()?;
                Some((at, Step::ComesBack(device)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn spec(share_per_minute: f64, lasts: u64, away: u64) -> lines::Churn {
        lines::Churn::new(share_per_minute, Duration::from_secs(lasts), Duration::from_secs(away)).unwrap()
    }

    fn steps(of: lines::Churn, seed: u64, devices: &[&str]) -> Vec<(Duration, Step)> {
        Churn::new(of, seed, devices.iter().copied().enumerate()).collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("thermo-{i:04}")).collect()
    }

    #[test]
    fn each_minute_the_share_leaves_and_everything_is_back_an_absence_after_the_end() {
        let names = names(1_000);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let of = spec(0.1, 300, 30);
        let steps = steps(of, 7, &names);
        assert!(steps.is_sorted_by_key(|(at, _)| *at));
        let mut left = BTreeMap::<u64, usize>::new();
        let mut away = BTreeSet::new();
        for (at, step) in &steps {
            match step {
                Step::Leaves(device) => {
                    *left.entry(at.as_secs() / 60).or_default() += 1;
                    assert!(away.insert(*device), "{device} is away already");
                }
                Step::ComesBack(device) => assert!(away.remove(device), "{device} is not away"),
            }
        }
        assert!(away.is_empty(), "{away:?}");
        assert_eq!(left.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!(left.values().all(|count| (70..130).contains(count)), "{left:?}");
        assert!(steps.last().is_some_and(|(at, _)| *at < of.lasts + of.away));
    }

    #[test]
    fn seed_and_device_decide_when_a_device_leaves_and_other_devices_do_not() {
        let of = spec(1.0, 300, 10);
        let when = |seed, devices: &[&str], name: &str| {
            let index = devices.iter().position(|device| *device == name).unwrap();
            let steps = steps(of, seed, devices).into_iter();
            steps
                .filter(|(_, step)| *step == Step::Leaves(index))
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        let alone = when(7, &["b"], "b");
        assert_eq!(alone.len(), 5, "once in each minute");
        assert_eq!(alone, when(7, &["a", "b", "c"], "b"));
        assert_ne!(alone, when(8, &["b"], "b"));
        assert_ne!(alone, when(7, &["a"], "a"));
        assert!(
            alone
                .windows(2)
                .all(|pair| pair[1] - pair[0] == Duration::from_secs(60))
        );
    }

    #[test]
    fn without_devices_nothing_happens() {
        assert_eq!(steps(spec(1.0, 300, 10), 7, &[]), []);
    }
}
