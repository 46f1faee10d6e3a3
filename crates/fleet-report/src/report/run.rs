//! Which run it was, and how it ended.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A run: which, when, and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Its id, with which its message ids begin.
    pub id: String,
    /// When it began. A merged report knows it from the records of its processes, if they hold it.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// When it was over.
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
    /// How long that is.
    pub duration_s: Option<f64>,
    /// How long the first stage took until its target was online, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_online_s: Option<f64>,
    /// What ended it. A merged report has as many ends as shards, and names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// Why it failed, a sentence for each reason. Empty when it did not.
    pub failures: Vec<String>,
    /// The command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The stages were over.
    StagesOver,
    /// A signal asked for it.
    Interrupted,
    /// A device-sim process died, or a collector lost its shard for good.
    ProcessDied,
    /// Not all shards came to their collector in time.
    ShardsMissing,
    /// The emulator of the run died.
    EmulatorDied,
    /// All devices had failed for the same reason, which a person has to mend.
    AllFailed,
    /// A threshold with `abort_on_fail` was crossed.
    ThresholdCrossed,
    /// All messages of `[load] messages` had been sent.
    MessagesSent,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Something that happened to the fleet, on purpose or by accident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventMark {
    /// Seconds since the processes were started.
    pub at_s: f64,
    /// What kind: `stage`, an order such as `reconnect`, `roll`, `process_died`, `interrupted`, `threshold_crossed`;
    /// of a collector also `shard_lost`, `shard_back`, `shard_replaced`, `collector_restarted`.
    pub kind: String,
    /// In words.
    pub what: String,
    /// How many devices it reached, where it is about devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u64>,
}
