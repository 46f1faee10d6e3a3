//! Which shards of a run are there, and when each wrote its last line. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Processes report their figures every second.
const SILENT_FOR: Duration = Duration::from_secs(15);

/// Where a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// There, and it has written its last line then.
    Here(Instant),
    /// Its connection is lost, and it may come back.
    Away,
    Ended,
}

/// The shards of a run.
#[derive(Debug)]
pub(super) struct Presence(Vec<Place>);

impl Presence {
    /// So many begin now.
    pub(super) fn new(shards: u32, now: Instant) -> Self {
        Self(vec![Place::Here(now); shards as usize])
    }

    /// A shard has written something, or has come back.
    pub(super) fn here(&mut self, shard: usize, now: Instant) {
        self.set(shard, Place::Here(now));
    }

    pub(super) fn away(&mut self, shard: usize) {
        self.set(shard, Place::Away);
    }

    pub(super) fn ended(&mut self, shard: usize) {
        self.set(shard, Place::Ended);
    }

    /// Those that have not ended.
    pub(super) fn left(&self) -> impl Iterator<Item = usize> {
        let all = self.0.iter().enumerate();
        all.filter_map(|(shard, place)| (*place != Place::Ended).then_some(shard))
    }

    /// Whether some have ended, and the others write nothing any more.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let is_silent = |place: &Place| match place {
            Place::Here(last) => now.duration_since(*last) > SILENT_FOR,
            Place::Away => false,
            Place::Ended => true,
        };
        self.0.contains(&Place::Ended) && self.0.iter().all(is_silent)
    }

    fn set(&mut self, shard: usize, to: Place) {
        if let Some(place) = self.0.get_mut(shard) {
            *place = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_is_silent_when_some_have_ended_and_none_of_the_others_writes() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut presence = Presence::new(3, begun);
        assert!(!presence.is_silent(at(60)), "all may still begin");
        presence.ended(0);
        presence.here(1, at(50));
        assert!(!presence.is_silent(at(60)));
        presence.away(2);
        assert!(!presence.is_silent(at(600)), "one may come back");
        assert_eq!(presence.left().collect::<Vec<_>>(), [1, 2]);
        presence.here(2, at(601));
        assert!(!presence.is_silent(at(616)));
        assert!(presence.is_silent(at(617)));
    }
}
