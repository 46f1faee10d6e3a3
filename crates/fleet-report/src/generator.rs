//! Whether the generator of the load was fit for it. Figures of a generator that is short of CPU are figures of the
//! generator.
//!
//! A second is *strained* when the lag of a process has a p99 above 50 ms in it, or the processes of a host use more than
//! 75 % of the cores that they may use together. Where a tenth of the seconds are strained, the generator was the
//! bottleneck.

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::histogram::{Encoder, decode};
use fleet_protocol::lines::{Phase, ProcessStats};
use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::{counted, readable, seconds};

/// A lag that a device's times would show.
const LAG_US: u64 = 50_000;
/// A share of the cores above which work waits for a core.
const CPU: f64 = 0.75;
/// Such a share of strained seconds is no accident.
const STRAINED: f64 = 0.1;

/// How the processes that made the load fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Of all processes together.
    pub verdict: Fitness,
    /// The share of the seconds in which a process was late, or its host short of CPU.
    pub strained: f64,
    /// CPU used, as a share of the cores of all hosts, over the run.
    pub cpu: f64,
    /// The cores of all hosts that the processes may use.
    pub cores: u32,
    /// How late all processes were with what was due: 99 % were less late, in seconds.
    pub lag_p99_s: Option<f64>,
    /// All of it: base64 of an HDR histogram (V2) of microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<String>,
    /// Each process.
    pub shards: Vec<Shard>,
}

/// Whether the load was limited by what made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fitness {
    /// It had room to spare.
    Fit,
    /// It was late, or short of CPU: what was measured is, in part, itself.
    Bottleneck,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which part of the fleet, from 0.
    pub shard: u32,
    /// Its machine.
    pub host: String,
    /// CPU time, in seconds.
    pub cpu_s: f64,
    /// The most memory that was resident, in bytes.
    pub rss_bytes: u64,
    /// How late it was: 99 % of its probes were less late, in seconds.
    pub lag_p99_s: Option<f64>,
    /// The most file handles that were open.
    pub nofile_used: u64,
    /// How many it may have open.
    pub nofile_limit: u64,
    /// Whether it was late in a tenth of its seconds, or its host short of CPU.
    pub verdict: Fitness,
}

/// What the processes of a run need of their machines, line by line.
#[derive(Debug, Default)]
pub struct GeneratorMeter {
    processes: BTreeMap<u32, Process>,
}

#[derive(Debug)]
struct Process {
    /// Its last line: when, in seconds since it began, and what it was.
    t: f64,
    stats: ProcessStats,
    /// How many cores it used up to that line, from the line before.
    cores_used: f64,
    rss_bytes: u64,
    nofile_used: u64,
    /// 170 KB, one for each process.
    lag: Histogram<u64>,
    lines: u64,
    strained: u64,
}

impl GeneratorMeter {
    /// Takes what a process reports of itself `t` seconds after its beginning, and how late it was since its line before,
    /// in microseconds.
    pub fn line(&mut self, shard: u32, t: f64, stats: &ProcessStats, lag: Option<&Histogram<u64>>) {
        let process = self.processes.entry(shard).or_insert_with(|| Process {
            t: 0.0,
            stats: ProcessStats::default(),
            cores_used: 0.0,
            rss_bytes: 0,
            nofile_used: 0,
            lag: Phase::histogram(),
            lines: 0,
            strained: 0,
        });
        process.take(t, stats, lag);
        let (host, cores) = (&stats.host, f64::from(stats.cores.max(1)));
        let here = self.processes.values().filter(|process| process.stats.host == *host);
        // What has ended, or says nothing any more, uses nothing.
        let alive = here.filter(|process| process.t + SILENT_S >= t);
        let used: f64 = alive.map(|process| process.cores_used).sum();
        let is_late = lag.is_some_and(|lag| lag.value_at_quantile(0.99) > LAG_US);
        if let Some(process) = self.processes.get_mut(&shard) {
            process.strained += u64::from(is_late || used / cores > CPU);
        }
    }

    /// How late each process was with what was due, in microseconds, by shard.
    pub fn lag(&self) -> impl Iterator<Item = (u32, &Histogram<u64>)> {
        self.processes.iter().map(|(shard, process)| (*shard, &process.lag))
    }

