//! How long things took, and what is in no histogram because it never ended.

use fleet_protocol::lines::{Phase, Unfinished, counter};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::totals::Totals;

/// The distribution of one phase, in seconds. Its percentiles are those of what ended well, so what did not stands beside
/// them. They are null where nothing did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// How often it was measured.
    pub count: u64,
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
    /// The slowest.
    pub max: Option<f64>,
    /// How many attempts failed.
    pub failed: u64,
    /// What was given up without an end.
    pub unfinished: Waiting,
    /// How many of the values were longer than ten minutes; they are counted as ten minutes.
    pub clipped: u64,
}

/// What was given up without an end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Waiting {
    /// How often.
    pub count: u64,
    /// How long the oldest of them had waited; null where there is none.
    pub oldest_s: Option<f64>,
}

impl Latency {
    /// The figures of a phase; `None` where there are none at all.
    pub(super) fn of(phase: Phase, totals: &Totals, unfinished: Option<Unfinished>) -> Option<Self> {
        let histogram = totals.histogram(phase);
        let failed = failures(phase).map_or(0, |prefix| totals.by_reason(prefix).values().sum());
        if histogram.is_none() && failed == 0 && unfinished.is_none() {
            return None;
        }
        let at = |quantile| histogram.map(|histogram| seconds(histogram.value_at_quantile(quantile)));
        let unfinished = unfinished.unwrap_or_default();
        Some(Self {
            count: histogram.map_or(0, Histogram::len),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.map(|histogram| seconds(histogram.max())),
            failed,
            unfinished: Waiting {
                count: unfinished.count,
                oldest_s: (unfinished.count > 0).then(|| seconds(unfinished.oldest_ms.saturating_mul(1_000))),
            },
            clipped: totals.counter(&format!("{}{}", counter::CLIPPED, phase.word())),
        })
    }
}

/// The counter of a phase's failed attempts.
fn failures(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Register => Some(counter::REGISTER_FAILED),
        Phase::Connect => Some(counter::CONNECT_FAILED),
        Phase::TwinGet => Some(counter::TWIN_GET_FAILED),
        Phase::Report => Some(counter::REPORT_FAILED),
        Phase::Command => Some(counter::COMMAND_FAILED),
        // Their parts fail as a whole, and a message is given up or not.
        Phase::DpsWait
        | Phase::ConnectDns
        | Phase::ConnectTcp
        | Phase::ConnectTls
        | Phase::ConnectMqtt
        | Phase::TimeToOnline
        | Phase::Publish
        | Phase::PublishSent => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "the values are far below 2^53")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
