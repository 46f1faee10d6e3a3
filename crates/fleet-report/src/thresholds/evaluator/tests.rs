//! Virtual time: a test says what each second brings.

use hdrhistogram::Histogram;
use proptest::prelude::*;

use super::*;
use crate::labels::{KnownLabels, Labels};
use crate::thresholds::selector::Selector;
use Metric::{
    CommandDuration, ConnectFailed, DevicesOnline, DpsThrottled, PublishDuration, Reconnects, TelemetryAcked,
};

const RAMP: Option<Stage> = Some(Stage { number: 1, held: false });
const HOLD: Option<Stage> = Some(Stage { number: 1, held: true });
const SECOND: Option<Stage> = Some(Stage { number: 2, held: true });
const DRAIN: Option<Stage> = None;

fn threshold(selector: &str, expression: &str) -> Threshold {
    let known = KnownLabels {
        groups: vec!["a".into(), "b".into()],
        reasons: vec!["timeout".into(), "refused".into()],
        stages: 3,
        shards: vec!["1".into()],
        limits: vec!["dps".into()],
        ..KnownLabels::default()
    };
    let selector = Selector::parse(selector, &known).unwrap();
    let expression = Expression::parse(expression, selector.metric).unwrap();
    Threshold::new(selector, expression)
}

fn over(selector: &str, expression: &str, over_s: u64) -> Threshold {
    Threshold {
        over_s: Some(over_s),
        ..threshold(selector, expression)
    }
}

/// A run with one threshold.
struct Run {
    figures: Figures,
    evaluator: Evaluator,
    at_s: u64,
    /// When the threshold ended the run.
    ended: Vec<u64>,
}

impl Run {
    fn new(threshold: Threshold) -> Self {
        Self {
            figures: Figures::default(),
            evaluator: Evaluator::new(vec![threshold]),
            at_s: 0,
            ended: Vec::new(),
        }
    }

    /// One more second, in which `what` happens.
    fn second(&mut self, stage: Option<Stage>, what: impl FnOnce(&mut Figures)) {
        what(&mut self.figures);
        self.at_s += 1;
        let second = Second { at_s: self.at_s, stage };
        if self.evaluator.second(second, &self.figures).is_some() {
            self.ended.push(self.at_s);
        }
    }

    fn seconds(&mut self, count: u64, stage: Option<Stage>, what: impl Fn(&mut Figures)) {
        for _ in 0..count {
            self.second(stage, &what);
        }
    }

    fn finish(self) -> ThresholdResult {
        self.evaluator.finish(self.at_s, &self.figures).remove(0)
    }
}

fn histogram(millis: &[u64]) -> Histogram<u64> {
    let mut times = Histogram::new_with_bounds(1, 600_000_000, 3).unwrap();
    for millis in millis {
        times.saturating_record(millis * 1000);
    }
    times
}

fn published(millis: &'static [u64]) -> impl Fn(&mut Figures) {
    move |figures| figures.add_times(PublishDuration, Labels::none(), &(&histogram(millis)).into(), 0)
}

fn events(metric: Metric, count: u64) -> impl Fn(&mut Figures) {
    move |figures| figures.add_events(metric, Labels::none(), count)
}

fn online(value: f64, wanted: f64) -> impl Fn(&mut Figures) {
    let gauge = Gauge {
        value,
        of: Some(wanted),
    };
    move |figures| figures.set_gauge(DevicesOnline, Labels::none(), gauge)
}

/// To three digits, as histograms have them.
fn near(actual: Option<f64>, expected: f64) -> bool {
    actual.is_some_and(|actual| (actual - expected).abs() <= expected / 1000.0)
}

fn judged(result: &ThresholdResult) -> (Verdict, Option<u64>, Option<u64>) {
    (result.verdict, result.first_crossed_s, result.worst_at_s)
}

