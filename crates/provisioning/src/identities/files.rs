//! Files that are whole or absent, and private where they hold keys.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Component, Path};

use super::IdentityError;
pub(super) use files::Access;
use files::{Durability, write_whole};

/// Writes a file that could not be made again, whole or not at all: it is on the disk when this returns.
pub(super) fn write(path: &Path, content: &[u8], access: Access) -> Result<(), IdentityError> {
    write_whole(path, content, access, Durability::Synced).map_err(io_error("write", path))
}

/// Writes one of many files, whole or not at all.
///
/// There is no fsync: it would cost minutes for ten thousand leaves, and what a power cut can break is found when the file
/// is next read.
pub(super) fn write_one_of_many(path: &Path, content: &[u8], access: Access) -> Result<(), IdentityError> {
    write_whole(path, content, access, Durability::Cached).map_err(io_error("write", path))
}

/// Creates `path` and what is missing above it, for the owner alone.
pub(super) fn create_folder(path: &Path) -> Result<(), IdentityError> {
    // Where a folder of another user is in the way, what is wrong is not that this one can't be made.
    if let Err(reason) = path.try_exists()
        && reason.kind() == io::ErrorKind::PermissionDenied
    {
        return Err(io_error("read", path)(reason));
    }
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
/// Two that wrote side by side could leave the certificate of one beside the key of the other. Where this program can't
/// write, there is nothing to keep apart: certificates that are complete are read without a lock, and for what is missing the
/// write fails.
pub(super) struct Lock {
    _file: Option<File>,
}

impl Lock {
    pub(super) fn take(folder: &Path) -> Result<Self, IdentityError> {
        let path = folder.join(".lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // A link in its place could lead out of the folder.
            options
                .mode(0o600)
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        }
        let file = match options.open(&path) {
            Err(reason) if is_read_only(&reason) => return Ok(Self { _file: None }),
            opened => opened.map_err(io_error("lock", &path))?,
        };
        file.lock().map_err(io_error("lock", &path))?;
        Ok(Self { _file: Some(file) })
    }
}

fn is_read_only(reason: &io::Error) -> bool {
    matches!(
        reason.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
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
}
