//! A run over its time: at most 600 points, each of as many seconds as it takes.
//!
//! A point has what was new in its seconds, and where things stood at the worst of them: in a held stage the second with
//! the smallest share of the wanted devices online, elsewhere the last. Its times are whole histograms, of two digits,
//! until the report is written, so that percentiles of coarser points are computed and never averaged. Two digits,
//! packed, so that a launcher's memory hardly grows with the length of a run: a point of more seconds has more different
//! values, and of three digits there are eight times as many.

mod series;
mod stretches;

use std::collections::BTreeMap;

use fleet_protocol::lines::counter::{self, count as count_of};
use fleet_protocol::lines::{Phase, State, Stats};

pub use series::{GroupSeries, LatencySeries, TimelineSeries};

use crate::attempts::ATTEMPTS;
use crate::quota_use::QuotaMeter;
use crate::sparse::{PackedHistogram, SparseHistogram};
use crate::thresholds::{Second, Stage};
use crate::totals::{Decoded, Times, Totals};
use stretches::Stretches;

/// A timeline has no more points than this; when it would, each two become one.
const POINTS: usize = 600;

/// The series of counts, with the counter of each; `errors` are all attempts that failed.
const COUNTS: [(&str, Option<&str>); 12] = [
    ("begun", Some(counter::REGISTRATIONS_BEGUN)),
    ("registered", Some(counter::DEVICES_REGISTERED)),
    ("throttled", Some(counter::DPS_THROTTLED)),
    ("reconnects", Some(counter::RECONNECTS)),
    ("offered", Some(counter::TELEMETRY_OFFERED)),
    ("sent", Some(counter::TELEMETRY_SENT)),
    ("acked", Some(counter::TELEMETRY_ACKED)),
    ("resent", Some(counter::TELEMETRY_RESENT)),
    ("dropped", Some(counter::TELEMETRY_DROPPED)),
    ("missed", Some(counter::TICKS_MISSED)),
    ("commands", Some(counter::COMMANDS)),
    ("errors", None),
];

/// A run over its time.
#[derive(Debug)]
pub struct Timeline {
    step_s: u64,
    /// The last second.
    seconds: u64,
    points: Vec<Point>,
    stretches: Stretches,
    /// What was counted since the last second.
    counts: Counts,
    /// What was timed since then.
    times: BTreeMap<TimesOf, SparseHistogram>,
}

type Counts = [u64; COUNTS.len()];

/// Times are of a phase in a group.
type TimesOf = (Phase, String);

#[derive(Debug, Clone, Default)]
struct Point {
    delta: Delta,
    standing: Standing,
}

/// What was counted and timed.
#[derive(Debug, Clone, Default)]
struct Delta {
    counts: Counts,
    times: BTreeMap<TimesOf, PackedHistogram>,
}

/// Where things stood.
#[derive(Debug, Clone, Default, PartialEq)]
struct Standing {
    stage: Option<Stage>,
    online: Online,
    states: [u64; State::ALL.len()],
    groups: BTreeMap<String, Online>,
    /// The share of each limit that was used; of several seconds the highest.
    quotas: BTreeMap<String, f64>,
}

/// Devices online of those wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Online {
    online: u64,
    wanted: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            step_s: 1,
            seconds: 0,
            points: Vec::new(),
            stretches: Stretches::default(),
            counts: Counts::default(),
            times: BTreeMap::new(),
        }
    }
}

impl Timeline {
    /// Takes a line of a process whose line before was `before`.
    pub fn line(&mut self, before: &Stats, line: &Decoded) {
        for ((_, name), count) in COUNTS.iter().zip(&mut self.counts) {
            let of = |stats: &Stats| match name {
                Some(name) => count_of(&stats.counters, name),
                None => ATTEMPTS
                    .iter()
                    .map(|attempt| count_of(&stats.counters, attempt.failed))
                    .sum(),
            };
            *count += of(&line.stats).saturating_sub(of(before));
        }
        for Times { phase, group, values } in &line.times {
            let times = self.times.entry((*phase, group.clone())).or_default();
            times.add(values);
        }
    }

