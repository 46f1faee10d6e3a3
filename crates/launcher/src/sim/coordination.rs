//! The folder on which the processes of a fleet meet: who is there, and which shards are free.
//!
//! ```text
//! <results>/leases/             locked by every process together, as long as it has devices or wants some
//! <results>/leases/run.json     which run, and in how many shards
//! <results>/leases/0-of-4.lease locked by the device-sim process that simulates the shard
//! <results>/leases/members/…    one file per process, locked by it and written every second
//! ```
//! Everything rests on locks that the kernel gives back when a process is gone; see [`device_sim::lease`].

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context;
use device_sim::lease::{Lease, LeaseError, Sharing, lock, lock_folder};
use device_sim::shard::host_name;
use fleet_protocol::plan::Shard;
use iot_protocol::shown;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::keep;
use crate::keep::write_whole;
use crate::sim::record::is_finished;

/// A process that has not written for so long does not work any more.
const SILENT_FOR: SignedDuration = SignedDuration::from_secs(15);

/// What all processes must agree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    run_id: String,
    shards: NonZeroU32,
}

/// The folder, seen by one process.
#[derive(Debug)]
pub(crate) struct SharedFolder {
    results: PathBuf,
    run: Run,
}

impl SharedFolder {
    /// Makes the folders where they are missing.
    ///
    /// # Errors
    ///
    /// They can't be made.
    pub(crate) fn open(results: &Path, run_id: &str, shards: NonZeroU32) -> Result<Self, Failure> {
        let shared = Self {
            results: results.to_owned(),
            run: Run {
                run_id: run_id.to_owned(),
                shards,
            },
        };
        keep::try_folder("--results", &members(results))?;
        Ok(shared)
    }

    /// Joins the run; `None` while others are busy with another one, or with this one in another number of shards.
    ///
    /// # Errors
    ///
    /// The folder can't be locked, read or written.
    pub(crate) fn join(&self) -> anyhow::Result<Option<Joined>> {
        let folder = leases(&self.results);
        let path = folder.join("run.json");
        let is_ours = || match fs::read(&path) {
            Ok(text) => serde_json::from_slice::<Run>(&text).is_ok_and(|run| run == self.run),
            Err(_) => false,
        };
        // A process that wants to change the run has to be alone, so while we share the lock it stays what it is.
        let Some(lock_of_all) = free(lock_folder(&folder, Sharing::Shared))? else {
            return Ok(None);
        };
        if is_ours() {
            return Ok(Some(Joined(lock_of_all)));
        }
        drop(lock_of_all);
        let Some(alone) = free(lock_folder(&folder, Sharing::Exclusive))? else {
            return Ok(None);
        };
        write_whole(&path, &serde_json::to_vec(&self.run)?)?;
        drop(alone);
        let Some(lock_of_all) = free(lock_folder(&folder, Sharing::Shared))? else {
            return Ok(None);
        };
        Ok(is_ours().then_some(Joined(lock_of_all)))
    }

    /// Makes this process known to the others.
    ///
    /// # Errors
    ///
    /// Its file can't be written or locked.
    pub(crate) fn enter(&self) -> anyhow::Result<Member> {
        let path = members(&self.results).join(member_name(std::process::id()));
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("can't write `{}`", shown::path(&path)))?;
        lock(&file, &path, Sharing::Exclusive)?;
        Ok(Member { file, path })
    }

    /// How many processes there are.
    ///
    /// # Errors
    ///
    /// The folder can't be read.
    pub(crate) fn members(&self) -> anyhow::Result<u32> {
        let folder = members(&self.results);
        let mut count = 0;
        for entry in fs::read_dir(&folder).with_context(|| format!("can't read `{}`", shown::path(&folder)))? {
            count += u32::from(!Lease::is_free(&entry?.path())?);
        }
        Ok(count)
    }

    /// One of the shards.
    #[must_use]
    pub(crate) fn shard(&self, index: u32) -> Shard {
        Shard {
            index,
            count: self.run.shards,
        }
    }

    /// The file to lock for a shard.
    #[must_use]
    pub(crate) fn lease(&self, shard: Shard) -> PathBuf {
        leases(&self.results).join(format!("{}-of-{}.lease", shard.index, shard.count))
    }

    /// Whether a shard has nothing left to do.
    #[must_use]
    pub(crate) fn is_finished(&self, shard: Shard) -> bool {
        is_finished(&self.results, &self.run.run_id, shard)
    }
}

