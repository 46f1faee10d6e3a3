//! One report of what several processes recorded.
//!
//! What was counted is summed and histograms are added, over all shards and all processes that had them. Devices are not
//! events: a shard's devices are counted once, however many processes had it.

mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use fleet_protocol::lines::counter;
use jiff::Timestamp;

pub use tally::Tally;

use crate::exit::{FAILED, PASSED};
use crate::generator::Generator;
use crate::measurements::Measurements;
use crate::record::Record;
use crate::report::{
    Circumstances, DeviceCounts, GroupCounts, Losses, Merged, NegativeCounts, PROCESS_DIED, Report, Run,
};
use crate::words::{counted, stretches};

/// Why records make no report together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("there is nothing to merge")]
    Nothing,
    /// A record is of a shard that its run does not have.
    #[error(
        "a file of run {run_id} is of shard {index}, and the numbers of {} end at {}",
        counted(*count, "shard", "shards"),
        count.saturating_sub(1)
    )]
    NoSuchShard {
        /// The run.
        run_id: String,
        /// The shard's number, from 0.
        index: u32,
        /// How many shards the run has.
        count: u32,
    },
    /// Two records are of the same process, and differ.
    #[error(
        "shard {index} of run {run_id} has two different files of the number {incarnation}\nhint: one of them is an older \
         copy; leave it out"
    )]
    TwoFiles {
        /// The run.
        run_id: String,
        /// The shard.
        index: u32,
        /// The process.
        incarnation: NonZeroU32,
    },
    /// The records are of different fleets.
    #[error(
        "run {run_id} was cut into {} and into {next}; those can't be added",
        counted(*one, "shard", "shards")
    )]
    CutDifferently {
        /// The run.
        run_id: String,
        /// The number of shards of one record.
        one: u32,
        /// That of another.
        next: u32,
    },
}

/// Makes one report.
///
/// # Errors
///
/// The records are of different fleets, or two of them are of the same process and differ.
pub fn merge(mut records: Vec<Record>) -> Result<Report, MergeError> {
    // In the order of their beginnings, since numbers are drawn.
    records.sort_by_key(|record| (record.index, record.began, record.incarnation));
    // The same folder may be given twice, or be copied.
    records.dedup();
    if let Some(stray) = records.iter().find(|record| record.index >= record.count.get()) {
        return Err(MergeError::NoSuchShard {
            run_id: stray.run_id.clone(),
            index: stray.index,
            count: stray.count.get(),
        });
    }
    let mut by_process = BTreeSet::new();
    for record in &records {
        if !by_process.insert((record.index, record.incarnation)) {
            return Err(MergeError::TwoFiles {
                run_id: record.run_id.clone(),
                index: record.index,
                incarnation: record.incarnation,
            });
        }
    }
    for pair in records.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        if (one.count, one.fleet_devices) != (next.count, next.fleet_devices) {
            return Err(MergeError::CutDifferently {
                run_id: one.run_id.clone(),
                one: one.count.get(),
                next: next.count.get(),
            });
        }
    }
    let first = records.first().ok_or(MergeError::Nothing)?;
    let (run_id, count, asked) = (first.run_id.clone(), first.count.get(), first.fleet_devices);

    let mut measurements = Measurements::new(records.len(), &[]);
    let mut shards: BTreeMap<u32, Vec<&Record>> = BTreeMap::new();
    for (process, record) in records.iter().enumerate() {
        measurements.totals.add(process, record.stats.clone());
        shards.entry(record.index).or_default().push(record);
    }
    let killed = records.iter().filter(|record| record.ended.is_none());
    let circumstances = Circumstances {
        run: run_of(&records),
        asked: u64::from(asked),
        losses: Losses {
            unreported: killed.map(|record| record.last_second).sum(),
            ..Losses::default()
        },
        ..Circumstances::default()
    };
    let mut report = Report::new(circumstances, &measurements);
    // Of these, the sums over all processes count a device once for each that had it.
    report.run.failures.clear();
    let mut devices = DeviceCounts {
        asked: u64::from(asked),
        ..DeviceCounts::default()
    };
    let mut failed_by_reason = BTreeMap::new();
    let mut open = Vec::new();
    for (index, processes) in &shards {
        let shard = Shard::of(processes);
        devices.registered += shard.counts.registered;
        devices.wanted += shard.counts.wanted;
        devices.connected += shard.counts.connected;
        devices.negative = match (devices.negative, shard.negative) {
            (Some(all), Some(more)) => Some(all.and(more)),
            (all, more) => all.or(more),
        };
        // Each process of a shard has the same ones.
        for (kind, count) in shard.faulty {
            *devices.faulty.entry(kind).or_insert(0) += count;
        }
        for (group, counts) in shard.groups {
            devices.by_group.entry(group).or_default().add(counts);
        }
        for (reason, failed) in shard.failed_by_reason {
            devices.failed += failed;
            *failed_by_reason.entry(reason).or_insert(0) += failed;
        }
        // An assignment that the shard's own first process got is no news.
        devices.reused += processes.first().map_or(0, |record| {
            counter::count(&record.stats.counters, counter::DEVICES_ASSIGNMENT_REUSED)
        });
        if processes.last().is_some_and(|last| last.ended.is_none()) {
            open.push(*index);
        }
    }
    report.take_devices(devices, failed_by_reason);
    report.generator = Generator::of_all(records.iter().filter_map(|record| record.generator.as_ref()));
    let missing: Vec<u32> = (0..count).filter(|index| !shards.contains_key(index)).collect();
    if !missing.is_empty() {
        report
            .run
            .failures
            .push(format!("there is nothing of shard {}", stretches(&missing)));
    }
    if !open.is_empty() {
        let sentence = format!(
            "the last process of shard {} is still there or was killed",
            stretches(&open)
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
        ..Run::default()
    }
}