#[test]
fn over_the_whole_run_the_last_evaluation_decides() {
    // A bad beginning, of which little is left at the end.
    let mut run = Run::new(threshold("publish_duration", "p(90) < 500ms"));
    run.seconds(2, HOLD, published(&[100, 100]));
    run.second(HOLD, published(&[900, 900, 900]));
    run.seconds(40, HOLD, published(&[100, 100]));
    let result = run.finish();
    assert_eq!(judged(&result), (Verdict::Passed, Some(3), None));
    assert!(near(result.actual, 0.1), "{result:?}");
    assert_eq!(
        (result.expression.as_str(), result.unit),
        ("p(90) < 500ms", Unit::Seconds)
    );

    let mut run = Run::new(threshold("publish_duration", "p(90) < 500ms"));
    run.seconds(2, HOLD, published(&[100, 100]));
    run.seconds(3, HOLD, published(&[900]));
    let result = run.finish();
    assert_eq!(judged(&result), (Verdict::Failed, Some(3), None));
    assert!(near(result.actual, 0.9), "{result:?}");
}

#[test]
fn what_comes_in_the_drain_still_counts() {
    let mut run = Run::new(threshold("publish_duration", "max < 1s"));
    run.seconds(3, HOLD, published(&[100]));
    published(&[2_000])(&mut run.figures);
    let result = run.finish();
    assert_eq!(judged(&result), (Verdict::Failed, Some(3), None));
}

#[test]
fn every_aggregation_of_a_trend_is_taken_from_all_times() {
    for (expression, expected) in [
        ("avg < 1s", 0.300),
        ("min < 1s", 0.100),
        ("max < 1s", 0.600),
        ("med < 1s", 0.200),
        ("p(0) < 1s", 0.100),
        ("p(75) < 1s", 0.300),
        ("p(100) < 1s", 0.600),
        ("count < 5", 4.0),
    ] {
        let mut run = Run::new(threshold("publish_duration", expression));
        run.second(HOLD, published(&[100, 600]));
        run.second(HOLD, published(&[200, 300]));
        let result = run.finish();
        assert!(near(result.actual, expected), "{expression}: {result:?}");
        assert_eq!(result.verdict, Verdict::Passed, "{expression}");
    }
}

#[test]
fn a_ratio_is_failures_of_attempts() {
    let attempts = |figures: &mut Figures| {
        figures.add_attempts(ConnectFailed, Labels::none(), 10);
        let labels = Labels::none().with(Label::Reason, "timeout");
        figures.add_failures(ConnectFailed, labels, 1);
    };
    for (selector, expression, verdict, actual) in [
        ("connect_failed", "rate <= 10%", Verdict::Passed, 0.1),
        ("connect_failed", "rate < 0.1", Verdict::Failed, 0.1),
        ("connect_failed", "count <= 5", Verdict::Passed, 5.0),
        ("connect_failed", "count == 0", Verdict::Failed, 5.0),
        ("connect_failed{reason:timeout}", "rate > 9%", Verdict::Passed, 0.1),
        ("connect_failed{reason:refused}", "rate == 0", Verdict::Passed, 0.0),
    ] {
        let mut run = Run::new(threshold(selector, expression));
        run.seconds(5, HOLD, attempts);
        let result = run.finish();
        assert_eq!(
            (result.verdict, result.actual),
            (verdict, Some(actual)),
            "{selector} {expression}"
        );
    }
}

#[test]
fn the_rate_of_a_counter_is_per_second_of_the_run() {
    let mut run = Run::new(threshold("telemetry_acked", "rate >= 120/min"));
    run.seconds(10, HOLD, events(TelemetryAcked, 3));
    run.seconds(5, DRAIN, |_| {});
    let result = run.finish();
    assert_eq!(
        (result.verdict, result.actual, result.unit),
        (Verdict::Passed, Some(2.0), Unit::PerSecond)
    );
}

