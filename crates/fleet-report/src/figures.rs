//! Everything that was counted and timed since a run began, merged over its processes.
//!
//! All figures only grow, except gauges. Nothing here is per device or per message: a driver adds what its processes
//! have put together, once a second.

use std::collections::BTreeMap;

use fleet_protocol::lines::Phase;
use hdrhistogram::Histogram;

use crate::labels::Labels;
use crate::metric::{Label, Metric};
use crate::sparse::SparseHistogram;

/// Times, in microseconds. Those beyond the histogram's range count as its greatest value.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    /// `None` while it is empty: an empty histogram of ours takes 170 KB.
    histogram: Option<Histogram<u64>>,
    clipped: u64,
}

/// A part of a whole, such as failures of attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ratio {
    /// What failed.
    pub part: u64,
    /// What was attempted.
    pub whole: u64,
}

/// The value of a gauge, and what its share is of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gauge {
    /// The value.
    pub value: f64,
    /// What 100 % are, where the value can be a share: of `devices_online`, the devices wanted now.
    pub of: Option<f64>,
}

/// Everything that was counted and timed since a run began.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    trends: Series<Distribution>,
    ratios: Series<Ratio>,
    counters: Series<u64>,
    gauges: Series<Gauge>,
}

type Series<T> = BTreeMap<Metric, BTreeMap<Labels, T>>;

impl Distribution {
    /// Adds the values of a histogram in microseconds, `clipped` of which were beyond its range and were recorded as
    /// its greatest value.
    pub fn add(&mut self, values: &Histogram<u64>, clipped: u64) {
        self.clipped += clipped;
        match &mut self.histogram {
            // A histogram of the same bounds; this one keeps its range whatever is added.
            Some(histogram) => add_all(histogram, values),
            None => self.histogram = Some(values.clone()),
        }
    }

    /// Adds times in microseconds, `clipped` of which were longer than they say.
    fn record(&mut self, times: &SparseHistogram, clipped: u64) {
        self.clipped += clipped;
        let histogram = self.histogram.get_or_insert_with(Phase::histogram);
        for (value, count) in times.iter() {
            histogram.saturating_record_n(value, count);
        }
    }

    /// Adds all of another one.
    pub fn merge(&mut self, other: &Self) {
        match &other.histogram {
            Some(values) => self.add(values, other.clipped),
            None => self.clipped += other.clipped,
        }
    }

    /// Empties it without giving its memory back.
    pub(crate) fn clear(&mut self) {
        self.clipped = 0;
        if let Some(histogram) = &mut self.histogram {
            histogram.reset();
        }
    }

    /// The values, if there have been some.
    #[must_use]
    pub fn values(&self) -> Option<&Histogram<u64>> {
        self.histogram.as_ref().filter(|histogram| !histogram.is_empty())
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// How many of them were longer than the histogram can tell.
    #[must_use]
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    pub(crate) fn clip(&mut self, clipped: u64) {
        self.clipped += clipped;
    }

    pub(crate) fn unclip(&mut self, clipped: u64) {
        self.clipped = self.clipped.saturating_sub(clipped);
    }

    pub(crate) fn values_mut(&mut self) -> &mut Option<Histogram<u64>> {
        &mut self.histogram
    }
}

fn add_all(histogram: &mut Histogram<u64>, values: &Histogram<u64>) {
    // The quick way, which only fails before it has added something, where the bounds of the two differ.
    if histogram.add(values).is_err() {
        for value in values.iter_recorded() {
            histogram.saturating_record_n(value.value_iterated_to(), value.count_at_value());
        }
    }
}

impl Figures {
    /// Adds times in microseconds, `clipped` of which were beyond the histogram's range.
    pub fn add_times(&mut self, metric: Metric, labels: Labels, times: &SparseHistogram, clipped: u64) {
        entry(&mut self.trends, metric, labels).record(times, clipped);
    }

    /// Adds attempts, whose labels have no reason. An attempt counts once its outcome is known.
    pub fn add_attempts(&mut self, metric: Metric, labels: Labels, count: u64) {
        entry(&mut self.ratios, metric, labels).whole += count;
    }

    /// Adds failures, whose labels name a reason where there is one.
    pub fn add_failures(&mut self, metric: Metric, labels: Labels, count: u64) {
        entry(&mut self.ratios, metric, labels).part += count;
    }

    /// Adds events to a counter. To add none says that the counter exists: its 0 is then a sample.
    pub fn add_events(&mut self, metric: Metric, labels: Labels, count: u64) {
        *entry(&mut self.counters, metric, labels) += count;
    }

    /// Sets a gauge to what it is now.
    pub fn set_gauge(&mut self, metric: Metric, labels: Labels, gauge: Gauge) {
        *entry(&mut self.gauges, metric, labels) = gauge;
    }

    /// How many distributions there are.
    #[cfg(test)]
    pub(crate) fn distributions(&self) -> usize {
        self.trends.values().map(BTreeMap::len).sum()
    }

    /// Adds the times of all series that `labels` ask for to `all`.
    pub(crate) fn times(&self, metric: Metric, labels: &Labels, all: &mut Distribution) {
        for times in selected(&self.trends, metric, labels) {
            all.merge(times);
        }
    }

    /// Failures of attempts; with a reason, the failures of that reason of all attempts.
    pub(crate) fn ratio(&self, metric: Metric, labels: &Labels) -> Ratio {
        Ratio {
            part: selected(&self.ratios, metric, labels).map(|ratio| ratio.part).sum(),
            whole: selected(&self.ratios, metric, &labels.without(Label::Reason))
                .map(|ratio| ratio.whole)
                .sum(),
        }
    }

