//! The lines of all processes as the figures that thresholds are judged by.
//!
//! A line has counters since its process began and times since the line before. What is new in it is added once, under
//! the labels of its group and its process.

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::lines::{GroupStats, Phase, State, counter};

use crate::attempts::{ATTEMPTS, Attempt};
use crate::figures::{Figures, Gauge};
use crate::labels::Labels;
use crate::metric::{Kind, Label, Metric};
use crate::report::Losses;
use crate::thresholds::{Selector, Threshold};
use crate::totals::{Decoded, Times};

/// The figures of a run, as far as its thresholds ask for them.
#[derive(Debug)]
pub struct Gather {
    figures: Figures,
    /// By process: the groups of its last line.
    last: BTreeMap<usize, BTreeMap<String, GroupStats>>,
    /// The distributions that are kept, and by which labels: each takes 170 KB, and there would be one for each phase in
    /// each group of each process.
    trends: BTreeMap<Metric, BTreeSet<Label>>,
}

/// Counters of events, by the metric that they are.
const EVENTS: [(&str, Metric); 8] = [
    (counter::TELEMETRY_OFFERED, Metric::TelemetryOffered),
    (counter::TELEMETRY_SENT, Metric::TelemetrySent),
    (counter::TELEMETRY_ACKED, Metric::TelemetryAcked),
    (counter::TELEMETRY_RESENT, Metric::TelemetryResent),
    (counter::TICKS_MISSED, Metric::TicksMissed),
    (counter::DPS_THROTTLED, Metric::DpsThrottled),
    (counter::COMMANDS, Metric::Commands),
    (counter::REST_THROTTLED, Metric::RestThrottled),
];

/// Counters of events with a reason.
const EVENTS_BY_REASON: [(&str, Metric); 2] = [
    (counter::TELEMETRY_DROPPED, Metric::TelemetryDropped),
    (counter::RECONNECTS, Metric::Reconnects),
];

impl Gather {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(thresholds: &[Threshold]) -> Self {
        let mut trends: BTreeMap<Metric, BTreeSet<Label>> = BTreeMap::new();
        for Selector { metric, labels } in thresholds.iter().map(|threshold| &threshold.selector) {
            if metric.kind() == Kind::Trend {
                trends
                    .entry(*metric)
                    .or_default()
                    .extend(labels.iter().map(|(label, _)| label));
            }
        }
        Self {
            figures: Figures::default(),
            last: BTreeMap::new(),
            trends,
        }
    }

    /// Takes a line of a process.
    pub fn line(&mut self, process: usize, line: &Decoded) {
        let groups = &line.stats.groups;
        let last = self.last.insert(process, groups.clone()).unwrap_or_default();
        let none = GroupStats::default();
        for (group, now) in groups {
            let before = last.get(group).unwrap_or(&none);
            self.group(&labels(process, group), before, now);
        }
        if let Some((lag, kept)) = line.lag.as_ref().zip(self.trends.get(&Metric::SchedulerLag)) {
            let labels = Labels::none().with(Label::Shard, process.to_string());
            self.figures
                .add_times(Metric::SchedulerLag, labels.only(kept), &lag.into(), 0);
        }
        for Times { phase, group, values } in &line.times {
            let labels = labels(process, group);
            // Each of these times is an attempt that ended well; a command counts when it arrives.
            let attempt = Attempt::of(*phase).filter(|attempt| attempt.phase != Phase::Command);
            if let Some(attempt) = attempt {
                self.figures.add_attempts(attempt.ratio, labels.clone(), values.len());
            }
            if *phase == Phase::Report {
                self.figures
                    .add_events(Metric::PropertyUpdates, labels.clone(), values.len());
            }
            let metric = metric_of(*phase);
            if let Some(kept) = self.trends.get(&metric) {
                let name = format!("{}{}", counter::CLIPPED, phase.word());
                let clipped =
                    |groups: &BTreeMap<String, GroupStats>| groups.get(group).map_or(0, |now| count(now, &name));
                let clipped = clipped(groups).saturating_sub(clipped(&last));
                self.figures.add_times(metric, labels.only(kept), values, clipped);
            }
        }
    }

