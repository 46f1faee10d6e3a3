//! One shard of a fleet, as a collector has it: which process has it, and what it has taken of that.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use fleet_protocol::collect::{Hello, Snapshot, ToCollector};
use fleet_protocol::lines::{EndReason, Line};
use fleet_report::continued::Continued;
use fleet_report::totals::Decoded;
use tokio::time::Instant;

use super::Connection;
use super::plausible::implausible;
use super::words::short;
use crate::process::shards::{Since, Update};

/// A sim gets an answer after so many lines at the latest, since it keeps them until then.
const REPLY_AFTER: u64 = 256;

/// Where a shard is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// No sim has brought it yet.
    #[default]
    Missing,
    Here(Connection),
    /// Its connection has ended, or its process: then it can only be replaced.
    Lost {
        since: Instant,
        may_return: bool,
    },
    /// It has ended, or was given up.
    Done,
}

/// A shard.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) place: Place,
    /// Which process has it, or had it last.
    pub(super) incarnation: Option<NonZeroU32>,
    /// The processes before.
    pub(super) earlier: BTreeSet<NonZeroU32>,
    /// The last number that was taken of its process.
    pub(super) taken: u64,
    /// Up to which number its sim has an answer.
    pub(super) answered: u64,
    /// Its process has got the instant at which the stages begin.
    pub(super) has_go: bool,
    /// Its process has ended as it should, and all of it was taken.
    pub(super) has_ended: bool,
    /// The name of its process's machine.
    pub(super) host: String,
    /// How many devices it has.
    devices: u32,
    /// Its process began under another collector.
    began_before: bool,
    /// Why its process ends, where the line that ends its output has come.
    end: Option<EndReason>,
    /// The message that its process has ended has come: nothing follows it.
    is_over: bool,
    figures: Continued,
}

/// What was taken of a message.
#[derive(Debug)]
pub(super) enum Taken {
    /// Nothing: it had come before.
    Nothing,
    Update(Box<Update>),
    /// As many lines as a sim should keep.
    Counted,
    /// The process has ended; how, unless well.
    Ended(Option<String>),
}

impl Taken {
    /// Whether the sim is to get an answer at once.
    pub(super) fn is_reply_due(&self) -> bool {
        match self {
            Self::Nothing | Self::Counted | Self::Ended(_) => true,
            Self::Update(update) => matches!(**update, Update::Figures(..) | Update::Line(Line::End { .. })),
        }
    }
}

impl Shard {
    /// Another process has the shard from now on.
    pub(super) fn begin(&mut self, hello: &Hello) {
        // One that has reported nothing leaves nothing behind.
        if let Some(before) = self.incarnation.replace(hello.incarnation).filter(|_| self.has_go) {
            self.earlier.insert(before);
            self.figures.replaced();
        }
        self.began_before = hello.stages_in_ms.is_some();
        self.has_go = self.began_before;
        (self.host, self.devices) = (short(&hello.host), hello.devices);
        (self.taken, self.answered, self.end, self.is_over) = (0, 0, None, false);
    }

    pub(super) fn is_here(&self) -> bool {
        self.connection().is_some()
    }

    pub(super) fn connection(&self) -> Option<Connection> {
        match self.place {
            Place::Here(connection) => Some(connection),
            _ => None,
        }
    }

    /// When it is lost for good.
    pub(super) fn lost_at(&self, after: Duration) -> Option<Instant> {
        match self.place {
            Place::Lost { since, .. } => Some(since + after),
            _ => None,
        }
    }

    /// Takes a message. An error is a breach of the protocol.
    pub(super) fn take(&mut self, message: ToCollector) -> Result<Vec<Taken>, String> {
        self.check(&message)?;
        match message {
            ToCollector::Hello(_) => Err("a second hello".to_owned()),
            ToCollector::Line { n, line } => Ok(match self.is_new(n)? {
                true => self.line(line),
                false => vec![Taken::Nothing],
            }),
            ToCollector::Snapshot(snapshot) if self.is_over && snapshot.n > self.taken => {
                Err(format!("a snapshot of number {} after the end", snapshot.n))
            }
            ToCollector::Snapshot(snapshot) => Ok(match snapshot.n > self.taken {
                true => self.snapshot(snapshot),
                false => vec![Taken::Nothing],
            }),
            ToCollector::Ended { n, died } => Ok(match self.is_new(n)? {
                true => vec![self.ended(died)],
                false => vec![Taken::Nothing],
            }),
        }
    }

    /// Whether what it holds can be.
    fn check(&self, message: &ToCollector) -> Result<(), String> {
        let stats = match message {
            ToCollector::Line {
                line: Line::Done { devices, .. },
                ..
            } if *devices > self.devices => {
                return Err(format!("an order reached {devices} of {} devices", self.devices));
            }
            ToCollector::Line {
                line: Line::Stats(stats),
                ..
            }
            | ToCollector::Snapshot(Snapshot { stats, .. }) => stats,
            _ => return Ok(()),
        };
        match implausible(stats) {
            None => Ok(()),
            Some(name) => Err(format!("a figure that can't be: {}", short(&name))),
        }
    }

    /// What remains to be reported of it when it has ended well.
    pub(super) fn last_figures(&mut self) -> Option<Update> {
        let line = self.figures.unexplained()?;
        Some(Update::Figures(Box::new(line), Since::LastLine))
    }

    /// Whether its process ended because it was asked to, before its stages were over.
    pub(super) fn was_stopped(&self) -> bool {
        self.end == Some(EndReason::Stopped)
    }

    /// Whether a number is the next one; it is not where it was taken before.
    fn is_new(&mut self, n: u64) -> Result<bool, String> {
        match n.checked_sub(self.taken) {
            None | Some(0) => Ok(false),
            Some(_) if self.is_over => Err(format!("number {n} after the end")),
            Some(1) => {
                self.taken = n;
                Ok(true)
            }
            Some(_) => Err(format!("number {n} after number {}", self.taken)),
        }
    }

    fn line(&mut self, line: Line) -> Vec<Taken> {
        if let Line::End { reason } = line {
            self.end = Some(reason);
        }
        let update = match line {
            Line::Stats(stats) => Update::Figures(Box::new(self.figures.line(stats.into())), Since::LastLine),
            line => Update::Line(line),
        };
        let mut taken = vec![Taken::Update(Box::new(update))];
        if self.taken.is_multiple_of(REPLY_AFTER) {
            taken.push(Taken::Counted);
        }
        taken
    }

    fn snapshot(&mut self, snapshot: Snapshot) -> Vec<Taken> {
        let since = match self.began_before && self.taken == 0 {
            true => Since::Before,
            false => Since::LastLine,
        };
        let Snapshot { n, stats, devices, end } = snapshot;
        self.taken = n;
        self.end = self.end.or(end);
        let line = self.figures.snapshot(Decoded::from(stats));
        let figures = Update::Figures(Box::new(line), since);
        let devices = devices.into_iter().map(|device| Update::Line(Line::Device(device)));
        let updates = std::iter::once(figures).chain(devices);
        updates.map(|update| Taken::Update(Box::new(update))).collect()
    }

    fn ended(&mut self, died: Option<String>) -> Taken {
        let died = died.or_else(|| self.end.is_none().then(|| "it ended without a last line".to_owned()));
        (self.is_over, self.has_ended) = (true, died.is_none());
        Taken::Ended(died)
    }
}
