//! What must survive the process: typed records, one by one, in a database of the state folder.
//!
//! Memory stays the source for everything that is read; here is only written, until the next start loads all of it. An
//! owner of some state collects [`Changes`] and hands them over while it still holds its lock, so that the database sees
//! the changes of a record in the order in which they happened. That takes no time: one thread commits whatever has come
//! together, as one transaction; an answer that must not come before its change is on the disk waits for a [`Ticket`].
//!
//! | module | holds |
//! | --- | --- |
//! | `record` | the records, and the form in which they are stored |
//! | `asserting` | a library's panic, taken for an answer |
//! | `database` | the file: opening, checking, loading, committing |
//! | `writer` | the thread, and what waits for it |

use std::path::Path;
use std::sync::PoisonError;

use crate::error::StartError;

mod asserting;
mod database;
mod record;
mod writer;

#[cfg(test)]
mod form_tests;
#[cfg(test)]
mod tests;

pub(crate) use database::Content;
pub(crate) use record::{Record, Table};

use database::Database;
use writer::Writer;

/// Keeps records, or does not: without a state folder every change counts as kept at once.
#[derive(Debug)]
pub(crate) struct Store {
    writer: Option<Writer>,
}

/// What an owner of state waits for: the number of a write. The default is for a write that changed nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The database has failed, and what was to be kept is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state can't be stored")]
pub(crate) struct NotStored;

/// Changes of records that become durable together.
#[derive(Debug)]
pub(crate) struct Changes {
    /// Whether they are kept; if not, they are not even written down.
    kept: bool,
    list: Vec<Change>,
}

/// A record is written, or removed if there is no value.
#[derive(Debug)]
struct Change {
    table: Table,
    key: String,
    value: Option<Vec<u8>>,
}

impl Store {
    /// A store that keeps nothing.
    pub(crate) fn memory() -> Self {
        Self { writer: None }
    }

    /// Opens the database, makes it if it is not there, and gives what it holds.
    pub(crate) fn open(path: &Path) -> Result<(Self, Content), StartError> {
        let (database, content) = Database::open(path)?;
        let writer = Writer::start(database).map_err(|source| StartError::State {
            path: path.into(),
            source,
        })?;
        Ok((Self { writer: Some(writer) }, content))
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes {
            kept: self.writer.is_some(),
            list: Vec::new(),
        }
    }

    /// Hands changes over. Nothing is durable before the ticket is.
    pub(crate) fn write(&self, changes: Changes) -> Ticket {
        match &self.writer {
            Some(writer) if !changes.list.is_empty() => writer.write(changes.list),
            _ => Ticket::default(),
        }
    }

    /// Waits until a write is durable.
    pub(crate) async fn durable(&self, ticket: Ticket) -> Result<(), NotStored> {
        match &self.writer {
            Some(writer) => writer.durable(ticket).await,
            None => Ok(()),
        }
    }

    /// Waits until everything that was written so far is durable.
    pub(crate) async fn settled(&self) -> Result<(), NotStored> {
        match &self.writer {
            Some(writer) => writer.durable(writer.last()).await,
            None => Ok(()),
        }
    }

    /// Writes what is left and closes the database, so that another store can open it.
    pub(crate) async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }
}

impl Changes {
    pub(crate) fn put<R: Record>(&mut self, key: &str, record: &R) {
        if self.kept {
            let value = serde_json::to_vec(record).expect("records are JSON objects with texts as keys");
            self.push(R::TABLE, key, Some(value));
        }
    }

    /// Removes a record, which need not be there.
    pub(crate) fn remove<R: Record>(&mut self, key: &str) {
        if self.kept {
            self.push(R::TABLE, key, None);
        }
    }

    fn push(&mut self, table: Table, key: &str, value: Option<Vec<u8>>) {
        self.list.push(Change {
            table,
            key: key.into(),
            value,
        });
    }
}

/// A lock whose holder has panicked is as good as any: what it guards is changed in one step.
fn unpoisoned<T>(lock: Result<T, PoisonError<T>>) -> T {
    lock.unwrap_or_else(PoisonError::into_inner)
}
