//! The report of a run: what happened, in the words of design and metrics. It is written as `report.json` and told as the
//! summary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use device_sim::lines::counter;
use serde::Serialize;

use crate::manifest::Manifest;
use crate::stats::Totals;

/// The version of `report.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// What happened in a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The resolved manifest: with defaults and overrides, without secrets. A merged report has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// Where the figures of a merged report come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
    /// The devices.
    pub devices: DeviceCounts,
    /// The telemetry as the devices saw it.
    pub telemetry: TelemetryCounts,
    /// The telemetry as the target saw it, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Received>,
    /// How long things took, in seconds, by phase.
    pub latency: BTreeMap<&'static str, Latency>,
    /// What failed, and how often.
    pub errors: BTreeMap<String, u64>,
    /// Verdicts on the manifest's thresholds. None yet: thresholds are not built.
    pub thresholds: Vec<serde_json::Value>,
    /// The number with which the process ends.
    pub exit: u8,
    /// The target counts what it receives, and has not said it; in the summary only.
    #[serde(skip)]
    pub received_unknown: bool,
    /// Why devices never came online; in the summary only.
    #[serde(skip)]
    pub failed_by_reason: BTreeMap<String, u64>,
    /// Why telemetry was given up; in the summary only.
    #[serde(skip)]
    pub dropped_by_reason: BTreeMap<String, u64>,
    /// How many devices were assigned from the cache; in the summary only.
    #[serde(skip)]
    pub assignments_reused: u64,
    /// The phases in the order of a device's life; in the summary only.
    #[serde(skip)]
    pub phases: Vec<&'static str>,
}

/// Where the figures of a merged report come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// The run that all of them are of.
    pub run_id: String,
    /// In how many shards its plan was simulated.
    pub shards: u32,
    /// Shards, counted from 0, of which there is nothing.
    pub missing: Vec<u32>,
    /// Shards whose last process is still there or was killed: of their last second nothing is known.
    pub open: Vec<u32>,
    /// How many processes had a part in it.
    pub processes: u32,
    /// Telemetry that was neither acknowledged nor given up when its process was killed.
    pub telemetry_lost: u64,
}

/// Counts of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DeviceCounts {
    /// In the manifest.
    pub asked: u64,
    /// Assigned to a hub.
    pub registered: u64,
    /// Online at least once.
    pub connected: u64,
    /// Should have come online and never did.
    pub failed: u64,
}

/// Counts of telemetry messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TelemetryCounts {
    /// Produced.
    pub offered: u64,
    /// Written to a connection, each message once.
    pub sent: u64,
    /// Acknowledged by the hub.
    pub acked: u64,
    /// Written once more.
    pub resent: u64,
    /// Given up.
    pub dropped: u64,
}

/// What the target received during the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Received {
    /// All messages.
    pub received: u64,
    /// Messages with an id that was new.
    pub received_unique: u64,
}

/// The distribution of one phase, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// How often it was measured.
    pub count: u64,
    /// Half were quicker.
    pub p50: f64,
    /// 90 % were quicker.
    pub p90: f64,
    /// 95 % were quicker.
    pub p95: f64,
    /// 99 % were quicker.
    pub p99: f64,
    /// 99.9 % were quicker.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

impl Report {
    /// Puts the report together. `lost` are devices of processes that died and were not online until then.
    #[must_use]
    pub fn new(
        manifest: impl Into<Option<Manifest>>,
        asked: u64,
        totals: &Totals,
        lost: u64,
        target: Option<Received>,
    ) -> Self {
        let mut failed_by_reason = totals.by_reason(counter::DEVICES_FAILED);
        if lost > 0 {
            *failed_by_reason.entry("process_died".to_owned()).or_insert(0) += lost;
        }
        let dropped_by_reason = totals.by_reason(counter::TELEMETRY_DROPPED);
        Self {
            schema_version: SCHEMA_VERSION,
            manifest: manifest.into(),
            merged: None,
            devices: DeviceCounts {
                asked,
                registered: totals.counter(counter::DEVICES_REGISTERED),
                connected: totals.counter(counter::DEVICES_CONNECTED),
                failed: failed_by_reason.values().sum(),
            },
            telemetry: TelemetryCounts {
                offered: totals.counter(counter::TELEMETRY_OFFERED),
                sent: totals.counter(counter::TELEMETRY_SENT),
                acked: totals.counter(counter::TELEMETRY_ACKED),
                resent: totals.counter(counter::TELEMETRY_RESENT),
                dropped: dropped_by_reason.values().sum(),
            },
            target,
            latency: totals
                .phases()
                .map(|(phase, histogram)| (phase.word(), latency(histogram)))
                .collect(),
            errors: totals.errors(),
            thresholds: Vec::new(),
            exit: crate::exit::PASSED,
            assignments_reused: totals.counter(counter::DEVICES_ASSIGNMENT_REUSED),
            phases: totals.phases().map(|(phase, _)| phase.word()).collect(),
            received_unknown: false,
            failed_by_reason,
            dropped_by_reason,
        }
    }

    /// Writes `report.json` into `folder`, whole or not at all.
    ///
    /// # Errors
    ///
    /// The folder can't be made or the file can't be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join("report.json");
        let text = serde_json::to_string_pretty(self).context("the report can't be put into JSON")? + "\n";
        std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder `{}`", folder.display()))?;
        write_whole(&path, text.as_bytes())?;
        Ok(path)
    }
}

/// Writes under a temporary name and renames: who reads the file reads all of it.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let partial = path.with_extension("json.partial");
    std::fs::write(&partial, content)
        .and_then(|()| std::fs::rename(&partial, path))
        .inspect_err(|_| {
            // What a full disk has taken of it is of no use, and what was not made can't be removed.
            let _ = std::fs::remove_file(&partial);
        })
        .with_context(|| format!("can't write `{}`", path.display()))
}

fn latency(histogram: &hdrhistogram::Histogram<u64>) -> Latency {
    // An exact conversion: ten minutes in microseconds need thirty of the fifty-three bits.
    #[expect(clippy::cast_precision_loss, reason = "the values are far below 2^53")]
    let seconds = |micros: u64| micros as f64 / 1e6;
    let at = |quantile| seconds(histogram.value_at_quantile(quantile));
    Latency {
        count: histogram.len(),
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p999: at(0.999),
        max: seconds(histogram.max()),
    }
}
