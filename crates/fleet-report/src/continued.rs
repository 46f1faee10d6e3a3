//! The figures of a shard that several processes have had, one after the other, as one process would report them.
//!
//! Events are summed over the processes. Devices are no events: those of one process are the same as those of another, so
//! the most that any of them counted is what the shard has had, as in a merged report ([`crate::merge`]).

use std::collections::{BTreeMap, BTreeSet};

use fleet_protocol::lines::{GroupStats, Phase, ProcessStats, Stats, counter};

use crate::report::PROCESS_DIED;
use crate::sparse::SparseHistogram;
use crate::totals::{Decoded, Times};

type Counters = BTreeMap<String, u64>;

/// The figures of a shard.
#[derive(Debug, Default)]
pub struct Continued {
    /// What the processes before this one have left, put together; nothing for the first.
    before: Option<Stats>,
    /// The last line of the process that has the shard now.
    last: Stats,
    /// All that it has timed.
    times: BTreeMap<(Phase, String), SparseHistogram>,
    lag: SparseHistogram,
}

impl Continued {
    /// A line of the process, as a line of the shard.
    #[must_use]
    pub fn line(&mut self, line: Decoded) -> Decoded {
        for Times { phase, group, values } in &line.times {
            self.times.entry((*phase, group.clone())).or_default().add(values);
        }
        if let Some(lag) = &line.lag {
            self.lag.add(&lag.into());
        }
        self.joined(line)
    }

    /// All that the process has reported until now, as a line of the shard: of what was timed, it has what is new.
    #[must_use]
    pub fn snapshot(&mut self, mut all: Decoded) -> Decoded {
        for Times { phase, group, values } in &mut all.times {
            let known = self.times.entry((*phase, group.clone())).or_default();
            let new = values.since(known);
            *known = std::mem::replace(values, new);
        }
        all.times.retain(|times| !times.values.is_empty());
        if let Some(lag) = &mut all.lag {
            let known = std::mem::replace(&mut self.lag, (&*lag).into());
            *lag = self.lag.since(&known).to_histogram();
        }
        self.joined(all)
    }

    /// Another process has the shard from now on, and counts from nothing.
    pub fn replaced(&mut self) {
        let last = std::mem::take(&mut self.last);
        *self = Self {
            before: Some(joined(self.before.as_ref(), &last)),
            ..Self::default()
        };
    }

    /// The last process of the shard has ended, and has given its devices' reasons. A line with those that no process has
    /// seen online and that this one has no reason for; nothing where there is none.
    #[must_use]
    pub fn unexplained(&self) -> Option<Decoded> {
        let before = self.before.as_ref()?;
        let mut stats = joined(Some(before), &self.last);
        let of = |counters: &Counters| {
            let count = |name| counter::count(counters, name);
            let failed = count(counter::DEVICES_WANTED).saturating_sub(count(counter::DEVICES_CONNECTED));
            failed.saturating_sub(count(counter::DEVICES_FAILED))
        };
        let explain = |counters: &mut Counters| {
            let unexplained = of(counters);
            if unexplained > 0 {
                let name = format!("{}{PROCESS_DIED}", counter::DEVICES_FAILED);
                *counters.entry(name).or_insert(0) += unexplained;
            }
            unexplained > 0
        };
        let is_any = explain(&mut stats.counters);
        stats.groups.values_mut().for_each(|group| {
            explain(&mut group.counters);
        });
        is_any.then(|| stats.into())
    }

    fn joined(&mut self, mut line: Decoded) -> Decoded {
        if let Some(before) = &self.before {
            let stats = joined(Some(before), &line.stats);
            self.last = std::mem::replace(&mut line.stats, stats);
        } else {
            self.last.clone_from(&line.stats);
        }
        line
    }
}

/// What the processes before have left, and the last line of the one that follows.
fn joined(before: Option<&Stats>, now: &Stats) -> Stats {
    let Some(before) = before else {
        return now.clone();
    };
    let names: BTreeSet<&String> = before.groups.keys().chain(now.groups.keys()).collect();
    let none = GroupStats::default();
    let group = |name: &String| {
        let (before, now) = (
            before.groups.get(name).unwrap_or(&none),
            now.groups.get(name).unwrap_or(&none),
        );
        let group = GroupStats {
            counters: counters(&before.counters, &now.counters),
            states: now.states.clone(),
            wanted_now: now.wanted_now,
        };
        (name.clone(), group)
    };
    let mut unfinished = now.unfinished.clone();
    for (name, more) in &before.unfinished {
        let all = unfinished.entry(name.clone()).or_default();
        *all = all.and(*more);
    }
    Stats {
        seq: before.seq.saturating_add(now.seq),
        t: before.t + now.t,
        counters: counters(&before.counters, &now.counters),
        states: now.states.clone(),
        groups: names.into_iter().map(group).collect(),
        unfinished,
        process: process(before.process.as_ref(), now.process.as_ref()),
        histograms: BTreeMap::new(),
    }
}

/// The process that has the shard now, with the CPU time of all.
fn process(before: Option<&ProcessStats>, now: Option<&ProcessStats>) -> Option<ProcessStats> {
    let cpu_s = before.map_or(0.0, |before| before.cpu_s) + now.map_or(0.0, |now| now.cpu_s);
    let process = now.or(before)?.clone();
    Some(ProcessStats { cpu_s, ..process })
}

/// Of the same devices, by one process after the other.
const OF_DEVICES: [&str; 4] = [
    counter::DEVICES_ASKED,
    counter::DEVICES_REGISTERED,
    counter::DEVICES_WANTED,
    counter::DEVICES_CONNECTED,
];

