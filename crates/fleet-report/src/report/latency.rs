//! How long things took, and what is in no histogram because it never ended.

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{GroupStats, Phase, Unfinished, counter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attempts::Attempt;
use crate::sparse::SparseHistogram;
use crate::timeline::Timeline;
use crate::totals::Totals;
use crate::words::seconds;

/// The distribution of one phase, in seconds. Its percentiles are those of what ended well, so what did not stands beside
/// them. They are null where nothing did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// How often it was measured.
    pub count: u64,
    /// The quickest.
    pub min: Option<f64>,
    /// The mean.
    pub mean: Option<f64>,
    /// The standard deviation.
    pub stddev: Option<f64>,
    /// Half were quicker.
    pub p50: Option<f64>,
    /// 90 % were quicker.
    pub p90: Option<f64>,
    /// 95 % were quicker.
    pub p95: Option<f64>,
    /// 99 % were quicker.
    pub p99: Option<f64>,
    /// 99.9 % were quicker.
    pub p999: Option<f64>,
    /// 99.99 % were quicker.
    pub p9999: Option<f64>,
    /// The slowest.
    pub max: Option<f64>,
    /// How many attempts failed.
    pub failed: u64,
    /// What was given up without an end.
    pub unfinished: Waiting,
    /// How many of the values were longer than ten minutes; they are counted as ten minutes.
    pub clipped: u64,
    /// All values: base64 of an HDR histogram (V2) of microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
    /// The same for each of at most 20 equally long blocks of the run, one after the other: what happens in one block is
    /// closer to its neighbours than to the rest, which a comparison of two runs has to respect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<String>,
}

/// What was given up without an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    /// How often.
    pub count: u64,
    /// How long the oldest of them had waited; null where there is none.
    pub oldest_s: Option<f64>,
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseLatency {
    /// In all groups.
    pub all: Latency,
    /// In each group of which there is something.
    pub groups: BTreeMap<String, Latency>,
}

/// The latencies of a run, by the word of the phase.
pub type Latencies = BTreeMap<String, PhaseLatency>;

/// What the distribution of a phase in a group is made of.
#[derive(Default)]
struct Parts {
    times: SparseHistogram,
    blocks: Vec<SparseHistogram>,
    failed: u64,
    unfinished: Unfinished,
    clipped: u64,
}

/// All phases of which there is anything. `groups` are the figures of each group in `totals`.
pub(super) fn latencies(totals: &Totals, groups: &BTreeMap<String, GroupStats>, timeline: &Timeline) -> Latencies {
    let unfinished = totals.unfinished();
    let timed = totals
        .times()
        .keys()
        .chain(unfinished.keys())
        .map(|(_, group)| group.clone());
    // A line without groups has what was timed in a group without a name.
    let names: BTreeSet<String> = groups.keys().cloned().chain(timed).collect();
    let mut encoder = Encoder::deflating();
    let mut all_phases = Latencies::new();
    for phase in Phase::ALL {
        let failures = Attempt::of(phase).map(|attempt| attempt.failed);
        let clipped = format!("{}{}", counter::CLIPPED, phase.word());
        let mut all = Parts::default();
        let mut groups_of_it = BTreeMap::new();
        for group in &names {
            let key = (phase, group.clone());
            let own = groups.get(group);
            let count = |name: &str| own.map_or(0, |stats| counter::count(&stats.counters, name));
            let parts = Parts {
                times: totals.times().get(&key).cloned().unwrap_or_default(),
                blocks: timeline.blocks(phase, group),
                failed: failures.map_or(0, count),
                unfinished: unfinished.get(&key).copied().unwrap_or_default(),
                clipped: count(&clipped),
            };
            all.add(&parts);
            if let Some(latency) = parts.latency(&mut encoder) {
                groups_of_it.insert(group.clone(), latency);
            }
        }
        // Lines without groups have their counters for all devices only.
        all.failed = failures.map_or(0, |name| totals.counter(name));
        all.clipped = totals.counter(&clipped);
        if let Some(all) = all.latency(&mut encoder) {
            let latency = PhaseLatency {
                all,
                groups: groups_of_it,
            };
            all_phases.insert(phase.word().to_owned(), latency);
        }
    }
    all_phases
}

impl Parts {
    fn add(&mut self, other: &Self) {
        self.times.add(&other.times);
        self.blocks
            .resize(self.blocks.len().max(other.blocks.len()), SparseHistogram::default());
        for (block, more) in self.blocks.iter_mut().zip(&other.blocks) {
            block.add(more);
        }
        self.unfinished = self.unfinished.and(other.unfinished);
    }

    /// Nothing where there is nothing at all.
    fn latency(&self, encoder: &mut Encoder) -> Option<Latency> {
        if self.times.is_empty() && self.failed == 0 && self.unfinished.count == 0 {
            return None;
        }
        let values = self.times.to_histogram();
        let of = |value: u64| (!self.times.is_empty()).then(|| seconds(value));
        let at = |quantile| of(values.value_at_quantile(quantile));
        let mean = |micros: f64| (!self.times.is_empty()).then_some(micros / 1e6);
        let oldest = self.unfinished.oldest_ms.saturating_mul(1_000);
        // One block is the whole run.
        let blocks = if self.times.is_empty() || self.blocks.len() < 2 {
            &[][..]
        } else {
            &self.blocks[..]
        };
        let mut encode = |times: &SparseHistogram| encoder.encode(&times.to_histogram());
        Some(Latency {
            count: self.times.len(),
            min: of(values.min()),
            mean: mean(values.mean()),
            stddev: mean(values.stdev()),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: of(values.max()),
            failed: self.failed,
            unfinished: Waiting {
                count: self.unfinished.count,
                oldest_s: (self.unfinished.count > 0).then(|| seconds(oldest)),
            },
            clipped: self.clipped,
            histogram: (!self.times.is_empty()).then(|| encode(&self.times)),
            blocks: blocks.iter().map(encode).collect(),
        })
    }
}