    /// How they fared so far; nothing where no process has said anything.
    #[must_use]
    pub fn generator(&self) -> Option<Generator> {
        let mut hosts: BTreeMap<&str, u32> = BTreeMap::new();
        let mut lag = Phase::histogram();
        let (mut used, mut longest) = (0.0, 0.0_f64);
        for Process { stats, t, lag: own, .. } in self.processes.values() {
            let cores = hosts.entry(&stats.host).or_insert(0);
            *cores = stats.cores.max(*cores);
            // Both have the bounds of all histograms of ours.
            let _ = lag.add(own);
            used += stats.cpu_s;
            longest = longest.max(*t);
        }
        let lines: u64 = self.processes.values().map(|process| process.lines).sum();
        if lines == 0 {
            return None;
        }
        let strained: u64 = self.processes.values().map(|process| process.strained).sum();
        let cores: u32 = hosts.values().sum();
        let shards: Vec<_> = self
            .processes
            .iter()
            .map(|(shard, process)| process.shard(*shard))
            .collect();
        let cpu = used / (f64::from(cores.max(1)) * longest.max(1.0));
        Some(Generator::of(shards, share(strained, lines), cpu, cores, &lag))
    }
}

/// Lines come every second.
const SILENT_S: f64 = 3.0;

impl Process {
    fn take(&mut self, t: f64, stats: &ProcessStats, lag: Option<&Histogram<u64>>) {
        let passed = t - self.t;
        if passed > 0.0 {
            self.cores_used = (stats.cpu_s - self.stats.cpu_s).max(0.0) / passed;
        }
        self.t = t;
        self.stats = stats.clone();
        self.rss_bytes = self.rss_bytes.max(stats.rss_bytes);
        self.nofile_used = self.nofile_used.max(stats.nofile_used);
        if let Some(lag) = lag {
            // A histogram of other bounds is another version's.
            let _ = self.lag.add(lag);
        }
        self.lines += 1;
    }

    fn shard(&self, shard: u32) -> Shard {
        let is_strained = share(self.strained, self.lines) >= STRAINED;
        Shard {
            shard,
            host: self.stats.host.clone(),
            cpu_s: self.stats.cpu_s,
            rss_bytes: self.rss_bytes,
            lag_p99_s: p99(&self.lag),
            nofile_used: self.nofile_used,
            nofile_limit: self.stats.nofile_limit,
            verdict: if is_strained { Fitness::Bottleneck } else { Fitness::Fit },
        }
    }
}

impl Generator {
    /// Several generators of one run, each with its own processes; nothing where there is none. That processes of one host
    /// share its cores was seen by those that were measured together.
    #[must_use]
    pub fn of_all<'a>(all: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut hosts: BTreeMap<String, u32> = BTreeMap::new();
        let (mut used, mut strained, mut count) = (0.0, 0.0, 0_u32);
        let mut lag = Phase::histogram();
        let mut shards = Vec::new();
        for generator in all {
            for shard in &generator.shards {
                let cores = hosts.entry(shard.host.clone()).or_insert(0);
                *cores = generator.cores.max(*cores);
            }
            used += generator.cpu * f64::from(generator.cores);
            strained += generator.strained;
            count += 1;
            // One of other bounds is another version's.
            let _ = generator.lag.as_deref().and_then(decode).map(|own| lag.add(own));
            shards.extend(generator.shards.iter().cloned());
        }
        let cores = hosts.values().fold(0, |all: u32, cores| all.saturating_add(*cores));
        let (strained, cpu) = (strained / f64::from(count.max(1)), used / f64::from(cores.max(1)));
        (count > 0).then(|| Self::of(shards, strained, cpu, cores, &lag))
    }

    /// One that was a bottleneck if a process of it was.
    fn of(shards: Vec<Shard>, strained: f64, cpu: f64, cores: u32, lag: &Histogram<u64>) -> Self {
        let is_bottleneck = shards.iter().any(|shard| shard.verdict == Fitness::Bottleneck);
        Self {
            verdict: if is_bottleneck {
                Fitness::Bottleneck
            } else {
                Fitness::Fit
            },
            strained,
            cpu,
            cores,
            lag_p99_s: p99(lag),
            lag: (!lag.is_empty()).then(|| Encoder::deflating().encode(lag)),
            shards,
        }
    }

    /// The machines of the processes, each once.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let hosts: BTreeSet<&String> = self.shards.iter().map(|shard| &shard.host).collect();
        hosts.into_iter().cloned().collect()
    }

    /// A line for a person, such as `CPU 41 % of 2 cores, lag p99 2.1 ms, 118 MiB: not the bottleneck`.
    #[must_use]
    pub fn words(&self) -> String {
        let lag = self.lag_p99_s.map_or("unknown".to_owned(), readable);
        let memory: u64 = self.shards.iter().map(|shard| shard.rss_bytes).sum();
        let verdict = match self.verdict {
            Fitness::Fit => "not the bottleneck".to_owned(),
            Fitness::Bottleneck => format!(
                "the generator was the bottleneck: strained in {:.0} % of its seconds",
                self.strained * 100.0
            ),
        };
        format!(
            "CPU {:.0} % of {}, lag p99 {lag}, {} MiB: {verdict}",
            self.cpu * 100.0,
            counted(self.cores, "core", "cores"),
            memory >> 20
        )
    }
}

