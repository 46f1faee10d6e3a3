//! The thread that commits, and the queue in front of it. While one transaction is on its way to the disk, the changes
//! of all others come together for the next one.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::database::Database;
use super::{Change, NotStored, Ticket, unpoisoned};

/// For each change of a transaction, the next one begins so much later.
const PAUSE: Duration = Duration::from_millis(5);
/// But never later than this.
const LONGEST_PAUSE: Duration = Duration::from_millis(25);
/// The ticket of what is no longer taken.
const NEVER: Ticket = Ticket(u64::MAX);

#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    /// The last ticket that is durable. Its sender lives in the thread and goes with it.
    durable: watch::Receiver<Ticket>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: Vec<Change>,
    last: Ticket,
    /// Nothing is taken any more.
    closed: bool,
}

impl Writer {
    pub(super) fn start(database: Database) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let (progress, durable) = watch::channel(Ticket::default());
        let thread = thread::Builder::new().name("store".into()).spawn({
            let queue = Arc::clone(&queue);
            move || commit_all(&queue, database, &progress)
        })?;
        Ok(Self {
            queue,
            durable,
            thread: Some(thread),
        })
    }

    pub(super) fn write(&self, changes: Vec<Change>) -> Ticket {
        let mut waiting = unpoisoned(self.queue.waiting.lock());
        if waiting.closed {
            return NEVER;
        }
        // Later writes find the thread awake, or waiting for the time to come.
        if waiting.changes.is_empty() {
            self.queue.filled.notify_one();
        }
        waiting.changes.extend(changes);
        waiting.last.0 += 1;
        waiting.last
    }

    pub(super) fn last(&self) -> Ticket {
        let waiting = unpoisoned(self.queue.waiting.lock());
        if waiting.closed { NEVER } else { waiting.last }
    }

    pub(super) async fn durable(&self, ticket: Ticket) -> Result<(), NotStored> {
        match self.durable.clone().wait_for(|durable| *durable >= ticket).await {
            Ok(_) => Ok(()),
            Err(_) => Err(NotStored),
        }
    }

    pub(super) async fn close(&self) {
        self.queue.close();
        let mut durable = self.durable.clone();
        while durable.changed().await.is_ok() {}
    }
}

/// After a store is dropped, its folder may be opened again at once.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer of the state ended badly");
        }
    }
}

impl Queue {
    fn close(&self) {
        unpoisoned(self.waiting.lock()).closed = true;
        self.filled.notify_one();
    }

    /// All that waits, and the ticket of the last of it; none at the end. It comes when there is something, but not before
    /// `earliest`, unless it is the last.
    fn next(&self, earliest: Instant) -> Option<(Vec<Change>, Ticket)> {
        let waiting = unpoisoned(self.waiting.lock());
        let waiting = unpoisoned(
            self.filled
                .wait_while(waiting, |waiting| waiting.changes.is_empty() && !waiting.closed),
        );
        let left = earliest.saturating_duration_since(Instant::now());
        let paced = self.filled.wait_timeout_while(waiting, left, |waiting| !waiting.closed);
        let (mut waiting, _) = paced.unwrap_or_else(PoisonError::into_inner);
        let changes = std::mem::take(&mut waiting.changes);
        (!changes.is_empty()).then_some((changes, waiting.last))
    }
}

/// Takes nothing more once the thread is gone, for whatever reason.
struct ClosedAtEnd<'a>(&'a Queue);

impl Drop for ClosedAtEnd<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Commits until the queue is closed. After a failure nothing more is taken: what memory holds is then ahead of the
/// disk, and no answer may claim that it is kept.
fn commit_all(queue: &Queue, database: Database, progress: &watch::Sender<Ticket>) {
    let _closed = ClosedAtEnd(queue);
    let mut next = Instant::now();
    while let Some((changes, last)) = queue.next(next) {
        next = Instant::now() + pause(changes.len());
        if let Err(error) = database.commit(&changes) {
            tracing::error!(%error, "the state can't be stored; nothing is taken any more");
            return;
        }
        progress.send_replace(last);
    }
}

/// How far apart the beginnings of a transaction and of the next one are. A transaction costs about the same whatever it
/// holds, so that in a storm few large ones cost a fraction of many small ones; where things are quiet, nothing waits for
/// long.
fn pause(changes: usize) -> Duration {
    let changes = u32::try_from(changes).unwrap_or(u32::MAX);
    PAUSE.saturating_mul(changes).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;

    fn change(key: &str) -> Change {
        Change {
            table: Table::Groups,
            key: key.into(),
            value: None,
        }
    }

    #[test]
    fn what_comes_while_a_transaction_is_under_way_shares_the_next_one() {
        let (_progress, durable) = watch::channel(Ticket::default());
        let writer = Writer {
            queue: Arc::default(),
            durable,
            thread: None,
        };
        writer.write(vec![change("first")]);
        let (under_way, _) = writer.queue.next(Instant::now()).unwrap();
        assert_eq!(under_way.len(), 1);
        let last = (0..1000)
            .map(|number| writer.write(vec![change(&number.to_string())]))
            .max();
        let (shared, ticket) = writer.queue.next(Instant::now()).unwrap();
        assert_eq!((shared.len(), Some(ticket)), (1000, last));
        writer.queue.close();
        assert!(writer.queue.next(Instant::now()).is_none());
    }

    #[test]
    fn a_pause_is_as_long_as_there_was_much_to_store_but_not_endless() {
        let milliseconds = [1, 3, 5, 6, usize::MAX].map(|changes| pause(changes).as_millis());
        assert_eq!(milliseconds, [5, 15, 25, 25, 25]);
    }
}
