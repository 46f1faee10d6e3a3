//! An old report judged by other thresholds.
//!
//! A report keeps what was counted and timed of the whole run, and the devices online over its time. What it does not
//! keep, such as the times of a single minute, can only be judged while a run lasts.

use std::collections::BTreeMap;

use fleet_protocol::histogram::decode;
use fleet_protocol::lines::{GroupStats, State, Stats, counter};

use crate::gather::Gather;
use crate::metric::{Judged, Kind, Label};
use crate::report::{Losses, Report};
use crate::thresholds::{Evaluator, Second, Stage, Threshold, ThresholdResult};
use crate::timeline::TimelineSeries;
use crate::totals::{Decoded, Times};

/// A threshold that a report has no figures for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{threshold}: {reason}")]
pub struct Unjudgeable {
    /// The threshold.
    pub threshold: String,
    /// What is missing.
    pub reason: &'static str,
}

/// Judges a run of which only its report is left.
///
/// # Errors
///
/// Thresholds that the report has no figures for; all of them.
pub fn check(report: &Report, thresholds: &[Threshold]) -> Result<Vec<ThresholdResult>, Vec<Unjudgeable>> {
    let missing: Vec<_> = thresholds
        .iter()
        .filter_map(|threshold| missing(report, threshold))
        .collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let mut gather = Gather::new(thresholds);
    let mut evaluator = Evaluator::new(thresholds.to_vec());
    if let Some(timeline) = &report.timeline {
        for (point, second) in seconds(timeline) {
            gather.line(0, &devices_online(timeline, point).into());
            gather.quota_used(quota_used(timeline, point));
            evaluator.second(second, gather.figures());
        }
    }
    if let Some(seconds) = report.run.time_to_online_s {
        gather.time_to_online(seconds);
    }
    gather.line(0, &everything(report));
    gather.drained(losses(report), not_received(report));
    let lasted = report.timeline.as_ref().map(|timeline| timeline.seconds);
    let mut results = evaluator.finish(lasted.unwrap_or_else(|| duration(report)), gather.figures());
    for result in &mut results {
        // What was counted or timed comes all at once here; when it crossed is not in the report.
        if result.metric.kind() != Kind::Gauge {
            (result.first_crossed_s, result.worst_at_s) = (None, None);
        }
    }
    Ok(results)
}

fn missing(report: &Report, threshold: &Threshold) -> Option<Unjudgeable> {
    let selector = &threshold.selector;
    let is_held = selector.metric.judged() == Judged::WhileHeld;
    let reason = if selector.labels.get(Label::Shard).is_some() {
        "a report has the figures of all shards together"
    } else if is_held && report.timeline.is_none() {
        "this report has no timeline"
    } else if !is_held && threshold.over_s.is_some() {
        "a report has no figures of a single stretch of `over`; only a run can be judged by it"
    } else if !is_held && selector.labels.get(Label::Stage).is_some() {
        "a report has no figures of a single stage; only a run can be judged by it"
    } else {
        return None;
    };
    Some(Unjudgeable {
        threshold: format!("{selector} {}", threshold.expression),
        reason,
    })
}

/// Each second of a timeline, and the index of its point.
fn seconds(timeline: &TimelineSeries) -> impl Iterator<Item = (usize, Second)> {
    (1..=timeline.seconds).filter_map(|at_s| {
        let point = usize::try_from((at_s - 1) / timeline.step_s.max(1)).ok()?;
        let (number, held) = (*timeline.stage.get(point)?, *timeline.held.get(point)?);
        let stage = (number > 0).then_some(Stage { number, held });
        Some((point, Second { at_s, stage }))
    })
}

fn devices_online(timeline: &TimelineSeries, point: usize) -> Stats {
    let groups = timeline.groups.iter().map(|(name, series)| {
        let at = |series: &[u64]| series.get(point).copied().unwrap_or(0);
        let group = GroupStats {
            states: BTreeMap::from([(State::Online, at(&series.online))]),
            wanted_now: at(&series.wanted),
            ..GroupStats::default()
        };
        (name.clone(), group)
    });
    Stats {
        groups: groups.collect(),
        ..Stats::default()
    }
}

fn quota_used(timeline: &TimelineSeries, point: usize) -> impl Iterator<Item = (&str, f64)> {
    let of = timeline.quota.iter();
    of.filter_map(move |(id, series)| Some((id.as_str(), *series.get(point)?)))
}