fn p99(lag: &Histogram<u64>) -> Option<f64> {
    (!lag.is_empty()).then(|| seconds(lag.value_at_quantile(0.99)))
}

#[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^53 seconds")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(cpu_s: f64) -> ProcessStats {
        ProcessStats {
            host: "h".into(),
            cores: 2,
            cpu_s,
            rss_bytes: 100 << 20,
            nofile_used: 40,
            nofile_limit: 1_024,
            lag: None,
        }
    }

    /// What each process reports, and its lag in milliseconds.
    fn verdict(processes: u32, lines: impl Fn(u32, u32) -> (ProcessStats, u64)) -> Generator {
        let mut meter = GeneratorMeter::default();
        for second in 1..=20 {
            for shard in 0..processes {
                let (stats, lag_ms) = lines(shard, second);
                let mut lag = Phase::histogram();
                lag.record_n(lag_ms * 1_000, 100).unwrap();
                meter.line(shard, f64::from(second), &stats, Some(&lag));
            }
        }
        meter.generator().unwrap()
    }

    #[test]
    fn a_process_with_room_to_spare_is_not_the_bottleneck() {
        let generator = verdict(1, |_, second| (stats(f64::from(second) * 0.82), 2));
        assert_eq!(
            generator.words(),
            "CPU 41 % of 2 cores, lag p99 2.00 ms, 100 MiB: not the bottleneck"
        );
        assert_eq!((generator.verdict, generator.strained), (Fitness::Fit, 0.0));
    }

    #[test]
    fn a_tenth_of_late_seconds_is_a_bottleneck_and_less_is_not() {
        let late = |seconds: u32| verdict(1, move |_, second| (stats(0.1), if second <= seconds { 51 } else { 1 }));
        assert_eq!(late(1).verdict, Fitness::Fit);
        assert_eq!(late(2).verdict, Fitness::Bottleneck);
        assert!(
            late(2)
                .words()
                .ends_with("the generator was the bottleneck: strained in 10 % of its seconds")
        );
    }

    #[test]
    fn processes_of_one_host_share_its_cores() {
        let each = |share: f64| move |_: u32, second: u32| (stats(f64::from(second) * share), 1);
        // Of two cores, 1.4 and 1.6.
        assert_eq!(verdict(2, each(0.7)).verdict, Fitness::Fit);
        assert_eq!(verdict(2, each(0.8)).verdict, Fitness::Bottleneck);
        let apart = verdict(2, |shard, second| {
            let stats = ProcessStats {
                host: format!("h{shard}"),
                ..stats(f64::from(second) * 0.8)
            };
            (stats, 1)
        });
        assert_eq!((apart.verdict, apart.cores), (Fitness::Fit, 4));
    }

    #[test]
    fn the_shard_that_was_late_is_named() {
        let generator = verdict(3, |shard, _| (stats(0.0), if shard == 1 { 80 } else { 1 }));
        let verdicts: Vec<_> = generator.shards.iter().map(|shard| shard.verdict).collect();
        assert_eq!(verdicts, [Fitness::Fit, Fitness::Bottleneck, Fitness::Fit]);
        assert_eq!(generator.verdict, Fitness::Bottleneck);
        assert!(GeneratorMeter::default().generator().is_none());
    }
}
