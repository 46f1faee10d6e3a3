//! A snapshot as Prometheus' text.

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::lines::{Phase, State, counter};
use fleet_protocol::reason::Reason;
use fleet_report::attempts::ATTEMPTS;
use fleet_report::report::NegativeCounts;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::catalog::{self, Entry, Kind};
use super::distribution::Distribution;
use super::own::OwnProcess;
use super::snapshot::{GroupFigures, Snapshot};

/// What the text says of a run from its beginning.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) run_id: String,
    /// The kind of target, or the DPS of a plan.
    pub(crate) target: String,
    /// Every group is there from the beginning, with 0: a series that appears with its first event has no rate then.
    pub(crate) groups: BTreeSet<String>,
}

/// The reasons for which sessions usually end: there from the beginning, for the same reason.
const SESSION_ENDS: [Reason; 8] = [
    Reason::Closed,
    Reason::Io,
    Reason::PeerNotReading,
    Reason::PeerSilent,
    Reason::PingTimeout,
    Reason::Protocol,
    Reason::Replaced,
    Reason::Reset,
];
/// The reasons for which devices give messages up.
const DROPS: [Reason; 4] = [
    Reason::NotAcknowledged,
    Reason::OutboxFull,
    Reason::Rebooted,
    Reason::TooOld,
];

/// Counters of messages that have no reason.
const MESSAGES: [(&Entry, &str); 5] = [
    (&catalog::MESSAGES_OFFERED, counter::TELEMETRY_OFFERED),
    (&catalog::MESSAGES_SENT, counter::TELEMETRY_SENT),
    (&catalog::MESSAGES_ACKNOWLEDGED, counter::TELEMETRY_ACKED),
    (&catalog::MESSAGES_RESENT, counter::TELEMETRY_RESENT),
    (&catalog::MESSAGES_MISSED, counter::TICKS_MISSED),
];

/// The text of all metrics. `expiry` has, by group, when the first certificate expires, in seconds since 1970.
///
/// # Errors
///
/// The encoder refuses a family: there is none without a name or a metric.
pub(super) fn text(
    about: &About,
    snapshot: &Snapshot,
    expiry: &BTreeMap<String, i64>,
    own: &OwnProcess,
) -> prometheus::Result<Vec<u8>> {
    let mut families = run(about, snapshot);
    families.extend(groups(about, snapshot));
    families.extend(generator(snapshot));
    families.extend(limits_and_thresholds(snapshot));
    families
        .push(Family::of(&catalog::CERTIFICATE_EXPIRY).gauges(expiry, |(group, at)| ([group.as_str()], seconds(*at))));
    families.extend(process(own));
    let families: Vec<_> = families.into_iter().filter_map(Family::finish).collect();
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(text)
}

/// The type of what [`text`] writes.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

fn run(about: &About, snapshot: &Snapshot) -> Vec<Family> {
    let info = [&about.run_id, env!("CARGO_PKG_VERSION"), &about.target];
    let stage = snapshot.whole.iter().map(|whole| whole.stage);
    vec![
        Family::of(&catalog::RUN_INFO).gauges([1.0], |one| (info, one)),
        Family::of(&catalog::STAGE).gauges(stage, |stage| ([], f64::from(stage))),
    ]
}

fn groups(about: &About, snapshot: &Snapshot) -> Vec<Family> {
    let nothing = GroupFigures::default();
    let names: BTreeSet<&String> = about.groups.iter().chain(snapshot.groups.keys()).collect();
    let all = names
        .into_iter()
        .map(|name| (name.as_str(), snapshot.groups.get(name).unwrap_or(&nothing)));
    let all: Vec<_> = all.collect();
    let of = |entry| Family::of(entry);
    let each = || all.iter().copied();

    let mut devices = of(&catalog::DEVICES);
    let mut negative = of(&catalog::DEVICES_NEGATIVE);
    let mut phases = of(&catalog::PHASE_DURATION);
    let mut failures = of(&catalog::FAILURES);
    let (mut reconnects, mut dropped) = (of(&catalog::RECONNECTS), of(&catalog::MESSAGES_DROPPED));
    let [mut registrations, mut connects, mut updates, mut commands] = [
        &catalog::REGISTRATIONS,
        &catalog::CONNECTS,
        &catalog::PROPERTY_UPDATES,
        &catalog::COMMANDS,
    ]
    .map(of);
    for (name, group) in each() {
        for state in State::ALL {
            devices.gauge([name, state.word()], float(group.devices(state)));
        }
        if let Some(counts) = NegativeCounts::of(|counter| group.counter(counter)) {
            for (result, count) in [
                ("refused", counts.refused),
                ("refused_otherwise", counts.refused_otherwise),
                ("not_judged", counts.not_judged),
                ("let_in", counts.let_in),
            ] {
                negative.gauge([name, result], float(count));
            }
        }
        registrations.results(
            name,
            group.timed(Phase::Register),
            group.counter(counter::REGISTER_FAILED),
        );
        connects.results(
            name,
            group.timed(Phase::Connect),
            group.counter(counter::CONNECT_FAILED),
        );
        updates.results(name, group.timed(Phase::Report), group.counter(counter::REPORT_FAILED));
        commands.results(name, group.commands_ok, group.counter(counter::COMMAND_FAILED));
        reconnects.reasons(name, &SESSION_ENDS, group.reasons(counter::RECONNECTS));
        dropped.reasons(name, &DROPS, group.reasons(counter::TELEMETRY_DROPPED));
        for attempt in ATTEMPTS {
            for (reason, count) in group.reasons(attempt.failed) {
                failures.counter([name, attempt.phase.word(), reason], count);
            }
        }
        for phase in Phase::ALL {
            let none = Distribution::default();
            phases.histogram([name, phase.word()], group.times(phase).unwrap_or(&none));
        }
    }
    let wanted = of(&catalog::DEVICES_WANTED).gauges(each(), |(name, group)| ([name], float(group.wanted())));
    let counted = |entry: &'static Entry, counter: &'static str| {
        let mut family = of(entry);
        each().for_each(|(name, group)| family.counter([name], group.counter(counter)));
        family
    };
    let mut families = vec![devices, wanted, negative, registrations];
    families.push(counted(&catalog::DPS_THROTTLED, counter::DPS_THROTTLED));
    families.extend([connects, reconnects]);
    families.extend(MESSAGES.map(|(entry, counter)| counted(entry, counter)));
    families.extend([dropped, updates, commands]);
    families.push(counted(&catalog::REST_THROTTLED, counter::REST_THROTTLED));
    families.extend([failures, phases]);
    families
}