    /// A second has passed, and the fleet stands as `totals` say, and the limits as `quotas` do.
    pub fn second(&mut self, second: Second, totals: &Totals, quotas: &QuotaMeter) {
        let standing = Standing::of(second.stage, totals, quotas);
        self.seconds = self.seconds.max(second.at_s);
        let last_second = second.at_s.saturating_sub(1);
        while last_second / self.step_s >= POINTS as u64 {
            self.coarsen();
        }
        let index = usize::try_from(last_second / self.step_s).unwrap_or(POINTS - 1);
        let is_new = index >= self.points.len();
        // Where a second was skipped, things stood as before.
        let as_before = Point {
            delta: Delta::default(),
            standing: self
                .points
                .last()
                .map_or(Standing::default(), |point| point.standing.clone()),
        };
        if is_new {
            self.points.resize(index + 1, as_before);
        }
        let point = &mut self.points[index];
        point.delta.count(std::mem::take(&mut self.counts));
        for (of, times) in std::mem::take(&mut self.times) {
            self.stretches.add(last_second, &of, &times);
            point.delta.time(of, &times);
        }
        if is_new {
            point.standing = standing;
        } else {
            point.standing.and_later(standing);
        }
    }

    fn coarsen(&mut self) {
        self.step_s *= 2;
        join_pairs(&mut self.points, |point, next| {
            point.delta.count(next.delta.counts);
            for (of, times) in next.delta.times {
                point.delta.time(of, &(&times).into());
            }
            point.standing.and_later(next.standing);
        });
    }

    /// The times of a phase in a group, in at most 20 stretches of the run that are equally long, to three digits.
    pub(crate) fn blocks(&self, phase: Phase, group: &str) -> Vec<SparseHistogram> {
        self.stretches.blocks(&(phase, group.to_owned()))
    }
}

/// Each two become one; the last of an odd number stays as it is.
fn join_pairs<T>(items: &mut Vec<T>, join: impl Fn(&mut T, T)) {
    let mut rest = std::mem::take(items).into_iter();
    while let Some(mut item) = rest.next() {
        if let Some(next) = rest.next() {
            join(&mut item, next);
        }
        items.push(item);
    }
}

impl Delta {
    fn count(&mut self, more: Counts) {
        for (count, more) in self.counts.iter_mut().zip(more) {
            *count += more;
        }
    }

    fn time(&mut self, of: TimesOf, more: &SparseHistogram) {
        let times = self.times.entry(of).or_default();
        *times = (&times.and(more).two_digits()).into();
    }
}

impl Standing {
    fn of(stage: Option<Stage>, totals: &Totals, quotas: &QuotaMeter) -> Self {
        let states = State::ALL.map(|state| totals.state(state));
        let mut groups: BTreeMap<String, Online> = BTreeMap::new();
        let mut all = Online::default();
        for (name, group) in totals.groups() {
            let online = Online {
                online: group.states.get(&State::Online).copied().unwrap_or(0),
                wanted: group.wanted_now,
            };
            all.add(online);
            groups.entry(name.to_owned()).or_default().add(online);
        }
        Self {
            stage,
            online: Online {
                online: totals.state(State::Online),
                ..all
            },
            states,
            groups,
            quotas: quotas.now().map(|(id, share)| (id.to_owned(), share)).collect(),
        }
    }

    /// Becomes what stands for both.
    fn and_later(&mut self, mut later: Self) {
        for (id, used) in &mut later.quotas {
            *used = used.max(self.quotas.get(id).copied().unwrap_or(0.0));
        }
        let is_held = self.stage.is_some_and(|stage| stage.held) && self.stage == later.stage;
        if !is_held {
            *self = later;
            return;
        }
        self.quotas = later.quotas;
        for (name, online) in later.groups {
            let own = self.groups.entry(name).or_insert(online);
            *own = own.worse(online);
        }
        let worse = self.online.worse(later.online);
        if worse != self.online {
            (self.online, self.states) = (worse, later.states);
        }
    }
}

impl Online {
    fn add(&mut self, other: Self) {
        self.online += other.online;
        self.wanted += other.wanted;
    }

