//! The figures of the shards that this process has, and had, of a fleet that it shares with others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use fleet_protocol::lines::{GroupStats, Phase, Stats};
use fleet_report::totals::Decoded;

use super::distribution::Distribution;
use super::snapshot::Snapshot;

/// The figures of shards, line by line. A shard may come and go: what was counted while it was here stays counted.
#[derive(Debug, Default)]
pub(super) struct ShardFigures {
    /// The groups of the last line of each shard that is here.
    here: BTreeMap<u32, BTreeMap<String, GroupStats>>,
    /// The counters of those that were.
    gone: BTreeMap<String, GroupStats>,
    times: BTreeMap<(Phase, String), Distribution>,
    lag: BTreeMap<u32, Distribution>,
}

impl ShardFigures {
    /// Takes a line of a shard's process.
    pub(super) fn line(&mut self, shard: u32, stats: &Stats) {
        let Decoded { stats, times, lag, .. } = stats.clone().into();
        for times in times {
            let new = Distribution::of(times.values.iter());
            self.times.entry((times.phase, times.group)).or_default().merge(&new);
        }
        if let Some(lag) = lag {
            let new = Distribution::of_histogram(&lag);
            self.lag.entry(shard).or_default().merge(&new);
        }
        self.here.insert(shard, stats.groups);
    }

    /// The shard's process has ended: its devices are not here any more.
    pub(super) fn ended(&mut self, shard: u32) {
        for (group, stats) in self.here.remove(&shard).unwrap_or_default() {
            self.gone.entry(group).or_default().add(&GroupStats {
                counters: stats.counters,
                ..GroupStats::default()
            });
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let groups = self.here.values().flatten().chain(&self.gone);
        let times = self.times.iter();
        Snapshot::new(
            groups.map(|(name, stats)| (name.as_str(), stats)),
            times.map(|((phase, group), times)| (*phase, group.as_str(), times.clone())),
            self.lag.clone(),
        )
    }
}

/// Where the lines of shards go, if their figures are served.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveShards(Option<Arc<Mutex<ShardFigures>>>);

impl LiveShards {
    /// Lines are kept.
    pub(super) fn kept() -> Self {
        Self(Some(Arc::default()))
    }

    /// Takes a line of a shard's process.
    pub(crate) fn line(&self, shard: u32, stats: &Stats) {
        self.figures()
            .into_iter()
            .for_each(|mut figures| figures.line(shard, stats));
    }

    /// The shard's process has ended.
    pub(crate) fn ended(&self, shard: u32) {
        self.figures().into_iter().for_each(|mut figures| figures.ended(shard));
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.figures()
            .map_or_else(Snapshot::default, |figures| figures.snapshot())
    }

    fn figures(&self) -> Option<MutexGuard<'_, ShardFigures>> {
        let figures = self.0.as_ref()?;
        Some(figures.lock().expect("no holder of this lock panics"))
    }
}

#[cfg(test)]
mod tests {
    use fleet_protocol::histogram::Encoder;
    use fleet_protocol::lines::{State, counter};

    use super::*;

    fn stats(acked: u64, online: u64) -> Stats {
        let mut values = Phase::histogram();
        values.record_n(5_000, acked).unwrap();
        let group = GroupStats {
            counters: BTreeMap::from([(counter::TELEMETRY_ACKED.to_owned(), acked)]),
            states: BTreeMap::from([(State::Online, online)]),
            wanted_now: online,
        };
        Stats {
            groups: BTreeMap::from([("g".to_owned(), group)]),
            histograms: BTreeMap::from([("publish/g".to_owned(), Encoder::default().encode(&values))]),
            ..Stats::default()
        }
    }

    #[test]
    fn a_shard_that_leaves_and_comes_back_counts_on() {
        let mut figures = ShardFigures::default();
        let acked = |figures: &ShardFigures| figures.snapshot().groups["g"].counter(counter::TELEMETRY_ACKED);
        figures.line(0, &stats(7, 2));
        figures.line(1, &stats(5, 3));
        let group = figures.snapshot().groups["g"].clone();
        assert_eq!(
            (group.devices(State::Online), group.wanted(), acked(&figures)),
            (5, 5, 12)
        );
        figures.ended(1);
        figures.ended(1);
        let group = figures.snapshot().groups["g"].clone();
        assert_eq!(
            (group.devices(State::Online), group.wanted(), acked(&figures)),
            (2, 2, 12)
        );
        // Another process counts from nothing.
        figures.line(1, &stats(1, 3));
        assert_eq!(acked(&figures), 13);
        assert_eq!(figures.snapshot().groups["g"].timed(Phase::Publish), 13);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_served() {
        let shards = LiveShards::default();
        shards.line(0, &stats(1, 1));
        assert_eq!(shards.snapshot(), Snapshot::default());
    }
}
