//! The database file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{ReadableTable, TableDefinition};

use super::{Change, Record, Table};
use crate::error::StartError;

/// The form of the records. A database of another version is refused, never guessed at.
pub(super) const VERSION: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const VERSION_KEY: &str = "version";
/// Memory is the source for reads, so the database's own cache has next to nothing to do.
const CACHE: usize = 1 << 20;
/// Everything after a first start that was killed early: redb writes the first bytes last.
const UNFINISHED: [u8; 4] = [0; 4];

#[derive(Debug)]
pub(super) struct Database(redb::Database);

/// What a database held at the start.
#[derive(Debug, Default)]
pub(crate) struct Content {
    path: PathBuf,
    tables: Tables,
}

/// Why a file is not the database that it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("another emulator uses the database")]
    InUse,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Damaged(String),
}

/// Records by table, each with its key.
type Tables = BTreeMap<Table, Vec<(String, Vec<u8>)>>;

impl Database {
    /// Opens or makes the database at `path`, for this process alone.
    pub(super) fn open(path: &Path) -> Result<(Self, Content), StartError> {
        // redb asserts, here and there, what a damaged file can break.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = Self(open(path)?);
            let tables = database.load()?;
            Ok((database, tables))
        }));
        let opened = opened.unwrap_or_else(|_| Err(Failure::Damaged("the database is damaged".into())));
        let (database, tables) = opened.map_err(|unusable| match unusable {
            Failure::InUse => StartError::StateInUse(path.into()),
            Failure::Io(source) => StartError::State {
                path: path.into(),
                source,
            },
            Failure::Damaged(reason) => StartError::BadState {
                path: path.into(),
                reason,
            },
        })?;
        let path = path.into();
        Ok((database, Content { path, tables }))
    }

    /// A database on something else than a file.
    #[cfg(test)]
    pub(super) fn on(backend: impl redb::StorageBackend) -> Self {
        let database = redb::Builder::new().create_with_backend(backend);
        Self(database.expect("the backend is empty"))
    }

    /// Checks the version, and reads every record.
    fn load(&self) -> Result<Tables, Failure> {
        let transaction = self.0.begin_write().map_err(failure)?;
        let is_new = transaction.list_tables().map_err(failure)?.next().is_none();
        {
            let mut meta = transaction.open_table(META).map_err(failure)?;
            if is_new {
                meta.insert(VERSION_KEY, VERSION).map_err(failure)?;
            }
            let found = meta.get(VERSION_KEY).map_err(failure)?;
            match found.map(|version| version.value()) {
                Some(VERSION) => {}
                Some(other) => {
                    return Err(Failure::Damaged(format!(
                        "it has version {other}, and this emulator knows version {VERSION} only"
                    )));
                }
                None => return Err(Failure::Damaged("it is another program's database".into())),
            }
        }
        let mut tables = BTreeMap::new();
        for table in Table::ALL {
            let stored = transaction.open_table(definition(table)).map_err(failure)?;
            let mut records = Vec::new();
            for record in stored.iter().map_err(failure)? {
                let (key, value) = record.map_err(failure)?;
                records.push((key.value().to_owned(), value.value().to_vec()));
            }
            tables.insert(table, records);
        }
        if is_new {
            transaction.commit().map_err(failure)?;
        } else {
            transaction.abort().map_err(failure)?;
        }
        Ok(tables)
    }

    /// Applies changes as one transaction, which is on the disk when this is done.
    pub(super) fn commit(&self, changes: &[Change]) -> Result<(), Failure> {
        let transaction = self.0.begin_write().map_err(failure)?;
        for table in Table::ALL {
            let mut own = changes.iter().filter(|change| change.table == table).peekable();
            if own.peek().is_none() {
                continue;
            }
            let mut stored = transaction.open_table(definition(table)).map_err(failure)?;
            for change in own {
                match &change.value {
                    Some(value) => stored.insert(change.key.as_str(), value.as_slice()),
                    None => stored.remove(change.key.as_str()),
                }
                .map_err(failure)?;
            }
        }
        transaction.commit().map_err(failure)
    }
}

impl Content {
    /// The records of one kind, by key.
    pub(crate) fn take<R: Record>(&mut self) -> Result<Vec<(String, R)>, StartError> {
        let records = self.tables.remove(&R::TABLE).unwrap_or_default();
        let read = |(key, value): (String, Vec<u8>)| match serde_json::from_slice(&value) {
            Ok(record) => Ok((key, record)),
            Err(error) => Err(self.bad::<R>(&key, &error.to_string())),
        };
        records.into_iter().map(read).collect()
    }

    /// The error for a record that makes no sense.
    pub(crate) fn bad<R: Record>(&self, key: &str, reason: &str) -> StartError {
        StartError::BadState {
            path: self.path.clone(),
            reason: format!("record `{key}` of table `{}`: {reason}", R::TABLE.name()),
        }
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(table.name())
}

fn open(path: &Path) -> Result<redb::Database, Failure> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    lock(&file)?;
    let mut start = Vec::new();
    (&file).take(UNFINISHED.len() as u64).read_to_end(&mut start)?;
    if start == UNFINISHED {
        file.set_len(0)?;
    }
    let mut database = redb::Builder::new()
        .set_cache_size(CACHE)
        .create_with_file_format_v3(true)
        .create_file(file)
        .map_err(failure)?;
    // Nothing else looks at the checksums of a file that was closed in good order.
    if !database.check_integrity().map_err(failure)? {
        tracing::warn!(path = %path.display(), "the database was damaged, and is repaired as far as possible");
    }
    Ok(database)
}

/// Takes the file for this process. redb would do so too, but only after this has looked at it.
#[cfg(unix)]
fn lock(file: &File) -> Result<(), Failure> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::InUse),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

#[cfg(not(unix))]
fn lock(_: &File) -> Result<(), Failure> {
    Ok(())
}

fn failure(error: impl Into<redb::Error>) -> Failure {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => Failure::InUse,
        redb::Error::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Failure::Damaged("it is no database, or half of one".into())
            }
            _ => Failure::Io(error),
        },
        error => Failure::Damaged(error.to_string()),
    }
}
