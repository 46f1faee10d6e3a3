//! Processes of shards that died: how long such a shard is left alone, and when there is no use in another process. Pure;
//! the time is handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// A shard whose process died is left alone for so long, and twice as long each further time, or a mistake in the plan or a
/// full disk would keep the machine busy.
const BREATH: Duration = Duration::from_secs(2);
/// A process that lived so long ends a row of deaths.
const LIVED: Duration = Duration::from_secs(60);
/// After so many deaths in a row there is no use in another process.
const DEATHS: u32 = 5;
/// After so many processes in a row that did not even get ready, something is wrong that will not pass.
const FALSE_STARTS: u32 = 5;

/// The deaths that count.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// Shards whose process died, and until when they are left alone.
    tired: BTreeMap<u32, Instant>,
    /// How many processes of a shard died in a row, each soon.
    in_a_row: BTreeMap<u32, u32>,
    /// How many in a row did not get ready, of any shard.
    false_starts: u32,
}

impl Deaths {
    /// A process got ready.
    pub(super) fn ready(&mut self) {
        self.false_starts = 0;
    }

    /// The process of a shard died after it had `lived` so long; `started` if it had been ready. Returns why no shard is to be
    /// taken any more, if there is no use in another process.
    pub(super) fn died(&mut self, index: u32, started: bool, lived: Duration, now: Instant) -> Option<NoUse> {
        let deaths = self.in_a_row.entry(index).or_insert(0);
        *deaths = if lived < LIVED { *deaths + 1 } else { 1 };
        let breath = BREATH * 2_u32.saturating_pow((*deaths).min(DEATHS) - 1);
        self.tired.insert(index, now + breath);
        self.false_starts += u32::from(!started);
        if self.false_starts >= FALSE_STARTS {
            Some(NoUse::NoStart)
        } else if *deaths >= DEATHS {
            Some(NoUse::Shard)
        } else {
            None
        }
    }

    /// Shards that were left alone for long enough can be taken again.
    pub(super) fn pass(&mut self, now: Instant) {
        self.tired.retain(|_, until| *until > now);
    }

    /// Whether a shard is left alone.
    pub(super) fn is_tired(&self, index: u32) -> bool {
        self.tired.contains_key(&index)
    }

    /// Whether any shard is.
    pub(super) fn is_any_tired(&self) -> bool {
        !self.tired.is_empty()
    }
}

/// Why there is no use in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoUse {
    /// None gets ready.
    #[error("{FALSE_STARTS} tries in a row failed")]
    NoStart,
    /// Those of the shard die.
    #[error("{DEATHS} processes in a row died soon after their start")]
    Shard,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn a_shard_is_left_alone_for_longer_each_time_and_given_up_after_five_deaths() {
        let (mut deaths, begun) = (Deaths::default(), Instant::now());
        for alone in [2, 4, 8, 16] {
            assert_eq!(deaths.died(1, true, seconds(59), begun), None);
            deaths.pass(begun + seconds(alone) - Duration::from_millis(1));
            assert!(deaths.is_tired(1) && !deaths.is_tired(0));
            deaths.pass(begun + seconds(alone));
            assert!(!deaths.is_any_tired());
        }
        assert_eq!(deaths.died(0, true, seconds(1), begun), None, "another shard");
        assert_eq!(deaths.died(1, true, seconds(1), begun), Some(NoUse::Shard));
        assert_eq!(deaths.died(1, true, seconds(60), begun), None, "it lived");
    }

    #[tokio::test]
    async fn processes_of_any_shard_that_do_not_start_in_a_row_are_too_many() {
        let (mut deaths, begun) = (Deaths::default(), Instant::now());
        for index in 0..4 {
            assert_eq!(deaths.died(index, false, Duration::ZERO, begun), None);
        }
        deaths.ready();
        for index in 4..8 {
            assert_eq!(deaths.died(index, false, Duration::ZERO, begun), None);
        }
        assert_eq!(deaths.died(8, false, Duration::ZERO, begun), Some(NoUse::NoStart));
    }
}
