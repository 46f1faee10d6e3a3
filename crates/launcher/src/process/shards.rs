//! The device-sim processes of a run, and their lines.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use device_sim::plan_file;
use fleet_protocol::lines::{Control, Line, State};
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::process::child::{Child, Ended, Environment};

/// A process reads its orders as they come.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// A line of a process, or something that happened to it.
#[derive(Debug)]
pub(crate) struct Event {
    /// Which process, from 0.
    pub process: usize,
    /// What.
    pub update: Update,
}

/// A line of a process, or what happened to it.
#[derive(Debug)]
pub(crate) enum Update {
    Line(Line),
    /// Something that is no line.
    Garbled(String),
    /// It has ended. `finished` when it had announced that before.
    Ended {
        name: String,
        /// Whether its last line was the one that ends a run.
        finished: bool,
        /// How, or why that is not known.
        how: anyhow::Result<Ended>,
    },
}

/// The processes that share a fleet.
#[derive(Debug)]
pub(crate) struct Shards {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug, Clone)]
enum Order {
    Write(Arc<str>),
    Stop,
    Kill,
}

impl Shards {
    /// Starts `count` processes on the plan. Their events arrive in the second value, which ends after the last.
    ///
    /// # Errors
    ///
    /// One of them can't be started; then none is left.
    pub(crate) fn start(
        executable: &Path,
        plan: &Path,
        count: u32,
        drain: Duration,
    ) -> anyhow::Result<(Self, mpsc::UnboundedReceiver<Event>)> {
        let environment = Environment::of_devices(&plan_file::read(plan)?);
        let mut started = Vec::new();
        for index in 0..count {
            let shard = format!("{index}/{count}");
            let arguments = [
                "device-sim".into(),
                "--plan".into(),
                plan.into(),
                "--shard".into(),
                shard.clone().into(),
                "--control".into(),
                "stdin".into(),
                "--drain-within".into(),
                format!("{}ms", drain.as_millis()).into(),
            ];
            let name = format!("device-sim {shard}");
            started.push(Child::start(executable, name, arguments, &environment)?);
        }
        let (events, received) = mpsc::unbounded_channel();
        let (mut orders, mut tasks) = (Vec::new(), Vec::new());
        for (process, (child, stdout)) in started.into_iter().enumerate() {
            let (order, ordered) = mpsc::unbounded_channel();
            orders.push(order);
            tasks.push(tokio::spawn(follow(process, child, stdout, ordered, events.clone())));
        }
        Ok((Self { orders, tasks }, received))
    }

    /// Sends a control line to all of them.
    pub(crate) fn send(&self, control: &Control) {
        let line = serde_json::to_string(control).expect("a control line can be written");
        self.order(&Order::Write(line.into()));
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
            // A process that has ended takes no orders.
            let _ = one.send(order.clone());
        }
    }
}

/// Reads the lines of a process until it has ended, and carries out orders meanwhile.
async fn follow(
    process: usize,
    mut child: Child,
    mut stdout: Lines<BufReader<ChildStdout>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::UnboundedSender<Event>,
) {
    let send = |update| {
        // There is no listener any more when the launcher leaves at once.
        let _ = events.send(Event { process, update });
    };
    let mut finished = false;
    let mut obeying = true;
    loop {
        tokio::select! {
            line = stdout.next_line() => match line {
                Ok(Some(line)) => match serde_json::from_str(&line) {
                    Ok(line) => {
                        finished |= matches!(line, Line::End { .. });
                        send(Update::Line(line));
                    }
                    Err(_) => send(Update::Garbled(line)),
                },
                Ok(None) | Err(_) => break,
            },
            order = orders.recv(), if obeying => match order {
                Some(Order::Write(line)) => if timeout(TAKEN_WITHIN, child.write_line(&line)).await.is_err() {
                    // Its pipe is full: it has not read for long, and would not read that it is to stop either.
                    child.kill();
                },
                Some(Order::Stop) => child.stop(),
                Some(Order::Kill) => child.kill(),
                None => obeying = false,
            },
        }
    }
    // Its stdout is closed; now it has to end, or be made to.
    let how = loop {
        tokio::select! {
            how = child.ended() => break how,
            order = orders.recv(), if obeying => match order {
                Some(Order::Kill) => child.kill(),
                Some(Order::Stop | Order::Write(_)) => child.stop(),
                None => obeying = false,
            },
        }
    };
    send(Update::Ended {
        name: child.name().to_owned(),
        finished,
        how,
    });
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
