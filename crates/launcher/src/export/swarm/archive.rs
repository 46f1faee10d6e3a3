//! How large files are as the archive that `tar` makes of them.

use std::collections::BTreeSet;

use super::ExportFile;

const BLOCK: usize = 512;
/// GNU tar fills up its last record.
const RECORD: usize = 20 * BLOCK;

/// At most so many bytes: a header for each file and each folder, two where the path is long, the content in blocks, and
/// two blocks at the end.
pub(super) fn size(files: &[ExportFile]) -> usize {
    let header = |path: &str| if path.len() < 99 { BLOCK } else { 3 * BLOCK };
    let of_files: usize = files
        .iter()
        .map(|file| header(&file.path) + file.content.len().next_multiple_of(BLOCK))
        .sum();
    let folders: BTreeSet<&str> = files.iter().flat_map(|file| parents(&file.path)).collect();
    let of_folders: usize = folders.into_iter().map(header).sum();
    (of_files + of_folders + 2 * BLOCK).next_multiple_of(RECORD)
}

/// The folders that a file is in, from the outermost.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_size_is_that_of_the_archive_that_tar_makes() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("authorities/{}/ca.crt", "g".repeat(90));
        let files: Vec<_> = [
            ("authorities/a/ca.crt", 700),
            ("authorities/a/ca.key", 512),
            ("collector/sim.key", 0),
            (&long, 9000),
        ]
        .into_iter()
        .map(|(path, bytes)| ExportFile::secret(path, "k".repeat(bytes)))
        .collect();
        for file in &files {
            let path = folder.path().join(&file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &*file.content).unwrap();
        }
        let tar = Command::new("tar")
            .args(["-c", "authorities", "collector"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(tar.status.success(), "{tar:?}");
        assert_eq!(size(&files), tar.stdout.len());
    }
}
