//! `fleet report merge`: one report of what the processes of `fleet sim` wrote.
//!
//! What was counted is summed and histograms are added, over all shards and all processes that had them. Devices are not
//! events: a shard's devices are counted once, however many processes had it.

mod figures;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use device_sim::console;
use figures::Tally;
use fleet_protocol::lines::{Stats, counter};
use iot_protocol::shown;
use jiff::Timestamp;

use crate::exit::{FAILED, Failure, PASSED};
use crate::report::keep::{self, deliver};
use crate::report::summary::summary;
use crate::report::totals::{Totals, failed_by_reason};
use crate::report::{DeviceCounts, Losses, Merged, PROCESS_DIED, Report, Run};
use crate::sim::record::{RECORD_VERSION, Record};
use crate::words::counted;

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
            "{} left out; --run takes one of them",
            counted(others, "other run is", "other runs are")
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
    let mut tally = Tally::default();
    for folder in results {
        let mut files = BTreeSet::new();
        find(folder, 2, &mut files)?;
        for path in files {
            let text = fs::read(&path).with_context(|| format!("can't read `{}`", shown::path(&path)))?;
            // A process that has just begun, or that never got ready.
            if text.is_empty() {
                continue;
            }
            let record: Record = serde_json::from_slice(&text)
                .with_context(|| format!("`{}` is not what a shard of a run writes", shown::path(&path)))?;
            if record.version != RECORD_VERSION {
                return Err(anyhow!(
                    "`{}` is of version {}; this build reads version {RECORD_VERSION}",
                    shown::path(&path),
                    record.version
                ));
            }
            tally
                .take(&record)
                .map_err(|what| anyhow!("`{}` can't be used: {what}", shown::path(&path)))?;
            records.push(record);
        }
    }
    if records.is_empty() {
        let names: Vec<_> = results
            .iter()
            .map(|folder| format!("`{}`", shown::path(folder)))
            .collect();
        return Err(anyhow!(
            "there is nothing of a run in {}\nhint: give the folder that `fleet sim --results` writes to",
            names.join(", ")
        ));
    }
    Ok(records)
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

