//! What was measured in some stretch of time, and how it becomes one value.

use hdrhistogram::Histogram;

use super::aggregation::Aggregation;
use super::bound::LONGEST;
use crate::figures::{Distribution, Figures, Ratio};
use crate::labels::Labels;
use crate::metric::{Kind, Metric};

/// What was measured in some stretch of time. Of the three, only the one of the metric's kind is used.
#[derive(Debug, Default)]
pub(super) struct Amount {
    times: Distribution,
    ratio: Ratio,
    events: u64,
}

/// What was measured in a second, in as little space as it takes: a window keeps one for each of its seconds.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// Values of the histogram with their counts.
    times: Vec<(u32, u32)>,
    clipped: u64,
    ratio: Ratio,
    events: u64,
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// As it is shown.
    pub(super) actual: f64,
    /// As it is compared: beyond the longest time that is measured, no bound holds it.
    pub(super) compared: f64,
    /// How many of the times behind it were beyond.
    pub(super) clipped: u64,
}

impl Measured {
    pub(super) const fn plain(value: f64) -> Self {
        Self {
            actual: value,
            compared: value,
            clipped: 0,
        }
    }
}

/// Everything that a selector asks for since the run began, and what the last second brought.
#[derive(Debug)]
pub(super) struct Total {
    pub(super) metric: Metric,
    pub(super) labels: Labels,
    /// Whether some threshold needs the seconds apart.
    pub(super) has_deltas: bool,
    pub(super) now: Amount,
    pub(super) delta: Delta,
    /// Whether there has been a sample.
    pub(super) seen: bool,
    before: Distribution,
}

impl Total {
    pub(super) fn new(metric: Metric, labels: Labels) -> Self {
        Self {
            metric,
            labels,
            has_deltas: false,
            now: Amount::default(),
            delta: Delta::default(),
            seen: false,
            before: Distribution::default(),
        }
    }

    /// Takes what the figures are now.
    pub(super) fn refresh(&mut self, figures: &Figures) {
        self.delta = Delta::default();
        match self.metric.kind() {
            Kind::Trend => self.refresh_times(figures),
            Kind::Ratio => {
                let now = figures.ratio(self.metric, &self.labels);
                self.delta.ratio = Ratio {
                    part: now.part.saturating_sub(self.now.ratio.part),
                    whole: now.whole.saturating_sub(self.now.ratio.whole),
                };
                self.now.ratio = now;
                self.seen = now.whole > 0;
            }
            Kind::Counter => {
                let now = figures.events(self.metric, &self.labels);
                self.seen = now.is_some();
                let now = now.unwrap_or(0);
                self.delta.events = now.saturating_sub(self.now.events);
                self.now.events = now;
            }
            Kind::Gauge => {}
        }
    }

    fn refresh_times(&mut self, figures: &Figures) {
        if self.has_deltas {
            std::mem::swap(&mut self.now.times, &mut self.before);
        }
        self.now.times.clear();
        figures.times(self.metric, &self.labels, &mut self.now.times);
        self.seen = self.now.times.count() > 0;
        if let (true, Some(now)) = (self.has_deltas, self.now.times.values()) {
            self.delta.clipped = self.now.times.clipped().saturating_sub(self.before.clipped());
            self.delta.times = difference(now, self.before.values());
        }
    }
}

/// What `now` has that `before` had not.
fn difference(now: &Histogram<u64>, before: Option<&Histogram<u64>>) -> Vec<(u32, u32)> {
    now.iter_recorded()
        .filter_map(|recorded| {
            let value = recorded.value_iterated_to();
            let old = before.map_or(0, |before| before.count_at(value));
            let new = recorded.count_at_value().saturating_sub(old);
            // The longest time fits, and no fleet sends four billion messages in a second.
            let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            (new > 0).then(|| (narrow(value), narrow(new)))
        })
        .collect()
}

fn record(times: &[(u32, u32)], histogram: &mut Histogram<u64>) {
    for (value, count) in times {
        histogram.saturating_record_n(u64::from(*value), u64::from(*count));
    }
}

