//! Which hub a device was assigned, remembered from run to run.
//!
//! Each shard of a fleet appends to a file of its own, `assignments-<i>-of-<n>.jsonl` (shards counted from 0), a line per
//! change, so processes never wait for each other. All such files are read at the start, from any process: a fleet that
//! is cut into another number of shards still finds its assignments. Of several lines for one device the newest counts,
//! by a number that each run continues. A line that can't be read costs one registration, never a run.

mod file;
mod line;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use file::OwnFile;
use line::Line;

/// What an assignment depends on.
///
/// The certificate belongs to it: the hub has only the thumbprint that DPS wrote last, so a device with a new leaf has
/// to go to DPS first (<https://learn.microsoft.com/azure/iot-dps/how-to-roll-certificates>).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssignmentKey {
    /// The DPS host that was asked.
    pub dps_endpoint: String,
    /// The id scope.
    pub id_scope: String,
    /// The registration id.
    pub registration_id: String,
    /// SHA-256 over the leaf's DER, hex.
    pub leaf_sha256: String,
}

/// What DPS answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The hub's host name.
    pub assigned_hub: String,
    /// The device id at that hub.
    pub device_id: String,
}

/// One part of a fleet: number `index`, from 0, of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 0.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

/// The assignments of a fleet, with one shard's file to add to.
///
/// Looking up is a map; storing and forgetting append one line, without waiting for the disk.
#[derive(Debug)]
pub struct AssignmentCache {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    entries: HashMap<AssignmentKey, Entry>,
    next_number: u64,
    own: OwnFile,
}

#[derive(Debug, Clone)]
struct Entry {
    number: u64,
    /// `None` where it was removed: an older line in another file must not bring it back.
    assignment: Option<Assignment>,
}

/// The hubs that devices were assigned to when they last registered, by host name. Nothing is made or changed; a folder
/// that is not there has none.
pub fn hubs(dir: &Path) -> io::Result<BTreeSet<String>> {
    let names = match file_names(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        names => names?,
    };
    let mut entries = HashMap::new();
    for name in names {
        file::read(&dir.join(&name))?
            .into_iter()
            .for_each(|line| merge(&mut entries, line));
    }
    let assigned = entries.into_values().filter_map(|entry| entry.assignment);
    Ok(assigned.map(|assignment| assignment.assigned_hub).collect())
}

impl AssignmentCache {
    /// Reads every assignment in the folder `dir`, which is created if missing, and opens the shard's own file in it.
    pub fn open(dir: &Path, shard: Shard) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let own_name = format!("assignments-{}-of-{}.jsonl", shard.index, shard.count);
        let mut entries = HashMap::new();
        let mut own_keys = Vec::new();
        let mut own_lines = 0_usize;
        for name in file_names(dir)? {
            let is_own = name == own_name;
            for line in file::read(&dir.join(&name))? {
                if is_own {
                    own_lines += 1;
                    own_keys.push(line.key());
                }
                merge(&mut entries, line);
            }
        }
        let next_number = entries
            .values()
            .map(|entry| entry.number)
            .max()
            .map_or(0, |highest| highest.saturating_add(1));

        own_keys.sort_unstable();
        own_keys.dedup();
        let path = dir.join(own_name);
        if own_keys.len() < own_lines {
            let lines = own_keys
                .iter()
                .filter_map(|key| Some(Line::new(key, entries.get(key)?)));
            file::rewrite(&path, lines)?;
        }
        let own = OwnFile::open(&path)?;
        Ok(Self {
            inner: Mutex::new(Inner {
                entries,
                next_number,
                own,
            }),
        })
    }

    /// The remembered assignment.
    pub fn lookup(&self, key: &AssignmentKey) -> Option<Assignment> {
        self.lock().entries.get(key)?.assignment.clone()
    }

    /// How many assignments are remembered.
    pub fn len(&self) -> usize {
        self.lock()
            .entries
            .values()
            .filter(|entry| entry.assignment.is_some())
            .count()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers an assignment, in memory even if the file refuses it.
    pub fn store(&self, key: &AssignmentKey, assignment: Assignment) -> io::Result<()> {
        self.lock().put(key, Some(assignment))
    }

    /// Forgets an assignment, so that the next start goes to DPS.
    pub fn remove(&self, key: &AssignmentKey) -> io::Result<()> {
        let mut inner = self.lock();
        match inner.entries.get(key) {
            Some(Entry {
                assignment: Some(_), ..
            }) => inner.put(key, None),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here is left half done by a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, key: &AssignmentKey, assignment: Option<Assignment>) -> io::Result<()> {
        // Repeated word by word at every registration, it would only fill the file.
        if assignment.is_some()
            && self
                .entries
                .get(key)
                .is_some_and(|entry| entry.assignment == assignment)
        {
            return Ok(());
        }
        let entry = Entry {
            number: self.next_number,
            assignment,
        };
        self.next_number = self.next_number.saturating_add(1);
        let line = Line::new(key, &entry);
        self.entries.insert(key.clone(), entry);
        self.own.append(&line)
    }
}

fn merge(entries: &mut HashMap<AssignmentKey, Entry>, line: Line) {
    let key = line.key();
    let entry = line.into_entry();
    match entries.get(&key) {
        Some(there) if there.number > entry.number => {}
        _ => {
            entries.insert(key, entry);
        }
    }
}

/// The names of all shards' files, sorted, so that a run reads them in the same order on every machine.
fn file_names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        if let Ok(name) = entry?.file_name().into_string()
            && name.starts_with("assignments-")
            && name.ends_with(".jsonl")
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests;