    /// The events counted; `None` where the counter does not exist. Of a reason that has not occurred there are 0.
    pub(crate) fn events(&self, metric: Metric, labels: &Labels) -> Option<u64> {
        selected(&self.counters, metric, &labels.without(Label::Reason)).next()?;
        Some(selected(&self.counters, metric, labels).sum())
    }

    /// The value of a gauge: the sum of the devices online, of limits the one that was used most.
    pub(crate) fn gauge(&self, metric: Metric, labels: &Labels) -> Option<Gauge> {
        selected(&self.gauges, metric, labels)
            .copied()
            .reduce(|all, one| match metric {
                Metric::DevicesOnline => Gauge {
                    value: all.value + one.value,
                    of: all.of.zip(one.of).map(|(all, one)| all + one),
                },
                _ if one.value > all.value => one,
                _ => all,
            })
    }
}

fn entry<T: Default>(series: &mut Series<T>, metric: Metric, labels: Labels) -> &mut T {
    series.entry(metric).or_default().entry(labels).or_default()
}

fn selected<'a, T>(series: &'a Series<T>, metric: Metric, labels: &'a Labels) -> impl Iterator<Item = &'a T> {
    series
        .get(&metric)
        .into_iter()
        .flatten()
        .filter(|(series, _)| labels.select(series))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(label: Label, value: &str) -> Labels {
        Labels::none().with(label, value)
    }

    #[test]
    fn a_reason_selects_failures_and_keeps_all_attempts() {
        let mut figures = Figures::default();
        for (group, attempts, timeouts) in [("a", 100, 3), ("b", 50, 1)] {
            let labels = of(Label::Group, group);
            figures.add_attempts(Metric::ConnectFailed, labels.clone(), attempts);
            let (timeout, refused) = (
                labels.clone().with(Label::Reason, "timeout"),
                labels.with(Label::Reason, "no"),
            );
            figures.add_failures(Metric::ConnectFailed, timeout, timeouts);
            figures.add_failures(Metric::ConnectFailed, refused, 10);
        }
        let ratio = |labels| figures.ratio(Metric::ConnectFailed, &labels);
        assert_eq!(ratio(Labels::none()), Ratio { part: 24, whole: 150 });
        assert_eq!(ratio(of(Label::Reason, "timeout")), Ratio { part: 4, whole: 150 });
        let both = of(Label::Reason, "timeout").with(Label::Group, "a");
        assert_eq!(ratio(both), Ratio { part: 3, whole: 100 });
        assert_eq!(ratio(of(Label::Group, "c")), Ratio::default());
    }

    #[test]
    fn a_counter_of_0_is_a_sample_and_one_that_does_not_exist_is_not() {
        let mut figures = Figures::default();
        figures.add_events(Metric::Reconnects, of(Label::Group, "a"), 0);
        assert_eq!(figures.events(Metric::Reconnects, &Labels::none()), Some(0));
        assert_eq!(
            figures.events(Metric::Reconnects, &of(Label::Reason, "timeout")),
            Some(0)
        );
        assert_eq!(figures.events(Metric::Reconnects, &of(Label::Group, "b")), None);
        assert_eq!(figures.events(Metric::Commands, &Labels::none()), None);
        figures.add_events(Metric::Reconnects, of(Label::Group, "b"), 2);
        assert_eq!(figures.events(Metric::Reconnects, &Labels::none()), Some(2));
    }

    #[test]
    fn devices_add_up_and_of_limits_the_fullest_counts() {
        let mut figures = Figures::default();
        for (group, value, wanted) in [("a", 9.0, 10.0), ("b", 5.0, 5.0)] {
            let gauge = Gauge {
                value,
                of: Some(wanted),
            };
            figures.set_gauge(Metric::DevicesOnline, of(Label::Group, group), gauge);
        }
        for (limit, value) in [("x", 0.4), ("y", 0.8), ("z", 0.1)] {
            figures.set_gauge(Metric::QuotaUsed, of(Label::Limit, limit), Gauge { value, of: None });
        }
        let online = Gauge {
            value: 14.0,
            of: Some(15.0),
        };
        assert_eq!(figures.gauge(Metric::DevicesOnline, &Labels::none()), Some(online));
        let fullest = figures.gauge(Metric::QuotaUsed, &Labels::none());
        assert_eq!(fullest, Some(Gauge { value: 0.8, of: None }));
        assert_eq!(figures.gauge(Metric::QuotaUsed, &of(Label::Limit, "w")), None);
    }

    #[test]
    fn times_of_all_series_are_one_distribution() {
        let mut figures = Figures::default();
        for (group, value) in [("a", 1_000), ("b", 3_000), ("c", 5_000)] {
            let mut times = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
            times.record(value).unwrap();
            figures.add_times(Metric::PublishDuration, of(Label::Group, group), &(&times).into(), 0);
            figures.add_times(
                Metric::PublishDuration,
                of(Label::Group, group),
                &(&times).into(),
                u64::from(value == 5_000),
            );
        }
        let mut all = Distribution::default();
        figures.times(Metric::PublishDuration, &Labels::none(), &mut all);
        assert_eq!((all.count(), all.clipped()), (6, 1));
        let mut one = Distribution::default();
        figures.times(Metric::PublishDuration, &of(Label::Group, "b"), &mut one);
        assert_eq!((one.count(), one.clipped()), (2, 0));
    }

    #[test]
    fn a_histogram_of_other_bounds_is_added_as_well_as_it_can_be() {
        let narrow = |value| {
            let mut times = Histogram::<u64>::new_with_bounds(1, 1_000_000, 3).unwrap();
            times.saturating_record(value);
            times
        };
        let mut wide = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3).unwrap();
        wide.record(500_000_000).unwrap();
        let mut all = Distribution::default();
        all.add(&narrow(1_000), 0);
        all.add(&wide, 0);
        assert_eq!(all.count(), 2);
    }
}
