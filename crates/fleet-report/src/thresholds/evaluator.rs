//! Judges thresholds, second by second.
//!
//! The driver of a run hands in its figures, and where it stands, once a second. Over the whole run or a stage, the last
//! evaluation decides; with windows, the worst window; of the value of a gauge, the worst second. What an evaluation
//! costs depends on the thresholds, never on the number of messages. A window keeps the different times of each of its
//! seconds: with a thousand of them a second, 30 MB for the longest window, an hour.
//!
//! A window of the whole run also slides over ramps and the drain, where rates are low: a threshold on the least rate
//! names a stage.

use std::time::Duration;

use super::aggregation::Aggregation;
use super::amount::{Amount, Measured, Total};
use super::expression::Expression;
use super::result::{ThresholdResult, Verdict};
use super::threshold::Threshold;
use super::window::{Readings, Window};
use crate::figures::{Figures, Gauge};
use crate::metric::{Judged, Kind, Label, Metric, Unit};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Second {
    /// Seconds since the run began.
    pub at_s: u64,
    /// The stage; none before the first one and in the drain.
    pub stage: Option<Stage>,
}

/// The stage in which a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Its number, from 1.
    pub number: u32,
    /// Whether its target is held: gauges are judged only then.
    pub held: bool,
}

/// Thresholds under way.
#[derive(Debug)]
pub struct Evaluator {
    watches: Vec<Watch>,
    totals: Vec<Total>,
    at_s: u64,
    first_stage_s: Option<u64>,
    ended: bool,
}

/// A threshold under way.
#[derive(Debug)]
struct Watch {
    threshold: Threshold,
    /// Which total it is about.
    total: usize,
    stretch: Stretch,
    /// The value of the last evaluation.
    now: Option<Measured>,
    worst: Option<(Measured, u64)>,
    /// The worst of what was shorter than a window; it decides where there is no whole window.
    short: Option<(Measured, u64)>,
    is_failing: bool,
    first_crossed_s: Option<u64>,
    ended_run: bool,
}

/// The stretch of time whose value is judged.
#[derive(Debug)]
enum Stretch {
    Run,
    Stage(Amount, u64),
    Window(Window),
    /// The least or greatest reading of the whole run.
    Extreme(Option<f64>),
    Readings(Readings),
}

impl Evaluator {
    /// Watches thresholds from the beginning of a run.
    #[must_use]
    pub fn new(thresholds: Vec<Threshold>) -> Self {
        let mut totals: Vec<Total> = Vec::new();
        let watches = thresholds
            .into_iter()
            .map(|threshold| {
                let metric = threshold.selector.metric;
                let labels = threshold.selector.labels.without(Label::Stage);
                let shared = totals
                    .iter()
                    .position(|total| total.metric == metric && total.labels == labels);
                let total = shared.unwrap_or_else(|| {
                    totals.push(Total::new(metric, labels));
                    totals.len() - 1
                });
                let watch = Watch::new(threshold, total);
                totals[total].has_deltas |= matches!(watch.stretch, Stretch::Stage(..) | Stretch::Window(_));
                watch
            })
            .collect();
        Self {
            watches,
            totals,
            at_s: 0,
            first_stage_s: None,
            ended: false,
        }
    }

    /// Evaluates everything; a threshold that comes back ends the run, once.
    pub fn second(&mut self, second: Second, figures: &Figures) -> Option<&Threshold> {
        self.step(second, figures, false);
        if second.stage.is_some() {
            self.first_stage_s.get_or_insert(second.at_s);
        }
        if self.ended {
            return None;
        }
        let since_stage = self.first_stage_s.map(|begin| second.at_s.saturating_sub(begin));
        let watch = self.watches.iter_mut().find(|watch| watch.ends_run(since_stage))?;
        self.ended = true;
        watch.ended_run = true;
        Some(&watch.threshold)
    }

    /// Evaluates everything in a second of the drain, when the run is ending anyway.
    pub fn drain(&mut self, at_s: u64, figures: &Figures) {
        self.step(Second { at_s, stage: None }, figures, false);
    }

