//! The shards of a run as device-sim processes of this machine.

use std::path::Path;
use std::time::Duration;

use device_sim::plan_file;
use fleet_protocol::lines::{Control, Line};
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::process::child::{Child, Ended, Environment};
use crate::process::shards::{Called, Event, Order, Shards, Update};

/// A process reads its orders as they come.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// What such processes are called in messages.
pub(crate) const CALLED: Called = Called {
    name: "device-sim",
    killed: "killed",
};

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
) -> anyhow::Result<(Shards, mpsc::UnboundedReceiver<Event>)> {
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
        let name = format!("{} {shard}", CALLED.name);
        started.push(Child::start(executable, name, arguments, &environment)?);
    }
    let (events, received) = mpsc::unbounded_channel();
    let (mut orders, mut tasks) = (Vec::new(), Vec::new());
    for (shard, (child, stdout)) in started.into_iter().enumerate() {
        let (order, ordered) = mpsc::unbounded_channel();
        orders.push(order);
        tasks.push(tokio::spawn(follow(shard, child, stdout, ordered, events.clone())));
    }
    Ok((Shards::new(orders, tasks), received))
}

/// Reads the lines of a process until it has ended, and carries out orders meanwhile.
async fn follow(
    shard: usize,
    mut child: Child,
    mut stdout: Lines<BufReader<ChildStdout>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::UnboundedSender<Event>,
) {
    let send = |update| {
        // There is no listener any more when the launcher leaves at once.
        let _ = events.send(Event { shard, update });
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
                Some(Order::Control(control)) => write(&mut child, &control).await,
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
                Some(Order::Stop | Order::Control(_)) => child.stop(),
                None => obeying = false,
            },
        }
    };
    let died = match how {
        Ok(Ended { status, .. }) if finished && status.success() => None,
        Ok(ended) => Some(ended.to_string()),
        Err(error) => Some(format!("{error:#}")),
    };
    let died = died.map(|how| format!("{} died: {how}", child.name()));
    send(Update::Ended { died });
}

async fn write(child: &mut Child, control: &Control) {
    let line = serde_json::to_string(control).expect("a control line can be written");
    if timeout(TAKEN_WITHIN, child.write_line(&line)).await.is_err() {
        // Its pipe is full: it has not read for long, and would not read that it is to stop either.
        child.kill();
    }
}
