//! The state folder of a run, and that only one run at a time has it.
//!
//! The folder is made private, since whoever can open the control socket can stop the fleet. What decides whether a run
//! is alive is a lock, which the system gives back however the run ends; a socket without a lock is stale.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The socket's name in the state folder.
pub const SOCKET: &str = "control.sock";
const RUN_LOCK: &str = "run.lock";
const ROLL_LOCK: &str = "roll.lock";

/// Holds the state folder for a run until it is dropped.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

/// Why a state folder can't be had.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Somebody else has it.
    #[error(
        "the state folder `{}` is in use by {by}\nhint: wait until that is over, or give this one another folder: --set fleet.state=PATH",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// By what.
        by: &'static str,
    },
    /// The system refused.
    #[error("the state folder `{}` can't be used: {reason}", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl Held {
    /// Takes the folder for a run, and makes it where it is missing. Another run, or a roll that changes certificates while
    /// no run is there, must not be in it.
    ///
    /// # Errors
    ///
    /// It is in use, or can't be written.
    pub fn for_run(folder: &Path) -> Result<Self, PlaceError> {
        Self::take(folder, RUN_LOCK, "another `fleet run` or `fleet roll`")
    }

    /// Takes the folder for a roll, beside a live run or without one.
    ///
    /// # Errors
    ///
    /// Another roll is at work, or the folder can't be written.
    pub fn for_roll(folder: &Path) -> Result<Self, PlaceError> {
        Self::take(folder, ROLL_LOCK, "another roll")
    }

    fn take(folder: &Path, name: &str, by: &'static str) -> Result<Self, PlaceError> {
        let unusable = |reason| PlaceError::Unusable {
            folder: folder.to_owned(),
            reason,
        };
        make_private(folder).map_err(unusable)?;
        let lock = open_lock(&folder.join(name)).map_err(unusable)?;
        if !try_lock(&lock).map_err(unusable)? {
            return Err(PlaceError::InUse {
                folder: folder.to_owned(),
                by,
            });
        }
        Ok(Self { _lock: lock })
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(unix)]
fn try_lock(file: &File) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Two runs are kept apart on Unix only.
#[cfg(not(unix))]
fn try_lock(_: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_state_folder_is_private_and_serves_one_run_and_one_roll_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let run = Held::for_run(&folder).unwrap();
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let error = Held::for_run(&folder).unwrap_err().to_string();
        assert!(error.contains("is in use by another `fleet run`"), "{error}");
        let roll = Held::for_roll(&folder).unwrap();
        assert!(matches!(Held::for_roll(&folder), Err(PlaceError::InUse { .. })));
        drop((run, roll));
        Held::for_run(&folder).unwrap();
        Held::for_roll(&folder).unwrap();
    }
}