fn generator(snapshot: &Snapshot) -> Vec<Family> {
    let mut lag = Family::of(&catalog::SCHEDULER_LAG);
    for (shard, times) in &snapshot.lag {
        lag.histogram([shard.to_string().as_str()], times);
    }
    vec![lag]
}

fn limits_and_thresholds(snapshot: &Snapshot) -> Vec<Family> {
    let quotas = || snapshot.whole.iter().flat_map(|whole| &whole.quotas);
    let thresholds = snapshot.whole.iter().flat_map(|whole| &whole.thresholds);
    vec![
        Family::of(&catalog::QUOTA_LIMIT).gauges(quotas(), |quota| ([quota.id.as_str(), &quota.per], quota.allowed)),
        Family::of(&catalog::QUOTA_USED_RATIO).gauges(quotas(), |quota| ([quota.id.as_str()], quota.used)),
        Family::of(&catalog::THRESHOLD_PASSED).gauges(thresholds, |((metric, expression), passed)| {
            let value = passed.map_or(f64::NAN, |passed| f64::from(u8::from(passed)));
            ([metric.as_str(), expression.as_str()], value)
        }),
    ]
}

fn process(own: &OwnProcess) -> Vec<Family> {
    let mut cpu = Family::of(&catalog::PROCESS_CPU);
    cpu.counted([], own.cpu_s);
    let gauge = |entry, value| {
        let mut family = Family::of(entry);
        family.gauge([], value);
        family
    };
    vec![
        cpu,
        gauge(&catalog::PROCESS_MEMORY, float(own.rss_bytes)),
        gauge(&catalog::PROCESS_OPEN_FDS, float(own.open_files)),
        gauge(&catalog::PROCESS_MAX_FDS, float(own.max_files)),
        gauge(&catalog::PROCESS_START, float(own.started_s)),
    ]
}

/// A metric that is being written, with the labels and the type that the catalog gives it.
struct Family {
    entry: &'static Entry,
    metrics: Vec<Metric>,
}

impl Family {
    fn of(entry: &'static Entry) -> Self {
        Self {
            entry,
            metrics: Vec::new(),
        }
    }

    /// A series. The values are those of the catalog's labels, in their order.
    fn series<const N: usize>(&self, values: [&str; N]) -> Metric {
        debug_assert_eq!(N, self.entry.labels.len(), "{}", self.entry.name);
        let pairs = self.entry.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        Metric::from_label(pairs.collect())
    }

    fn gauge<const N: usize>(&mut self, labels: [&str; N], value: f64) {
        let mut metric = self.series(labels);
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
        self.metrics.push(metric);
    }

    fn gauges<'a, T, const N: usize>(
        mut self,
        all: impl IntoIterator<Item = T>,
        one: impl Fn(T) -> ([&'a str; N], f64),
    ) -> Self {
        for (labels, value) in all.into_iter().map(one) {
            self.gauge(labels, value);
        }
        self
    }

    fn counter<const N: usize>(&mut self, labels: [&str; N], count: u64) {
        self.counted(labels, float(count));
    }

    fn counted<const N: usize>(&mut self, labels: [&str; N], value: f64) {
        let mut metric = self.series(labels);
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
        self.metrics.push(metric);
    }

    fn results(&mut self, group: &str, ok: u64, failed: u64) {
        self.counter([group, "ok"], ok);
        self.counter([group, "failed"], failed);
    }

    /// The usual reasons, with 0 where nothing was counted, and whatever else there is.
    fn reasons<'a>(&mut self, group: &str, usual: &'a [Reason], counted: impl Iterator<Item = (&'a str, u64)>) {
        let mut all: BTreeMap<&str, u64> = usual.iter().map(|reason| (reason.as_str(), 0)).collect();
        all.extend(counted);
        for (reason, count) in all {
            self.counter([group, reason], count);
        }
    }

    fn histogram<const N: usize>(&mut self, labels: [&str; N], times: &Distribution) {
        let mut metric = self.series(labels);
        let buckets = times.cumulative().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(times.count());
        histogram.set_sample_sum(times.sum_s());
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }

    /// Nothing where there is no series, which the encoder would refuse.
    fn finish(self) -> Option<MetricFamily> {
        let mut family = MetricFamily::default();
        family.set_name(self.entry.name.to_owned());
        family.set_help(self.entry.help.to_owned());
        family.set_field_type(match self.entry.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        let is_empty = self.metrics.is_empty();
        family.set_metric(self.metrics);
        (!is_empty).then_some(family)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a run counts far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "the year 9999 is far below 2^53 seconds")]
fn seconds(at: i64) -> f64 {
    at as f64
}

#[cfg(test)]
mod tests;