    /// The one of which less is online; this one where they are equal.
    fn worse(self, other: Self) -> Self {
        let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
        // Compared as shares.
        if product(other.online, self.wanted) < product(self.online, other.wanted) {
            other
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use fleet_protocol::lines::GroupStats;

    use super::*;

    /// Totals and timeline of one process, as a run feeds them.
    #[derive(Default)]
    struct Run {
        timeline: Timeline,
        last: Stats,
    }

    impl Run {
        fn second(&mut self, at_s: u64, stage: Option<Stage>, acked: u64, online: u64, wanted: u64) {
            let group = GroupStats {
                states: BTreeMap::from([(State::Online, online)]),
                wanted_now: wanted,
                ..GroupStats::default()
            };
            let stats = Stats {
                counters: BTreeMap::from([
                    (counter::TELEMETRY_ACKED.to_owned(), acked),
                    ("connect_failed/dns".to_owned(), acked / 2),
                    ("connect_failed/tcp_refused".to_owned(), acked / 2),
                ]),
                states: BTreeMap::from([(State::Online, online)]),
                groups: BTreeMap::from([("g".to_owned(), group)]),
                ..Stats::default()
            };
            let mut line = Decoded::from(stats.clone());
            let mut values = Phase::histogram();
            values.record(at_s * 1_000).unwrap();
            line.times.push(Times {
                phase: Phase::Publish,
                group: "g".to_owned(),
                values: (&values).into(),
            });
            self.timeline.line(&self.last, &line);
            self.last = stats.clone();
            let mut totals = Totals::new(1);
            totals.add(0, stats);
            self.timeline
                .second(Second { at_s, stage }, &totals, &QuotaMeter::default());
        }

        fn series(&self) -> TimelineSeries {
            self.timeline.series(None)
        }
    }

    const HELD: Option<Stage> = Some(Stage { number: 2, held: true });

    #[test]
    fn each_second_is_a_point_with_what_was_new_in_it() {
        let mut run = Run::default();
        for (second, acked) in [(1, 10), (2, 30), (3, 30)] {
            run.second(second, None, acked, second, 3);
        }
        let series = run.series();
        assert_eq!((series.step_s, series.points), (1, 3));
        assert_eq!(series.counts["acked"], [10, 20, 0]);
        assert_eq!(series.counts["errors"], [10, 20, 0]);
        assert!(
            !series.counts.contains_key("commands"),
            "what never happened is left out"
        );
        assert_eq!(
            (&series.online[..], &series.wanted[..]),
            (&[1, 2, 3][..], &[3, 3, 3][..])
        );
        let publish = &series.latency["publish"];
        assert_eq!(publish.n, [1, 1, 1]);
        assert_eq!(publish.max[..2], [Some(0.001), Some(0.002)]);
    }

    #[test]
    fn a_long_run_has_coarser_points_and_loses_nothing() {
        let mut run = Run::default();
        for second in 1..=1_500 {
            run.second(second, None, second * 3, 1, 1);
        }
        let series = run.series();
        assert_eq!((series.step_s, series.points), (4, 375));
        assert!(series.counts["acked"].iter().all(|acked| *acked == 12));
        let publish = &series.latency["publish"];
        assert_eq!(publish.n.iter().sum::<u64>(), 1_500);
        // Seconds 1,497 to 1,500: computed of their times, to two digits, the greatest to HDR's three.
        let (median, max) = (publish.p50[374].unwrap(), publish.max[374].unwrap());
        assert!(
            (median - 1.498).abs() < 0.012 && (max - 1.5).abs() < 0.002,
            "{median}, {max}"
        );
    }

    #[test]
    fn the_worst_second_of_a_held_stage_stands_for_its_point() {
        let mut run = Run::default();
        for second in 1..=1_200 {
            let online = if second == 801 { 3 } else { 10 };
            run.second(second, HELD, 0, online, 10);
        }
        let series = run.series();
        assert_eq!((series.step_s, series.online[400], series.online[401]), (2, 3, 10));
        assert_eq!((series.states["online"][400], series.groups["g"].online[400]), (3, 3));
        let mut ramp = Run::default();
        for second in 1..=1_200 {
            ramp.second(second, None, 0, second, 1_200);
        }
        assert_eq!(ramp.series().online[0], 2, "in a ramp the last second does");
    }

    #[test]
    fn seconds_that_were_skipped_are_as_the_one_before() {
        let mut run = Run::default();
        run.second(1, HELD, 5, 4, 4);
        run.second(4, HELD, 9, 2, 4);
        let series = run.series();
        assert_eq!(series.online, [4, 4, 4, 2]);
        assert_eq!(series.counts["acked"], [5, 0, 0, 4]);
        assert_eq!((&series.stage[..], &series.held[..]), (&[2; 4][..], &[true; 4][..]));
    }
}
