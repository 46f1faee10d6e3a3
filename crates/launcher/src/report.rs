//! `fleet report check|junit|md`: what can be made of a report that was written before. Each reads `report.json` alone.

use std::path::Path;

use anyhow::{Context, anyhow};
use fleet_report::check::check as judge;
use fleet_report::exit::{PASSED, THRESHOLDS};
use fleet_report::junit::junit;
use fleet_report::markdown::markdown;
use fleet_report::report::{ReadError, Report};
use fleet_report::summary::summary;
use fleet_report::thresholds::{ThresholdResult, headline, lines};
use iot_protocol::shown;

use crate::exit::{Failure, print};
use crate::keep::{self, marks};
use crate::manifest;

/// A form in which a report can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As a person reads it on a terminal.
    Text,
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
pub fn show(path: &Path, form: Form) -> Result<u8, Failure> {
    let report = read(path)?;
    print(match form {
        Form::Text => summary(&report, marks()),
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
pub fn check(path: &Path, manifest: &Path, set: &[String], folder: Option<&Path>) -> Result<u8, Failure> {
    let mut report = read(path)?;
    let manifest = manifest::load(manifest, set)?;
    if let Some(folder) = folder {
        keep::try_folder("--report", folder)?;
    }
    let thresholds = &manifest.thresholds.0;
    if thresholds.is_empty() {
        return Err(Failure::refused(anyhow!(
            "the manifest has no thresholds\nhint: write them under `[thresholds]`, such as `publish_duration = [\"p(95) < \
             500ms\"]`"
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
            ReadError::Version { .. } => "\nhint: use the version of fleet that wrote it, or run again",
            _ => "\nhint: give the report.json that `fleet run --report DIR` wrote, or its folder",
        };
        let error = anyhow::Error::from(error);
        Failure::refused(anyhow!("`{}`: {error:#}{hint}", shown::path(&file)))
    })
}
