//! Carries churns out: the steps of each, at their times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet_protocol::lines::Line;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::churn::{Churn, Step};
use crate::context::Context;
use crate::mailbox::Mailbox;

/// The churns that go on.
#[derive(Debug, Default)]
pub(crate) struct Churns {
    tasks: TaskTracker,
    over: CancellationToken,
}

impl Churns {
    /// Begins one, and confirms its line when it is over.
    pub(super) fn begin(&self, id: u64, churn: Churn, mailboxes: BTreeMap<usize, Arc<Mailbox>>, context: Arc<Context>) {
        let over = self.over.clone();
        self.tasks.spawn(async move {
            let devices = carry_out(churn, &mailboxes, over).await;
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
pub(super) async fn carry_out(churn: Churn, mailboxes: &BTreeMap<usize, Arc<Mailbox>>, over: CancellationToken) -> u32 {
    let begun = Instant::now();
    // A device that is offline anyway has nothing to leave, and nothing to come back from.
    let (mut away, mut reached) = (BTreeSet::new(), BTreeSet::new());
    for (at, step) in churn {
        tokio::select! {
            () = sleep_until(begun + at) => {}
            () = over.cancelled() => break,
        }
        match step {
            Step::Leaves(device) => {
                if mailboxes.get(&device).is_some_and(|mailbox| mailbox.leave()) {
                    away.insert(device);
                    reached.insert(device);
                }
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
