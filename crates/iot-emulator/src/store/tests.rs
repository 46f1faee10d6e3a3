use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

impl Record for Note {
    const TABLE: Table = Table::Groups;
}

fn note(text: &str) -> Note {
    Note { text: text.into() }
}

fn put(store: &Store, key: &str, text: &str) -> Ticket {
    let mut changes = store.changes();
    changes.put(key, &note(text));
    store.write(changes)
}

fn notes(path: &Path) -> Vec<(String, String)> {
    let (_store, mut content) = Store::open(path).unwrap();
    let notes = content.take::<Note>().unwrap();
    notes.into_iter().map(|(key, note)| (key, note.text)).collect()
}

fn refusal(path: &Path) -> String {
    Store::open(path).err().unwrap().to_string()
}

#[tokio::test]
async fn what_was_written_last_is_there_at_the_next_start_and_what_was_removed_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, mut content) = Store::open(&path).unwrap();
    assert!(content.take::<Note>().unwrap().is_empty());
    for (key, text) in [("a", "1"), ("b", "1"), ("c", "1"), ("a", "2")] {
        put(&store, key, text);
    }
    let mut changes = store.changes();
    changes.remove::<Note>("b");
    changes.remove::<Note>("never there");
    let last = store.write(changes);
    store.durable(last).await.unwrap();
    drop(store);
    assert_eq!(notes(&path), [("a".into(), "2".into()), ("c".into(), "1".into())]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_durable_survives_though_nothing_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, _) = Store::open(&path).unwrap();
    for number in 0..20 {
        let ticket = put(&store, "a", &number.to_string());
        store.durable(ticket).await.unwrap();
        // What a kill would leave behind at this moment.
        let left = folder.path().join(format!("left-{number}"));
        fs::copy(&path, &left).unwrap();
        assert_eq!(notes(&left), [("a".into(), number.to_string())]);
    }
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_leaves_the_file_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, _) = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(StartError::StateInUse(at)) if at == path));
    put(&store, "a", "1");
    store.close().await;
    assert_eq!(notes(&path), [("a".into(), "1".into())]);
    let late = put(&store, "a", "2");
    assert_eq!(store.durable(late).await, Err(NotStored));
    assert_eq!(store.settled().await, Err(NotStored));
    assert_eq!(notes(&path), [("a".into(), "1".into())]);
}

#[tokio::test]
async fn a_store_of_nothing_is_always_settled() {
    let store = Store::memory();
    let ticket = put(&store, "a", "1");
    assert_eq!((store.durable(ticket).await, store.settled().await), (Ok(()), Ok(())));
}

#[test]
fn another_version_and_another_programs_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    drop(Store::open(&path).unwrap());
    set_version(&path, 2);
    let words = refusal(&path);
    assert!(
        words.contains("it has version 2, and this emulator supports version 1 only")
            && words.contains("db is not usable"),
        "{words}"
    );
    let foreign = folder.path().join("foreign");
    let database = redb::Database::create(&foreign).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(redb::TableDefinition::<&str, u64>::new("things"))
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let words = refusal(&foreign);
    assert!(words.contains("another program's database"), "{words}");
}

fn set_version(path: &Path, version: u64) {
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(redb::TableDefinition::<&str, u64>::new("meta"))
        .unwrap()
        .insert("version", version)
        .unwrap();
    transaction.commit().unwrap();
}

/// A database that redb 2.6 made; see the README beside it.
fn made_by_redb_2(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("emulator.redb");
    let packed = format!("{}/tests/data/redb-2.6/{name}.redb.gz", env!("CARGO_MANIFEST_DIR"));
    let mut unpacked = flate2::read::GzDecoder::new(fs::File::open(packed).unwrap());
    io::copy(&mut unpacked, &mut fs::File::create(&path).unwrap()).unwrap();
    (folder, path)
}

#[test]
fn a_database_that_the_redb_before_this_one_made_is_read() {
    let (_folder, path) = made_by_redb_2("format-3");
    assert_eq!(notes(&path), [("a".into(), "kept".into())]);
    assert_eq!(notes(&path), [("a".into(), "kept".into())]);
}