    /// How it looks so far: without a sample yet, a threshold is without data.
    #[must_use]
    pub fn so_far(&self) -> Vec<ThresholdResult> {
        self.watches.iter().map(Watch::result).collect()
    }

    /// Evaluates everything a last time, after the drain, which decides.
    #[must_use]
    pub fn finish(mut self, at_s: u64, figures: &Figures) -> Vec<ThresholdResult> {
        self.step(Second { at_s, stage: None }, figures, true);
        self.so_far()
    }

    fn step(&mut self, second: Second, figures: &Figures, is_last: bool) {
        let passed = second.at_s.saturating_sub(self.at_s);
        self.at_s = self.at_s.max(second.at_s);
        for total in &mut self.totals {
            total.refresh(figures);
        }
        for watch in &mut self.watches {
            if is_last || watch.threshold.selector.metric.judged() != Judged::AfterDrain {
                watch.step(second, passed, &self.totals[watch.total], figures);
            }
            if is_last {
                watch.judge_short_run(second.at_s, &self.totals[watch.total]);
            }
        }
    }
}

impl Watch {
    fn new(threshold: Threshold, total: usize) -> Self {
        let aggregation = threshold.expression.aggregation;
        let by_stage = threshold.selector.labels.get(Label::Stage).is_some();
        let stretch = match (threshold.selector.metric.kind(), threshold.over_s) {
            // Every second for itself.
            (Kind::Gauge, _) if aggregation == Aggregation::Value => Stretch::Readings(Readings::new(1)),
            (Kind::Gauge, Some(over)) => Stretch::Readings(Readings::new(over)),
            (Kind::Gauge, None) => Stretch::Extreme(None),
            (_, Some(over)) => Stretch::Window(Window::new(over)),
            (_, None) if by_stage => Stretch::Stage(Amount::default(), 0),
            (_, None) => Stretch::Run,
        };
        // A count begins at 0: where that is too little, it is not the moment in which something went wrong.
        let counts_up = aggregation == Aggregation::Count && !matches!(stretch, Stretch::Window(_));
        Self {
            is_failing: counts_up && !threshold.expression.holds(0.0),
            threshold,
            total,
            stretch,
            now: None,
            worst: None,
            short: None,
            first_crossed_s: None,
            ended_run: false,
        }
    }

    fn step(&mut self, second: Second, passed: u64, total: &Total, figures: &Figures) {
        let aggregation = self.threshold.expression.aggregation;
        let kind = total.metric.kind();
        let in_stage = self.is_in_stage(second);
        let reading = match kind {
            Kind::Gauge if in_stage => self.reading(second, figures.gauge(total.metric, &total.labels)),
            _ => None,
        };
        match &mut self.stretch {
            Stretch::Run => self.now = total.now.value(kind, aggregation, second.at_s, total.seen),
            // Outside its stage nothing is added.
            Stretch::Stage(..) if !in_stage => return,
            Stretch::Stage(amount, seconds) => {
                *seconds += passed;
                amount.add(&total.delta, &total.now);
                self.now = amount.value(kind, aggregation, *seconds, total.seen);
            }
            Stretch::Window(_) if !in_stage => self.now = None,
            Stretch::Window(window) => {
                window.step(passed, total);
                self.now = window.value(total, aggregation).filter(|_| window.is_full());
            }
            Stretch::Extreme(extreme) => {
                if let Some(reading) = reading {
                    *extreme = Some(match (*extreme, aggregation) {
                        (Some(least), Aggregation::Min) => least.min(reading),
                        (Some(greatest), _) => greatest.max(reading),
                        (None, _) => reading,
                    });
                }
                self.now = extreme.map(Measured::plain);
            }
            Stretch::Readings(readings) => {
                if reading.is_none() && !readings.is_full() {
                    // It ended with the second before.
                    let at_s = second.at_s.saturating_sub(passed);
                    let short = readings.value(aggregation).map(|value| (value, at_s));
                    self.short = worse(&self.threshold.expression, self.short, short);
                }
                readings.step(reading);
                self.now = readings.value(aggregation).filter(|_| readings.is_full());
            }
        }
        self.judge(second.at_s);
    }

