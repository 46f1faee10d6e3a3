//! What one process made of a shard: figures, written every second and whole, so that a process that is killed leaves what it
//! had until then.
//!
//! ```text
//! <results>/<run id>/<i>-of-<n>/2891336453.json   one process that had the shard
//!                               0413377121.json   another, that took it over or that it was given to again
//!                               finished          there is nothing left to do
//! ```
//! Every process writes a file of its own, so that nothing is counted twice and nothing is overwritten. Its number, which is
//! part of its message ids too, is drawn: processes that share no folder, such as two pods of one shard, can't count
//! each other.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context;
use device_sim::shard::draw_incarnation;
use files::{Access, Durability, write_whole};
use fleet_protocol::histogram::{Encoder, decode};
use fleet_protocol::lines::{EndReason, Phase, Stats, counter};
use fleet_protocol::plan::{Plan, Shard};
use fleet_report::generator::GeneratorMeter;
use fleet_report::record::{RECORD_VERSION, Record};
use hdrhistogram::Histogram;
use iot_protocol::shown;
use jiff::Timestamp;

/// A file under way.
#[derive(Debug)]
pub(crate) struct Recorder {
    record: Record,
    path: PathBuf,
    histograms: BTreeMap<String, Histogram<u64>>,
    generator: GeneratorMeter,
}

impl Recorder {
    /// Begins a file of a shard. No other process gets the same number.
    ///
    /// # Errors
    ///
    /// It can't be written.
    pub(crate) fn begin(results: &Path, plan: &Plan, shard: Shard) -> anyhow::Result<Self> {
        let folder = shard_folder(results, &plan.run_id, shard);
        let make = || -> io::Result<(NonZeroU32, PathBuf)> {
            fs::create_dir_all(&folder)?;
            loop {
                let number = draw_incarnation();
                let path = folder.join(format!("{number:010}.json"));
                match fs::File::create_new(&path) {
                    Ok(_) => return Ok((number, path)),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
        };
        let (incarnation, path) = make().with_context(|| format!("can't write into `{}`", shown::path(&folder)))?;
        let record = Record {
            version: RECORD_VERSION,
            run_id: plan.run_id.clone(),
            index: shard.index,
            count: shard.count,
            incarnation,
            fleet_devices: plan.device_count(),
            began: Some(Timestamp::now()),
            written: None,
            last_second: 0,
            ended: None,
            generator: None,
            stats: Stats::default(),
        };
        Ok(Self {
            record,
            path,
            histograms: BTreeMap::new(),
            generator: GeneratorMeter::default(),
        })
    }

    /// Its number.
    #[must_use]
    pub(crate) fn incarnation(&self) -> NonZeroU32 {
        self.record.incarnation
    }

    /// What is known until now, as it was written at last.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Takes a line of figures and writes all that is known until now.
    ///
    /// # Errors
    ///
    /// It can't be written.
    pub(crate) fn add(&mut self, mut stats: Stats) -> anyhow::Result<()> {
        if let Some(process) = &mut stats.process {
            let lag = process.lag.take();
            let lag = lag.as_deref().and_then(decode);
            self.generator.line(self.record.index, stats.t, process, lag.as_ref());
        }
        for (name, encoded) in &stats.histograms {
            if let Some(new) = decode(encoded) {
                let all = self.histograms.entry(name.clone()).or_insert_with(Phase::histogram);
                all.add(new)
                    .with_context(|| format!("the histogram of {name} has other bounds"))?;
            }
        }
        let offered = |stats: &Stats| counter::count(&stats.counters, counter::TELEMETRY_OFFERED);
        self.record.last_second = offered(&stats).saturating_sub(offered(&self.record.stats));
        self.record.stats = stats;
        self.write()
    }

    /// Takes note of the end.
    ///
    /// # Errors
    ///
    /// It can't be written.
    pub(crate) fn end(&mut self, reason: EndReason) -> anyhow::Result<()> {
        self.record.ended = Some(reason);
        self.write()?;
        if reason != EndReason::Stopped {
            let path = self.path.with_file_name(FINISHED);
            write_whole(&path, &[], Access::Folder, Durability::Synced)
                .with_context(|| format!("can't write `{}`", shown::path(&path)))?;
        }
        Ok(())
    }

    /// Removes a file that nothing was written to: the process never began.
    pub(crate) fn discard(&self) {
        // An empty file left behind means the same to every reader.
        let _ = fs::remove_file(&self.path);
    }

    /// Devices that were wanted and never came online, by reason. It is known at the end.
    #[must_use]
    pub(crate) fn failed_by_reason(&self) -> BTreeMap<String, u64> {
        counter::by_reason(&self.record.stats.counters, counter::DEVICES_FAILED)
            .map(|(reason, failed)| (reason.to_owned(), failed))
            .collect()
    }

    fn write(&mut self) -> anyhow::Result<()> {
        self.record.written = Some(Timestamp::now());
        self.record.generator = self.generator.generator();
        let mut encoder = Encoder::default();
        let encoded = self.histograms.iter();
        let encoded = encoded.map(|(name, histogram)| (name.clone(), encoder.encode(histogram)));
        self.record.stats.histograms = encoded.collect();
        let text = serde_json::to_vec(&self.record).context("the figures can't be put into JSON")?;
        // Every second anew: what a power cut takes of it is as little as what a killed process takes.
        write_whole(&self.path, &text, Access::Folder, Durability::Cached)
            .with_context(|| format!("can't write `{}`", shown::path(&self.path)))
    }
}

/// What earlier processes have recorded of a shard here.
///
/// # Errors
///
/// It can't be read.
pub(crate) fn left_behind(results: &Path, run_id: &str, shard: Shard) -> anyhow::Result<Vec<Record>> {
    let folder = shard_folder(results, run_id, shard);
    let unreadable = || format!("can't read the folder `{}`", shown::path(&folder));
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(unreadable)?,
    };
    let mut records = Vec::new();
    for entry in entries {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        records.extend(read(&path)?);
    }
    Ok(records)
}

/// The record in a file; `None` where its process has just begun, or never got ready.
///
/// # Errors
///
/// It can't be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Record>> {
    let place = format!("`{}`", shown::path(path));
    let text = fs::read(path).with_context(|| format!("can't read {place}"))?;
    (!text.is_empty()).then(|| parse(&place, &text)).transpose()
}

/// A record that stands in `place`.
///
/// # Errors
///
/// It isn't one.
pub(crate) fn parse(place: &str, text: &[u8]) -> anyhow::Result<Record> {
    serde_json::from_slice(text).with_context(|| format!("{place} is not what a shard of a run writes"))
}

/// The name of the file that marks a shard with nothing left to do.
const FINISHED: &str = "finished";

/// Whether a shard has nothing left to do.
#[must_use]
pub(crate) fn is_finished(results: &Path, run_id: &str, shard: Shard) -> bool {
    shard_folder(results, run_id, shard).join(FINISHED).exists()
}

fn shard_folder(results: &Path, run_id: &str, shard: Shard) -> PathBuf {
    results.join(run_id).join(format!("{}-of-{}", shard.index, shard.count))
}
