//! What all charts over time share: their axis, their marks, and series as points on it.

use maud::Markup;

use super::chart::{Chart, Column, Fold, Height, Line, Mark, Table, bars, lines};
use super::format::{Unit, float};
use super::scale::{Scale, Tick, time_ticks};
use crate::report::Report;
use crate::timeline::TimelineSeries;

/// A value at a place from 0 to 1 on the axis of time.
pub(super) type Points = Vec<(f64, Option<f64>)>;

/// The run over its time.
pub(super) struct Time<'a> {
    pub(super) series: &'a TimelineSeries,
    /// How long the axis is, in seconds.
    pub(super) seconds: f64,
    pub(super) step_s: f64,
    pub(super) ticks: Vec<Tick>,
    pub(super) title: &'static str,
    pub(super) marks: Vec<Mark>,
}

/// A minute, in which registrations are limited.
const MINUTE_S: f64 = 60.0;

impl<'a> Time<'a> {
    /// Nothing where the report has no timeline.
    pub(super) fn of(report: &'a Report) -> Option<Self> {
        let series = report.timeline.as_ref().filter(|series| series.points > 0)?;
        let step_s = float(series.step_s.max(1));
        let seconds = float(series.points) * step_s;
        let (ticks, title) = time_ticks(seconds);
        let events = (1..).zip(&report.events);
        let marks = events
            .filter(|(_, event)| (0.0..=seconds).contains(&event.at_s))
            .map(|(number, event)| Mark {
                at: event.at_s / seconds,
                number,
            });
        Some(Self {
            series,
            seconds,
            step_s,
            ticks,
            title,
            marks: marks.collect(),
        })
    }

    /// A chart over the run, without a legend.
    pub(super) fn chart<'b>(
        &'b self,
        title: impl Into<String>,
        unit: &'b str,
        y: Vec<Tick>,
        drawn: Markup,
        columns: &[Column],
    ) -> Chart<'b> {
        Chart {
            title: title.into(),
            unit,
            x: &self.ticks,
            x_title: self.title,
            y,
            drawn,
            keys: Vec::new(),
            marks: &self.marks,
            table: Table::over_time(self.step_s, self.points(), columns),
            height: Height::Tall,
        }
    }

    /// Lines with their legend.
    pub(super) fn lines<'b>(
        &'b self,
        title: impl Into<String>,
        unit: &'b str,
        of: &[Line<'_>],
        (scale, values): (Scale, Unit),
        columns: &[Column],
    ) -> Chart<'b> {
        Chart {
            keys: of.iter().map(Line::key).collect(),
            ..self.chart(title, unit, scale.ticks(values), lines(of, scale), columns)
        }
    }

    /// Counts in a second as bars, with a column of this name; nothing where there were none.
    pub(super) fn bars<'b>(
        &'b self,
        title: &str,
        unit: &'b str,
        count: &str,
        column: &str,
        class: &'static str,
    ) -> Option<Chart<'b>> {
        let points = self.per_second(count)?;
        let rates: Vec<f64> = points.iter().map(|(_, rate)| rate.unwrap_or(0.0)).collect();
        let scale = Scale::linear(rates.iter().copied(), Unit::Count);
        let columns = [Column::new(column, Unit::Count, Fold::Mean, points)];
        Some(self.chart(
            title,
            unit,
            scale.ticks(Unit::Count),
            bars(&rates, class, scale),
            &columns,
        ))
    }

    pub(super) fn points(&self) -> usize {
        self.series.stage.len()
    }

    /// Where the points are.
    pub(super) fn at(&self) -> Vec<f64> {
        (1..=self.points())
            .map(|end| end as f64 * self.step_s / self.seconds)
            .collect()
    }

    pub(super) fn with(&self, values: impl IntoIterator<Item = Option<f64>>) -> Points {
        self.at().into_iter().zip(values).collect()
    }

    /// What stands at each point.
    pub(super) fn standing(&self, values: &[u64]) -> Points {
        self.with(values.iter().map(|value| Some(float(*value))))
    }

    /// Counts as how many there were in a second.
    pub(super) fn per_second(&self, name: &str) -> Option<Points> {
        let counts = self.series.counts.get(name)?;
        Some(self.with(counts.iter().map(|count| Some(float(*count) / self.step_s))))
    }

    /// Counts as how many there were in the minute before, or in a point where one is longer.
    pub(super) fn per_minute(&self, name: &str) -> Option<Points> {
        let counts = self.series.counts.get(name)?;
        let window = ((MINUTE_S / self.step_s).round() as usize).max(1);
        let times = MINUTE_S / (window as f64 * self.step_s);
        let sums = (1..=counts.len()).map(|end| {
            let sum: u64 = counts[end.saturating_sub(window)..end].iter().sum();
            Some(float(sum) * times)
        });
        Some(self.with(sums))
    }
}

/// The values of all these series.
pub(super) fn values<'a>(series: impl IntoIterator<Item = &'a Points>) -> impl Iterator<Item = f64> {
    series.into_iter().flatten().filter_map(|(_, value)| *value)
}
