//! The report of a run: what happened, in the words of design and metrics. `report.json` is this; every later judgement
//! and every other form of the report reads it alone.

mod devices;
mod environment;
mod failures;
mod latency;
mod negative;
mod read;
mod run;

use std::collections::BTreeMap;

use fleet_protocol::lines::{Phase, counter};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use devices::{DeviceCounts, GroupCounts};
pub use environment::{Environment, Tool};
pub use failures::FailureRow;
pub use latency::{Latencies, Latency, PhaseLatency, Waiting};
pub use negative::NegativeCounts;
pub use read::ReadError;
pub use run::{EndReason, EventMark, Losses, Merged, Run};

use crate::arrival::Arrival;
use crate::generator::Generator;
use crate::measurements::Measurements;
use crate::metric::Metric;
use crate::plan::PlanSummary;
use crate::quota_use::QuotaUse;
use crate::thresholds::ThresholdResult;
use crate::timeline::TimelineSeries;
use crate::totals::{Received, Totals};
use crate::words::counted;

/// The version of `report.json`.
pub const SCHEMA_VERSION: u32 = 2;

/// The reason of devices whose process died before they were online.
pub const PROCESS_DIED: &str = "process_died";

/// What happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this form: 2.
    pub schema_version: u32,
    /// What wrote it.
    pub tool: Tool,
    /// The run: which, when, and how it ended.
    pub run: Run,
    /// Where it ran. A merged report has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The resolved manifest: with defaults and overrides, without secrets. A merged report has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<serde_json::Value>,
    /// What the run was going to ask of its target, and what the documented limits say to it. A merged report has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanSummary>,
    /// The number with which the process ends.
    pub exit: u8,
    /// The judgements on the manifest's thresholds.
    pub thresholds: Vec<ThresholdResult>,
    /// The devices.
    pub devices: DeviceCounts,
    /// The telemetry as the devices saw it.
    pub telemetry: TelemetryCounts,
    /// The telemetry as the target saw it, where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Received>,
    /// The target counts what it receives, and did not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub target_unknown: bool,
    /// How much of the telemetry arrived, as a sample of devices shows, where an operator looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
    /// The operator's cloud-to-device messages, where it has sent some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_to_device: Option<CloudToDeviceCounts>,
    /// How long things took, in seconds, by phase.
    pub latency: Latencies,
    /// What failed, and how often.
    pub errors: Vec<FailureRow>,
    /// All counters, by group.
    pub counters: BTreeMap<String, BTreeMap<String, u64>>,
    /// What happened to the fleet on purpose or by accident, in the order of its time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventMark>,
    /// The run over its time. A merged report has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<TimelineSeries>,
    /// What was used of the documented limits that can be measured from outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaUse>,
    /// How the processes that made the load fared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// Where the figures of a merged report come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}

/// Counts of telemetry messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Ticks that came too late to be worth a message.
    pub missed: u64,
    /// What processes that died may have sent beyond all these figures, after the last ones that they reported.
    pub unreported: u64,
}

/// Counts of an operator's cloud-to-device messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CloudToDeviceCounts {
    /// Taken by the hub.
    pub sent: u64,
    /// Arrived at devices; what was sent to a device that went offline waits for it.
    pub received: u64,
}

impl CloudToDeviceCounts {
    fn of(totals: &Totals) -> Option<Self> {
        let sent = totals.counter(counter::C2D_SENT);
        (sent > 0).then(|| Self {
            sent,
            received: totals.counter(counter::C2D_RECEIVED),
        })
    }
}

/// What is known of a run beside its figures.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// The run.
    pub run: Run,
    /// When its processes were started: the zero of all seconds in the report.
    pub t0: Option<Timestamp>,
    /// Where it ran. Its hosts come from the processes' figures.
    pub environment: Option<Environment>,
    /// The resolved manifest.
    pub manifest: Option<serde_json::Value>,
    /// What the run was going to ask.
    pub plan: Option<PlanSummary>,
    /// How many devices the manifest has.
    pub asked: u64,
    /// What went with processes that died.
    pub losses: Losses,
    /// What the target received.
    pub target: Option<Received>,
    /// The target counts what it receives, and did not answer.
    pub target_unknown: bool,
    /// What happened on purpose or by accident.
    pub events: Vec<EventMark>,
}

