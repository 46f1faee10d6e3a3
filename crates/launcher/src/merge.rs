//! `fleet report merge`: one report of what the processes of `fleet sim` wrote.

mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use device_sim::{advice, console};
use fleet_report::merge::{Tally, merge};
use fleet_report::record::{RECORD_VERSION, Record};
use fleet_report::summary::summary;
use fleet_report::totals::Received;
use fleet_report::words::counted;
use iot_protocol::shown;

use crate::exit::Failure;
use crate::keep::{self, deliver, marks};
use crate::sim::record;

/// What stands for stdin among folders.
const STDIN: &str = "-";

/// Merges the files in `results`, of the run `run` or the newest, and prints the summary. `received`, where it is given,
/// returns what a target has counted of that run.
///
/// # Errors
///
/// There is nothing to merge, or something that can't be read.
pub(crate) fn run(
    results: &[PathBuf],
    run: Option<&str>,
    folder: Option<&Path>,
    received: Option<impl FnOnce(&str) -> Result<Received, Failure>>,
) -> Result<u8, Failure> {
    if let Some(folder) = folder {
        keep::try_folder("--report", folder)?;
    }
    let records = read_all(results).map_err(Failure::Refused)?;
    let (records, others) = choose(records, run).map_err(Failure::Refused)?;
    if others > 0 {
        console::note(format_args!(
            "{} left out; --run takes one of them",
            counted(others, "other run is", "other runs are")
        ));
    }
    let mut report = merge(records).map_err(Failure::refused)?;
    report.advise(advice::remedy);
    if let Some(ask) = received {
        match ask(&report.run.id) {
            Ok(received) => report.target = Some(received),
            Err(failure) => {
                console::note(format_args!("what has arrived is unknown: {failure}"));
                report.target_unknown = true;
            }
        }
    }
    let written = folder.map(|folder| keep::write(&report, folder)).unwrap_or_default();
    deliver(written, summary(&report, marks()), console::note)?;
    Ok(report.exit)
}

/// The records in these folders, in the folders of runs and shards in them, and on stdin where that is named.
fn read_all(results: &[PathBuf]) -> anyhow::Result<Vec<Record>> {
    let mut reading = Reading::default();
    for folder in results {
        if folder == Path::new(STDIN) {
            log::records(io::stdin().lock(), |line, text| {
                let place = format!("line {line} of stdin");
                reading.take(&place, record::parse(&place, text).hint(log::CUT)?)
            })?;
            continue;
        }
        let mut files = BTreeSet::new();
        find(folder, 2, &mut files)?;
        for path in files {
            if let Some(record) = record::read(&path)? {
                reading.take(&format!("`{}`", shown::path(&path)), record)?;
            }
        }
    }
    if !reading.records.is_empty() {
        return Ok(reading.records);
    }
    let name = |folder: &PathBuf| match folder == Path::new(STDIN) {
        true => "on stdin".to_owned(),
        false => format!("in `{}`", shown::path(folder)),
    };
    let names: Vec<_> = results.iter().map(name).collect();
    let hint = match results.iter().any(|folder| folder == Path::new(STDIN)) {
        true => "pipe what `fleet sim` writes to stdout at its end, e.g. the whole log of each container",
        false => "give the folder that `fleet sim --results` writes to",
    };
    Err(anyhow!("there is nothing of a run {}", names.join(", ")).hint(hint))
}

/// The records that were read.
#[derive(Default)]
struct Reading {
    records: Vec<Record>,
    tally: Tally,
}

impl Reading {
    /// Takes a record that stands in `place`.
    fn take(&mut self, place: &str, record: Record) -> anyhow::Result<()> {
        if record.version != RECORD_VERSION {
            return Err(anyhow!(
                "{place} is of version {}; this build reads version {RECORD_VERSION}",
                record.version
            ));
        }
        self.tally
            .take(&record)
            .map_err(|what| anyhow!("{place} can't be used: {what}"))?;
        self.records.push(record);
        Ok(())
    }
}

/// Files are named by number: `0413377121.json`.
fn find(folder: &Path, depth: u32, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let read = || format!("can't read the folder `{}`", shown::path(folder));
    for entry in fs::read_dir(folder).with_context(read)? {
        let path = entry.with_context(read)?.path();
        let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
        let stem = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(is_number);
        if path.is_dir() && depth > 0 && path.file_name().is_some_and(|name| name != "leases") {
            find(&path, depth - 1, files)?;
        } else if stem && path.extension().is_some_and(|extension| extension == "json") {
            files.insert(path);
        }
    }
    Ok(())
}

/// The records of one run, and how many other runs there are. Ids of runs begin with the time, so the last is the newest.
fn choose(records: Vec<Record>, run: Option<&str>) -> anyhow::Result<(Vec<Record>, usize)> {
    let mut runs: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in records {
        runs.entry(record.run_id.clone()).or_default().push(record);
    }
    let all = runs.len();
    let chosen = match run {
        None => runs.pop_last().map(|(_, records)| records),
        Some(run) => runs.remove(run),
    };
    let names = || runs.keys().cloned().collect::<Vec<_>>().join(", ");
    let chosen = chosen.ok_or_else(|| anyhow!("there is no run {}; there are: {}", run.unwrap_or(""), names()))?;
    Ok((chosen, all - 1))
}
