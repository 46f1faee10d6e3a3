//! A lease: the right to simulate a shard, which one process at a time has.
//!
//! It is a lock on a file, held by the very process that the devices live in. The kernel gives it back when that
//! process is gone, however it went, and not before: no clock decides, so there is neither a moment with two owners nor
//! a time to wait after a death. Programs that the process starts don't inherit the file, so they prolong no lease. The
//! folder of the leases is locked by all of them together, so that a process that has to split the fleet differently can
//! wait until there is no lease.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The right to simulate a shard, until this is dropped or the process ends.
#[derive(Debug)]
pub struct Lease {
    _shard: File,
    _folder: File,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another process has it.
    #[error("the lease {path} is held by another process")]
    Held {
        /// The lease's file or folder.
        path: PathBuf,
    },
    /// The file can't be opened or locked.
    #[error("can't lock {path}")]
    Lock {
        /// The lease's file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Lease {
    /// Takes the lease `path`, whose folder must be there. Does not wait.
    ///
    /// # Errors
    ///
    /// Another process has it, or the file system has no locks.
    pub fn take(path: &Path) -> Result<Self, LeaseError> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new("."));
        // The folder before the shard: a program that wants to split the fleet in another way has the folder for itself, so
        // from here on no shard of another split can begin beside this one.
        let folder = lock_folder(folder, Sharing::Shared)?;
        let failed = |source| LeaseError::Lock {
            path: path.into(),
            source,
        };
        // The file is never removed: a lock on a removed file would exclude no process that makes it anew.
        let shard = File::options().create(true).append(true).open(path).map_err(failed)?;
        lock(&shard, path, Sharing::Exclusive)?;
        Ok(Self {
            _shard: shard,
            _folder: folder,
        })
    }

    /// Whether no process has the lease `path`. It may be taken a moment later.
    ///
    /// # Errors
    ///
    /// The file can't be opened or locked.
    pub fn is_free(path: &Path) -> Result<bool, LeaseError> {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(source) => Err(LeaseError::Lock {
                path: path.into(),
                source,
            }),
            Ok(file) => match lock(&file, path, Sharing::Shared) {
                Ok(()) => Ok(true),
                Err(LeaseError::Held { .. }) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }
}

/// Which other processes a lock is shared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// With all that share it, too.
    Shared,
    /// With none.
    Exclusive,
}

/// Locks a folder until what is returned is dropped. Does not wait.
///
/// # Errors
///
/// Another process has a lock that forbids it, or the file system has no locks.
pub fn lock_folder(folder: &Path, sharing: Sharing) -> Result<File, LeaseError> {
    let file = File::open(folder).map_err(|source| LeaseError::Lock {
        path: folder.into(),
        source,
    })?;
    lock(&file, folder, sharing)?;
    Ok(file)
}

/// Locks an open file. Does not wait.
///
/// # Errors
///
/// Another process has a lock that forbids it, or the file system has no locks.
pub fn lock(file: &File, path: &Path, sharing: Sharing) -> Result<(), LeaseError> {
    let locked = match sharing {
        Sharing::Shared => file.try_lock_shared(),
        Sharing::Exclusive => file.try_lock(),
    };
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => LeaseError::Held { path: path.into() },
        TryLockError::Error(source) => LeaseError::Lock {
            path: path.into(),
            source,
        },
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_lease_has_one_holder_and_is_free_when_he_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0-of-2.lease");
        assert!(Lease::is_free(&path).unwrap());
        let lease = Lease::take(&path).unwrap();
        assert!(matches!(Lease::take(&path), Err(LeaseError::Held { .. })));
        assert!(!Lease::is_free(&path).unwrap());
        let other = Lease::take(&folder.path().join("1-of-2.lease")).unwrap();
        drop((lease, other));
        assert!(Lease::is_free(&path).unwrap());
        Lease::take(&path).unwrap();
    }

    #[test]
    fn a_program_that_the_holder_started_does_not_prolong_a_lease() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0-of-1.lease");
        let lease = Lease::take(&path).unwrap();
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Until it runs, it may still have what is closed on exec.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"!").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        drop(lease);
        assert!(Lease::is_free(&path).unwrap());
        lock_folder(folder.path(), Sharing::Exclusive).unwrap();
        drop(stdin);
        child.wait().unwrap();
    }

    #[test]
    fn no_other_process_has_the_folder_while_there_is_a_lease() {
        let folder = tempfile::tempdir().unwrap();
        let lease = Lease::take(&folder.path().join("0-of-1.lease")).unwrap();
        let refused = lock_folder(folder.path(), Sharing::Exclusive);
        assert!(matches!(refused, Err(LeaseError::Held { .. })));
        drop(lease);
        let alone = lock_folder(folder.path(), Sharing::Exclusive).unwrap();
        let refused = Lease::take(&folder.path().join("0-of-1.lease"));
        assert!(matches!(refused, Err(LeaseError::Held { .. })));
        drop(alone);
    }
}
