//! `fleet report merge`: one report of what the processes of `fleet sim` wrote.
//!
//! What was counted is summed and histograms are added, over all shards and all processes that had them. Devices are not
//! events: a shard's devices are counted once, however many processes had it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::console;
use device_sim::lines::{Stats, counter};

use crate::exit::{FAILED, Failure, PASSED};
use crate::keep::{self, deliver};
use crate::report::{DeviceCounts, Merged, Report};
use crate::sim::record::{RECORD_VERSION, Record};
use crate::stats::Totals;
use crate::summary::summary;

/// Merges the files in `results`, of the run `run` or the newest, and prints the summary.
///
/// # Errors
///
/// There is nothing to merge, or something that can't be read.
pub fn run(results: &[PathBuf], run: Option<&str>, folder: Option<&Path>) -> Result<u8, Failure> {
    if let Some(folder) = folder {
        keep::try_folder("--report", folder)?;
    }
    let records = read_all(results).map_err(Failure::Refused)?;
    let (records, others) = choose(records, run).map_err(Failure::Refused)?;
    if others > 0 {
        console::note(format_args!(
            "{others} other runs are left out; --run takes one of them"
        ));
    }
    let report = merge(records).map_err(Failure::Refused)?;
    let written = folder.map(|folder| report.write(folder)).into_iter().collect();
    deliver(written, summary(&report), console::note)?;
    Ok(report.exit)
}

/// The records in these folders, and in the folders of runs and shards in them.
fn read_all(results: &[PathBuf]) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    for folder in results {
        let mut files = BTreeSet::new();
        find(folder, 2, &mut files)?;
        for path in files {
            let text = fs::read(&path).with_context(|| format!("can't read `{}`", path.display()))?;
            // A process that has just begun, or that never got ready.
            if text.is_empty() {
                continue;
            }
            let record: Record = serde_json::from_slice(&text)
                .with_context(|| format!("`{}` is not what a shard of a run writes", path.display()))?;
            if record.version != RECORD_VERSION {
                return Err(anyhow!(
                    "`{}` is of version {}; this build reads version {RECORD_VERSION}",
                    path.display(),
                    record.version
                ));
            }
            records.push(record);
        }
    }
    if records.is_empty() {
        let names: Vec<_> = results.iter().map(|folder| format!("`{}`", folder.display())).collect();
        return Err(anyhow!(
            "there is nothing of a run in {}\nhint: give the folder that `fleet sim --results` writes to",
            names.join(", ")
        ));
    }
    Ok(records)
}

/// Files are named by number: `0001.json`.
fn find(folder: &Path, depth: u32, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let read = || format!("can't read the folder `{}`", folder.display());
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

/// Makes one report.
///
/// # Errors
///
/// The records are of different fleets, or two of them are of the same process and differ.
pub fn merge(mut records: Vec<Record>) -> anyhow::Result<Report> {
    records.sort_by_key(|record| (record.index, record.incarnation));
    // The same folder may be given twice, or be copied.
    records.dedup();
    for pair in records.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        if (one.count, one.fleet_devices) != (next.count, next.fleet_devices) {
            return Err(anyhow!(
                "run {} was cut into {} shards and into {}; those can't be added",
                one.run_id,
                one.count,
                next.count
            ));
        }
        if (one.index, one.incarnation) == (next.index, next.incarnation) {
            return Err(anyhow!(
                "shard {} of run {} has two different files of the number {}\n\
                 hint: folders that were not shared can't be merged where a shard moved from one to the other",
                one.index,
                one.run_id,
                one.incarnation
            ));
        }
    }
    let first = records.first().ok_or_else(|| anyhow!("there is nothing to merge"))?;
    let (run_id, count, asked) = (first.run_id.clone(), first.count.get(), first.fleet_devices);

    let mut totals = Totals::new(records.len());
    let mut shards: BTreeMap<u32, Vec<&Record>> = BTreeMap::new();
    for (process, record) in records.iter().enumerate() {
        totals.add(process, record.stats.clone());
        shards.entry(record.index).or_default().push(record);
    }
    let mut report = Report::new(None, u64::from(asked), &totals, 0, None);
    let mut devices = DeviceCounts {
        asked: u64::from(asked),
        registered: 0,
        connected: 0,
        failed: 0,
    };
    report.failed_by_reason.clear();
    report.assignments_reused = 0;
    let mut open = Vec::new();
    for (index, processes) in &shards {
        let most = |name: &str| {
            processes
                .iter()
                .map(|record| of(&record.stats, name))
                .max()
                .unwrap_or(0)
        };
        devices.registered += most(counter::DEVICES_REGISTERED);
        devices.connected += most(counter::DEVICES_CONNECTED);
        // An assignment that the shard's own first process got is no news.
        report.assignments_reused += processes
            .first()
            .map_or(0, |record| of(&record.stats, counter::DEVICES_ASSIGNMENT_REUSED));
        let Some(last) = processes.last() else { continue };
        if last.ended.is_none() {
            open.push(*index);
        }
        for (name, failed) in &last.stats.counters {
            if let Some(reason) = name.strip_prefix(counter::DEVICES_FAILED) {
                *report.failed_by_reason.entry(reason.to_owned()).or_insert(0) += failed;
            }
        }
    }
    devices.failed = report.failed_by_reason.values().sum();
    report.devices = devices;
    let missing: Vec<u32> = (0..count).filter(|index| !shards.contains_key(index)).collect();
    report.exit = if missing.is_empty() && open.is_empty() && devices.failed == 0 {
        PASSED
    } else {
        FAILED
    };
    let telemetry = report.telemetry;
    report.merged = Some(Merged {
        run_id,
        shards: count,
        missing,
        open,
        processes: u32::try_from(records.len()).unwrap_or(u32::MAX),
        telemetry_lost: telemetry.offered.saturating_sub(telemetry.acked + telemetry.dropped),
    });
    Ok(report)
}

fn of(stats: &Stats, name: &str) -> u64 {
    stats.counters.get(name).copied().unwrap_or(0)
}
