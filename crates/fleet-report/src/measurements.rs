//! Everything that is measured of a run while it lasts, fed by the lines of its processes and by its seconds.

use hdrhistogram::Histogram;

use crate::generator::{Generator, GeneratorMeter};
use crate::occurrences::Occurrences;
use crate::plan::QuotaShare;
use crate::quota_use::QuotaMeter;
use crate::thresholds::Second;
use crate::timeline::Timeline;
use crate::totals::{Decoded, Totals};

/// What is measured of a run.
#[derive(Debug)]
pub struct Measurements {
    /// All figures put together.
    pub totals: Totals,
    /// The same over time.
    pub timeline: Timeline,
    /// When each failure was first and last seen.
    pub occurrences: Occurrences,
    /// What is used of the limits.
    pub quotas: QuotaMeter,
    /// What the processes need of their machines.
    generator: GeneratorMeter,
}

impl Measurements {
    /// Nothing has happened in any of `processes`. `quotas` are the limits of the plan.
    #[must_use]
    pub fn new(processes: usize, quotas: &[QuotaShare]) -> Self {
        Self {
            totals: Totals::new(processes),
            timeline: Timeline::default(),
            occurrences: Occurrences::default(),
            quotas: QuotaMeter::new(quotas),
            generator: GeneratorMeter::default(),
        }
    }

    /// Takes a line of a process, which came `at_s` seconds after the processes were started.
    pub fn line(&mut self, process: usize, line: Decoded, at_s: f64) {
        if let Some(before) = self.totals.last(process) {
            self.timeline.line(before, &line);
            self.quotas.line(before, &line);
            self.occurrences.line(before, &line.stats, at_s);
        }
        self.meter(process, &line);
        self.totals.add(process, line);
    }

    /// Takes what a process has counted and timed until now, from before this program was started: it is in the totals, and in
    /// no second of the timeline or of the limits.
    pub fn earlier(&mut self, process: usize, line: Decoded) {
        self.meter(process, &line);
        self.totals.add(process, line);
    }

    /// A second has passed.
    pub fn second(&mut self, second: Second) {
        self.quotas.second(second);
        self.timeline.second(second, &self.totals, &self.quotas);
    }

    /// How late each process was with what was due, in microseconds, by shard.
    pub fn lag(&self) -> impl Iterator<Item = (u32, &Histogram<u64>)> {
        self.generator.lag()
    }

    fn meter(&mut self, process: usize, line: &Decoded) {
        if let (Some(stats), Ok(shard)) = (&line.stats.process, u32::try_from(process)) {
            self.generator.line(shard, line.stats.t, stats, line.lag.as_ref());
        }
    }

    /// How the processes fared.
    #[must_use]
    pub fn generator(&self) -> Option<Generator> {
        self.generator.generator()
    }
}