#[test]
fn a_count_that_has_yet_to_be_reached_was_not_crossed() {
    let mut run = Run::new(threshold("telemetry_acked", "count >= 100"));
    run.seconds(10, HOLD, events(TelemetryAcked, 3));
    assert_eq!(judged(&run.finish()), (Verdict::Failed, None, None));

    let mut run = Run::new(threshold("reconnects", "count == 0"));
    run.seconds(3, HOLD, events(Reconnects, 0));
    run.seconds(3, HOLD, events(Reconnects, 1));
    assert_eq!(judged(&run.finish()), (Verdict::Failed, Some(4), None));
}

#[test]
fn without_a_sample_there_is_no_data_which_fails_unless_it_is_allowed() {
    for selector in [
        "publish_duration",
        "connect_failed",
        "dps_throttled",
        "devices_online",
        "time_to_online",
    ] {
        let expression = match selector {
            "publish_duration" => "p(95) < 500ms",
            "time_to_online" => "value < 5m",
            "devices_online" => "value >= 98%",
            _ => "count == 0",
        };
        for allow_empty in [false, true] {
            let mut run = Run::new(Threshold {
                allow_empty,
                ..threshold(selector, expression)
            });
            run.seconds(3, HOLD, |_| {});
            let result = run.finish();
            assert_eq!((result.verdict, result.actual), (Verdict::NoData, None), "{selector}");
            assert_eq!(result.fails(), !allow_empty, "{selector}");
        }
    }
    // Another metric's samples are no data either, and a counter that exists is a sample.
    let mut run = Run::new(threshold("dps_throttled", "rate < 1/s"));
    run.seconds(3, HOLD, events(Reconnects, 9));
    assert_eq!(run.finish().verdict, Verdict::NoData);
    let mut run = Run::new(threshold("dps_throttled", "rate < 1/s"));
    run.seconds(3, HOLD, events(DpsThrottled, 0));
    assert_eq!(run.finish().verdict, Verdict::Passed);
}

#[test]
fn the_worst_window_decides_and_says_when() {
    let mut run = Run::new(over("publish_duration", "p(50) < 500ms", 10));
    run.seconds(30, HOLD, published(&[100]));
    run.seconds(6, HOLD, published(&[900]));
    run.seconds(30, HOLD, published(&[100]));
    let result = run.finish();
    // From the sixth bad second of ten the median is bad, until the sixth has left the window again.
    assert_eq!(judged(&result), (Verdict::Failed, Some(36), Some(36)));
    assert!(near(result.actual, 0.9), "{result:?}");
    assert_eq!(result.over_s, Some(10));

    // The same run as a whole is fine.
    let mut run = Run::new(threshold("publish_duration", "p(50) < 500ms"));
    run.seconds(30, HOLD, published(&[100]));
    run.seconds(6, HOLD, published(&[900]));
    run.seconds(30, HOLD, published(&[100]));
    assert_eq!(run.finish().verdict, Verdict::Passed);
}

#[test]
fn windows_of_ratios_and_counters_slide_too() {
    let mut run = Run::new(over("connect_failed", "rate <= 50%", 4));
    let attempts = |failed| {
        move |figures: &mut Figures| {
            figures.add_attempts(ConnectFailed, Labels::none(), 2);
            figures.add_failures(ConnectFailed, Labels::none(), failed);
        }
    };
    run.seconds(5, HOLD, attempts(0));
    run.seconds(3, HOLD, attempts(2));
    run.seconds(5, HOLD, attempts(0));
    let result = run.finish();
    assert_eq!(judged(&result), (Verdict::Failed, Some(8), Some(8)));
    assert_eq!(result.actual, Some(0.75));

    let mut run = Run::new(over("telemetry_acked", "rate >= 5/s", 2));
    run.seconds(4, HOLD, events(TelemetryAcked, 10));
    run.seconds(1, HOLD, events(TelemetryAcked, 2));
    run.seconds(1, HOLD, events(TelemetryAcked, 4));
    run.seconds(4, HOLD, events(TelemetryAcked, 10));
    let result = run.finish();
    assert_eq!(judged(&result), (Verdict::Failed, Some(6), Some(6)));
    assert_eq!(result.actual, Some(3.0));
}