/// All counters and times of the run, as if one process had reported them in one line.
fn everything(report: &Report) -> Decoded {
    let mut groups: BTreeMap<String, GroupStats> = BTreeMap::new();
    for (name, counters) in &report.counters {
        groups.entry(name.clone()).or_default().counters.clone_from(counters);
    }
    for (name, devices) in &report.devices.by_group {
        let counters = &mut groups.entry(name.clone()).or_default().counters;
        // In a merged report a device counts once here, however many processes had it.
        counters.retain(|name, _| !name.starts_with(counter::DEVICES_FAILED));
        counters.insert(counter::DEVICES_WANTED.to_owned(), devices.wanted);
        counters.insert(format!("{}any", counter::DEVICES_FAILED), devices.failed);
    }
    let times = report.phases().flat_map(|(phase, latency)| {
        latency.groups.iter().filter_map(move |(group, latency)| {
            Some(Times {
                phase,
                group: group.clone(),
                values: (&decode(latency.histogram.as_deref()?)?).into(),
            })
        })
    });
    let mut line = Decoded::from(Stats {
        groups,
        ..Stats::default()
    });
    line.times = times.collect();
    line.lag = report
        .generator
        .as_ref()
        .and_then(|generator| decode(generator.lag.as_deref()?));
    line
}

/// What is in the report and in no group.
fn losses(report: &Report) -> Losses {
    let groups = report.devices.by_group.values();
    let (wanted, failed) = groups.fold((0, 0), |(wanted, failed), group| {
        (wanted + group.wanted, failed + group.failed)
    });
    Losses {
        wanted: report.devices.wanted.saturating_sub(wanted),
        failed: report.devices.failed.saturating_sub(failed),
        unreported: 0,
    }
}

fn not_received(report: &Report) -> u64 {
    let missing = |unique: u64| report.telemetry.acked.saturating_sub(unique);
    report.target.map_or(0, |target| missing(target.received_unique))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and no run lasts that long"
)]
fn duration(report: &Report) -> u64 {
    report.run.duration_s.unwrap_or(0.0).round() as u64
}

#[cfg(test)]
mod tests {
    use fleet_protocol::histogram::Encoder;
    use serde_json::json;

    use fleet_protocol::lines::Phase;

    use super::*;
    use crate::labels::KnownLabels;
    use crate::measurements::Measurements;
    use crate::report::Circumstances;
    use crate::thresholds::{Expression, Selector, Verdict};

    fn threshold(selector: &str, expression: &str) -> Threshold {
        let known = KnownLabels {
            groups: vec!["a".into(), "b".into()],
            reasons: vec!["dns".into()],
            stages: 2,
            shards: vec!["0".into()],
            limits: vec!["hub.sends".into()],
            ..KnownLabels::default()
        };
        let selector = Selector::parse(selector, &known).unwrap();
        let expression = Expression::parse(expression, selector.metric).unwrap();
        Threshold::new(selector, expression)
    }

    fn line(second: u64) -> Decoded {
        let group = |online: u64, wanted: u64| GroupStats {
            counters: BTreeMap::from([
                (counter::TELEMETRY_OFFERED.to_owned(), second * 10),
                (counter::TELEMETRY_ACKED.to_owned(), second * 10 - 1),
                ("connect_failed/dns".to_owned(), second / 3),
                (counter::DEVICES_WANTED.to_owned(), wanted),
                ("devices_failed/dns".to_owned(), 1),
            ]),
            states: BTreeMap::from([(State::Online, online)]),
            wanted_now: wanted,
        };
        let mut publish = Phase::histogram();
        publish.record_n(second * 20_000, 10).unwrap();
        Decoded::from(Stats {
            counters: BTreeMap::from([(counter::TELEMETRY_SENT.to_owned(), second * 9)]),
            groups: BTreeMap::from([
                ("a".to_owned(), group(if second == 7 { 4 } else { 5 }, 5)),
                ("b".to_owned(), group(3, 3)),
            ]),
            histograms: BTreeMap::from([("publish/a".to_owned(), Encoder::default().encode(&publish))]),
            ..Stats::default()
        })
    }