    fn judge(&mut self, at_s: u64) {
        let Some(now) = self.now else {
            return;
        };
        let expression = &self.threshold.expression;
        let fails = !expression.holds(now.compared);
        if fails && !self.is_failing {
            self.first_crossed_s.get_or_insert(at_s);
        }
        self.is_failing = fails;
        if self.decides_by_worst() {
            self.worst = worse(expression, self.worst, Some((now, at_s)));
        }
    }

    /// A run or a stage that was shorter than the window is judged as one window.
    fn judge_short_run(&mut self, at_s: u64, total: &Total) {
        if self.worst.is_some() || !self.decides_by_worst() {
            return;
        }
        let aggregation = self.threshold.expression.aggregation;
        let last = match &self.stretch {
            Stretch::Window(window) if !window.is_full() => window.value(total, aggregation),
            Stretch::Readings(readings) if !readings.is_full() => readings.value(aggregation),
            _ => None,
        };
        let last = last.map(|value| (value, at_s));
        if let Some((value, at_s)) = worse(&self.threshold.expression, self.short, last) {
            self.now = Some(value);
            self.judge(at_s);
        }
    }

    fn decides_by_worst(&self) -> bool {
        matches!(self.stretch, Stretch::Window(_) | Stretch::Readings(_))
    }

    fn is_in_stage(&self, second: Second) -> bool {
        let Some(asked) = self.threshold.selector.labels.get(Label::Stage) else {
            return true;
        };
        second.stage.is_some_and(|stage| asked == stage.number.to_string())
    }

    /// What a gauge shows in a second in which it can be judged.
    fn reading(&self, second: Second, gauge: Option<Gauge>) -> Option<f64> {
        let gauge = gauge?;
        let is_held = second.stage.is_some_and(|stage| stage.held);
        let metric = self.threshold.selector.metric;
        if metric.judged() == Judged::WhileHeld && !is_held {
            return None;
        }
        // Where nothing is wanted, nothing is missing.
        if gauge.of.is_some_and(|of| of <= 0.0) {
            return None;
        }
        match (metric, self.threshold.expression.unit) {
            (Metric::DevicesOnline, Unit::Ratio) => gauge.of.map(|of| gauge.value / of),
            _ => Some(gauge.value),
        }
    }

    fn ends_run(&self, since_stage: Option<u64>) -> bool {
        let delay = self.threshold.delay_abort_eval;
        let is_due = delay.is_zero() || since_stage.is_some_and(|since| Duration::from_secs(since) >= delay);
        // A second without a value is no reason to end a run, whatever the one before was.
        self.threshold.abort_on_fail && self.now.is_some() && self.is_failing && is_due
    }

    fn result(&self) -> ThresholdResult {
        let Threshold {
            selector, expression, ..
        } = &self.threshold;
        let (decisive, worst_at_s) = match self.worst {
            Some((worst, at_s)) => (Some(worst), Some(at_s)),
            None => (self.now, None),
        };
        ThresholdResult {
            metric: selector.metric,
            labels: selector.labels.clone(),
            expression: expression.to_string(),
            over_s: self.threshold.over_s,
            actual: decisive.map(|measured| measured.actual),
            unit: expression.unit,
            verdict: match decisive {
                None => Verdict::NoData,
                Some(measured) if expression.holds(measured.compared) => Verdict::Passed,
                Some(_) => Verdict::Failed,
            },
            first_crossed_s: self.first_crossed_s,
            worst_at_s,
            abort: self.ended_run,
            allow_empty: self.threshold.allow_empty,
            clipped: decisive.map_or(0, |measured| measured.clipped),
        }
    }
}

/// The worse of two values; of two that are as bad, the earlier one.
fn worse(
    expression: &Expression,
    earlier: Option<(Measured, u64)>,
    later: Option<(Measured, u64)>,
) -> Option<(Measured, u64)> {
    let badness = |measured: Measured| expression.operator.badness(measured.compared, expression.bound.value());
    match (earlier, later) {
        (Some((before, _)), Some((after, _))) if badness(after) > badness(before) => later,
        (None, _) => later,
        _ => earlier,
    }
}

#[cfg(test)]
mod tests;
