//! The shards of a run as its supervisor sees them: orders go out, and events come in. What carries both is a device-sim
//! process with its pipes, or a connection of a sim on another machine.

use fleet_protocol::lines::{Control, Line, State};
use fleet_report::totals::Decoded;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A line of a shard's process, or something that happened to it.
#[derive(Debug)]
pub(crate) struct Event {
    /// Which shard, from 0.
    pub shard: usize,
    /// What.
    pub update: Update,
}

/// A line of a shard's process, or what happened to it.
#[derive(Debug)]
pub(crate) enum Update {
    Line(Line),
    /// Figures, as a line has them.
    Figures(Box<Decoded>, Since),
    /// Something that is no line.
    Garbled(String),
    /// Something that is worth a mark in the timeline: its kind, and a sentence.
    Note(&'static str, String),
    /// It can't be reached for a time.
    Away,
    /// It can be reached again.
    Back,
    /// Another process takes its place, and its figures count on.
    Replaced,
    /// It has ended.
    Ended {
        /// How it died, in a sentence; nothing where it ended as it should.
        died: Option<String>,
    },
}

/// Since when figures that are not cumulative were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// Since the line before.
    LastLine,
    /// Since the process began, which was long before this one did: they belong to no second of this run's timeline.
    Before,
}

/// What shards are called in messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called {
    /// What stands before the number of one.
    pub(crate) name: &'static str,
    /// The end of one that does not stop: it *is killed*.
    pub(crate) killed: &'static str,
}

/// The shards that share a fleet.
#[derive(Debug)]
pub(crate) struct Shards {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    tasks: Vec<JoinHandle<()>>,
}

/// An order to shards.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// A control line.
    Control(Control),
    /// Drain and stop.
    Stop,
    /// End at once.
    Kill,
}

impl Shards {
    /// Shards to which tasks carry orders: each order goes to every one of `orders`. The tasks end when all shards of theirs
    /// have ended.
    pub(crate) fn new(orders: Vec<mpsc::UnboundedSender<Order>>, tasks: Vec<JoinHandle<()>>) -> Self {
        Self { orders, tasks }
    }

    /// Sends a control line to all of them.
    pub(crate) fn send(&self, control: &Control) {
        self.order(&Order::Control(control.clone()));
    }

    /// Lets all of them drain and stop.
    pub(crate) fn stop(&self) {
        self.order(&Order::Stop);
    }

    /// Ends all of them at once; their ends come as events.
    pub(crate) fn end(&self) {
        self.order(&Order::Kill);
    }

    /// Ends all of them at once. They are gone when this returns.
    pub(crate) async fn kill(self) {
        self.end();
        for task in self.tasks {
            // A task that panicked has dropped its process, which kills it.
            let _ = task.await;
        }
    }

    fn order(&self, order: &Order) {
        for one in &self.orders {
            // A shard that has ended takes no orders.
            let _ = one.send(order.clone());
        }
    }
}

/// The states of a fleet in a line, without those in which there is no device.
#[must_use]
pub(crate) fn states(totals: &fleet_report::totals::Totals) -> String {
    let words: Vec<_> = State::ALL
        .into_iter()
        .map(|state| (state, totals.state(state)))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {}", state.word().replace('_', " ")))
        .collect();
    words.join(", ")
}
