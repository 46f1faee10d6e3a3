//! Whether the figures of a file can be at all, since anything may stand in a file. Pure.

use std::collections::BTreeMap;

use fleet_protocol::histogram::decode;

use crate::record::Record;

/// A DPS instance holds no more devices, so no fleet has more shards.
const MOST_SHARDS: u32 = 1_000_000;

/// All that was counted in the files of each run, put together. While it fits, no sum of a part of it can overflow.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Takes the figures of a file, or says what is wrong with them.
    pub fn take(&mut self, record: &Record) -> Result<(), String> {
        let t = record.stats.t;
        if !t.is_finite() || t < 0.0 {
            return Err(format!("it says that {t} seconds have passed"));
        }
        if record.count.get() > MOST_SHARDS {
            return Err(format!(
                "it is of {} shards, and a run has at most {MOST_SHARDS}",
                record.count
            ));
        }
        let devices = u64::from(record.fleet_devices);
        let of_devices = record
            .stats
            .counters
            .iter()
            .filter(|(name, _)| name.starts_with("devices_"));
        if let Some((name, count)) = of_devices.into_iter().find(|(_, count)| **count > devices) {
            return Err(format!("its `{name}` is {count}, and the fleet has {devices} devices"));
        }
        let all = self.0.entry(record.run_id.clone()).or_insert(0);
        let sum = counts(record).try_fold(*all, u64::checked_add);
        *all = sum.ok_or("its figures and those of the files before it are too large to be added up")?;
        Ok(())
    }
}

/// Everything in a file that is summed.
fn counts(record: &Record) -> impl Iterator<Item = u64> {
    let stats = &record.stats;
    let histograms = stats.histograms.values().filter_map(|encoded| decode(encoded));
    let unfinished = stats.unfinished.values().map(|unfinished| unfinished.count);
    stats
        .counters
        .values()
        .copied()
        .chain(unfinished)
        .chain(histograms.map(|histogram| histogram.len()))
        .chain([record.last_second])
}