#[test]
fn a_database_in_an_older_file_format_is_refused_and_left_as_it_is() {
    let (_folder, path) = made_by_redb_2("format-2");
    let before = fs::read(&path).unwrap();
    let words = refusal(&path);
    assert!(
        words.contains("emulator.redb is not usable: it was written by an earlier version of the emulator")
            && words.contains("move it away to begin without what was enrolled"),
        "{words}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("emulator.redb");
    for nonsense in [&b"n"[..], b"nonsense", &[b'x'; 100_000], b"", &[0; 3], &[0; 100_000]] {
        fs::write(&path, nonsense).unwrap();
        let words = refusal(&path);
        assert!(words.contains("emulator.redb is not usable"), "{words}");
        assert_eq!(fs::read(&path).unwrap(), nonsense);
    }
}

#[test]
fn a_first_start_that_was_killed_early_is_a_first_start_again() {
    for unfinished in [&[][..], &[0; 100_000], b"whatever stands there"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        fs::write(folder.path().join("db.new"), unfinished).unwrap();
        assert!(notes(&path).is_empty());
        assert!(notes(&path).is_empty());
        assert!(!folder.path().join("db.new").exists());
    }
}

/// Who can write into the folder could plant a link to a file of ours, or a file that it keeps open.
#[cfg(unix)]
#[test]
fn what_was_planted_where_the_database_is_made_is_neither_followed_nor_used() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (path, planted) = (folder.path().join("db"), folder.path().join("db.new"));
    let precious = folder.path().join("precious");
    fs::write(&precious, "kept").unwrap();
    symlink(&precious, &planted).unwrap();
    assert!(notes(&path).is_empty());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
    assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());

    fs::remove_file(&path).unwrap();
    fs::write(&planted, "").unwrap();
    fs::set_permissions(&planted, fs::Permissions::from_mode(0o666)).unwrap();
    let kept_open = fs::File::open(&planted).unwrap();
    assert!(notes(&path).is_empty());
    let (made, open) = (fs::metadata(&path).unwrap(), kept_open.metadata().unwrap());
    assert_ne!(made.ino(), open.ino());
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_database_whose_beginning_is_lost_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, _) = Store::open(&path).unwrap();
    put(&store, "a", "1");
    store.close().await;
    let whole = fs::read(&path).unwrap();
    for zeroed in [4, 4096] {
        let mut spoilt = whole.clone();
        spoilt[..zeroed].fill(0);
        fs::write(&path, &spoilt).unwrap();
        let words = refusal(&path);
        assert!(words.contains("its beginning is zero"), "{words}");
        assert!(words.contains("restore it from a copy"), "{words}");
        assert_eq!(fs::read(&path).unwrap(), spoilt);
    }
}

#[tokio::test]
async fn a_damaged_database_is_an_error_or_harmless_but_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    let (store, _) = Store::open(&good).unwrap();
    for number in 0..200 {
        put(&store, &format!("{number:04}"), &"x".repeat(200));
    }
    store.close().await;
    let bytes = fs::read(&good).unwrap();
    let path = folder.path().join("damaged");
    let is_fine = |damage: &str| match Store::open(&path) {
        // The damage was where nothing is stored, or in what was repaired.
        Ok((_store, mut content)) => content.take::<Note>().map(|_| ()).unwrap_or_default(),
        Err(error) => assert!(error.to_string().contains("damaged"), "{damage}: {error}"),
    };
    for length in [1, 100, 320, 4096, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        is_fine(&format!("cut to {length}"));
    }
    for place in (0..bytes.len()).step_by(bytes.len() / 40).chain(0..16) {
        fs::write(&path, &bytes).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0xA5; 64], place as u64).unwrap();
        is_fine(&format!("64 bytes at {place}"));
    }
}

#[test]
fn a_record_that_makes_no_sense_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (store, _) = Store::open(&path).unwrap();
    put(&store, "thermostats", "no group");
    drop(store);
    let (_store, mut content) = Store::open(&path).unwrap();
    let words = content.take::<crate::central::Group>().err().unwrap().to_string();
    assert!(
        words.contains("record `thermostats` of table `groups`: missing field `id`"),
        "{words}"
    );
}

/// A disk that waits or fails on request.
#[derive(Debug, Default)]
struct Disk {
    memory: InMemoryBackend,
    knobs: Arc<Knobs>,
}

#[derive(Debug, Default)]
struct Knobs {
    fails: AtomicBool,
    /// Nothing is written while a test holds this.
    gate: Mutex<()>,
}

impl Disk {
    fn works(&self) -> io::Result<()> {
        drop(self.knobs.gate.lock().unwrap());
        if self.knobs.fails.load(SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

fn on_disk() -> (Store, Arc<Knobs>) {
    let disk = Disk::default();
    let knobs = Arc::clone(&disk.knobs);
    let writer = Some(Writer::start(Database::on(disk)).unwrap());
    (Store { writer }, knobs)
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.works()?;
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.works()?;
        self.memory.write(offset, data)
    }
}

#[tokio::test]
async fn when_the_disk_fails_no_client_gets_the_answer_that_anything_is_kept() {
    let (store, knobs) = on_disk();
    let ticket = put(&store, "a", "1");
    assert_eq!(store.durable(ticket).await, Ok(()));
    knobs.fails.store(true, SeqCst);
    let lost = put(&store, "a", "2");
    assert_eq!(store.durable(lost).await, Err(NotStored));
    knobs.fails.store(false, SeqCst);
    let late = put(&store, "a", "3");
    assert_eq!(store.durable(late).await, Err(NotStored), "memory is ahead of the disk");
    assert_eq!(store.settled().await, Err(NotStored));
    assert_eq!(
        store.durable(ticket).await,
        Ok(()),
        "the first one is kept all the same"
    );
}

#[tokio::test]
async fn nothing_is_durable_before_it_is_on_the_disk() {
    let (store, knobs) = on_disk();
    let gate = knobs.gate.lock().unwrap();
    let ticket = put(&store, "a", "1");
    let mut durable = std::pin::pin!(store.durable(ticket));
    let mut settled = std::pin::pin!(store.settled());
    assert_eq!(durable.as_mut().now_or_never(), None);
    assert_eq!(settled.as_mut().now_or_never(), None);
    drop(gate);
    assert_eq!((durable.await, settled.await), (Ok(()), Ok(())));
}
