//! What an operator has measured, as lines of figures such as the processes of devices write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::histogram::Encoder;
use fleet_protocol::lines::{GroupStats, Phase, Stats, Unfinished, counter};
use hdrhistogram::Histogram;
use provisioning::central::RequestCounts;

use super::turns::Kind;

/// What times an operation of this kind, if anything does, and what counts those that failed.
const fn operation(kind: Kind) -> (Option<Phase>, &'static str) {
    match kind {
        Kind::Command => (Some(Phase::CommandRoundtrip), counter::COMMAND_ROUNDTRIP_FAILED),
        Kind::Property => (Some(Phase::PropertyRoundtrip), counter::PROPERTY_ROUNDTRIP_FAILED),
        Kind::Look => (None, counter::ARRIVAL_FAILED),
        Kind::Message => (None, counter::C2D_FAILED),
    }
}

/// Why an operator left something out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    /// There was no device to turn to.
    NoDeviceOnline,
    /// The devices that were drawn had not been online for long enough to have measured something.
    OnlineTooBriefly,
    /// As much as it does at the same time was under way, or something with each device.
    TooManyUnderWay,
}

impl Skip {
    fn reason(self) -> &'static str {
        match self {
            Self::NoDeviceOnline => "no_device_online",
            Self::OnlineTooBriefly => "online_too_briefly",
            Self::TooManyUnderWay => "too_many_under_way",
        }
    }
}

/// What an operator has measured.
#[derive(Default)]
pub(super) struct Figures {
    seq: u64,
    /// By group.
    counters: BTreeMap<String, BTreeMap<String, u64>>,
    requests: BTreeMap<String, Arc<RequestCounts>>,
    /// Since the last line, in microseconds.
    times: BTreeMap<(Phase, String), Histogram<u64>>,
    unfinished: BTreeMap<String, Unfinished>,
    encoder: Encoder,
}

impl Figures {
    /// What is sent for this group is counted here.
    pub(super) fn counts_of(&mut self, group: &str) -> Arc<RequestCounts> {
        Arc::clone(self.requests.entry(group.to_owned()).or_default())
    }

    /// A device's last telemetry was looked at, and was fresh or not.
    pub(super) fn looked(&mut self, group: &str, is_fresh: bool) {
        self.count(group, counter::ARRIVAL_LOOKS.to_owned());
        if !is_fresh {
            self.count(group, counter::ARRIVAL_STALE.to_owned());
        }
    }

    /// The hub has taken a cloud-to-device message.
    pub(super) fn message_sent(&mut self, group: &str) {
        self.count(group, counter::C2D_SENT.to_owned());
    }

    /// It ended well.
    pub(super) fn succeeded(&mut self, kind: Kind, group: &str, took: Duration) {
        let Some(phase) = operation(kind).0 else { return };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if micros > Phase::LONGEST_US {
            self.count(group, format!("{}{}", counter::CLIPPED, phase.word()));
        }
        let times = self.times.entry((phase, group.to_owned()));
        times.or_insert_with(Phase::histogram).saturating_record(micros.max(1));
    }

    /// It failed.
    pub(super) fn failed(&mut self, kind: Kind, group: &str, reason: &str) {
        self.count(group, format!("{}{reason}", operation(kind).1));
    }

    /// Something was due and left out; `group` is one that it could have been for.
    pub(super) fn skipped(&mut self, group: &str, why: Skip) {
        self.count(group, format!("{}{}", counter::OPERATOR_SKIPPED, why.reason()));
    }

    /// Its end did not come in time.
    pub(super) fn unfinished(&mut self, kind: Kind, group: &str, waited: Duration) {
        let Some(phase) = operation(kind).0 else { return };
        let name = format!("{}/{group}", phase.word());
        let more = Unfinished {
            count: 1,
            oldest_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        };
        let sum = self.unfinished.entry(name).or_default();
        *sum = sum.and(more);
    }

    fn count(&mut self, group: &str, name: String) {
        *self
            .counters
            .entry(group.to_owned())
            .or_default()
            .entry(name)
            .or_default() += 1;
    }

    /// The next line.
    pub(super) fn line(&mut self, t: f64) -> Stats {
        let mut groups: BTreeMap<String, GroupStats> = BTreeMap::new();
        for (group, counters) in &self.counters {
            groups.entry(group.clone()).or_default().counters.clone_from(counters);
        }
        for (group, counts) in &self.requests {
            let counters = &mut groups.entry(group.clone()).or_default().counters;
            counters.insert(counter::REST_REQUESTS.to_owned(), counts.requests());
            counters.insert(counter::REST_THROTTLED.to_owned(), counts.throttled());
        }
        let mut all = GroupStats::default();
        groups.values().for_each(|group| all.add(group));
        let times = std::mem::take(&mut self.times);
        let histograms = times
            .into_iter()
            .map(|((phase, group), times)| (format!("{}/{group}", phase.word()), self.encoder.encode(&times)))
            .collect();
        let seq = self.seq;
        self.seq += 1;
        Stats {
            seq,
            t,
            counters: all.counters,
            groups,
            unfinished: self.unfinished.clone(),
            histograms,
            ..Stats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use fleet_report::totals::Totals;

    use super::*;

    #[test]
    fn what_was_measured_is_added_up_as_what_processes_write() {
        let mut figures = Figures::default();
        figures.counts_of("a");
        figures.succeeded(Kind::Command, "a", Duration::from_millis(20));
        figures.succeeded(Kind::Command, "a", Duration::from_secs(3_600));
        figures.failed(Kind::Property, "b", "not_acknowledged");
        figures.skipped("b", Skip::NoDeviceOnline);
        figures.unfinished(Kind::Property, "b", Duration::from_millis(700));
        let mut totals = Totals::new(1);
        totals.add(0, figures.line(1.0));
        totals.add(0, figures.line(2.0));
        assert_eq!(totals.counter(counter::PROPERTY_ROUNDTRIP_FAILED), 1);
        assert_eq!(totals.counter("operator_skipped/no_device_online"), 1);
        assert_eq!(totals.counter("clipped/command_roundtrip"), 1);
        let times = &totals.times()[&(Phase::CommandRoundtrip, "a".to_owned())];
        assert_eq!(times.len(), 2, "each is in one line");
    }
}
