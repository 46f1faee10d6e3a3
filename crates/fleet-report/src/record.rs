//! What one process made of a shard: its figures, as a file holds them.

mod lines;

use std::num::NonZeroU32;

use fleet_protocol::lines::{EndReason, Stats};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use lines::{Finder, Found, LineError};

use crate::generator::Generator;

/// The version of the files.
pub const RECORD_VERSION: u32 = 1;

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The run, as its plan names it.
    pub run_id: String,
    /// Which shard, from 0.
    pub index: u32,
    /// Of how many.
    pub count: NonZeroU32,
    /// Which process had it: a number that no other process of the shard has.
    pub incarnation: NonZeroU32,
    /// How many devices the whole fleet has.
    pub fleet_devices: u32,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// When this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Timestamp>,
    /// How many messages it offered between its last two lines: so many more it may have sent if it was killed.
    #[serde(default)]
    pub last_second: u64,
    /// How it ended; nothing where the process is still there, or was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndReason>,
    /// How it fared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// Its figures. Unlike those of a line, histograms hold everything since the process began.
    pub stats: Stats,
}