/// Keeps others from beginning another run here, until it is dropped.
#[derive(Debug)]
pub(crate) struct Joined(#[expect(dead_code, reason = "the lock is held by having it")] File);

/// Keeps this process counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    file: File,
    path: PathBuf,
}

impl Member {
    /// Says that it is well, and which shards it has.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub(crate) fn beat(&mut self, shards: &[u32]) -> anyhow::Result<()> {
        let text = serde_json::to_string(&shards)?;
        // The lock belongs to this very file, so it is written in place.
        let mut write = || -> io::Result<()> {
            self.file.rewind()?;
            self.file.write_all(text.as_bytes())?;
            self.file.set_len(text.len() as u64)
        };
        write().with_context(|| format!("can't write `{}`", shown::path(&self.path)))
    }
}

/// Whether the process `pid` of this host is well; the error names what is wrong.
///
/// # Errors
///
/// It is not there, or has not written for a while.
pub(crate) fn health(results: &Path, pid: u32, now: Timestamp) -> anyhow::Result<()> {
    let path = members(results).join(member_name(pid));
    let modified = fs::metadata(&path)
        .and_then(|metadata| metadata.modified())
        .with_context(|| {
            format!(
                "process {pid} of this host has no part of the fleet in `{}`",
                shown::path(results)
            )
        })?;
    anyhow::ensure!(!Lease::is_free(&path)?, "process {pid} of this host has ended");
    let silent = now.duration_since(Timestamp::try_from(modified)?);
    anyhow::ensure!(
        silent < SILENT_FOR,
        "process {pid} of this host has been silent for {silent:#}"
    );
    Ok(())
}

fn leases(results: &Path) -> PathBuf {
    results.join("leases")
}

fn members(results: &Path) -> PathBuf {
    leases(results).join("members")
}

fn member_name(pid: u32) -> String {
    // A container's first process has the same number in each, and its host's name is its own.
    format!("{}-{pid}", host_name().unwrap_or_default())
}

fn free<T>(locked: Result<T, LeaseError>) -> anyhow::Result<Option<T>> {
    match locked {
        Ok(held) => Ok(Some(held)),
        Err(LeaseError::Held { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shared(results: &Path, run_id: &str, shards: u32) -> SharedFolder {
        SharedFolder::open(results, run_id, NonZeroU32::new(shards).unwrap()).unwrap()
    }

    #[test]
    fn many_processes_join_one_run_and_none_another_one_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path();
        let first = shared(results, "one", 4).join().unwrap().unwrap();
        let second = shared(results, "one", 4).join().unwrap().unwrap();
        let other_run = shared(results, "two", 4);
        let other_number = shared(results, "one", 5);
        assert!(other_run.join().unwrap().is_none());
        assert!(other_number.join().unwrap().is_none());
        drop(first);
        assert!(other_run.join().unwrap().is_none());
        drop(second);
        let _joined = other_number.join().unwrap().unwrap();
        assert!(shared(results, "one", 4).join().unwrap().is_none());
    }

    #[test]
    fn devices_that_are_still_there_keep_another_run_from_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let first = shared(folder.path(), "one", 4);
        drop(first.join().unwrap().unwrap());
        let orphan = Lease::take(&first.lease(first.shard(2))).unwrap();
        let next = shared(folder.path(), "two", 1);
        assert!(next.join().unwrap().is_none());
        drop(orphan);
        assert!(next.join().unwrap().is_some());
    }

    #[test]
    fn a_process_is_counted_while_it_is_there_and_well_while_it_writes() {
        let folder = tempfile::tempdir().unwrap();
        let (results, pid) = (folder.path(), std::process::id());
        let shared = shared(results, "one", 4);
        let now = Timestamp::now();
        assert!(health(results, pid, now).is_err());
        let mut member = shared.enter().unwrap();
        member.beat(&[10, 11]).unwrap();
        member.beat(&[1]).unwrap();
        assert_eq!(fs::read_to_string(&member.path).unwrap(), "[1]");
        assert_eq!(shared.members().unwrap(), 1);
        health(results, pid, now).unwrap();
        let later = health(results, pid, now + SignedDuration::from_mins(1)).unwrap_err();
        assert!(later.to_string().contains("has been silent for"), "{later}");
        drop(member);
        assert_eq!(shared.members().unwrap(), 0);
        let gone = health(results, pid, now).unwrap_err().to_string();
        assert!(gone.ends_with("has ended"), "{gone}");
    }
}