#[test]
fn a_window_without_a_time_is_skipped_and_one_without_a_message_counts_0() {
    let mut run = Run::new(over("publish_duration", "p(95) < 500ms", 2));
    run.seconds(3, HOLD, published(&[100]));
    run.seconds(5, HOLD, |_| {});
    assert_eq!(judged(&run.finish()), (Verdict::Passed, None, Some(2)));

    let mut run = Run::new(over("publish_duration", "count >= 1", 2));
    run.seconds(3, HOLD, published(&[100]));
    run.seconds(5, HOLD, |_| {});
    assert_eq!(judged(&run.finish()), (Verdict::Failed, Some(5), Some(5)));
}

#[test]
fn a_run_shorter_than_the_window_is_one_window() {
    let mut run = Run::new(over("publish_duration", "max < 500ms", 60));
    run.seconds(3, HOLD, published(&[900]));
    assert_eq!(run.evaluator.so_far()[0].verdict, Verdict::NoData);
    assert_eq!(judged(&run.finish()), (Verdict::Failed, Some(3), Some(3)));

    let mut run = Run::new(over("devices_online", "min >= 98%", 60));
    run.seconds(3, HOLD, online(9.0, 10.0));
    run.seconds(3, DRAIN, online(0.0, 10.0));
    let result = run.finish();
    assert_eq!(
        (judged(&result), result.actual),
        ((Verdict::Failed, Some(3), Some(3)), Some(0.9))
    );
}

#[test]
fn seconds_that_were_left_out_pass_nevertheless() {
    let mut run = Run::new(over("telemetry_acked", "count >= 10", 5));
    run.seconds(5, HOLD, events(TelemetryAcked, 2));
    // The launcher was held up for as long as a whole window.
    run.at_s += 4;
    run.second(HOLD, events(TelemetryAcked, 9));
    let result = run.finish();
    assert_eq!(
        (judged(&result), result.actual),
        ((Verdict::Failed, Some(10), Some(10)), Some(9.0))
    );
}

#[test]
fn devices_are_judged_only_while_a_target_is_held() {
    let mut run = Run::new(threshold("devices_online", "value >= 98%"));
    run.seconds(5, RAMP, online(1.0, 100.0));
    run.seconds(5, HOLD, online(99.0, 100.0));
    run.second(HOLD, online(98.0, 100.0));
    run.seconds(5, HOLD, online(100.0, 100.0));
    // Nothing is wanted, then the fleet is drained.
    run.seconds(3, HOLD, online(0.0, 0.0));
    run.seconds(3, DRAIN, online(0.0, 100.0));
    let result = run.finish();
    assert_eq!(judged(&result), (Verdict::Passed, None, Some(11)));
    assert_eq!((result.actual, result.unit), (Some(0.98), Unit::Ratio));

    let mut run = Run::new(threshold("devices_online", "value >= 98"));
    run.seconds(5, HOLD, online(99.0, 100.0));
    run.second(HOLD, online(97.0, 100.0));
    run.second(HOLD, online(96.0, 100.0));
    run.seconds(5, HOLD, online(99.0, 100.0));
    let result = run.finish();
    assert_eq!(judged(&result), (Verdict::Failed, Some(6), Some(7)));
    assert_eq!((result.actual, result.unit), (Some(96.0), Unit::Count));
}

#[test]
fn a_share_is_compared_as_it_is_written() {
    // 99.9 / 100 is a little more than 999 / 1000, in binary.
    let mut run = Run::new(threshold("devices_online", "value >= 99.9%"));
    run.seconds(3, HOLD, online(999.0, 1000.0));
    assert_eq!(run.finish().verdict, Verdict::Passed);
}

