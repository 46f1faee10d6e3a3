//! `fleet report check|compare|text|html|md|junit`: what can be made of a report that was written before. Each reads
//! `report.json` alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use fleet_report::check::check as judge;
use fleet_report::compare::{Bounds, Show, compare as side_by_side, text};
use fleet_report::exit::{PASSED, THRESHOLDS};
use fleet_report::html::html;
use fleet_report::junit::junit;
use fleet_report::markdown::markdown;
use fleet_report::report::{ReadError, Report};
use fleet_report::summary::summary;
use fleet_report::thresholds::{ThresholdResult, headline, lines};
use fleet_report::words::agreeing;
use iot_protocol::shown;

use crate::exit::{Failure, print};
use crate::keep::{self, fitted, marks};
use crate::manifest;

/// A form in which a report can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a person reads it on a terminal.
    Text,
    /// A page with charts.
    Html,
    /// Markdown, for the page of a job.
    Markdown,
    /// Test results.
    Junit,
}

/// Prints a report.
///
/// # Errors
///
/// It can't be read or printed.
pub(crate) fn show(path: &Path, form: Form) -> Result<u8, Failure> {
    let report = read(path)?;
    print(match form {
        Form::Text => fitted(summary(&report, marks())),
        Form::Html => html(&report),
        Form::Markdown => markdown(&report),
        Form::Junit => junit(&report),
    })?;
    Ok(PASSED)
}

/// Judges a run of which the report is left by the thresholds of a manifest, and prints the judgement. With a folder, a
/// report with this judgement is written there. Returns 99 where a threshold failed.
///
/// # Errors
///
/// Report or manifest can't be read, or the report has no figures for a threshold.
pub(crate) fn check(path: &Path, manifest: &Path, set: &[String], folder: Option<&Path>) -> Result<u8, Failure> {
    let mut report = read(path)?;
    let manifest = manifest::load(manifest, set)?;
    if let Some(folder) = folder {
        keep::try_folder("--report", folder)?;
    }
    let thresholds = &manifest.thresholds.0;
    if thresholds.is_empty() {
        return Err(Failure::refused(anyhow!("the manifest has no thresholds").hint(
            "write them under `[thresholds]`, such as `publish_duration = [\"p(95) < 500ms\"]`",
        )));
    }
    let results = judge(&report, thresholds).map_err(|missing| {
        let words: Vec<_> = missing.iter().map(ToString::to_string).collect();
        Failure::refused(anyhow!(words.join("\nerror: ")))
    })?;
    let code = match results.iter().any(ThresholdResult::fails) {
        true => THRESHOLDS,
        false => PASSED,
    };
    let text = format!(
        "{}\n{}",
        headline(&results).unwrap_or_default(),
        lines(&results, marks())
    );
    let written = folder.map(|folder| {
        report.judge(results);
        report.exit = code;
        keep::write(&report, folder)
    });
    keep::deliver(written.unwrap_or_default(), text, device_sim::console::note)?;
    Ok(code)
}

/// Reads `report.json`, or the one in a folder that `--report` wrote.
pub(crate) fn read(path: &Path) -> Result<Report, Failure> {
    let file = if path.is_dir() {
        path.join("report.json")
    } else {
        path.to_owned()
    };
    let text = std::fs::read(&file)
        .with_context(|| format!("can't read `{}`", shown::path(&file)))
        .map_err(Failure::Refused)?;
    Report::read(&text).map_err(|error| {
        let hint = match error {
            ReadError::Version { .. } => "use the version of fleet that wrote it, or run again",
            _ => "give the report.json that `fleet run --report DIR` wrote, or its folder",
        };
        let error = anyhow::Error::from(error).context(format!("`{}`", shown::path(&file)));
        Failure::refused(error.hint(hint))
    })
}

/// Compares new runs with base runs, and prints what became worse. Returns 99 where something did.
///
/// # Errors
///
/// A report can't be read or nothing can be printed.
pub(crate) fn compare(
    base: &[PathBuf],
    new: &[PathBuf],
    bounds: Bounds,
    show: Show,
    as_json: bool,
) -> Result<u8, Failure> {
    let read_all = |paths: &[PathBuf]| paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>();
    let comparison = side_by_side(&read_all(base)?, &read_all(new)?, bounds);
    if as_json {
        let json = serde_json::to_string_pretty(&comparison).context("the comparison can't be put into JSON")?;
        print(json + "\n")?;
    } else {
        print(text(&comparison, show))?;
    }
    Ok(if comparison.is_regression() { THRESHOLDS } else { PASSED })
}

/// The two sides of a comparison: `BASE NEW`, or several of each with `--` between them.
///
/// # Errors
///
/// One side is missing.
pub(crate) fn sides(files: Vec<PathBuf>, after: Vec<PathBuf>) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
    match (files.len(), after.is_empty()) {
        (2, true) => {
            let new = files.last().cloned();
            Ok((files.into_iter().take(1).collect(), new.into_iter().collect()))
        }
        (_, false) if !files.is_empty() => Ok((files, after)),
        (count, _) => Err(Failure::refused(
            anyhow!(
                "to compare takes two reports, and there {} {count}",
                agreeing(count, "is", "are")
            )
            .hint(
                "`fleet report compare BASE NEW`, or several of each with `--` between them: \
                 `fleet report compare A1 A2 A3 -- B1 B2 B3`",
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_reports_are_base_and_new_and_more_need_to_be_parted() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let of = |files: &[&str], after: &[&str]| sides(paths(files), paths(after));
        assert_eq!(of(&["a", "b"], &[]).unwrap(), (paths(&["a"]), paths(&["b"])));
        assert_eq!(
            of(&["a", "b"], &["c", "d", "e"]).unwrap(),
            (paths(&["a", "b"]), paths(&["c", "d", "e"]))
        );
        for (files, words) in [(&["a"][..], "there is 1\n"), (&["a", "b", "c"], "there are 3\n")] {
            let refused = of(files, &[]).unwrap_err();
            assert!(refused.to_string().contains(words), "{refused}");
        }
    }
}
