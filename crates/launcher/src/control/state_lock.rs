//! The state folder of a run, and that only one run at a time has it.
//!
//! A folder that is made here is private, since to open the control socket is to be able to stop the fleet; one that is there
//! already keeps its mode, and is refused where others can write. What decides whether a run
//! is alive is a lock, which the system gives back however the run ends; a socket without a lock is stale.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use device_sim::hint::Hint;
use iot_protocol::shown;

use crate::exit::Failure;

/// The socket's name in the state folder.
pub(crate) const SOCKET: &str = "control.sock";
const RUN_LOCK: &str = "run.lock";
const ROLL_LOCK: &str = "roll.lock";
/// Also what shows that a folder was made by `fleet demo`.
pub(crate) const DEMO_LOCK: &str = "demo.lock";

/// Holds the state folder for a run until it is dropped.
#[derive(Debug)]
pub(crate) struct StateLock {
    _lock: File,
}

/// Why a state folder can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateLockError {
    /// Another program has it.
    #[error("the state folder `{}` is in use by {by}", shown::path(folder))]
    InUse {
        folder: PathBuf,
        /// By what.
        by: &'static str,
    },
    /// Others could put files of theirs in the place of ours.
    #[error(
        "the state folder `{}` is used by others: they can write into it (mode {mode:04o}), and could replace what the run trusts",
        shown::path(folder)
    )]
    Shared { folder: PathBuf, mode: u32 },
    /// The system refused.
    #[error("the state folder `{}` can't be used: {reason}", shown::path(folder))]
    Unusable {
        folder: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
}

impl From<StateLockError> for Failure {
    fn from(error: StateLockError) -> Self {
        let hint = match &error {
            StateLockError::InUse { .. } => {
                "wait until that is over, or give this one another folder: --set fleet.state=PATH".to_owned()
            }
            StateLockError::Shared { folder, .. } => format!(
                "give it a folder of its own: --set fleet.state={}/fleet; or `chmod go-w` where it is yours alone",
                shown::path(folder)
            ),
            StateLockError::Unusable { .. } => return Self::refused(error),
        };
        Self::Refused(anyhow::Error::from(error).hint(hint))
    }
}

impl StateLock {
    /// Takes the folder for a run, and makes it where it is missing. Another run, or a roll that changes certificates while
    /// no run is there, must not be in it.
    ///
    /// # Errors
    ///
    /// It is in use, or can't be written.
    pub(crate) fn for_run(folder: &Path) -> Result<Self, StateLockError> {
        Self::take(folder, RUN_LOCK, "another `fleet run` or `fleet roll`")
    }

    /// Takes the folder for a roll, beside a live run or without one.
    ///
    /// # Errors
    ///
    /// Another roll is at work, or the folder can't be written.
    pub(crate) fn for_roll(folder: &Path) -> Result<Self, StateLockError> {
        Self::take(folder, ROLL_LOCK, "another roll")
    }

    /// Takes the folder of a demonstration, and makes it where it is missing.
    ///
    /// # Errors
    ///
    /// Another demonstration is going on in it, or it can't be written.
    pub(crate) fn for_demo(folder: &Path) -> Result<Self, StateLockError> {
        Self::take(folder, DEMO_LOCK, "another `fleet demo`")
    }

    /// Looks whether a run could use the folder, and makes nothing. One that is not there yet can be made.
    ///
    /// # Errors
    ///
    /// Others can write into it.
    pub(crate) fn check(folder: &Path) -> Result<(), StateLockError> {
        match written_by_others(folder) {
            Ok(Some(mode)) => Err(StateLockError::Shared {
                folder: folder.to_owned(),
                mode,
            }),
            // What can't be looked at can't be used either, and is reported then.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn take(folder: &Path, name: &str, by: &'static str) -> Result<Self, StateLockError> {
        let unusable = |reason| StateLockError::Unusable {
            folder: folder.to_owned(),
            reason,
        };
        make_private(folder).map_err(unusable)?;
        Self::check(folder)?;
        let lock = open_lock(&folder.join(name)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateLockError::InUse {
                folder: folder.to_owned(),
                by,
            }),
            Err(TryLockError::Error(reason)) => Err(unusable(reason)),
        }
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

/// Makes the folder where it is missing. Only what is made here is private: one that is there belongs to its maker.
#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(parent) = folder.parent() {
        // Who may write there could put a folder of theirs in the place of this one, so no umask makes that all.
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// The mode of a folder into which others may write.
#[cfg(unix)]
fn written_by_others(folder: &Path) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(folder)?.permissions().mode() & 0o7777;
    Ok((mode & 0o022 != 0).then_some(mode))
}

/// Who may write is not looked at here.
#[cfg(not(unix))]
fn written_by_others(_: &Path) -> io::Result<Option<u32>> {
    Ok(None)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_is_there_keeps_its_mode_and_one_that_others_write_into_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let set = |mode| std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let mode = || std::fs::metadata(parent.path()).unwrap().permissions().mode() & 0o7777;
        set(0o755);
        drop(StateLock::for_run(parent.path()).unwrap());
        assert_eq!(mode(), 0o755);
        set(0o1777);
        let error = StateLock::for_run(parent.path()).unwrap_err().to_string();
        assert!(error.contains("they can write into it (mode 1777)"), "{error}");
        assert_eq!(mode(), 0o1777);
        set(0o700);
    }

    #[test]
    fn a_state_folder_is_private_and_serves_one_run_and_one_roll_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let run = StateLock::for_run(&folder).unwrap();
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let error = StateLock::for_run(&folder).unwrap_err().to_string();
        assert!(error.contains("is in use by another `fleet run`"), "{error}");
        let roll = StateLock::for_roll(&folder).unwrap();
        assert!(matches!(
            StateLock::for_roll(&folder),
            Err(StateLockError::InUse { .. })
        ));
        drop((run, roll));
        StateLock::for_run(&folder).unwrap();
        StateLock::for_roll(&folder).unwrap();
    }
}
