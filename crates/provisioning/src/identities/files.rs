//! Files that are whole or absent, and private where they hold keys.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use super::IdentityError;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Only the owner: keys.
    Owner,
    /// Whoever may enter the folder: certificates.
    Folder,
}

/// Writes `content` under a temporary name in the same folder and renames it into place.
///
/// The temporary name is always the same, so a run that was killed in between leaves nothing behind that the next would not
/// take up. There is no fsync: it would cost minutes for ten thousand leaves, and what a power cut can break is found when
/// the file is next read.
pub(super) fn write(path: &Path, content: &[u8], access: Access) -> Result<(), IdentityError> {
    let temporary = temporary_name(path);
    write_and_rename(&temporary, path, content, access).map_err(io_error("write", path))
}

fn write_and_rename(temporary: &Path, path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Private from the first byte on, not only once it has its name.
        options.mode(if access == Access::Owner { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file = options.open(temporary)?;
    file.write_all(content)?;
    drop(file);
    fs::rename(temporary, path)
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

/// Creates `path` and what is missing above it, for the owner alone.
pub(super) fn create_folder(path: &Path) -> Result<(), IdentityError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path).map_err(io_error("create", path))
}

/// Whether there is something at `path`; an error other than "not found" is one.
pub(super) fn exists(path: &Path) -> Result<bool, IdentityError> {
    path.try_exists().map_err(io_error("read", path))
}

/// The text of a small file, without white space around it; `None` if there is no such file.
pub(super) fn read_word(path: &Path) -> Result<Option<String>, IdentityError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(io_error("read", path)(reason)),
    }
}

/// Refuses an id that would name another place than a file in its folder.
pub(super) fn check_name(name: &str) -> Result<(), IdentityError> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name && !name.contains('\\') => Ok(()),
        _ => Err(IdentityError::BadName { name: name.to_owned() }),
    }
}

/// Keeps a second program from filling the same folder at the same time; it waits until this is dropped.
///
/// Two that wrote side by side could leave the certificate of one beside the key of the other.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(folder: &Path) -> Result<Self, IdentityError> {
        let path = folder.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error("lock", &path))?;
        #[cfg(unix)]
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|reason| io_error("lock", &path)(reason.into()))?;
        Ok(Self { _file: file })
    }
}

pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    let path = path.to_owned();
    move |reason| IdentityError::Io { doing, path, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_leads_elsewhere_is_refused() {
        for name in ["", ".", "..", "a/b", "/a", "a/", "../a", "a\\b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["thermo-0001", "a:b", "a.b_c"] {
            check_name(name).unwrap();
        }
    }

    #[test]
    fn what_a_killed_run_left_half_written_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a_key.pem");
        fs::write(temporary_name(&path), "half of something much longer").unwrap();
        write(&path, b"whole", Access::Owner).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
