//! What one scrape shows of a run: owned, and small whatever the number of devices and messages.

use std::collections::BTreeMap;

use fleet_protocol::lines::counter;
use fleet_protocol::lines::{GroupStats, Phase, State};
use fleet_report::measurements::Measurements;
use fleet_report::thresholds::{ThresholdResult, Verdict};
use settings::Span;

use super::distribution::Distribution;
use crate::standing::Standing;

/// The figures of a run at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Snapshot {
    pub(super) groups: BTreeMap<String, GroupFigures>,
    /// How late each process was, by shard.
    pub(super) lag: BTreeMap<u32, Distribution>,
    /// What the whole fleet has; nothing where this process has only a part of it.
    pub(super) whole: Option<Whole>,
}

/// The figures of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct GroupFigures {
    stats: GroupStats,
    times: BTreeMap<Phase, Distribution>,
    /// Commands that were carried out well. What was taken for one may turn out to have failed, and a counter never falls.
    pub(super) commands_ok: u64,
}

/// What only a supervisor of all processes has.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Whole {
    pub(super) stage: u32,
    pub(super) quotas: Vec<QuotaFigure>,
    /// By metric and expression; nothing where there is no sample.
    pub(super) thresholds: BTreeMap<(String, String), Option<bool>>,
}

/// What is used of a limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QuotaFigure {
    pub(super) id: String,
    pub(super) allowed: f64,
    pub(super) per: String,
    /// 1 is all that is allowed.
    pub(super) used: f64,
}

impl Snapshot {
    /// A live run. This is made where its supervisor is, so it copies little.
    pub(crate) fn of_run(standing: &Standing<'_>) -> Self {
        let thresholds = standing.thresholds.iter().map(|result| {
            let passed = match result.verdict {
                Verdict::Passed => Some(true),
                Verdict::Failed => Some(false),
                // It may yet get one.
                Verdict::NoData => None,
            };
            (threshold(result), passed)
        });
        Self {
            whole: Some(Whole {
                stage: standing.position.stage.map_or(0, |stage| stage.number),
                quotas: quotas(standing.measurements),
                thresholds: all_of_equals(thresholds),
            }),
            ..Self::of_measurements(standing.measurements)
        }
    }

    /// A run that is over, with the last word on its thresholds.
    pub(crate) fn of_end(measurements: &Measurements, judged: &[ThresholdResult]) -> Self {
        let thresholds = judged.iter().map(|result| (threshold(result), Some(!result.fails())));
        Self {
            whole: Some(Whole {
                stage: 0,
                quotas: quotas(measurements),
                thresholds: all_of_equals(thresholds),
            }),
            ..Self::of_measurements(measurements)
        }
    }

    fn of_measurements(measurements: &Measurements) -> Self {
        let totals = &measurements.totals;
        let times = totals.times().iter();
        let times = times.map(|((phase, group), times)| (*phase, group.as_str(), Distribution::of(times.iter())));
        let lag = measurements.lag();
        let lag = lag.map(|(shard, lag)| (shard, Distribution::of_histogram(lag)));
        Self::new(totals.groups(), times, lag.collect())
    }

    /// Of the groups of all processes, and what was timed in them.
    pub(super) fn new<'a>(
        stats: impl Iterator<Item = (&'a str, &'a GroupStats)>,
        times: impl Iterator<Item = (Phase, &'a str, Distribution)>,
        lag: BTreeMap<u32, Distribution>,
    ) -> Self {
        let mut groups: BTreeMap<String, GroupFigures> = BTreeMap::new();
        for (name, stats) in stats {
            groups.entry(name.to_owned()).or_default().stats.add(stats);
        }
        for (phase, group, times) in times {
            let times_of_group = &mut groups.entry(group.to_owned()).or_default().times;
            times_of_group.entry(phase).or_default().merge(&times);
        }
        groups.values_mut().for_each(GroupFigures::complete);
        Self {
            groups,
            lag,
            whole: None,
        }
    }

    /// The same, later than `before`: no counter is below what it was.
    pub(super) fn after(mut self, before: &Self) -> Self {
        for (name, group) in &mut self.groups {
            let before = before.groups.get(name).map_or(0, |before| before.commands_ok);
            group.commands_ok = group.commands_ok.max(before);
        }
        self
    }
}

impl GroupFigures {
    fn complete(&mut self) {
        for (phase, times) in &mut self.times {
            times.clip(counter::count(
                &self.stats.counters,
                &format!("{}{}", counter::CLIPPED, phase.word()),
            ));
        }
        self.commands_ok = self
            .counter(counter::COMMANDS)
            .saturating_sub(self.counter(counter::COMMAND_FAILED));
    }

    /// A counter; of a name that ends in `/`, all of its reasons together.
    pub(super) fn counter(&self, name: &str) -> u64 {
        counter::count(&self.stats.counters, name)
    }

    /// The reasons of a counter whose name ends in `/`.
    pub(super) fn reasons<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        counter::by_reason(&self.stats.counters, name)
    }

    pub(super) fn wanted(&self) -> u64 {
        self.stats.wanted_now
    }

    pub(super) fn devices(&self, state: State) -> u64 {
        self.stats.states.get(&state).copied().unwrap_or(0)
    }

    pub(super) fn times(&self, phase: Phase) -> Option<&Distribution> {
        self.times.get(&phase)
    }

    /// How often a phase ended well.
    pub(super) fn timed(&self, phase: Phase) -> u64 {
        self.times(phase).map_or(0, Distribution::count)
    }
}

/// Metric and expression, which are the labels of a threshold.
fn threshold(result: &ThresholdResult) -> (String, String) {
    let over = result.over_s.map(std::time::Duration::from_secs);
    let over = over.map(|over| format!(" over {}", Span(over))).unwrap_or_default();
    (
        format!("{}{}", result.metric.name(), result.labels),
        format!("{}{over}", result.expression),
    )
}

/// Two thresholds may be alike but for their options: together they hold if both do.
fn all_of_equals(
    thresholds: impl Iterator<Item = ((String, String), Option<bool>)>,
) -> BTreeMap<(String, String), Option<bool>> {
    let mut all = BTreeMap::new();
    for (labels, passed) in thresholds {
        all.entry(labels)
            .and_modify(|both: &mut Option<bool>| *both = both.zip(passed).map(|(one, other)| one && other))
            .or_insert(passed);
    }
    all
}

fn quotas(measurements: &Measurements) -> Vec<QuotaFigure> {
    let limits = measurements.quotas.allowed().zip(measurements.quotas.now());
    let figure = |((id, allowed, per), (_, used)): ((&str, f64, &str), (&str, f64))| QuotaFigure {
        id: id.to_owned(),
        allowed,
        per: per.to_owned(),
        used,
    };
    limits.map(figure).collect()
}
