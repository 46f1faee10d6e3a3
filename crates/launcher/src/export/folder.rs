//! The folder that an export is written into: looked at before anything is made, written when all of it is known.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use files::{Access, Durability, write_whole};
use iot_protocol::shown;

use super::model::ExportFile;
use crate::exit::Failure;
use crate::keep;

/// The list of what an export has written, so that the next one can remove it.
const LIST: &str = ".fleet-export";

/// A folder that can be written.
#[derive(Debug)]
pub(super) struct OutFolder {
    path: PathBuf,
}

impl OutFolder {
    /// Makes sure that the folder can be written, and that nothing in it is lost.
    ///
    /// # Errors
    ///
    /// It is not empty, and `force` is not given; or it can't be written.
    pub(super) fn check(path: &Path, force: bool) -> Result<Self, Failure> {
        let entries = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                let error = anyhow::Error::from(error);
                let context = format!("--out: can't read the folder `{}`", shown::path(path));
                return Err(Failure::Refused(error.context(context)));
            }
        };
        if entries && !force {
            return Err(Failure::refused(
                anyhow!("--out: the folder `{}` is not empty", shown::path(path)).hint(
                    "give another folder, or --force: it removes the files of an earlier export, with the keys in them, \
                     and leaves everything else",
                ),
            ));
        }
        keep::try_folder("--out", path)?;
        set_mode(path, 0o700)
            .with_context(|| format!("--out: can't make the folder `{}` private", shown::path(path)))
            .map_err(Failure::Refused)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Removes what an earlier export has written, and writes these files.
    ///
    /// # Errors
    ///
    /// A file can't be removed or written.
    pub(super) fn write(&self, files: Vec<ExportFile>) -> anyhow::Result<()> {
        if let Some(bad) = files.iter().find(|file| !file.stays_below()) {
            return Err(anyhow!("`{}` is not a path within the folder", shown::text(&bad.path)));
        }
        self.remove_earlier()?;
        // First, so that what an interrupted export has left can be removed.
        let list: String = files.iter().map(|file| format!("{}\n", file.path)).collect();
        self.write_file(&ExportFile::open(LIST, list))?;
        files.iter().try_for_each(|file| self.write_file(file))
    }

    fn write_file(&self, file: &ExportFile) -> anyhow::Result<()> {
        let path = self.path.join(&file.path);
        let parent = path.parent().unwrap_or(&self.path);
        create_folder(parent, file.access)
            .with_context(|| format!("can't make the folder `{}`", shown::path(parent)))?;
        write_whole(&path, &file.content, file.access, Durability::Cached)
            .and_then(|()| match file.access {
                Access::Owner => Ok(()),
                // Whatever the umask: a container may have another user. The folder above keeps others out.
                Access::Folder => set_mode(&path, 0o644),
            })
            .with_context(|| format!("can't write `{}`", shown::path(&path)))
    }

    fn remove_earlier(&self) -> anyhow::Result<()> {
        let list = self.path.join(LIST);
        let text = match fs::read_to_string(&list) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("can't read `{}`", shown::path(&list))),
        };
        // Whatever stands in the list: nothing outside of the folder is touched.
        let earlier = text.lines().map(|line| ExportFile::open(line, ""));
        for file in earlier.filter(ExportFile::stays_below) {
            let path = self.path.join(&file.path);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("can't remove `{}`", shown::path(&path))),
            }
        }
        Ok(())
    }
}

/// Folders of secrets are for their owner alone, too.
fn create_folder(path: &Path, access: Access) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_folder(parent, access)?;
    }
    fs::create_dir(path)?;
    set_mode(path, if access == Access::Owner { 0o700 } else { 0o755 })
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_an_earlier_export_wrote_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutFolder::check(folder.path(), false).unwrap();
        out.write(vec![
            ExportFile::open("a.yaml", "old"),
            ExportFile::secret("keys/shard-1/ca.key", "old"),
        ])
        .unwrap();
        fs::write(folder.path().join("mine.yaml"), "mine").unwrap();

        let refused = OutFolder::check(folder.path(), false).unwrap_err();
        assert!(refused.to_string().contains("is not empty"), "{refused}");
        let out = OutFolder::check(folder.path(), true).unwrap();
        out.write(vec![ExportFile::open("a.yaml", "new")]).unwrap();
        assert_eq!(names(folder.path()), [LIST, "a.yaml", "keys", "mine.yaml"]);
        assert!(!folder.path().join("keys/shard-1/ca.key").exists());
        assert_eq!(fs::read(folder.path().join("a.yaml")).unwrap(), b"new");
    }

    #[test]
    fn nothing_outside_of_the_folder_is_written_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("out"), folder.path().join("precious"));
        fs::write(&outside, "precious").unwrap();
        let out = OutFolder::check(&inside, false).unwrap();
        for path in ["../precious", "/precious", "", "a/../../precious"] {
            out.write(vec![ExportFile::open(path, "")]).unwrap_err();
        }
        fs::write(inside.join(LIST), format!("../precious\n{}\n", outside.display())).unwrap();
        out.write(Vec::new()).unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"precious");
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_their_owner_alone_and_containers_have_a_private_folder_above_theirs() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let out = OutFolder::check(folder.path(), false).unwrap();
        let shared = ExportFile::secret("shared/ca.key", "secret").for_containers();
        out.write(vec![ExportFile::secret("keys/ca.key", "secret"), shared])
            .unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("."), mode("keys"), mode("keys/ca.key")), (0o700, 0o700, 0o600));
        assert_eq!((mode("shared"), mode("shared/ca.key")), (0o755, 0o644));
    }
}