    fn group(&mut self, labels: &Labels, before: &GroupStats, now: &GroupStats) {
        let added = |name: &str| count(now, name).saturating_sub(count(before, name));
        let figures = &mut self.figures;
        for (name, metric) in EVENTS {
            figures.add_events(metric, labels.clone(), added(name));
        }
        figures.add_attempts(Metric::CommandFailed, labels.clone(), added(counter::COMMANDS));
        figures.add_attempts(Metric::ArrivalStale, labels.clone(), added(counter::ARRIVAL_LOOKS));
        figures.add_failures(Metric::ArrivalStale, labels.clone(), added(counter::ARRIVAL_STALE));
        figures.add_events(Metric::PropertyUpdates, labels.clone(), 0);
        for (prefix, metric) in EVENTS_BY_REASON {
            figures.add_events(metric, labels.clone(), 0);
            for (reason, name) in reasons(now, prefix) {
                figures.add_events(metric, labels.clone().with(Label::Reason, reason), added(name));
            }
        }
        for Attempt {
            phase,
            failed,
            ratio: metric,
        } in ATTEMPTS
        {
            for (reason, name) in reasons(now, failed) {
                let failed = added(name);
                figures.add_failures(metric, labels.clone().with(Label::Reason, reason), failed);
                match phase {
                    // Every command counts when it arrives, whatever becomes of it.
                    Phase::Command => {}
                    // An answer to a report that refuses it is an answer.
                    Phase::Report => {
                        figures.add_attempts(metric, labels.clone(), failed);
                        figures.add_events(Metric::PropertyUpdates, labels.clone(), failed);
                    }
                    _ => figures.add_attempts(metric, labels.clone(), failed),
                }
            }
        }
        let online = now.states.get(&State::Online).copied().unwrap_or(0);
        let gauge = Gauge {
            value: float(online),
            of: Some(float(now.wanted_now)),
        };
        figures.set_gauge(Metric::DevicesOnline, labels.clone(), gauge);
    }

    /// The first stage has reached its target, so long after it began.
    pub fn time_to_online(&mut self, seconds: f64) {
        let gauge = Gauge {
            value: seconds,
            of: None,
        };
        self.figures.set_gauge(Metric::TimeToOnline, Labels::none(), gauge);
    }

    /// So much of each limit is used now: 1 is all that is allowed.
    pub fn quota_used<'a>(&mut self, used: impl IntoIterator<Item = (&'a str, f64)>) {
        for (id, value) in used {
            let gauge = Gauge { value, of: None };
            self.figures
                .set_gauge(Metric::QuotaUsed, Labels::none().with(Label::Limit, id), gauge);
        }
    }

    /// Every device has stopped: what is not acknowledged now is lost, and who was wanted and never online has failed.
    /// `losses` went with processes that died, and `not_received` was acknowledged without reaching the target.
    pub fn drained(&mut self, losses: Losses, not_received: u64) {
        let figures = &mut self.figures;
        for (process, groups) in &self.last {
            for (group, now) in groups {
                let labels = labels(*process, group);
                let offered = count(now, counter::TELEMETRY_OFFERED);
                let lost = offered.saturating_sub(count(now, counter::TELEMETRY_ACKED));
                figures.add_attempts(Metric::TelemetryLost, labels.clone(), offered);
                figures.add_failures(Metric::TelemetryLost, labels.clone(), lost);
                // A process in which there are none says nothing of them.
                let negative = count(now, counter::DEVICES_NEGATIVE);
                if negative > 0 {
                    figures.add_attempts(Metric::NegativeRefused, labels.clone(), negative);
                    let refused = count(now, counter::DEVICES_REFUSED);
                    figures.add_failures(Metric::NegativeRefused, labels.clone(), refused);
                }
                figures.add_attempts(
                    Metric::DevicesFailed,
                    labels.clone(),
                    count(now, counter::DEVICES_WANTED),
                );
                figures.add_failures(Metric::DevicesFailed, labels, count(now, counter::DEVICES_FAILED));
            }
        }
        figures.add_attempts(Metric::DevicesFailed, Labels::none(), losses.wanted);
        figures.add_failures(Metric::DevicesFailed, Labels::none(), losses.failed);
        figures.add_failures(Metric::TelemetryLost, Labels::none(), not_received);
    }

    /// Everything so far.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}

