//! A timeline as a report has it: a series for each figure, all of the same length.

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::lines::{Phase, State};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{COUNTS, Online, Point, Timeline};
use crate::sparse::SparseHistogram;
use crate::words::seconds;

/// A run over its time. All series have `points` values; value *i* is of the `step_s` seconds that end at
/// `(i + 1) · step_s` after `t0`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineSeries {
    /// When the processes were started.
    #[schemars(with = "Option<String>")]
    pub t0: Option<Timestamp>,
    /// How many seconds there are, up to when the last device had stopped.
    pub seconds: u64,
    /// How many seconds a point is of.
    pub step_s: u64,
    /// How many points there are: at most 600.
    pub points: u64,
    /// The number of the stage, from 1; 0 outside the stages.
    pub stage: Vec<u32>,
    /// Whether the target of the stage is held.
    pub held: Vec<bool>,
    /// Devices online: in a held stage at its worst second, elsewhere at the last.
    pub online: Vec<u64>,
    /// Devices that the stages wanted online then.
    pub wanted: Vec<u64>,
    /// Devices in each state; a state that no device was in is left out.
    pub states: BTreeMap<String, Vec<u64>>,
    /// What happened in the seconds of a point, by name; what never happened is left out.
    pub counts: BTreeMap<String, Vec<u64>>,
    /// How long things took that ended in these seconds, by phase.
    pub latency: BTreeMap<String, LatencySeries>,
    /// The groups.
    pub groups: BTreeMap<String, GroupSeries>,
    /// How much of each limit was used, as a share: 1 is all of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quota: BTreeMap<String, Vec<f64>>,
}

/// How long a phase took over time, in seconds; null where nothing ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencySeries {
    /// How many ended.
    pub n: Vec<u64>,
    /// Half were quicker.
    pub p50: Vec<Option<f64>>,
    /// 95 % were quicker.
    pub p95: Vec<Option<f64>>,
    /// 99 % were quicker.
    pub p99: Vec<Option<f64>>,
    /// The slowest.
    pub max: Vec<Option<f64>>,
}

/// A group over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupSeries {
    /// Its devices that were online.
    pub online: Vec<u64>,
    /// Its devices that the stages wanted online.
    pub wanted: Vec<u64>,
}

impl TimelineSeries {
    /// The series whose length is not that of the others, if there is one.
    pub(crate) fn uneven(&self) -> Option<&str> {
        let latency = self.latency.iter().flat_map(|(phase, series)| {
            let LatencySeries { n, p50, p95, p99, max } = series;
            let lengths = [n.len(), p50.len(), p95.len(), p99.len(), max.len()];
            lengths.map(|length| (phase.as_str(), length))
        });
        let counts = self.states.iter().chain(&self.counts);
        let counts = counts.map(|(name, series)| (name.as_str(), series.len()));
        let groups = self.groups.iter().flat_map(|(group, series)| {
            [series.online.len(), series.wanted.len()].map(|length| (group.as_str(), length))
        });
        let quota = self.quota.iter().map(|(limit, series)| (limit.as_str(), series.len()));
        let own = [
            ("stage", self.stage.len()),
            ("held", self.held.len()),
            ("online", self.online.len()),
            ("wanted", self.wanted.len()),
        ];
        let mut all = own.into_iter().chain(latency).chain(counts).chain(groups).chain(quota);
        all.find(|(_, length)| *length as u64 != self.points)
            .map(|(name, _)| name)
    }
}

impl Timeline {
    /// The timeline as a report has it. `t0` is when it began.
    #[must_use]
    pub fn series(&self, t0: Option<Timestamp>) -> TimelineSeries {
        let of = |value: fn(&Point) -> u64| self.points.iter().map(value).collect::<Vec<_>>();
        let states = State::ALL.into_iter().zip(0_usize..).map(|(state, index)| {
            let values = self.points.iter().map(|point| point.standing.states[index]);
            (state.word().to_owned(), values.collect())
        });
        let counts = COUNTS.iter().zip(0_usize..).map(|((name, _), index)| {
            let values = self.points.iter().map(|point| point.delta.counts[index]);
            ((*name).to_owned(), values.collect())
        });
        let is_used = |(_, values): &(String, Vec<u64>)| values.iter().any(|value| *value > 0);
        let stage = |point: &Point| point.standing.stage;
        TimelineSeries {
            t0,
            seconds: self.seconds,
            step_s: self.step_s,
            points: self.points.len() as u64,
            stage: self
                .points
                .iter()
                .map(|point| stage(point).map_or(0, |stage| stage.number))
                .collect(),
            held: self
                .points
                .iter()
                .map(|point| stage(point).is_some_and(|stage| stage.held))
                .collect(),
            online: of(|point| point.standing.online.online),
            wanted: of(|point| point.standing.online.wanted),
            states: states.filter(is_used).collect(),
            counts: counts.filter(is_used).collect(),
            latency: Phase::ALL.into_iter().filter_map(|phase| self.latency(phase)).collect(),
            groups: self.groups(),
            quota: self.quotas(),
        }
    }

    fn latency(&self, phase: Phase) -> Option<(String, LatencySeries)> {
        let mut series = LatencySeries::default();
        for point in &self.points {
            let mut all = SparseHistogram::default();
            let times = point.delta.times.iter();
            times
                .filter(|((of, _), _)| *of == phase)
                .for_each(|(_, times)| all.add(&times.into()));
            series.n.push(all.len());
            let at = |quantile| all.value_at_quantile(quantile).map(seconds);
            series.p50.push(at(0.5));
            series.p95.push(at(0.95));
            series.p99.push(at(0.99));
            series.max.push(all.max().map(seconds));
        }
        let is_measured = series.n.iter().any(|n| *n > 0);
        is_measured.then(|| (phase.word().to_owned(), series))
    }

    fn quotas(&self) -> BTreeMap<String, Vec<f64>> {
        let ids = self.points.iter().flat_map(|point| point.standing.quotas.keys());
        let ids: BTreeSet<&String> = ids.collect();
        let used = |id: &String| {
            let points = self
                .points
                .iter()
                .map(|point| point.standing.quotas.get(id).copied().unwrap_or(0.0));
            points.map(|share| (share * 1e4).round() / 1e4).collect()
        };
        ids.into_iter().map(|id| (id.clone(), used(id))).collect()
    }

    fn groups(&self) -> BTreeMap<String, GroupSeries> {
        let names = self.points.iter().flat_map(|point| point.standing.groups.keys());
        let mut groups: BTreeMap<String, GroupSeries> =
            names.map(|name| (name.clone(), GroupSeries::default())).collect();
        for (name, series) in &mut groups {
            for point in &self.points {
                let Online { online, wanted } = point.standing.groups.get(name).copied().unwrap_or_default();
                series.online.push(online);
                series.wanted.push(wanted);
            }
        }
        groups
    }
}