#[test]
fn the_least_and_greatest_of_a_gauge_are_taken_from_held_seconds() {
    for (expression, over_s, verdict, actual) in [
        ("min >= 90%", None, Verdict::Passed, 0.9),
        ("max >= 99%", None, Verdict::Passed, 1.0),
        // Every two seconds in a row have one with all devices; not every second has.
        ("max == 100%", Some(2), Verdict::Passed, 1.0),
        ("value == 100%", None, Verdict::Failed, 0.9),
        ("min > 90%", Some(2), Verdict::Failed, 0.9),
    ] {
        let mut run = Run::new(Threshold {
            over_s,
            ..threshold("devices_online", expression)
        });
        run.seconds(2, RAMP, online(1.0, 10.0));
        for _ in 0..3 {
            run.second(HOLD, online(10.0, 10.0));
            run.second(HOLD, online(9.0, 10.0));
        }
        run.seconds(2, DRAIN, online(0.0, 10.0));
        let result = run.finish();
        assert_eq!((result.verdict, result.actual), (verdict, Some(actual)), "{expression}");
    }
}

#[test]
fn the_time_to_online_is_judged_once_it_is_known() {
    let mut run = Run::new(threshold("time_to_online", "value <= 5s"));
    run.seconds(6, RAMP, |_| {});
    let gauge = Gauge { value: 6.0, of: None };
    // The next stage is another ramp at once: no second is held.
    run.seconds(3, RAMP, |figures| {
        figures.set_gauge(Metric::TimeToOnline, Labels::none(), gauge)
    });
    let result = run.finish();
    assert_eq!(
        (judged(&result), result.actual),
        ((Verdict::Failed, Some(7), Some(7)), Some(6.0))
    );
}

#[test]
fn the_fullest_limit_is_judged_where_none_is_named() {
    let used = |value| {
        move |figures: &mut Figures| {
            let labels = |limit| Labels::none().with(Label::Limit, limit);
            figures.set_gauge(Metric::QuotaUsed, labels("dps"), Gauge { value: 0.5, of: None });
            figures.set_gauge(Metric::QuotaUsed, labels("hub"), Gauge { value, of: None });
        }
    };
    for (selector, verdict, actual) in [
        ("quota_used", Verdict::Failed, 2.4),
        ("quota_used{limit:dps}", Verdict::Passed, 0.5),
    ] {
        let mut run = Run::new(threshold(selector, "value < 80%"));
        run.seconds(3, HOLD, used(0.7));
        run.seconds(3, HOLD, used(2.4));
        let result = run.finish();
        assert_eq!((result.verdict, result.actual), (verdict, Some(actual)), "{selector}");
    }
}

#[test]
fn a_run_ends_once_and_not_before_the_delay() {
    let abort = |delay| Threshold {
        abort_on_fail: true,
        delay_abort_eval: Duration::from_secs(delay),
        ..threshold("publish_duration", "max < 500ms")
    };
    let mut run = Run::new(abort(0));
    run.seconds(2, DRAIN, published(&[100]));
    run.seconds(3, RAMP, published(&[900]));
    assert_eq!(run.ended, [3]);
    assert!(run.finish().abort);

    // Two seconds pass before the first stage begins at 3; from there on the delay counts.
    let mut run = Run::new(abort(10));
    run.seconds(2, DRAIN, published(&[900]));
    run.seconds(20, RAMP, published(&[900]));
    assert_eq!(run.ended, [13]);
    let result = run.finish();
    assert_eq!((result.abort, result.first_crossed_s), (true, Some(1)));

    // Failing is not enough.
    let mut run = Run::new(Threshold {
        abort_on_fail: false,
        ..abort(0)
    });
    run.seconds(9, RAMP, published(&[900]));
    assert_eq!(run.ended, [0; 0]);
    assert!(!run.finish().abort);
}

