//! Carries out what takes devices away for a time: the steps of each churn and each absence, at their times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::lines::Line;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::churn::Step;
use crate::context::Context;
use crate::mailbox::{Left, Mailbox};

/// The churns and the absences that go on.
#[derive(Debug, Default)]
pub(crate) struct Absences {
    tasks: TaskTracker,
    over: CancellationToken,
}

/// How a device leaves.
pub(super) type Leave = fn(&Mailbox) -> Left;

impl Absences {
    /// Begins one, and confirms its line when it is over.
    pub(super) fn begin(
        &self,
        id: u64,
        steps: impl Iterator<Item = (Duration, Step)> + Send + 'static,
        (leave, mailboxes): (Leave, BTreeMap<usize, Arc<Mailbox>>),
        context: Arc<Context>,
    ) {
        let over = self.over.clone();
        self.tasks.spawn(async move {
            let devices = carry_out(steps, leave, &mailboxes, over).await;
            context.send(Line::Done { id, devices });
        });
    }

    /// Ends them, so that each is answered while lines are still written.
    pub(crate) async fn end(self) {
        self.over.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Until the last device is back, or everything is over. Returns how many devices have left.
pub(super) async fn carry_out(
    steps: impl Iterator<Item = (Duration, Step)>,
    leave: Leave,
    mailboxes: &BTreeMap<usize, Arc<Mailbox>>,
    over: CancellationToken,
) -> u32 {
    let begun = Instant::now();
    let (mut away, mut reached) = (BTreeSet::new(), BTreeSet::new());
    for (at, step) in steps {
        tokio::select! {
            () = sleep_until(begun + at) => {}
            () = over.cancelled() => break,
        }
        match step {
            Step::Leaves(device) => {
                let left = mailboxes.get(&device).map_or(Left::default(), |mailbox| leave(mailbox));
                away.extend(left.is_away.then_some(device));
                reached.extend(left.was_wanted.then_some(device));
            }
            Step::ComesBack(device) => {
                if away.remove(&device) {
                    mailboxes
                        .get(&device)
                        .into_iter()
                        .for_each(|mailbox| mailbox.come_back());
                }
            }
        }
    }
    u32::try_from(reached.len()).unwrap_or(u32::MAX)
}