/// The devices of a shard, over all processes that had it, one after the other.
struct Shard {
    counts: GroupCounts,
    failed_by_reason: BTreeMap<String, u64>,
    groups: BTreeMap<String, GroupCounts>,
    negative: Option<NegativeCounts>,
    faulty: BTreeMap<String, u64>,
}

impl Shard {
    /// No record says which devices it counts, so those of one process are taken to be among those of another that counts
    /// more. What was wanted at most and what was online at most leave those that failed; the reasons are those of the last
    /// process that gives so many.
    fn of(processes: &[&Record]) -> Self {
        let all = |record: &&Record| GroupCounts {
            registered: counter::count(&record.stats.counters, counter::DEVICES_REGISTERED),
            wanted: counter::count(&record.stats.counters, counter::DEVICES_WANTED),
            connected: counter::count(&record.stats.counters, counter::DEVICES_CONNECTED),
            ..GroupCounts::default()
        };
        let counts = most(processes.iter().map(all));
        let mut unexplained = counts.failed;
        let mut reasons = BTreeMap::new();
        for record in processes.iter().rev() {
            for (reason, failed) in counter::by_reason(&record.stats.counters, counter::DEVICES_FAILED) {
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
        let names: BTreeSet<_> = processes.iter().flat_map(|record| record.stats.groups.keys()).collect();
        let group = |name: &String| {
            let own = processes.iter().filter_map(|record| record.stats.groups.get(name));
            (name.clone(), most(own.map(GroupCounts::of)))
        };
        let negative = processes
            .iter()
            .filter_map(|record| NegativeCounts::of(|name| counter::count(&record.stats.counters, name)))
            .reduce(NegativeCounts::or);
        let faulty = processes.last().map(|record| {
            let kinds = counter::by_reason(&record.stats.counters, counter::DEVICES_FAULTY);
            kinds.map(|(kind, count)| (kind.to_owned(), count)).collect()
        });
        Self {
            counts,
            failed_by_reason: reasons,
            groups: names.into_iter().map(group).collect(),
            negative,
            faulty: faulty.unwrap_or_default(),
        }
    }
}

/// The most of everything, where each process counted a part of the same devices.
fn most(counts: impl Iterator<Item = GroupCounts>) -> GroupCounts {
    let most = counts.reduce(|most, one| GroupCounts {
        asked: most.asked.max(one.asked),
        wanted: most.wanted.max(one.wanted),
        registered: most.registered.max(one.registered),
        connected: most.connected.max(one.connected),
        failed: 0,
    });
    let most = most.unwrap_or_default();
    let wanted = most.wanted.max(most.connected);
    GroupCounts {
        wanted,
        failed: wanted - most.connected,
        ..most
    }
}
