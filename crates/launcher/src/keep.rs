//! Where a command leaves what it has found out: tried before anything starts, and kept apart from what it prints, so that
//! neither is lost with the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use device_sim::console;
use files::{self, Access, Durability};
use fleet_report::fold::fold;
use fleet_report::html::html;
use fleet_report::junit::junit;
use fleet_report::markdown::markdown;
use fleet_report::report::Report;
use fleet_report::summary::summary;
use fleet_report::thresholds::Marks;
use iot_protocol::shown;

use crate::exit::Failure;

/// A reader of the summary that takes longer has stopped reading.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Makes sure that files can be written into `folder`, which is made where it is missing. `option` is what names it on the
/// command line.
///
/// # Errors
///
/// They can't.
pub fn try_folder(option: &str, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{option}: can't make the folder `{}`", shown::path(folder)))
        .and_then(|()| try_file_in(option, folder))
        .map_err(Failure::Refused)
}

/// Makes sure that the file `path` can be written. Its folder is made where it is missing.
///
/// # Errors
///
/// It can't.
pub fn try_file(option: &str, path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::refused(anyhow!(
            "{option}: `{}` is a folder",
            shown::path(path)
        )));
    }
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => try_folder(option, folder),
        None => try_file_in(option, Path::new(".")).map_err(Failure::Refused),
    }
}

/// A disk that is full takes an empty file, so something is written.
fn try_file_in(option: &str, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(format!(".fleet-{}.try", std::process::id()));
    let written = std::fs::write(&path, "can this be written?\n");
    // What could not be made can't be removed.
    let _ = std::fs::remove_file(&path);
    written.with_context(|| format!("{option}: can't write into the folder `{}`", shown::path(folder)))
}

/// What is written besides the usual files of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// devices.csv: the last state of each device
    Csv,
}

/// Writes the files of a report into `folder`, each whole or not at all: `report.json`, `report.html`, `summary.txt`,
/// `summary.md` and `junit.xml`. Where one can't be written, the others are.
#[must_use]
pub fn write(report: &Report, folder: &Path) -> Vec<anyhow::Result<PathBuf>> {
    let json = serde_json::to_string(report).context("the report can't be put into JSON");
    [
        ("report.json", json.map(|text| text + "\n")),
        ("report.html", Ok(html(report))),
        ("summary.txt", Ok(summary(report, Marks::Ascii))),
        ("summary.md", Ok(markdown(report))),
        ("junit.xml", Ok(junit(report))),
    ]
    .into_iter()
    .map(|(name, text)| write_into(folder, name, text?.as_bytes()))
    .collect()
}

/// Writes a file into a folder of reports.
pub(crate) fn write_into(folder: &Path, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("can't make the folder `{}`", shown::path(folder)))?;
    let path = folder.join(name);
    write_whole(&path, content)?;
    Ok(path)
}

/// Writes a file whole or not at all, with the words for its failure.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    files::write_whole(path, content, Access::Folder, Durability::Synced)
        .with_context(|| format!("can't write `{}`", shown::path(path)))
}

/// The marks before lines on stdout: plain where it is no terminal, or where colours and symbols are not wanted.
#[must_use]
pub fn marks() -> Marks {
    match console::has_colours(&std::io::stdout()) {
        true => Marks::Unicode,
        false => Marks::Ascii,
    }
}

/// A text for a person, with its lines folded where stdout is a terminal that is narrower.
pub(crate) fn fitted(text: String) -> String {
    match columns() {
        Some(columns) => fold(&text, columns),
        None => text,
    }
}

/// How wide stdout is; none where it is no terminal.
#[cfg(unix)]
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    // A terminal without a size of its own has 0 columns.
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn columns() -> Option<usize> {
    None
}

/// Says where the files are and prints the summary, whatever became of the files.
///
/// # Errors
///
/// A file is missing, or the summary could not be printed. All of it is in the message.
pub fn deliver(written: Vec<anyhow::Result<PathBuf>>, summary: String, tell: impl Fn(String)) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    let mut there: Vec<PathBuf> = Vec::new();
    for written in written {
        match written {
            Ok(path) => there.push(path),
            Err(error) => missing.push(format!("a file of the report is missing: {error:#}")),
        }
    }
    // What keeps all of them away is one reason.
    if there.is_empty() {
        missing.truncate(1);
        missing
            .iter_mut()
            .for_each(|words| *words = words.replacen("a file of the report", "the report", 1));
    }
    if let Some(folder) = there.first().and_then(|path| path.parent()) {
        let names: Vec<_> = there
            .iter()
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy())
            .collect();
        tell(format!(
            "report written to {}: {}",
            shown::path(folder),
            names.join(", ")
        ));
    }
    if let Err(error) = console::result(fitted(summary), READ_WITHIN) {
        missing.push(format!("the summary can't be written to stdout: {error}"));
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(anyhow!(missing.join("\nerror: "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_can_be_written_is_made_and_left_empty() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("a/b");
        try_folder("--report", &report).unwrap();
        try_file("--plan", &report.join("c/plan.json")).unwrap();
        let left: Vec<_> = std::fs::read_dir(&report)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["c"]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_with_its_option() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for refused in [
            try_folder("--report", &file),
            try_file("--plan", &file.join("plan.json")),
        ] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.code(), crate::exit::REFUSED);
            assert!(refused.to_string().contains("can't make the folder"), "{refused}");
        }
        let refused = try_file("--plan", folder.path()).unwrap_err();
        assert!(refused.to_string().ends_with("is a folder"), "{refused}");
    }
}
