//! How many shards a process takes of those that are free, and when it gives one back. Pure: what is seen and the time
//! are handed in.
//!
//! Every process takes its fair part, rounded up, of the shards that are not finished. A process that is gone counts for
//! a few seconds more, so that one that is merely started again finds its shards where it left them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So long a process counts that is not there any more.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// So long a new process takes one shard only: those who were started with it want theirs, too.
const SETTLE: Duration = Duration::from_secs(2);

/// What a process sees when it looks around.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How many processes there are, with this one.
    pub members: u32,
    /// How many shards are not finished, with or without a process.
    pub open: u32,
    /// Those of them that no process has.
    pub free: Vec<u32>,
    /// How many this process has.
    pub mine: u32,
}

/// What a process does after it has looked around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Takes a shard.
    Take(u32),
    /// Stops the devices of one of its shards, for another process to take it.
    GiveBack,
    /// It is well as it is.
    Stay,
}

/// A process's view of its part.
#[derive(Debug)]
pub(crate) struct Share {
    begun: Instant,
    /// Which free shard it likes best; two processes that like different ones get less into each other's way.
    taste: u32,
    /// Counts of members with the time they were last true, the highest first.
    lately: VecDeque<(u32, Instant)>,
}

impl Share {
    /// The view of a process that begins now.
    #[must_use]
    pub(crate) fn new(now: Instant, taste: u32) -> Self {
        Self {
            begun: now,
            taste,
            lately: VecDeque::new(),
        }
    }

    /// What to do next. One step at a time; look again after it.
    pub(crate) fn next(&mut self, now: Instant, seen: &Seen) -> Step {
        let members = self.members_lately(now, seen.members.max(1));
        let fair = seen.open.div_ceil(members);
        if seen.mine > fair {
            return Step::GiveBack;
        }
        let fair = if now - self.begun < SETTLE { fair.min(1) } else { fair };
        match seen.free.len() {
            0 => Step::Stay,
            count if seen.mine < fair => Step::Take(seen.free[self.taste as usize % count]),
            _ => Step::Stay,
        }
    }

    /// The most members that there were within the time of grace.
    fn members_lately(&mut self, now: Instant, members: u32) -> u32 {
        // Lower counts that are older never become the highest again.
        while self.lately.back().is_some_and(|(count, _)| *count <= members) {
            self.lately.pop_back();
        }
        self.lately.push_back((members, now));
        while self.lately.front().is_some_and(|(_, last)| now - *last > GRACE) {
            self.lately.pop_front();
        }
        self.lately.front().map_or(members, |(count, _)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(members: u32, free: &[u32], mine: u32) -> Seen {
        Seen {
            members,
            open: 4,
            free: free.to_vec(),
            mine,
        }
    }

    fn settled() -> (Share, Instant) {
        let now = Instant::now();
        (Share::new(now, 0), now + SETTLE)
    }

    #[test]
    fn alone_it_takes_all_and_with_others_its_part() {
        let (mut share, now) = settled();
        assert_eq!(share.next(now, &seen(1, &[0, 1, 2, 3], 0)), Step::Take(0));
        assert_eq!(share.next(now, &seen(1, &[3], 3)), Step::Take(3));
        assert_eq!(share.next(now, &seen(1, &[], 4)), Step::Stay);
        let (mut share, now) = settled();
        assert_eq!(share.next(now, &seen(3, &[2, 3], 1)), Step::Take(2));
        assert_eq!(share.next(now, &seen(3, &[3], 2)), Step::Stay);
    }

    #[test]
    fn more_processes_than_shards_stand_by() {
        let (mut share, now) = settled();
        assert_eq!(share.next(now, &seen(5, &[], 0)), Step::Stay);
        assert_eq!(share.next(now, &seen(5, &[1], 0)), Step::Take(1));
    }

    #[test]
    fn it_takes_only_one_until_those_who_start_with_it_are_there() {
        let now = Instant::now();
        let mut share = Share::new(now, 0);
        assert_eq!(share.next(now, &seen(1, &[0, 1, 2, 3], 0)), Step::Take(0));
        assert_eq!(share.next(now, &seen(1, &[1, 2, 3], 1)), Step::Stay);
        assert_eq!(share.next(now + SETTLE, &seen(1, &[1, 2, 3], 1)), Step::Take(1));
    }

    #[test]
    fn it_gives_back_what_is_more_than_its_part() {
        let (mut share, now) = settled();
        assert_eq!(share.next(now, &seen(2, &[], 4)), Step::GiveBack);
        assert_eq!(share.next(now, &seen(2, &[0], 3)), Step::GiveBack);
        assert_eq!(share.next(now, &seen(2, &[0, 1], 2)), Step::Stay);
    }

    #[test]
    fn what_a_dead_process_had_is_taken_over_after_the_time_of_grace() {
        let (mut share, now) = settled();
        assert_eq!(share.next(now, &seen(4, &[], 1)), Step::Stay);
        assert_eq!(share.next(now + GRACE, &seen(3, &[2], 1)), Step::Stay);
        assert_eq!(share.next(now + GRACE * 2, &seen(3, &[2], 1)), Step::Take(2));
        // It is back, and gets what it has a right to.
        assert_eq!(share.next(now + GRACE * 2, &seen(4, &[], 2)), Step::GiveBack);
    }

    #[test]
    fn a_finished_shard_is_no_part_of_any_process() {
        let (mut share, now) = settled();
        let finished = Seen {
            open: 1,
            ..seen(2, &[3], 0)
        };
        assert_eq!(share.next(now, &finished), Step::Take(3));
        assert_eq!(
            share.next(
                now,
                &Seen {
                    open: 0,
                    ..seen(2, &[], 0)
                }
            ),
            Step::Stay
        );
    }

    #[test]
    fn processes_of_different_taste_reach_for_different_shards() {
        let now = Instant::now();
        let takes = |taste| Share::new(now, taste).next(now + SETTLE, &seen(4, &[0, 1, 2, 3], 0));
        assert_eq!((takes(1), takes(7)), (Step::Take(1), Step::Take(3)));
    }
}