fn labels(process: usize, group: &str) -> Labels {
    Labels::none()
        .with(Label::Shard, process.to_string())
        .with(Label::Group, group)
}

fn count(stats: &GroupStats, name: &str) -> u64 {
    counter::count(&stats.counters, name)
}

/// The counters that begin with `prefix`: the reason, and the whole name.
fn reasons<'a>(stats: &'a GroupStats, prefix: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let names = stats.counters.keys();
    names.filter_map(move |name| Some((name.strip_prefix(prefix)?, name.as_str())))
}

const fn metric_of(phase: Phase) -> Metric {
    match phase {
        Phase::Register => Metric::RegisterDuration,
        Phase::DpsWait => Metric::DpsWaitDuration,
        Phase::Connect => Metric::ConnectDuration,
        Phase::ConnectDns => Metric::ConnectDnsDuration,
        Phase::ConnectTcp => Metric::ConnectTcpDuration,
        Phase::ConnectTls => Metric::ConnectTlsDuration,
        Phase::ConnectMqtt => Metric::ConnectMqttDuration,
        Phase::TwinGet => Metric::TwinGetDuration,
        Phase::TimeToOnline => Metric::TimeToOnlineDuration,
        Phase::Publish => Metric::PublishDuration,
        Phase::PublishSent => Metric::PublishSentDuration,
        Phase::Report => Metric::ReportDuration,
        Phase::Command => Metric::CommandDuration,
        Phase::CommandRoundtrip => Metric::CommandRoundtripDuration,
        Phase::PropertyRoundtrip => Metric::PropertyRoundtripDuration,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a fleet has far fewer than 2^53 devices")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::Stats;

    use super::*;
    use crate::labels::KnownLabels;
    use crate::thresholds::{Evaluator, Expression, Second, Stage, ThresholdResult, Verdict};

    fn line(t: f64, group: &str, counters: &[(&str, u64)], online: u64, wanted: u64) -> Stats {
        let group_stats = GroupStats {
            counters: counters.iter().map(|&(name, count)| (name.to_owned(), count)).collect(),
            states: BTreeMap::from([(State::Online, online)]),
            wanted_now: wanted,
        };
        Stats {
            t,
            groups: BTreeMap::from([(group.to_owned(), group_stats)]),
            ..Stats::default()
        }
    }

    fn threshold(selector: &str, expression: &str) -> Threshold {
        let known = KnownLabels {
            groups: vec!["a".into(), "b".into()],
            reasons: vec!["dns".into()],
            stages: 2,
            shards: vec!["0".into(), "1".into()],
            ..KnownLabels::default()
        };
        let selector = Selector::parse(selector, &known).unwrap();
        let expression = Expression::parse(expression, selector.metric).unwrap();
        Threshold::new(selector, expression)
    }

    fn judged(threshold: Threshold, lines: &[(usize, Stats)], losses: Losses, not_received: u64) -> ThresholdResult {
        let mut gather = Gather::new(std::slice::from_ref(&threshold));
        let mut evaluator = Evaluator::new(vec![threshold]);
        let stage = Some(Stage { number: 1, held: true });
        for (second, (process, stats)) in lines.iter().enumerate() {
            gather.line(*process, &stats.clone().into());
            let at_s = second as u64 + 1;
            evaluator.second(Second { at_s, stage }, gather.figures());
        }
        gather.drained(losses, not_received);
        evaluator.finish(lines.len() as u64 + 1, gather.figures()).remove(0)
    }

    #[test]
    fn counters_are_added_once_however_often_a_line_repeats_them() {
        let lines = [
            (0, line(1.0, "a", &[("telemetry_acked", 10)], 1, 1)),
            (0, line(2.0, "a", &[("telemetry_acked", 25)], 1, 1)),
            (1, line(2.0, "b", &[("telemetry_acked", 5)], 1, 1)),
        ];
        for (selector, actual) in [
            ("telemetry_acked", 30.0),
            ("telemetry_acked{group:a}", 25.0),
            ("telemetry_acked{shard:1}", 5.0),
        ] {
            let result = judged(threshold(selector, "count > 0"), &lines, Losses::default(), 0);
            assert_eq!(
                (result.actual, result.verdict),
                (Some(actual), Verdict::Passed),
                "{selector}"
            );
        }
    }

    #[test]
    fn failures_are_a_share_of_all_attempts() {
        let connects = [("connect_failed/dns", 3), ("connect_failed/timeout_mqtt", 1)];
        let lines = [(0, line(1.0, "a", &connects, 0, 4))];
        let all = judged(threshold("connect_failed", "rate == 0"), &lines, Losses::default(), 0);
        assert_eq!((all.actual, all.verdict), (Some(1.0), Verdict::Failed));
        let dns = judged(
            threshold("connect_failed{reason:dns}", "count < 3"),
            &lines,
            Losses::default(),
            0,
        );
        assert_eq!((dns.actual, dns.verdict), (Some(3.0), Verdict::Failed));
    }

    #[test]
    fn devices_online_are_a_share_of_the_devices_wanted_now_over_all_processes() {
        let lines = [(0, line(1.0, "a", &[], 8, 10)), (1, line(1.0, "b", &[], 10, 10))];
        let result = judged(
            threshold("devices_online", "value >= 95%"),
            &lines,
            Losses::default(),
            0,
        );
        // The first second had the line of one process only: 8 of 10; then 18 of 20.
        assert_eq!((result.actual, result.worst_at_s), (Some(0.8), Some(1)));
    }

    #[test]
    fn what_died_with_a_process_or_never_arrived_counts_as_lost() {
        let counters = [
            ("telemetry_offered", 10),
            ("telemetry_acked", 9),
            ("devices_wanted", 4),
            ("devices_failed/timeout_mqtt", 1),
        ];
        let lines = [(0, line(1.0, "a", &counters, 3, 4))];
        let losses = Losses {
            wanted: 2,
            failed: 2,
            unreported: 0,
        };
        let lost = judged(threshold("telemetry_lost", "count == 0"), &lines, losses, 2);
        assert_eq!(lost.actual, Some(3.0));
        let failed = judged(threshold("devices_failed", "rate <= 10%"), &lines, losses, 0);
        assert_eq!(failed.actual, Some(0.5));
    }

    #[test]
    fn lag_is_measured_by_process() {
        let line = |micros: u64| {
            let mut lag = Phase::histogram();
            lag.record(micros).unwrap();
            let mut line = Decoded::from(Stats::default());
            line.lag = Some(lag);
            line
        };
        let threshold = threshold("scheduler_lag{shard:1}", "max < 50ms");
        let mut gather = Gather::new(std::slice::from_ref(&threshold));
        gather.line(0, &line(90_000));
        gather.line(1, &line(2_000));
        let result = Evaluator::new(vec![threshold]).finish(1, gather.figures()).remove(0);
        assert_eq!((result.actual, result.verdict), (Some(0.002), Verdict::Passed));
    }

    #[test]
    fn of_times_only_what_thresholds_ask_for_is_kept() {
        let line = |group: &str| {
            let mut histogram = Phase::histogram();
            histogram.record(5_000).unwrap();
            let times = [Phase::Publish, Phase::Connect].map(|phase| Times {
                phase,
                group: group.to_owned(),
                values: (&histogram).into(),
            });
            let mut line = Decoded::from(Stats::default());
            line.times.extend(times);
            line
        };
        for (selectors, series) in [
            (&["telemetry_lost"][..], 0),
            (&["publish_duration"][..], 1),
            (&["publish_duration{group:a}", "publish_duration{stage:1}"][..], 2),
            (&["publish_duration{group:a}", "publish_duration{shard:0}"][..], 4),
            (&["publish_duration", "connect_duration"][..], 2),
        ] {
            let thresholds: Vec<_> = selectors
                .iter()
                .map(|selector| threshold(selector, "count >= 0"))
                .collect();
            let mut gather = Gather::new(&thresholds);
            for (process, group) in [(0, "a"), (0, "b"), (1, "a"), (1, "b")] {
                gather.line(process, &line(group));
            }
            assert_eq!(gather.figures().distributions(), series, "{selectors:?}");
        }
    }
}