/// Makes one report.
///
/// # Errors
///
/// The records are of different fleets, or two of them are of the same process and differ.
pub fn merge(mut records: Vec<Record>) -> anyhow::Result<Report> {
    // In the order of their beginnings, since numbers are drawn.
    records.sort_by_key(|record| (record.index, record.began, record.incarnation));
    // The same folder may be given twice, or be copied.
    records.dedup();
    if let Some(stray) = records.iter().find(|record| record.index >= record.count.get()) {
        return Err(anyhow!(
            "a file of run {} is of shard {}, and the numbers of {} end at {}",
            stray.run_id,
            stray.index,
            counted(stray.count.get(), "shard", "shards"),
            stray.count.get() - 1
        ));
    }
    let mut by_process = BTreeSet::new();
    for record in &records {
        if !by_process.insert((record.index, record.incarnation)) {
            return Err(anyhow!(
                "shard {} of run {} has two different files of the number {}\n\
                 hint: one of them is an older copy; leave it out",
                record.index,
                record.run_id,
                record.incarnation
            ));
        }
    }
    for pair in records.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        if (one.count, one.fleet_devices) != (next.count, next.fleet_devices) {
            return Err(anyhow!(
                "run {} was cut into {} and into {}; those can't be added",
                one.run_id,
                counted(one.count.get(), "shard", "shards"),
                next.count
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
    let run = run_of(&records);
    let killed = shards.values().flat_map(|processes| processes.iter());
    let losses = Losses {
        unreported: killed
            .filter(|record| record.ended.is_none())
            .map(|record| record.last_second)
            .sum(),
        ..Losses::default()
    };
    let mut report = Report::new(None, run, u64::from(asked), &totals, losses, None);
    report.run.failures.clear();
    report
        .errors
        .retain(|name, _| !name.starts_with(counter::DEVICES_FAILED));
    report.failed_by_reason.clear();
    report.assignments_reused = 0;
    let mut devices = DeviceCounts {
        asked: u64::from(asked),
        registered: 0,
        wanted: 0,
        connected: 0,
        failed: 0,
    };
    let mut open = Vec::new();
    for (index, processes) in &shards {
        let shard = Shard::of(processes);
        devices.registered += shard.registered;
        devices.wanted += shard.wanted;
        devices.connected += shard.connected;
        for (reason, failed) in shard.failed_by_reason {
            devices.failed += failed;
            let name = format!("{}{reason}", counter::DEVICES_FAILED);
            *report.errors.entry(name).or_insert(0) += failed;
            *report.failed_by_reason.entry(reason).or_insert(0) += failed;
        }
        // An assignment that the shard's own first process got is no news.
        report.assignments_reused += processes
            .first()
            .map_or(0, |record| of(&record.stats, counter::DEVICES_ASSIGNMENT_REUSED));
        if processes.last().is_some_and(|last| last.ended.is_none()) {
            open.push(*index);
        }
    }
    report.devices = devices;
    let missing: Vec<u32> = (0..count).filter(|index| !shards.contains_key(index)).collect();
    let named = |shards: &[u32]| shards.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    if !missing.is_empty() {
        report
            .run
            .failures
            .push(format!("there is nothing of shard {}", named(&missing)));
    }
    if !open.is_empty() {
        let sentence = format!(
            "the last process of shard {} is still there or was killed",
            named(&open)
        );
        report.run.failures.push(sentence);
    }
    report.say_failed_devices();
    report.exit = if report.run.failures.is_empty() { PASSED } else { FAILED };
    report.merged = Some(Merged {
        run_id,
        shards: count,
        missing,
        open,
        processes: u32::try_from(records.len()).unwrap_or(u32::MAX),
        telemetry_lost: report.telemetry.lost,
    });
    Ok(report)
}

/// Which run the records are of, and when it was, as far as they hold it.
fn run_of(records: &[Record]) -> Run {
    let started: Option<Timestamp> = records.iter().filter_map(|record| record.began).min();
    let ended = records.iter().filter_map(|record| record.written).max();
    let lasted = started.zip(ended).map(|(started, ended)| ended.duration_since(started));
    Run {
        id: records.first().map(|record| record.run_id.clone()).unwrap_or_default(),
        started,
        ended,
        duration_s: lasted.map(|lasted| lasted.as_secs_f64()),
        end_reason: None,
        failures: Vec::new(),
        command: None,
    }
}

/// The devices of a shard, over all processes that had it, one after the other.
struct Shard {
    registered: u64,
    wanted: u64,
    connected: u64,
    failed_by_reason: BTreeMap<String, u64>,
}

impl Shard {
    /// No record says which devices it counts, so those of one process are taken to be among those of another that counts
    /// more. What was wanted at most and what was online at most leave those that failed; the reasons are those of the last
    /// process that gives so many.
    fn of(processes: &[&Record]) -> Self {
        let most = |name: &str| processes.iter().map(|record| of(&record.stats, name)).max();
        let connected = most(counter::DEVICES_CONNECTED).unwrap_or(0);
        let wanted = most(counter::DEVICES_WANTED).unwrap_or(0).max(connected);
        let mut unexplained = wanted - connected;
        let mut reasons = BTreeMap::new();
        for record in processes.iter().rev() {
            for (reason, failed) in failed_by_reason(&record.stats) {
                let failed = failed.min(unexplained);
                if failed > 0 {
                    *reasons.entry(reason.to_owned()).or_insert(0) += failed;
                    unexplained -= failed;
                }
            }
        }
        // A process that was killed has no last line, in which the reasons are.
        if unexplained > 0 {
            *reasons.entry(PROCESS_DIED.to_owned()).or_insert(0) += unexplained;
        }
        Self {
            registered: most(counter::DEVICES_REGISTERED).unwrap_or(0),
            wanted,
            connected,
            failed_by_reason: reasons,
        }
    }
}

fn of(stats: &Stats, name: &str) -> u64 {
    stats.counters.get(name).copied().unwrap_or(0)
}
