//! What the sims of a fleet and its collector write to each other: one JSON object per line, both ways, over mutual TLS.
//!
//! One connection carries one device-sim process of one shard. What the process writes is numbered, and kept by its sim
//! until the collector has taken it; so a connection may end at any moment, and nothing is lost or counted twice:
//!
//! ```text
//! sim                                      collector
//! hello (run, shard, incarnation)   ──►
//!                                   ◄──    welcome (which numbers it has)        or refused (why)
//! lines, or all of it in a snapshot ──►
//!                                   ◄──    taken (up to which number)
//!                                   ◄──    go, once all shards are there; orders; stop
//! ended                             ──►
//!                                   ◄──    taken
//! ```
//! A collector that is started again has no numbers: it welcomes with 0, and each sim sends a snapshot of all that its
//! process has reported.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::lines::{Control, DeviceLine, EndReason, Line, Stats};

/// The version of these messages, in [`Hello`].
pub const COLLECT_VERSION: u32 = 1;

/// The protocol's name in the TLS handshake (ALPN), so that neither side takes another server or client for its own.
pub const ALPN: &[u8] = b"fleet-collect/1";

/// A message of a sim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToCollector {
    /// The first message of every connection.
    Hello(Hello),
    /// What its process has written.
    Line {
        /// Counts what one process reports, from 1, without a gap.
        n: u64,
        /// As it was written.
        line: Line,
    },
    /// All that its process has reported up to a number, in the place of the lines up to it.
    Snapshot(Snapshot),
    /// The process has ended; the last thing that is numbered.
    Ended {
        /// As of a line.
        n: u64,
        /// How it died; nothing where it ended as it should.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        died: Option<String>,
    },
}

/// Who connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`COLLECT_VERSION`].
    pub version: u32,
    /// The run, as its plan names it.
    pub run_id: String,
    /// Which shard, from 0.
    pub index: u32,
    /// Of how many.
    pub count: NonZeroU32,
    /// Which process has it: a number that no other process of the shard has.
    pub incarnation: NonZeroU32,
    /// How many devices the shard has.
    pub devices: u32,
    /// The name of its machine.
    pub host: String,
    /// When the stages begin, in milliseconds from now; negative when they have begun. Nothing before a [`ToSim::Go`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages_in_ms: Option<i64>,
}

/// What a process has reported until now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The number of the last line that is in it.
    pub n: u64,
    /// Its last figures. Unlike those of a line, histograms hold everything since the process began.
    pub stats: Stats,
    /// The last line of each device.
    pub devices: Vec<DeviceLine>,
    /// Why the process ends, where the line that ends its output has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndReason>,
}

/// A message of the collector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToSim {
    /// It takes the process's lines.
    Welcome {
        /// The last number that it has of this process; 0 when it has none.
        taken: u64,
    },
    /// It does not; the connection ends.
    Refused {
        /// In one word, for the sim.
        why: Refusal,
        /// In a sentence, for a person.
        message: String,
    },
    /// All shards are there.
    Go {
        /// When the stages begin, in milliseconds from now: clocks of machines differ. Negative when they have begun, for a
        /// process that takes the place of another.
        stages_in_ms: i64,
    },
    /// It has everything up to this number.
    Taken {
        /// The number.
        n: u64,
    },
    /// An order to the process.
    Control(Control),
    /// Drain and stop.
    Stop,
}

/// Why a collector does not take a process's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The sim speaks another version.
    Version,
    /// It has the plan of another run.
    OtherRun,
    /// The fleet is cut into another number of shards, or the shard has other devices.
    OtherShards,
    /// Its certificate is of another shard.
    NotItsShard,
    /// Another process of the shard is connected. It may try again: that one may end.
    Claimed,
    /// Another process has taken the place of this one, which was lost.
    Superseded,
    /// The run is over.
    Over,
}

impl Refusal {
    /// Whether the same sim may be let in later.
    #[must_use]
    pub fn may_pass(self) -> bool {
        self == Self::Claimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Action;

    #[test]
    fn messages_of_a_sim_look_as_documented() {
        let hello = Hello {
            version: COLLECT_VERSION,
            run_id: "20261128T120000".to_owned(),
            index: 3,
            count: NonZeroU32::new(8).unwrap(),
            incarnation: NonZeroU32::new(413).unwrap(),
            devices: 125,
            host: "sim-3".to_owned(),
            stages_in_ms: None,
        };
        let line = Line::End {
            reason: EndReason::StagesOver,
        };
        let snapshot = Snapshot {
            n: 9,
            ..Snapshot::default()
        };
        for (message, json) in [
            (
                ToCollector::Hello(hello),
                r#"{"type":"hello","version":1,"run_id":"20261128T120000","index":3,"count":8,"incarnation":413,"devices":125,"host":"sim-3"}"#,
            ),
            (
                ToCollector::Line { n: 7, line },
                r#"{"type":"line","n":7,"line":{"type":"end","reason":"stages_over"}}"#,
            ),
            (
                ToCollector::Snapshot(snapshot),
                r#"{"type":"snapshot","n":9,"stats":{"seq":0,"t":0.0,"counters":{},"states":{},"histograms":{}},"devices":[]}"#,
            ),
            (ToCollector::Ended { n: 8, died: None }, r#"{"type":"ended","n":8}"#),
        ] {
            assert_eq!(serde_json::to_string(&message).unwrap(), json);
            assert_eq!(serde_json::from_str::<ToCollector>(json).unwrap(), message);
        }
    }

    #[test]
    fn messages_of_a_collector_look_as_documented() {
        let refused = ToSim::Refused {
            why: Refusal::OtherRun,
            message: "no".to_owned(),
        };
        for (message, json) in [
            (ToSim::Welcome { taken: 0 }, r#"{"type":"welcome","taken":0}"#),
            (refused, r#"{"type":"refused","why":"other_run","message":"no"}"#),
            (ToSim::Go { stages_in_ms: -250 }, r#"{"type":"go","stages_in_ms":-250}"#),
            (ToSim::Taken { n: 12 }, r#"{"type":"taken","n":12}"#),
            (
                ToSim::Control(Control::new(Action::Disconnect)),
                r#"{"type":"control","id":0,"do":"disconnect"}"#,
            ),
            (ToSim::Stop, r#"{"type":"stop"}"#),
        ] {
            assert_eq!(serde_json::to_string(&message).unwrap(), json);
            assert_eq!(serde_json::from_str::<ToSim>(json).unwrap(), message);
        }
    }
}
