//! The database file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use files::sync_folder;
use iot_protocol::shown;
use redb::backends::FileBackend;
use redb::{ReadableTable, TableDefinition};

use super::{Change, Record, Table, asserting};
use crate::error::{Remedy, StartError};

/// The form of the records. A database of another version is refused, never guessed at.
pub(super) const VERSION: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const VERSION_KEY: &str = "version";
/// Memory is the source for reads, so the database's own cache has next to nothing to do.
const CACHE: usize = 1 << 20;
/// A database that is made has this after its name until it is whole.
const UNFINISHED: &str = "new";

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

/// Whether a database was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Old,
}

/// Records by table, each with its key.
type Tables = BTreeMap<Table, Vec<(String, Vec<u8>)>>;

impl Database {
    /// Opens or makes the database at `path`, for this process alone.
    pub(super) fn open(path: &Path) -> Result<(Self, Content), StartError> {
        // redb asserts, here and there, what a damaged file can break.
        let opened = asserting::try_to(|| match existing(path)? {
            Some(file) => {
                let database = Self(open(file, path)?);
                let tables = database.load(Age::Old)?;
                Ok((database, tables))
            }
            None => Self::make(path),
        });
        let opened = opened.unwrap_or_else(|| Err(Failure::Damaged("the database is damaged".into())));
        let (database, tables) = opened.map_err(|unusable| match unusable {
            Failure::InUse => StartError::StateInUse(path.into()),
            Failure::Io(source) => StartError::State {
                path: path.into(),
                source,
            },
            Failure::Damaged(reason) => StartError::BadState {
                path: path.into(),
                reason,
                remedy: Remedy::Database,
            },
        })?;
        let path = path.into();
        Ok((database, Content { path, tables }))
    }

    /// Makes an empty database under another name and renames it, so that a file at `path` is always a whole one: an empty
    /// or half one there has been damaged, and is never taken for a first start.
    fn make(path: &Path) -> Result<(Self, Tables), Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{UNFINISHED}"));
        let unfinished = PathBuf::from(name);
        let database = Self(open(anew(&unfinished)?, &unfinished)?);
        let tables = database.load(Age::New)?;
        if path.exists() {
            // Another emulator was faster.
            return Err(Failure::InUse);
        }
        fs::rename(&unfinished, path)?;
        sync_folder(path)?;
        Ok((database, tables))
    }

    /// A database on something else than a file.
    #[cfg(test)]
    pub(super) fn on(backend: impl redb::StorageBackend) -> Self {
        let database = redb::Builder::new().create_with_backend(backend);
        Self(database.expect("the backend is empty"))
    }

    /// Checks the version, and reads every record.
    fn load(&self, age: Age) -> Result<Tables, Failure> {
        let transaction = self.0.begin_write().map_err(failure)?;
        {
            let mut meta = transaction.open_table(META).map_err(failure)?;
            if age == Age::New {
                meta.insert(VERSION_KEY, VERSION).map_err(failure)?;
            }
            let found = meta.get(VERSION_KEY).map_err(failure)?;
            match found.map(|version| version.value()) {
                Some(VERSION) => {}
                Some(other) => {
                    return Err(Failure::Damaged(format!(
                        "it has version {other}, and this emulator supports version {VERSION} only"
                    )));
                }
                None => {
                    return Err(Failure::Damaged(
                        "it is another program's database, or a damaged one".into(),
                    ));
                }
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
        match age {
            Age::New => transaction.commit().map_err(failure)?,
            Age::Old => transaction.abort().map_err(failure)?,
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
            remedy: Remedy::Database,
        }
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(table.name())
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// The file at `path`, for this process alone; `None` if there is none.
fn existing(path: &Path) -> Result<Option<File>, Failure> {
    let file = match options().open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    lock(&file)?;
    let mut start = [0; 4];
    match (&file).read_exact(&mut start) {
        // redb would take a file whose beginning is zero for a new one, and write over it.
        Ok(()) if start == [0; 4] => Err(Failure::Damaged(
            "its beginning is zero: the database is damaged".into(),
        )),
        Ok(()) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Failure::Damaged(
            "it is empty or cut off: the database is damaged".into(),
        )),
        Err(error) => Err(error.into()),
    }
}

/// A file of our own at `path`, for this process alone. What stands there already, as a first start that was killed leaves
/// it, is removed and never written into: it may be a link, or another process may have it open.
fn anew(path: &Path) -> Result<File, Failure> {
    let make = || options().create_new(true).open(path);
    let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
    let file = match make() {
        Err(error) if is_taken(&error) => {
            // Held until there is another file: a second emulator that finds the same remains gives up.
            let _left = match options_for_no_link().open(path) {
                Ok(left) => Some(lock(&left).map(|()| left)?),
                Err(_) => None,
            };
            fs::remove_file(path)?;
            make().map_err(|error| if is_taken(&error) { Failure::InUse } else { error.into() })?
        }
        made => made?,
    };
    lock(&file)?;
    match is_at(&file, path)? {
        true => Ok(file),
        // Another emulator took it for remains before it was locked.
        false => Err(Failure::InUse),
    }
}

#[cfg(unix)]
fn options_for_no_link() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = options();
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

#[cfg(not(unix))]
fn options_for_no_link() -> OpenOptions {
    options()
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

fn open(file: File, path: &Path) -> Result<redb::Database, Failure> {
    let mut database = redb::Builder::new()
        .set_cache_size(CACHE)
        .create_with_backend(FileBackend::new(file).map_err(failure)?)
        .map_err(failure)?;
    // Nothing else looks at the checksums of a file that was closed in good order.
    if !database.check_integrity().map_err(failure)? {
        tracing::warn!(path = %shown::path(path), "the database was damaged, and is repaired as far as possible");
    }
    Ok(database)
}

/// Takes the file for this process. redb would do so too, but only after this has looked at it.
#[cfg(unix)]
fn lock(file: &File) -> Result<(), Failure> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Failure::InUse,
        TryLockError::Error(error) => error.into(),
    })
}

/// There a lock would forbid redb to take the file a second time.
#[cfg(not(unix))]
fn lock(_: &File) -> Result<(), Failure> {
    Ok(())
}

fn failure(error: impl Into<redb::Error>) -> Failure {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => Failure::InUse,
        redb::Error::UpgradeRequired(_) => Failure::Damaged(
            "it was written by an earlier version of the emulator, which had another file format".into(),
        ),
        redb::Error::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Failure::Damaged("it is no database, or half of one".into())
            }
            _ => Failure::Io(error),
        },
        error => Failure::Damaged(error.to_string()),
    }
}