#[test]
fn what_is_crossed_in_the_drain_has_not_ended_the_run() {
    let mut evaluator = Evaluator::new(vec![Threshold {
        abort_on_fail: true,
        ..threshold("telemetry_acked", "count < 5")
    }]);
    let mut figures = Figures::default();
    figures.add_events(TelemetryAcked, Labels::none(), 9);
    evaluator.drain(1, &figures);
    let result = evaluator.finish(2, &figures).remove(0);
    assert_eq!((result.verdict, result.abort), (Verdict::Failed, false));
}

#[test]
fn what_held_again_before_the_delay_was_over_ends_no_run() {
    let mut run = Run::new(Threshold {
        abort_on_fail: true,
        delay_abort_eval: Duration::from_secs(10),
        ..threshold("devices_online", "value >= 98%")
    });
    run.seconds(5, HOLD, online(50.0, 100.0));
    run.seconds(10, HOLD, online(100.0, 100.0));
    assert_eq!(run.ended, [0; 0]);
    run.second(HOLD, online(50.0, 100.0));
    assert_eq!(run.ended, [16]);
    assert_eq!(run.finish().verdict, Verdict::Failed);
}

#[test]
fn a_second_that_can_not_be_judged_ends_no_run_even_after_a_bad_one() {
    let mut run = Run::new(Threshold {
        abort_on_fail: true,
        delay_abort_eval: Duration::from_secs(10),
        ..threshold("devices_online", "value >= 98%")
    });
    run.seconds(5, HOLD, online(50.0, 100.0));
    run.seconds(10, RAMP, online(50.0, 100.0));
    assert_eq!(run.ended, [0; 0]);
}

#[test]
fn no_window_of_a_gauge_reaches_over_a_ramp() {
    let mut run = Run::new(over("devices_online", "max == 100%", 2));
    run.seconds(2, HOLD, online(10.0, 10.0));
    run.second(HOLD, online(9.0, 10.0));
    run.second(RAMP, online(9.0, 10.0));
    run.second(HOLD, online(9.0, 10.0));
    run.second(HOLD, online(10.0, 10.0));
    assert_eq!(judged(&run.finish()), (Verdict::Passed, None, Some(2)));
}

#[test]
fn a_window_ends_a_run_once_it_is_full() {
    let mut run = Run::new(Threshold {
        abort_on_fail: true,
        ..over("publish_duration", "max < 500ms", 5)
    });
    run.seconds(9, HOLD, published(&[900]));
    assert_eq!(run.ended, [5]);
}

#[test]
fn a_stage_has_its_own_seconds() {
    let stage = |selector, expression| {
        let mut run = Run::new(threshold(selector, expression));
        let both = |millis: &'static [u64]| {
            move |figures: &mut Figures| {
                published(millis)(figures);
                events(TelemetryAcked, millis.len() as u64)(figures);
            }
        };
        run.seconds(4, HOLD, both(&[900, 900]));
        run.seconds(3, SECOND, both(&[100]));
        run.seconds(4, DRAIN, both(&[800, 800, 800]));
        run.finish()
    };
    let result = stage("publish_duration{stage:2}", "max < 500ms");
    assert_eq!(judged(&result), (Verdict::Passed, None, None));
    assert!(near(result.actual, 0.1), "{result:?}");
    assert_eq!(result.labels.to_string(), "{stage:2}");
    assert_eq!(
        stage("publish_duration{stage:1}", "max < 500ms").verdict,
        Verdict::Failed
    );
    assert_eq!(
        stage("publish_duration{stage:3}", "max < 500ms").verdict,
        Verdict::NoData
    );
    assert_eq!(stage("telemetry_acked{stage:2}", "rate >= 1/s").actual, Some(1.0));
    assert_eq!(stage("telemetry_acked{stage:1}", "count == 8").actual, Some(8.0));
}

