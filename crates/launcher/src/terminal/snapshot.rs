//! What the view takes of a run each second: small, and its own.

use std::collections::BTreeMap;

use device_sim::ramp::Ramp;
use fleet_protocol::lines::{GroupStats, Phase, State, counter};
use fleet_protocol::plan;
use fleet_report::quota_use::QuotaUse;
use fleet_report::report::EventMark;
use fleet_report::sparse::SparseHistogram;
use fleet_report::thresholds::ThresholdResult;
use fleet_report::totals::Totals;

use crate::manifest::Manifest;
use crate::manifest::values::Stage;
use crate::prepare::plan::negative_count;
use crate::standing::{Position, Standing};

/// So many of the newest marks, and of the most frequent errors, are taken.
const MOST: usize = 40;

/// What a run is, from its beginning to its end.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(super) name: String,
    pub(super) run_id: String,
    /// The kind of its target.
    pub(super) target: String,
    /// The groups and how many devices each has.
    pub(super) groups: Vec<(String, u64)>,
    /// How many devices must be refused.
    pub(super) negative: u64,
    /// Those of the load, as the manifest has them.
    pub(super) stages: Vec<Stage>,
    /// How many connections are begun in a second, at most.
    pub(super) connect_rate: f64,
}

impl Subject {
    /// The run of a manifest.
    pub(crate) fn of(manifest: &Manifest, groups: &[plan::Group], run_id: &str) -> Self {
        let mut counts: Vec<(String, u64)> = Vec::new();
        for group in groups {
            let count = u64::from(group.devices.count());
            // Devices of the same group may be of several kinds.
            match counts.iter_mut().find(|(name, _)| *name == group.name) {
                Some((_, devices)) => *devices += count,
                None => counts.push((group.name.clone(), count)),
            }
        }
        Self {
            name: manifest.fleet.name.clone(),
            run_id: run_id.to_owned(),
            target: manifest.target.kind().to_owned(),
            groups: counts,
            negative: negative_count(groups).into(),
            stages: manifest.load.stages.clone(),
            connect_rate: manifest.load.connect_rate.hertz(),
        }
    }

    /// Which share of the fleet the stages want, over their time.
    pub(super) fn ramp(&self) -> Ramp {
        Ramp::new(self.stages.iter().copied().map(plan::Stage::from).collect())
    }

    /// How many devices are to be online.
    pub(super) fn devices(&self) -> u64 {
        let all: u64 = self.groups.iter().map(|(_, devices)| devices).sum();
        all.saturating_sub(self.negative)
    }
}

/// A run at one moment.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) position: Position,
    pub(super) groups: BTreeMap<String, GroupStats>,
    pub(super) counts: Counts,
    /// What was timed since the run began, by phase; phases without a value are left out.
    pub(super) times: BTreeMap<Phase, SparseHistogram>,
    pub(super) thresholds: Vec<ThresholdResult>,
    /// Each limit, and the share of it that is used now.
    pub(super) quotas: Vec<(QuotaUse, f64)>,
    /// What failed, `<operation>/<reason>`, and how often: the most frequent first.
    pub(super) errors: Vec<(String, u64)>,
    /// The newest marks, in the order of their time.
    pub(super) marks: Vec<EventMark>,
}

/// Counts since the run began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Devices that DPS has assigned.
    pub(super) registered: u64,
    /// Messages that were due, those among them that were missed included.
    pub(super) due: u64,
    pub(super) acked: u64,
    /// Connections to hubs.
    pub(super) connects: u64,
}

impl Snapshot {
    pub(super) fn of(standing: &Standing<'_>) -> Self {
        let measurements = standing.measurements;
        let totals = &measurements.totals;
        let times: BTreeMap<Phase, SparseHistogram> = Phase::ALL
            .into_iter()
            .map(|phase| (phase, totals.times_of(phase)))
            .filter(|(_, times)| !times.is_empty())
            .collect();
        let now: BTreeMap<&str, f64> = measurements.quotas.now().collect();
        let used = measurements.quotas.used().into_iter();
        let marks = standing.marks;
        Self {
            position: standing.position,
            groups: totals.by_group(),
            counts: Counts::of(totals, &times),
            thresholds: standing.thresholds.clone(),
            quotas: used
                .map(|used| {
                    let share = now.get(used.id.as_str()).copied().unwrap_or(0.0);
                    (used, share)
                })
                .collect(),
            errors: errors(totals),
            marks: marks[marks.len().saturating_sub(MOST)..].to_vec(),
            times,
        }
    }

    /// How many devices of all groups are in a state.
    pub(super) fn state(&self, state: State) -> u64 {
        let groups = self.groups.values();
        groups.filter_map(|group| group.states.get(&state)).sum()
    }

    /// How many devices the stages want online now.
    pub(super) fn wanted(&self) -> u64 {
        self.groups.values().map(|group| group.wanted_now).sum()
    }
}

impl Counts {
    fn of(totals: &Totals, times: &BTreeMap<Phase, SparseHistogram>) -> Self {
        Self {
            registered: totals.counter(counter::DEVICES_REGISTERED),
            due: totals.counter(counter::TELEMETRY_OFFERED) + totals.counter(counter::TICKS_MISSED),
            acked: totals.counter(counter::TELEMETRY_ACKED),
            connects: times.get(&Phase::Connect).map_or(0, SparseHistogram::len),
        }
    }
}

fn errors(totals: &Totals) -> Vec<(String, u64)> {
    let mut errors: Vec<_> = totals.errors().into_iter().collect();
    errors.sort_by(|(name, count), (other, of_other)| of_other.cmp(count).then_with(|| name.cmp(other)));
    errors.truncate(MOST);
    errors
}