    /// A run of twelve seconds, judged as it goes, and its report.
    fn run(thresholds: &[Threshold]) -> (Vec<ThresholdResult>, Report) {
        let (mut gather, mut evaluator) = (Gather::new(thresholds), Evaluator::new(thresholds.to_vec()));
        let sends = json!({
            "id": "hub.sends", "what": "messages", "asked": 10.0, "allowed": 10.0, "per": "s", "scope": null,
            "kind": "throttle", "refuses": false, "share": 1.0, "source": null, "date": null,
        });
        let mut measurements = Measurements::new(1, &[serde_json::from_value(sends).unwrap()]);
        for at_s in 1..=12 {
            let second = Second {
                at_s,
                stage: Some(Stage {
                    number: 1 + u32::from(at_s > 4),
                    held: at_s > 4,
                }),
            };
            gather.line(0, &line(at_s));
            measurements.line(0, line(at_s), 0.0);
            measurements.second(second);
            gather.quota_used(measurements.quotas.now());
            evaluator.second(second, gather.figures());
        }
        gather.drained(Losses::default(), 0);
        let results = evaluator.finish(12, gather.figures());
        let report = Report::new(Circumstances::default(), &measurements);
        let text = serde_json::to_vec(&report).unwrap();
        let read = Report::read(&text).unwrap();
        assert_eq!(read, report, "what is written is read");
        (results, read)
    }

    #[test]
    fn an_old_report_is_judged_as_its_run_was() {
        let thresholds = [
            threshold("publish_duration", "p(95) < 200ms"),
            threshold("publish_duration{group:b}", "p(95) < 200ms"),
            threshold("connect_failed{reason:dns}", "count <= 7"),
            threshold("telemetry_offered{group:a}", "rate > 5/s"),
            threshold("telemetry_lost", "count == 2"),
            threshold("devices_failed", "rate <= 25%"),
            threshold("devices_online", "value >= 98%"),
            threshold("devices_online{group:a,stage:2}", "min >= 4"),
            threshold("reconnects", "count == 0"),
            threshold("quota_used{limit:hub.sends}", "max < 80%"),
        ];
        let (results, report) = run(&thresholds);
        let again = check(&report, &thresholds).unwrap();
        let essence = |results: &[ThresholdResult]| -> Vec<_> {
            results
                .iter()
                .map(|result| (result.metric, result.actual, result.verdict))
                .collect()
        };
        assert_eq!(essence(&again), essence(&results));
        let verdicts: Vec<_> = again.iter().map(|result| result.verdict).collect();
        use Verdict::{Failed, NoData, Passed};
        assert_eq!(
            verdicts,
            [
                Failed, NoData, Failed, Passed, Passed, Passed, Failed, Passed, Passed, Failed
            ]
        );
        assert_eq!(again[6].worst_at_s, Some(7), "a gauge has its moment");
    }

    #[test]
    fn what_a_report_does_not_keep_is_refused_with_its_reason() {
        let (_, report) = run(&[]);
        let over = Threshold {
            over_s: Some(60),
            ..threshold("connect_duration", "p(99) < 5s")
        };
        let thresholds = [
            over,
            threshold("publish_duration{stage:1}", "p(95) < 1s"),
            threshold("telemetry_acked{shard:0}", "count > 0"),
            threshold("publish_duration", "p(95) < 1s"),
        ];
        let refused = check(&report, &thresholds).unwrap_err();
        let words: Vec<_> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "connect_duration p(99) < 5s: a report has no figures of a single stretch of `over`; only a run can be \
                 judged by it",
                "publish_duration{stage:1} p(95) < 1s: a report has no figures of a single stage; only a run can be \
                 judged by it",
                "telemetry_acked{shard:0} count > 0: a report has the figures of all shards together",
            ]
        );
        let merged = Report {
            timeline: None,
            ..report
        };
        let refused = check(&merged, &[threshold("devices_online", "value >= 98%")]).unwrap_err();
        assert_eq!(refused[0].reason, "this report has no timeline");
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let (_, mut report) = run(&[]);
        for (text, words) in [
            (&b"{}"[..], "this is no report of a run"),
            (b"nonsense", "this is no report of a run"),
            (
                br#"{"schema_version": 1, "tool": {}}"#,
                "this report is of version 1, and this build reads version 2",
            ),
        ] {
            assert_eq!(Report::read(text).unwrap_err().to_string(), words);
        }
        report.timeline.as_mut().unwrap().held.pop();
        let error = Report::read(&serde_json::to_vec(&report).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the timeline's series `held` does not have 12 values"
        );
    }
}