impl Report {
    /// Puts the report together.
    #[must_use]
    pub fn new(circumstances: Circumstances, measurements: &Measurements) -> Self {
        let Circumstances {
            run,
            t0,
            environment,
            manifest,
            plan,
            asked,
            losses,
            target,
            target_unknown,
            events,
        } = circumstances;
        let Measurements { totals, timeline, .. } = measurements;
        let generator = measurements.generator();
        let environment = environment.map(|environment| Environment {
            hosts: generator.as_ref().map_or(environment.hosts, Generator::hosts),
            ..environment
        });
        let mut errors = failures::rows(totals, &measurements.occurrences);
        failures::add(&mut errors, counter::DEVICES_FAILED, PROCESS_DIED, losses.failed);
        let groups = totals.by_group();
        let devices = DeviceCounts::of(asked, totals, &groups, &losses);
        let series = timeline.series(t0);
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool::this(),
            run,
            environment,
            manifest,
            plan,
            exit: crate::exit::PASSED,
            thresholds: Vec::new(),
            devices,
            telemetry: TelemetryCounts {
                offered: totals.counter(counter::TELEMETRY_OFFERED),
                sent: totals.counter(counter::TELEMETRY_SENT),
                acked: totals.counter(counter::TELEMETRY_ACKED),
                resent: totals.counter(counter::TELEMETRY_RESENT),
                dropped: totals.counter(counter::TELEMETRY_DROPPED),
                lost: totals.outstanding(),
                missed: totals.counter(counter::TICKS_MISSED),
                unreported: losses.unreported,
            },
            target,
            target_unknown,
            arrival: Arrival::of(totals),
            cloud_to_device: CloudToDeviceCounts::of(totals),
            latency: latency::latencies(totals, &groups, timeline),
            errors,
            counters: groups.into_iter().map(|(name, group)| (name, group.counters)).collect(),
            events,
            timeline: (series.points > 0).then_some(series),
            quotas: measurements.quotas.used(),
            generator,
            merged: None,
        };
        let faulty = report.counted_by_reason(counter::DEVICES_FAULTY).into_iter();
        report.devices.faulty = faulty.map(|(kind, count)| (kind.to_owned(), count)).collect();
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

    /// Takes other counts of devices, and why those failed that did.
    pub(crate) fn take_devices(&mut self, devices: DeviceCounts, failed_by_reason: BTreeMap<String, u64>) {
        let operation = counter::DEVICES_FAILED.trim_end_matches('/');
        self.errors.retain(|row| row.operation != operation);
        for (reason, failed) in failed_by_reason {
            failures::add(&mut self.errors, operation, &reason, failed);
        }
        self.devices = devices;
    }

    /// Adds what helps against each failure whose reason `remedy` has words for.
    pub fn advise(&mut self, remedy: impl Fn(&str) -> Option<String>) {
        for row in &mut self.errors {
            row.remedy = row.reason.as_deref().and_then(&remedy);
        }
    }

    /// The fleet's name, where the report has its manifest.
    pub(crate) fn fleet_name(&self) -> Option<&str> {
        self.manifest.as_ref()?.pointer("/fleet/name")?.as_str()
    }

    /// The phases of which there is anything, in their order.
    pub(crate) fn phases(&self) -> impl Iterator<Item = (Phase, &PhaseLatency)> {
        let of = |phase: Phase| Some((phase, self.latency.get(phase.word())?));
        Phase::ALL.into_iter().filter_map(of)
    }

    /// The limits of which more than next to nothing was used, those that were used most first.
    pub(crate) fn quotas_by_peak(&self) -> Vec<&QuotaUse> {
        let mut used: Vec<_> = self.quotas.iter().filter(|used| used.peak >= 0.005).collect();
        used.sort_by(|one, other| other.peak.total_cmp(&one.peak));
        used
    }

    /// Why what `operation` counts failed, by reason.
    pub(crate) fn reasons_of<'a>(&'a self, operation: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        let operation = operation.trim_end_matches('/');
        let rows = self.errors.iter().filter(move |row| row.operation == operation);
        rows.map(|row| (row.reason.as_deref().unwrap_or_default(), row.count))
    }

    /// What a counter that ends in `/` has counted in all groups, by reason.
    pub(crate) fn counted_by_reason(&self, prefix: &str) -> BTreeMap<&str, u64> {
        let mut all = BTreeMap::new();
        let of_groups = self.counters.values().flatten();
        for (reason, count) in of_groups.filter_map(|(name, count)| Some((name.strip_prefix(prefix)?, *count))) {
            let sum: &mut u64 = all.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
        all
    }

    /// Puts the devices that failed, or got in although they must not, among the reasons for which the run did.
    pub(crate) fn say_failed_devices(&mut self) {
        self.run.failures.extend(self.failed_devices());
        self.run.failures.extend(self.devices_let_in());
    }

    fn devices_let_in(&self) -> Option<String> {
        let negative = self.devices.negative.filter(|negative| negative.let_in > 0)?;
        let asked = counted(negative.asked, "device", "devices");
        Some(format!("{} of {asked} that must be refused got in", negative.let_in))
    }

    fn failed_devices(&self) -> Option<String> {
        let DeviceCounts { wanted, failed, .. } = self.devices;
        let wanted = counted(wanted, "wanted device", "wanted devices");
        (failed > 0).then(|| format!("{failed} of {wanted} never came online"))
    }
}
