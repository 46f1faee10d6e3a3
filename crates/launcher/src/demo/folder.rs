//! The folder of a demonstration: private, and emptied only where it is ours.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use files::{Access, Durability};
use iot_protocol::shown;

use crate::control::state_lock::{DEMO_LOCK, StateLock};
use crate::exit::Failure;

/// What a demonstration makes, with what it holds. Nothing else is ever removed.
pub(super) const ENTRIES: [(&str, &str); 9] = [
    ("certs/", "the CAs and leaves of the group, before and after the roll"),
    ("curl.conf", "the emulator's token and CA, for curl"),
    ("emulator/", "the emulator's CA, API token and database"),
    ("fleet.toml", "the manifest of the hundred devices"),
    ("hand/", "what was made by hand: hall, attic, cellar, the proof"),
    ("logs/", "what each program wrote"),
    ("report/", "the run: report.html, report.json and others"),
    ("roll/", "the roll: roll.json"),
    ("state/", "the state of the run"),
];

/// What to do where a folder can't be had.
const ANOTHER: &str = "name another one with --folder DIR";

/// The folder, held until this is dropped.
#[derive(Debug)]
pub(super) struct DemoFolder {
    path: PathBuf,
    _lock: StateLock,
}

impl DemoFolder {
    /// Makes the folder, or empties the one that an earlier demonstration has left.
    ///
    /// # Errors
    ///
    /// It holds something else, another demonstration is going on in it, or it can't be written.
    pub(super) fn take(path: &Path) -> Result<Self, Failure> {
        if !is_ours_or_free(path)? {
            let error = anyhow!("`{}` is not empty, and was not made by `fleet demo`", shown::path(path));
            return Err(Failure::refused(error.hint(ANOTHER)));
        }
        let lock =
            StateLock::for_demo(path).map_err(|error| Failure::refused(anyhow::Error::from(error).hint(ANOTHER)))?;
        for (name, _) in ENTRIES {
            let entry = path.join(name.trim_end_matches('/'));
            remove(&entry)
                .with_context(|| format!("can't remove `{}` of an earlier demonstration", shown::path(&entry)))
                .map_err(Failure::Refused)?;
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// A file or folder in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder in it.
    pub(super) fn make(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(&path).with_context(|| format!("can't make `{}`", shown::path(&path)))?;
        Ok(path)
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write(&self, name: &str, content: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        files::write_whole(&path, content.as_bytes(), Access::Owner, Durability::Cached)
            .with_context(|| format!("can't write `{}`", shown::path(&path)))
    }
}

/// Whether nothing is there, or only what `fleet demo` made.
fn is_ours_or_free(path: &Path) -> Result<bool, Failure> {
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => {
            let error = anyhow!("`{}` can't be used as a folder: {error}", shown::path(path));
            return Err(Failure::refused(error.hint(ANOTHER)));
        }
    };
    Ok(entries.next().is_none() || path.join(DEMO_LOCK).is_file())
}

fn remove(entry: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(entry) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    match kind.is_dir() {
        true => fs::remove_dir_all(entry),
        false => fs::remove_file(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_ours_is_private_and_serves_one_demonstration_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("demo");
        let folder = DemoFolder::take(&path).unwrap();
        folder.write("curl.conf", "secret").unwrap();
        let busy = DemoFolder::take(&path).unwrap_err().to_string();
        assert!(busy.contains("is in use by another `fleet demo`"), "{busy}");
        assert!(path.join("curl.conf").exists());
    }

    #[test]
    fn what_an_earlier_demonstration_made_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let earlier = parent.path().join("earlier");
        fs::create_dir_all(earlier.join("certs/thermostats")).unwrap();
        for name in [DEMO_LOCK, "curl.conf", "notes.txt"] {
            fs::write(earlier.join(name), "").unwrap();
        }
        let _folder = DemoFolder::take(&earlier).unwrap();
        assert!(!earlier.join("curl.conf").exists() && !earlier.join("certs").exists());
        assert!(earlier.join("notes.txt").exists());

        let other = parent.path().join("other");
        fs::create_dir_all(other.join("certs")).unwrap();
        let refused = DemoFolder::take(&other).unwrap_err();
        assert_eq!(refused.code(), 2);
        assert!(refused.to_string().contains("hint: name another one"), "{refused}");
        assert!(other.join("certs").exists());
        fs::write(parent.path().join("file"), "").unwrap();
        assert_eq!(DemoFolder::take(&parent.path().join("file")).unwrap_err().code(), 2);
    }
}
