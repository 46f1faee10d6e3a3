//! The record of a process on stdout, which every scheduler keeps: where the processes of a fleet share no folder, it is all
//! that is left of one.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use device_sim::console;
use fleet_protocol::lines::{EndReason, counter};
use fleet_report::record::Record;
use fleet_report::words;

/// A reader of the record that takes longer has stopped reading.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Where records go besides the folder of results.
#[derive(Debug, Clone, Copy)]
pub(super) enum Carrier {
    /// To stdout, which is read within this time.
    Stdout(Duration),
    /// Nowhere: stdout is a terminal, and a record is nothing for a person.
    Nowhere,
}

/// A record that was delivered, or was not.
#[derive(Debug)]
pub(super) struct Delivery {
    /// What is in it, in one line.
    pub(super) words: String,
    /// Whether it can be read.
    pub(super) done: anyhow::Result<()>,
    /// What a person should read at once.
    pub(super) note: Option<String>,
}

impl Delivery {
    /// The same of a record whose figures were reported to a collector, too, which has taken all of them or has not.
    pub(super) fn reported(self, is_taken: bool, carrier: Carrier) -> Self {
        let (words, place) = match (is_taken, carrier) {
            (true, _) => ("the collector has taken all of it", None),
            (false, Carrier::Stdout(_)) => ("the collector has not taken all of it", Some("on stdout")),
            (false, Carrier::Nowhere) => (
                "the collector has not taken all of it",
                Some("in the folder of results"),
            ),
        };
        let place = place.filter(|_| self.done.is_ok());
        Self {
            note: place.map(|place| format!("{words}; its record is {place}")),
            words: format!("{}; {words}", self.words),
            // It can be read there.
            done: if is_taken { Ok(()) } else { self.done },
        }
    }
}

impl Carrier {
    /// The one of this process, whose end may take `stop_within`.
    pub(super) fn of_stdout(stop_within: Duration) -> Self {
        match std::io::stdout().is_terminal() {
            true => Self::Nowhere,
            false => Self::Stdout(READ_WITHIN.min(stop_within / 6)),
        }
    }

    /// Writes a record, as one line if it is not too long.
    pub(super) async fn deliver(self, record: &Record) -> Delivery {
        let done = match self {
            Self::Nowhere => Ok(()),
            Self::Stdout(within) => to_stdout(record, within).await,
        };
        let (index, count) = (record.index, record.count);
        Delivery {
            words: in_words(record),
            done: done.with_context(|| format!("the record of shard {index}/{count} can't be written to stdout")),
            note: None,
        }
    }
}

async fn to_stdout(record: &Record, within: Duration) -> anyhow::Result<()> {
    let lines = record.lines()?;
    // It waits for the reader.
    let written = tokio::task::spawn_blocking(move || console::result(lines, within));
    Ok(written.await??)
}

/// What a process has left, as a line for a person.
fn in_words(record: &Record) -> String {
    let counters = &record.stats.counters;
    let count = |name| counter::count(counters, name);
    let end = match record.ended {
        Some(EndReason::StagesOver) => "its stages are over",
        Some(EndReason::Stopped) => "stopped",
        Some(EndReason::MessagesSent) => "all of its messages have been sent",
        None => "ended without a last word",
    };
    let (offered, acked) = (count(counter::TELEMETRY_OFFERED), count(counter::TELEMETRY_ACKED));
    let dropped = count(counter::TELEMETRY_DROPPED);
    format!(
        "shard {}/{}, incarnation {}: {end}; {}: {} registered, {} connected, {} failed; telemetry: {offered} offered, {acked} \
         acknowledged, {dropped} dropped, {} outstanding",
        record.index,
        record.count,
        record.incarnation,
        words::devices(count(counter::DEVICES_WANTED)),
        count(counter::DEVICES_REGISTERED),
        count(counter::DEVICES_CONNECTED),
        count(counter::DEVICES_FAILED),
        offered.saturating_sub(acked).saturating_sub(dropped),
    )
}