#[test]
fn a_window_of_a_stage_ends_with_it() {
    let mut run = Run::new(over("telemetry_acked{stage:2}", "count >= 2", 2));
    run.seconds(4, HOLD, events(TelemetryAcked, 0));
    run.seconds(4, SECOND, events(TelemetryAcked, 1));
    run.seconds(4, DRAIN, events(TelemetryAcked, 0));
    assert_eq!(judged(&run.finish()), (Verdict::Passed, None, Some(6)));
}

#[test]
fn a_gauge_of_a_stage_is_judged_in_it() {
    for (selector, verdict) in [
        ("devices_online{stage:1}", Verdict::Failed),
        ("devices_online{stage:2}", Verdict::Passed),
        ("devices_online{stage:3}", Verdict::NoData),
    ] {
        let mut run = Run::new(threshold(selector, "value == 100%"));
        run.seconds(3, HOLD, online(9.0, 10.0));
        run.seconds(3, SECOND, online(10.0, 10.0));
        assert_eq!(run.finish().verdict, verdict, "{selector}");
    }
}

#[test]
fn a_group_is_judged_by_its_own_figures() {
    let both = |figures: &mut Figures| {
        let of = |group| Labels::none().with(Label::Group, group).with(Label::Shard, "1");
        figures.add_times(PublishDuration, of("a"), &(&histogram(&[100])).into(), 0);
        figures.add_times(PublishDuration, of("b"), &(&histogram(&[900])).into(), 0);
    };
    for (selector, verdict) in [
        ("publish_duration", Verdict::Failed),
        ("publish_duration{group:a}", Verdict::Passed),
        ("publish_duration{group:b}", Verdict::Failed),
        ("publish_duration{group:a,stage:1}", Verdict::Passed),
        ("publish_duration{group:b,shard:1}", Verdict::Failed),
    ] {
        let mut run = Run::new(threshold(selector, "max < 500ms"));
        run.seconds(3, HOLD, both);
        assert_eq!(run.finish().verdict, verdict, "{selector}");
    }
}

#[test]
fn a_clipped_time_is_beyond_every_bound_and_is_said() {
    // 2 of 100 took longer than ten minutes; the histogram has them as ten minutes.
    let clipped = |figures: &mut Figures| {
        let mut times = histogram(&[100]);
        times.record_n(100_000, 97).unwrap();
        times.saturating_record_n(700_000_000, 2);
        figures.add_times(PublishDuration, Labels::none(), &(&times).into(), 2);
    };
    for (expression, over_s, verdict) in [
        ("p(98) < 500ms", None, Verdict::Passed),
        ("p(99) <= 10m", None, Verdict::Failed),
        ("max <= 10m", None, Verdict::Failed),
        ("max > 9m", None, Verdict::Passed),
        ("min <= 100.1ms", None, Verdict::Passed),
        ("avg < 30s", None, Verdict::Passed),
        ("p(99) <= 10m", Some(2), Verdict::Failed),
    ] {
        let mut run = Run::new(Threshold {
            over_s,
            ..threshold("publish_duration", expression)
        });
        run.second(HOLD, clipped);
        run.seconds(3, HOLD, |_| {});
        let result = run.finish();
        assert_eq!((result.verdict, result.clipped), (verdict, 2), "{expression}");
        assert!(result.actual.is_some_and(|actual| actual <= 600.0), "{expression}");
    }
    // A window that has moved on is rid of it.
    let mut run = Run::new(over("publish_duration", "max > 1s", 2));
    run.second(HOLD, clipped);
    run.seconds(3, HOLD, published(&[100]));
    let result = run.finish();
    assert_eq!(
        (judged(&result), result.clipped),
        ((Verdict::Failed, Some(3), Some(3)), 0)
    );
}