fn counters(before: &Counters, now: &Counters) -> Counters {
    let mut all = before.clone();
    // What failed in a process that is gone is what it was when the next one tried again.
    all.retain(|name, _| !name.starts_with(counter::DEVICES_FAILED));
    for (name, count) in now {
        if name.starts_with(counter::DEVICES_FAILED) || name == counter::DEVICES_ASSIGNMENT_REUSED {
            // An assignment that the shard's own first process got is no news.
            continue;
        }
        let known = all.entry(name.clone()).or_insert(0);
        *known = match OF_DEVICES.contains(&name.as_str()) {
            true => (*known).max(*count),
            false => known.saturating_add(*count),
        };
    }
    let count = |name| counter::count(&all, name);
    let mut left = count(counter::DEVICES_WANTED).saturating_sub(count(counter::DEVICES_CONNECTED));
    for (reason, failed) in counter::by_reason(now, counter::DEVICES_FAILED) {
        let failed = failed.min(left);
        if failed > 0 {
            all.insert(format!("{}{reason}", counter::DEVICES_FAILED), failed);
            left -= failed;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use fleet_protocol::histogram::Encoder;
    use fleet_protocol::lines::State;
    use proptest::prelude::*;

    use super::*;
    use crate::totals::Totals;

    fn counted(counters: &[(&str, u64)]) -> Stats {
        let counters: Counters = counters
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        let group = GroupStats {
            counters: counters.clone(),
            states: BTreeMap::from([(State::Online, 1)]),
            wanted_now: 1,
        };
        Stats {
            counters,
            groups: BTreeMap::from([("g".to_owned(), group)]),
            ..Stats::default()
        }
    }

    fn timed(stats: Stats, values: &[u64]) -> Decoded {
        let mut histogram = Phase::histogram();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        let mut encoder = Encoder::default();
        let histograms = BTreeMap::from([("publish/g".to_owned(), encoder.encode(&histogram))]);
        let process = ProcessStats {
            cpu_s: 1.0,
            lag: Some(encoder.encode(&histogram)),
            ..ProcessStats::default()
        };
        Stats {
            histograms,
            process: Some(process),
            ..stats
        }
        .into()
    }

    #[test]
    fn messages_of_processes_are_summed_and_devices_are_counted_once() {
        let mut shard = Continued::default();
        let first = [
            ("devices_wanted", 5),
            ("devices_connected", 4),
            ("devices_registered", 5),
            ("devices_assignment_reused", 0),
            ("telemetry_acked", 40),
            ("connect_failed/dns", 1),
        ];
        assert_eq!(
            shard.line(counted(&first).into()).stats,
            counted(&first),
            "the first is as it is"
        );
        shard.replaced();
        let next = [
            ("devices_wanted", 5),
            ("devices_connected", 3),
            ("devices_registered", 5),
            ("devices_assignment_reused", 5),
            ("devices_failed/dns", 2),
            ("telemetry_acked", 2),
        ];
        let joined = shard.line(counted(&next).into()).stats;
        let expected = counted(&[
            ("connect_failed/dns", 1),
            ("devices_assignment_reused", 0),
            ("devices_connected", 4),
            // Of the two, one was online in the first process.
            ("devices_failed/dns", 1),
            ("devices_registered", 5),
            ("devices_wanted", 5),
            ("telemetry_acked", 42),
        ]);
        assert_eq!(joined.counters, expected.counters);
        assert_eq!(joined.groups, expected.groups);
        assert!(shard.unexplained().is_none());
    }

    #[test]
    fn devices_that_no_process_has_seen_online_have_failed() {
        let mut shard = Continued::default();
        assert!(shard.unexplained().is_none());
        let _ = shard.line(counted(&[("devices_wanted", 5), ("devices_connected", 1)]).into());
        assert!(
            shard.unexplained().is_none(),
            "the first process gives all reasons itself"
        );
        shard.replaced();
        let _ = shard.line(counted(&[("devices_wanted", 2), ("devices_connected", 2)]).into());
        let last = shard.unexplained().unwrap().stats;
        assert_eq!(last.counters["devices_failed/process_died"], 3);
        assert_eq!(last.groups["g"].counters["devices_failed/process_died"], 3);
    }

    proptest! {
        /// Lines of processes, of which some get lost on the way until a snapshot makes up for them.
        #[test]
        fn what_is_lost_is_made_up_for_by_a_snapshot_and_counted_once(
            lines in prop::collection::vec((prop::collection::vec(1_u64..1_000, 0..4), 0_u8..5), 1..40),
        ) {
            let (mut shard, mut totals) = (Continued::default(), Totals::new(1));
            let (mut sent, mut all, mut own): (_, Vec<u64>, Vec<u64>) = (0, Vec::new(), Vec::new());
            let mut is_whole = true;
            for (values, fate) in &lines {
                if *fate == 4 && is_whole {
                    shard.replaced();
                    (sent, own) = (0, Vec::new());
                }
                sent += 1;
                all.extend(values);
                own.extend(values);
                let stats = counted(&[("telemetry_acked", sent)]);
                match fate {
                    0 => is_whole = false,
                    1 if is_whole => totals.add(0, shard.line(timed(stats, values))),
                    _ => {
                        totals.add(0, shard.snapshot(timed(stats, &own)));
                        is_whole = true;
                    }
                }
            }
            if is_whole {
                let mut expected = Phase::histogram();
                all.iter().for_each(|value| expected.record(*value).unwrap());
                prop_assert_eq!(totals.times_of(Phase::Publish).to_histogram(), expected);
                prop_assert_eq!(totals.counter("telemetry_acked"), lines.len() as u64);
            }
        }
    }
}
