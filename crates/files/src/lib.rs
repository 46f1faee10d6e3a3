//! Whole files: a reader finds the old content or the new one, never a part, and private where it holds secrets.
//!
//! The content is written under a temporary name in the same folder and renamed into place. The temporary name is fixed,
//! so a killed program leaves nothing behind that the next one does not take away. What stands there is removed and made
//! anew, never opened: it could be a link to another place, or a file that another user can read and holds open.
//!
//! Two programs that write the same file at the same moment need a lock of their own.
//!
//! ```
//! use files::{Access, Durability, write_whole};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("ca_key.pem");
//! write_whole(&path, b"secret", Access::Owner, Durability::Synced)?;
//! assert_eq!(std::fs::read(&path)?, b"secret");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only its owner: keys, and what others have no business with.
    Owner,
    /// All who may enter the folder, as far as the umask allows.
    Folder,
}

/// Whether a file has to outlive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk when the function returns: what could not be made again.
    Synced,
    /// The system writes it in its own time. For many files, where the next reader notices damage and makes them again.
    Cached,
}

/// Writes `content` to `path`, whole or not at all, in the place of what is there.
///
/// # Errors
///
/// The system refuses to make, write or rename the file. What was at `path` is still there then.
pub fn write_whole(path: &Path, content: &[u8], access: Access, durability: Durability) -> io::Result<()> {
    let temporary = temporary_name(path);
    let mut file = create(&temporary, access)?;
    let written = file.write_all(content).and_then(|()| match durability {
        Durability::Synced => file.sync_all(),
        Durability::Cached => Ok(()),
    });
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        // A full disk must not be fuller for it; the error that counts is the first.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    match durability {
        Durability::Synced => sync_folder(path),
        Durability::Cached => Ok(()),
    }
}

/// A new file at `path`, whatever stood there.
fn create(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Private from the first byte on, not only once it has its name.
        options.mode(if access == Access::Owner { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = access;
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

/// Makes the renaming to `path` last, which belongs to the folder and not to the file.
///
/// # Errors
///
/// The folder can't be opened or synchronized.
#[cfg(unix)]
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Other systems don't let folders be synchronized.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_program_left_half_written_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a_key.pem");
        fs::write(temporary_name(&path), "half of something much longer").unwrap();
        write_whole(&path, b"whole", Access::Owner, Durability::Cached).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_get_its_name_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        write_whole(&path, b"x", Access::Folder, Durability::Synced).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_planted_temporary_file_is_neither_followed_nor_reused() {
        use std::io::{Read, Seek};
        use std::os::unix::fs::{PermissionsExt, symlink};

        for durability in [Durability::Synced, Durability::Cached] {
            let folder = tempfile::tempdir().unwrap();
            let (path, victim) = (folder.path().join("e_key.pem"), folder.path().join("victim"));
            fs::write(&victim, "precious").unwrap();
            symlink(&victim, temporary_name(&path)).unwrap();
            write_whole(&path, b"secret", Access::Owner, durability).unwrap();
            assert_eq!(fs::read(&victim).unwrap(), b"precious");
            assert!(fs::symlink_metadata(&path).unwrap().is_file());

            // A link that leads nowhere yet, and a file that every user may read and another process holds open.
            symlink(folder.path().join("nowhere"), temporary_name(&path)).unwrap();
            write_whole(&path, b"secret", Access::Owner, durability).unwrap();
            assert!(!folder.path().join("nowhere").exists());
            let mut planted = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(temporary_name(&path))
                .unwrap();
            planted.set_permissions(fs::Permissions::from_mode(0o666)).unwrap();
            write_whole(&path, b"secret", Access::Owner, durability).unwrap();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            planted.rewind().unwrap();
            let mut seen = String::new();
            planted.read_to_string(&mut seen).unwrap();
            assert_eq!(seen, "");
        }
    }
}
