//! The report of a run: what happened, in the words of design and metrics. It is written as `report.json` and told as the
//! summary.

mod latency;

use std::collections::BTreeMap;

use fleet_protocol::lines::{Phase, counter};
use jiff::Timestamp;
use serde::Serialize;

pub use latency::{Latency, Waiting};

use crate::metric::Metric;
use crate::thresholds::ThresholdResult;
use crate::totals::{Received, Totals};
use crate::words::counted;

/// The version of `report.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// The reason of devices whose process died before they were online.
pub const PROCESS_DIED: &str = "process_died";

/// What happened in a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What wrote it.
    pub tool: Tool,
    /// The run: which, when, and how it ended.
    pub run: Run,
    /// The resolved manifest: with defaults and overrides, without secrets. A merged report has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<serde_json::Value>,
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
    /// The judgements on the manifest's thresholds.
    pub thresholds: Vec<ThresholdResult>,
    /// The number with which the process ends.
    pub exit: u8,
    /// The target counts what it receives, and has not said it; in the summary only.
    #[serde(skip)]
    pub received_unknown: bool,
    /// Why devices never came online; in the summary, and among the errors.
    #[serde(skip)]
    pub failed_by_reason: BTreeMap<String, u64>,
    /// Why telemetry was given up; in the summary, and among the errors.
    #[serde(skip)]
    pub dropped_by_reason: BTreeMap<String, u64>,
    /// How many devices were assigned from the cache; in the summary only.
    #[serde(skip)]
    pub assignments_reused: u64,
    /// The phases in the order of a device's life; in the summary only.
    #[serde(skip)]
    pub phases: Vec<Phase>,
}

/// What wrote a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// The version of `fleet`.
    pub version: &'static str,
}

impl Tool {
    /// This build.
    pub const THIS: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
    };
}

/// A run: which, when, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Its id, with which its message ids begin.
    pub id: String,
    /// When it began. A merged report knows it from the records of its processes, if they hold it.
    pub started: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// How long that is.
    pub duration_s: Option<f64>,
    /// What ended it. A merged report has as many ends as shards, and names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// Why it failed, a sentence for each reason. Empty when it did not.
    pub failures: Vec<String>,
    /// The command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The stages were over.
    StagesOver,
    /// A signal asked for it.
    Interrupted,
    /// A device-sim process died.
    ProcessDied,
    /// The emulator of the run died.
    EmulatorDied,
    /// All devices had failed for the same reason, which a person has to mend.
    AllFailed,
    /// A threshold with `abort_on_fail` was crossed.
    ThresholdCrossed,
}

/// What went with processes that died, as far as they had not reported it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Devices that the stages would have wanted and that had not been wanted yet.
    pub wanted: u64,
    /// Devices that were wanted, or would have been, and had not been online.
    pub failed: u64,
    /// Telemetry that they may have sent after their last figures: as much as in the second before.
    pub unreported: u64,
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
    /// Telemetry that was neither acknowledged nor given up when its process was killed: `telemetry.lost`.
    pub telemetry_lost: u64,
}

/// Counts of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DeviceCounts {
    /// In the manifest.
    pub asked: u64,
    /// Assigned to a hub.
    pub registered: u64,
    /// Wanted online by the stages, or by an order to connect, at any time.
    pub wanted: u64,
    /// Online at least once.
    pub connected: u64,
    /// Wanted and never online.
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
    /// Neither acknowledged nor given up: on its way in a process that died.
    pub lost: u64,
    /// What processes that died may have sent beyond all these figures, after the last ones that they reported.
    pub unreported: u64,
}

impl Report {
    /// Puts the report together.
    #[must_use]
    pub fn new(
        manifest: Option<serde_json::Value>,
        run: Run,
        asked: u64,
        totals: &Totals,
        losses: Losses,
        target: Option<Received>,
    ) -> Self {
        let mut failed_by_reason = totals.by_reason(counter::DEVICES_FAILED);
        let mut errors = totals.errors();
        if losses.failed > 0 {
            failed_by_reason.insert(PROCESS_DIED.to_owned(), losses.failed);
            errors.insert(format!("{}{PROCESS_DIED}", counter::DEVICES_FAILED), losses.failed);
        }
        let dropped_by_reason = totals.by_reason(counter::TELEMETRY_DROPPED);
        let unfinished = totals.unfinished();
        let latency = |phase: Phase| Some((phase, Latency::of(phase, totals, unfinished.get(&phase).copied())?));
        let latency: Vec<_> = Phase::ALL.into_iter().filter_map(latency).collect();
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool::THIS,
            run,
            manifest,
            merged: None,
            devices: DeviceCounts {
                asked,
                registered: totals.counter(counter::DEVICES_REGISTERED),
                wanted: totals.counter(counter::DEVICES_WANTED) + losses.wanted,
                connected: totals.counter(counter::DEVICES_CONNECTED),
                failed: failed_by_reason.values().sum(),
            },
            telemetry: TelemetryCounts {
                offered: totals.counter(counter::TELEMETRY_OFFERED),
                sent: totals.counter(counter::TELEMETRY_SENT),
                acked: totals.counter(counter::TELEMETRY_ACKED),
                resent: totals.counter(counter::TELEMETRY_RESENT),
                dropped: dropped_by_reason.values().sum(),
                lost: totals.outstanding(),
                unreported: losses.unreported,
            },
            target,
            phases: latency.iter().map(|(phase, _)| *phase).collect(),
            latency: latency
                .into_iter()
                .map(|(phase, latency)| (phase.word(), latency))
                .collect(),
            errors,
            thresholds: Vec::new(),
            exit: crate::exit::PASSED,
            assignments_reused: totals.counter(counter::DEVICES_ASSIGNMENT_REUSED),
            received_unknown: false,
            failed_by_reason,
            dropped_by_reason,
        };
        report.say_failed_devices();
        report
    }

    /// Takes the judgement on thresholds. One on `devices_failed` stands in the place of the rule that every wanted device
    /// comes online.
    pub fn judge(&mut self, thresholds: Vec<ThresholdResult>) {
        if thresholds.iter().any(|result| result.metric == Metric::DevicesFailed) {
            let sentence = self.failed_devices();
            self.run.failures.retain(|failure| Some(failure) != sentence.as_ref());
        }
        self.thresholds = thresholds;
    }

    /// Puts the devices that failed among the reasons for which the run did.
    pub fn say_failed_devices(&mut self) {
        self.run.failures.extend(self.failed_devices());
    }

    fn failed_devices(&self) -> Option<String> {
        let DeviceCounts { wanted, failed, .. } = self.devices;
        let wanted = counted(wanted, "wanted device", "wanted devices");
        (failed > 0).then(|| format!("{failed} of {wanted} never came online"))
    }
}