impl Delta {
    /// Adds what came later in the same second.
    pub(super) fn merge(&mut self, other: &Self) {
        self.times.extend_from_slice(&other.times);
        self.clipped += other.clipped;
        self.ratio.part += other.ratio.part;
        self.ratio.whole += other.ratio.whole;
        self.events += other.events;
    }
}

#[cfg(test)]
impl Delta {
    pub(super) fn entries(&self) -> usize {
        self.times.len()
    }
}

impl Amount {
    /// Adds what a second brought to `total`.
    pub(super) fn add(&mut self, delta: &Delta, total: &Self) {
        self.ratio.part += delta.ratio.part;
        self.ratio.whole += delta.ratio.whole;
        self.events += delta.events;
        self.times.clip(delta.clipped);
        if let (false, Some(like)) = (delta.times.is_empty(), total.times.values()) {
            record(
                &delta.times,
                self.times.values_mut().get_or_insert_with(|| Histogram::new_from(like)),
            );
        }
    }

    /// Takes away what has been added before; `scratch` is a histogram that is used again each time.
    pub(super) fn remove(&mut self, delta: &Delta, scratch: &mut Option<Histogram<u64>>) {
        self.ratio.part = self.ratio.part.saturating_sub(delta.ratio.part);
        self.ratio.whole = self.ratio.whole.saturating_sub(delta.ratio.whole);
        self.events = self.events.saturating_sub(delta.events);
        self.times.unclip(delta.clipped);
        if let (false, Some(times)) = (delta.times.is_empty(), self.times.values_mut()) {
            let scratch = scratch.get_or_insert_with(|| Histogram::new_from(&*times));
            scratch.reset();
            record(&delta.times, scratch);
            // It can't fail: all of it was added before.
            let subtracted = times.subtract(&*scratch);
            debug_assert!(subtracted.is_ok(), "{subtracted:?}");
        }
    }

    /// The one value, where there is a sample. `seconds` is how long the stretch of time is; `seen` says whether the
    /// run has had a sample before, so that none in this stretch is a count of 0.
    pub(super) fn value(&self, kind: Kind, aggregation: Aggregation, seconds: u64, seen: bool) -> Option<Measured> {
        match (kind, aggregation) {
            (Kind::Trend, Aggregation::Count) => seen.then(|| Measured::plain(float(self.times.count()))),
            (Kind::Ratio, Aggregation::Count) => seen.then(|| Measured::plain(float(self.ratio.part))),
            (Kind::Counter, Aggregation::Count) => seen.then(|| Measured::plain(float(self.events))),
            (Kind::Counter, _) => seen.then(|| Measured::plain(float(self.events) / float(seconds.max(1)))),
            (Kind::Ratio, _) => {
                let Ratio { part, whole } = self.ratio;
                (whole > 0).then(|| Measured::plain(float(part) / float(whole)))
            }
            (Kind::Trend, aggregation) => {
                let values = self.times.values()?;
                Some(time(values, self.times.clipped(), aggregation))
            }
            (Kind::Gauge, _) => None,
        }
    }
}

/// A value of a distribution that is not empty, in seconds.
fn time(values: &Histogram<u64>, clipped: u64, aggregation: Aggregation) -> Measured {
    let (count, measured) = (values.len(), values.len().saturating_sub(clipped));
    let quantile = |quantile: f64| {
        let rank = (quantile * float(count)).ceil().max(1.0);
        (float(values.value_at_quantile(quantile)), rank > float(measured))
    };
    let (micros, beyond) = match aggregation {
        Aggregation::Min => (float(values.min()), measured == 0),
        Aggregation::Max => (float(values.max()), clipped > 0),
        Aggregation::Med => quantile(0.5),
        Aggregation::P(percentile) => quantile(percentile / 100.0),
        // With some beyond, the mean is a lower bound, and the report says so.
        Aggregation::Avg | Aggregation::Count | Aggregation::Rate | Aggregation::Value => {
            (values.mean(), measured == 0)
        }
    };
    let actual = (micros / 1e6).min(LONGEST);
    Measured {
        actual,
        compared: if beyond { f64::INFINITY } else { actual },
        clipped,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds are far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