#[test]
fn what_is_lost_is_judged_after_the_drain() {
    let mut run = Run::new(Threshold {
        abort_on_fail: true,
        ..threshold("telemetry_lost", "rate == 0")
    });
    let lost = |figures: &mut Figures| {
        figures.add_attempts(Metric::TelemetryLost, Labels::none(), 10);
        figures.add_failures(Metric::TelemetryLost, Labels::none(), 1);
    };
    run.seconds(5, HOLD, lost);
    assert_eq!(
        (run.ended.len(), run.evaluator.so_far()[0].verdict),
        (0, Verdict::NoData)
    );
    let result = run.finish();
    assert_eq!(
        (judged(&result), result.actual),
        ((Verdict::Failed, Some(5), None), Some(0.1))
    );
}

#[test]
fn thresholds_on_the_same_figures_share_them() {
    let evaluator = Evaluator::new(vec![
        threshold("publish_duration", "p(95) < 500ms"),
        over("publish_duration", "p(99) < 2s", 60),
        threshold("publish_duration{stage:2}", "p(99) < 2s"),
        threshold("publish_duration{group:a}", "p(99) < 2s"),
    ]);
    assert_eq!(evaluator.totals.len(), 2);
}

#[test]
fn a_result_is_read_back_from_json_as_it_was() {
    let mut run = Run::new(over("publish_duration{group:a}", "p(95) < 500ms", 1));
    run.second(HOLD, |figures| {
        figures.add_times(
            PublishDuration,
            Labels::none().with(Label::Group, "a"),
            &(&histogram(&[250])).into(),
            0,
        );
    });
    let result = run.finish();
    let json = serde_json::to_string(&result).unwrap();
    assert_eq!(
        json,
        r#"{"metric":"publish_duration","labels":{"group":"a"},"expression":"p(95) < 500ms","over_s":1,"actual":0.250111,"unit":"s","verdict":"passed","worst_at_s":1,"abort":false}"#
    );
    assert_eq!(serde_json::from_str::<ThresholdResult>(&json).unwrap(), result);

    let none = Run::new(threshold("command_duration", "p(95) < 1s")).finish();
    assert_eq!(none.metric, CommandDuration);
    let json = serde_json::to_string(&none).unwrap();
    assert!(
        json.contains(r#""labels":{},"#) && json.contains(r#""actual":null,"#),
        "{json}"
    );
    assert!(json.contains(r#""verdict":"no_data""#), "{json}");
    assert_eq!(serde_json::from_str::<ThresholdResult>(&json).unwrap(), none);
}

/// What the windows of some seconds are worst at, by taking each of them anew.
fn worst_by_hand(seconds: &[Vec<u64>], length: usize, quantile: f64) -> Option<(f64, u64)> {
    let mut worst: Option<(f64, u64)> = None;
    for (end, window) in seconds.windows(length).enumerate() {
        let all: Vec<u64> = window.concat();
        if all.is_empty() {
            continue;
        }
        let value = histogram(&all).value_at_quantile(quantile) as f64 / 1e6;
        if worst.is_none_or(|(worst, _)| value > worst) {
            worst = Some((value, (end + length) as u64));
        }
    }
    worst
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_window_that_slides_is_the_window_taken_anew(
        seconds in prop::collection::vec(prop::collection::vec(1u64..2_000, 0..4), 6..24),
        length in 1u64..6,
        percentile in prop::sample::select(vec![0.0, 50.0, 95.0, 100.0]),
    ) {
        let mut run = Run::new(over("publish_duration", &format!("p({percentile}) < 1s"), length));
        for millis in &seconds {
            run.second(HOLD, |figures| figures.add_times(PublishDuration, Labels::none(), &(&histogram(millis)).into(), 0));
        }
        let result = run.finish();
        let length = usize::try_from(length).unwrap();
        let by_hand = worst_by_hand(&seconds, length, percentile / 100.0);
        prop_assert_eq!(result.actual.zip(result.worst_at_s), by_hand);
    }
}
