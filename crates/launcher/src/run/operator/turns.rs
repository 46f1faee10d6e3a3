//! When an operator does what: evenly, at its two rates. Pure; the time is handed in.

use std::time::Duration;

use tokio::time::Instant;

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It sends a command.
    Command,
    /// It changes a property.
    Property,
    /// It looks at the last telemetry that the application has of a device.
    Look,
    /// It sends a cloud-to-device message.
    Message,
}

/// The turns of an operator while it works. Those of a pause are not made up for.
#[derive(Debug)]
pub(super) struct Turns {
    /// Each kind with its interval and its next turn; without one while the operator rests.
    kinds: Vec<(Kind, Duration, Option<Instant>)>,
}

impl Turns {
    /// So much of each kind in a second, while it works.
    pub(super) fn new(kinds: impl IntoIterator<Item = (Kind, f64)>) -> Self {
        let interval = |per_s: f64| Duration::try_from_secs_f64(1.0 / per_s).ok();
        let kinds = kinds.into_iter().filter(|(_, per_s)| *per_s > 0.0);
        Self {
            kinds: kinds
                .filter_map(|(kind, per_s)| Some((kind, interval(per_s)?, None)))
                .collect(),
        }
    }

    /// The operator works from now on, or rests.
    pub(super) fn work(&mut self, works: bool, now: Instant) {
        for (_, interval, next) in &mut self.kinds {
            match (works, next.is_some()) {
                // The kinds begin apart, each in the middle of its first interval.
                (true, false) => *next = now.checked_add(*interval / 2),
                (true, true) => {}
                (false, _) => *next = None,
            }
        }
    }

    /// When the next turn is.
    pub(super) fn next(&self) -> Option<Instant> {
        self.kinds.iter().filter_map(|(_, _, next)| *next).min()
    }

    /// The turn that is due, with the instant at which it was.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Kind, Instant)> {
        let due = self.kinds.iter_mut().filter_map(|(kind, interval, next)| {
            let due = next.filter(|next| *next <= now)?;
            Some((due, *kind, *interval, next))
        });
        let (due, kind, interval, next) = due.min_by_key(|(due, kind, ..)| (*due, *kind))?;
        *next = due.checked_add(interval);
        Some((kind, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_even_and_late_ones_keep_their_instants() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut turns = Turns::new([(Kind::Command, 2.0), (Kind::Property, 1.0), (Kind::Look, 0.0)]);
        assert_eq!((turns.next(), turns.take(at(10_000))), (None, None), "it rests");
        turns.work(true, begin);
        assert_eq!((turns.next(), turns.take(at(249))), (Some(at(250)), None));
        let taken: Vec<_> = std::iter::from_fn(|| turns.take(at(1_600))).collect();
        let expected = [
            (Kind::Command, at(250)),
            (Kind::Property, at(500)),
            (Kind::Command, at(750)),
            (Kind::Command, at(1_250)),
            (Kind::Property, at(1_500)),
        ];
        assert_eq!(taken, expected);
        // Working on changes nothing.
        turns.work(true, at(1_700));
        assert_eq!(turns.next(), Some(at(1_750)));
    }

    #[test]
    fn what_was_due_in_a_pause_is_not_made_up_for() {
        let begin = Instant::now();
        let mut turns = Turns::new([(Kind::Look, 10.0)]);
        turns.work(true, begin);
        turns.work(false, begin);
        assert_eq!(turns.next(), None);
        let later = begin + Duration::from_secs(60);
        turns.work(true, later);
        assert_eq!(turns.take(later), None);
        assert_eq!(turns.next(), Some(later + Duration::from_millis(50)));
    }
}
