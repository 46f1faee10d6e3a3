//! How much of the documented limits a run has used, second by second, from what its processes have counted.
//!
//! What is asked counts, also where the service refuses it: a run that is throttled uses more than all. Processes report
//! each second and not at the same instant, so a limit per second is measured over the last five; a limit of a day by what
//! the whole run has used of it.

use std::collections::VecDeque;

use fleet_protocol::lines::{Phase, Stats, counter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::QuotaShare;
use crate::thresholds::Second;
use crate::totals::Decoded;

/// The shortest time over which a rate is measured, in seconds.
const SHORTEST_S: u64 = 5;
/// A longer time than this is that of the whole run.
const LONGEST_S: u64 = 3_600;

/// What a run has used of a limit. All are shares: 1 is all that is allowed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuotaUse {
    /// The id of the limit, such as `central.messages`.
    pub id: String,
    /// What is counted, for a person.
    pub what: String,
    /// How much is allowed.
    pub allowed: f64,
    /// In which time: `s`, `min`, `day`.
    pub per: String,
    /// The most that was used.
    pub peak: f64,
    /// When that was, in seconds since the processes were started.
    pub peak_at_s: u64,
    /// The mean while the stages lasted.
    pub mean: f64,
}

/// The limits of a run, and what is used of each.
#[derive(Debug, Default)]
pub struct QuotaMeter {
    limits: Vec<Limit>,
    /// How much was counted of each since the last second.
    pending: Vec<u64>,
    at_s: u64,
}

#[derive(Debug)]
struct Limit {
    used: QuotaUse,
    asks: Asks,
    /// The time over which it is measured.
    window_s: u64,
    /// The counts of its last seconds, the newest last.
    seconds: VecDeque<u64>,
    /// Their sum; for what is longer than a window, that of the whole run.
    sum: u64,
    now: f64,
    /// Of the mean: the shares of seconds, and how many.
    total: f64,
    counted: u32,
}

/// What is asked of a limit: timed phases, each of which is one request, and counters.
#[derive(Debug, Clone, Copy)]
struct Asks {
    phases: &'static [Phase],
    counters: &'static [&'static str],
}

/// What can be measured from outside a service, by the id of its limit.
fn asks(id: &str) -> Option<Asks> {
    let of = |phases, counters| Some(Asks { phases, counters });
    match id {
        "central.registrations" | "dps.registrations" => {
            of(&[Phase::Register], &[counter::REGISTER_FAILED, counter::DPS_THROTTLED])
        }
        "hub.connects" => of(&[Phase::Connect], &[counter::CONNECT_FAILED]),
        "central.messages" | "hub.sends" => of(&[], &[counter::TELEMETRY_SENT, counter::TELEMETRY_RESENT]),
        "central.property_updates" | "hub.twin_updates" => of(&[Phase::Report], &[counter::REPORT_FAILED]),
        "hub.twin_reads" => of(&[Phase::TwinGet], &[counter::TWIN_GET_FAILED]),
        "central.commands" => of(&[], &[counter::COMMANDS]),
        "central.rest" => of(&[], &[counter::REST_REQUESTS]),
        "hub.daily" => of(&[Phase::TwinGet, Phase::Report], &[counter::TELEMETRY_SENT]),
        _ => None,
    }
}

/// Whether what is used of this limit is measured.
#[must_use]
pub fn is_measured(id: &str) -> bool {
    asks(id).is_some()
}

fn seconds(per: &str) -> Option<u64> {
    match per {
        "s" => Some(1),
        "min" => Some(60),
        "h" => Some(3_600),
        "day" => Some(86_400),
        other => other.strip_suffix('s')?.parse().ok(),
    }
}

impl QuotaMeter {
    /// Measures those of a plan's limits that can be: rates of the whole fleet.
    #[must_use]
    pub fn new(quotas: &[QuotaShare]) -> Self {
        let limits: Vec<_> = quotas.iter().filter_map(Limit::of).collect();
        Self {
            pending: vec![0; limits.len()],
            limits,
            at_s: 0,
        }
    }

    /// Takes a line of a process whose line before was `before`.
    pub fn line(&mut self, before: &Stats, line: &Decoded) {
        for (Limit { asks, .. }, pending) in self.limits.iter().zip(&mut self.pending) {
            let count = |stats: &Stats| {
                asks.counters
                    .iter()
                    .map(|name| counter::count(&stats.counters, name))
                    .sum::<u64>()
            };
            let timed = line.times.iter().filter(|times| asks.phases.contains(&times.phase));
            *pending += timed.map(|times| times.values.len()).sum::<u64>();
            *pending += count(&line.stats).saturating_sub(count(before));
        }
    }

    /// A second has passed.
    pub fn second(&mut self, second: Second) {
        let passed = second.at_s.saturating_sub(self.at_s);
        self.at_s = self.at_s.max(second.at_s);
        for (limit, pending) in self.limits.iter_mut().zip(&mut self.pending) {
            limit.second(second, passed, std::mem::take(pending));
        }
    }

    /// The share of each limit that is used now.
    pub fn now(&self) -> impl Iterator<Item = (&str, f64)> {
        self.limits.iter().map(|limit| (limit.used.id.as_str(), limit.now))
    }

    /// How much of each limit is allowed, and in which time: `s`, `min`, `day`.
    pub fn allowed(&self) -> impl Iterator<Item = (&str, f64, &str)> {
        let limits = self.limits.iter().map(|limit| &limit.used);
        limits.map(|used| (used.id.as_str(), used.allowed, used.per.as_str()))
    }

    /// What was used of each limit.
    #[must_use]
    pub fn used(&self) -> Vec<QuotaUse> {
        let of = |limit: &Limit| QuotaUse {
            mean: limit.total / f64::from(limit.counted.max(1)),
            ..limit.used.clone()
        };
        self.limits.iter().map(of).collect()
    }
}

impl Limit {
    fn of(quota: &QuotaShare) -> Option<Self> {
        let per = quota.per.clone()?;
        Some(Self {
            asks: asks(&quota.id)?,
            window_s: seconds(&per)?.max(SHORTEST_S),
            used: QuotaUse {
                id: quota.id.clone(),
                what: quota.what.clone(),
                allowed: quota.allowed,
                per,
                peak: 0.0,
                peak_at_s: 0,
                mean: 0.0,
            },
            seconds: VecDeque::new(),
            sum: 0,
            now: 0.0,
            total: 0.0,
            counted: 0,
        })
    }

    fn second(&mut self, second: Second, passed: u64, count: u64) {
        self.sum += count;
        if self.window_s <= LONGEST_S {
            // Of seconds that were skipped nothing is known but what is counted now.
            let new = std::iter::repeat_n(0, usize::try_from(passed.min(self.window_s)).unwrap_or(0));
            self.seconds.extend(new);
            match self.seconds.back_mut() {
                Some(last) => *last += count,
                None => self.seconds.push_back(count),
            }
            while self.seconds.len() as u64 > self.window_s
                && let Some(oldest) = self.seconds.pop_front()
            {
                self.sum -= oldest;
            }
        }
        self.now = self.share();
        if self.now > self.used.peak {
            (self.used.peak, self.used.peak_at_s) = (self.now, second.at_s);
        }
        if second.stage.is_some() {
            self.total += self.now;
            self.counted += 1;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a run counts far below 2^53")]
    fn share(&self) -> f64 {
        let period = seconds(&self.used.per).unwrap_or(1);
        // A window that is longer than the limit's time holds several of them.
        let allowed = self.used.allowed * self.window_s as f64 / period as f64;
        if allowed > 0.0 { self.sum as f64 / allowed } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::thresholds::Stage;
    use crate::totals::Times;

    fn quota(id: &str, allowed: f64, per: Option<&str>) -> QuotaShare {
        let json = serde_json::json!({
            "id": id, "what": id, "asked": 0.0, "allowed": allowed, "per": per, "scope": null, "kind": "fixed",
            "refuses": true, "share": 0.0, "source": null, "date": null,
        });
        serde_json::from_value(json).unwrap()
    }

    /// Each second so many messages are sent and registrations end.
    fn run(quotas: &[QuotaShare], seconds: u64, sent: u64, registered: u64) -> QuotaMeter {
        let mut meter = QuotaMeter::new(quotas);
        let mut before = Stats::default();
        for at_s in 1..=seconds {
            let stats = Stats {
                counters: BTreeMap::from([(counter::TELEMETRY_SENT.to_owned(), at_s * sent)]),
                ..Stats::default()
            };
            let mut line = Decoded::from(stats.clone());
            let mut values = Phase::histogram();
            values.record_n(1_000, registered).unwrap();
            line.times.push(Times {
                phase: Phase::Register,
                group: "g".to_owned(),
                values: (&values).into(),
            });
            meter.line(&before, &line);
            before = stats;
            let stage = (at_s > 10).then_some(Stage { number: 1, held: true });
            meter.second(Second { at_s, stage });
        }
        meter
    }

    #[test]
    fn rates_are_measured_over_their_time_but_five_seconds_at_least() {
        let quotas = [
            quota("central.messages", 200.0, Some("s")),
            quota("central.registrations", 200.0, Some("min")),
            quota("hub.daily", 8_000.0, Some("day")),
        ];
        let meter = run(&quotas, 120, 166, 2);
        let now: Vec<_> = meter
            .now()
            .map(|(id, share)| (id.to_owned(), (share * 100.0).round()))
            .collect();
        // 166 of 200; 120 of 200 in a minute; 19,920 of 8,000 in a day.
        let expected = [
            ("central.messages", 83.0),
            ("central.registrations", 60.0),
            ("hub.daily", 249.0),
        ];
        assert_eq!(now, expected.map(|(id, share)| (id.to_owned(), share)));
        let used = meter.used();
        assert_eq!((used[0].peak_at_s, (used[0].mean * 100.0).round()), (5, 83.0));
        assert!(used[2].mean < used[2].peak, "it grows: {used:?}");
    }

    #[test]
    fn one_second_alone_is_no_rate() {
        let mut meter = QuotaMeter::new(&[quota("central.messages", 100.0, Some("s"))]);
        let stats = Stats {
            counters: BTreeMap::from([(counter::TELEMETRY_SENT.to_owned(), 200)]),
            ..Stats::default()
        };
        // Two lines of a process come in one second, and none in the next.
        meter.line(&Stats::default(), &Decoded::from(stats));
        for at_s in 1..=2 {
            meter.second(Second { at_s, stage: None });
        }
        assert_eq!(meter.now().collect::<Vec<_>>(), [("central.messages", 0.4)]);
    }

    #[test]
    fn seconds_that_were_skipped_have_passed_all_the_same() {
        let mut meter = QuotaMeter::new(&[quota("central.messages", 100.0, Some("s"))]);
        let mut send = |at_s: u64, sent: u64| {
            let stats = |sent| Stats {
                counters: BTreeMap::from([(counter::TELEMETRY_SENT.to_owned(), sent)]),
                ..Stats::default()
            };
            meter.line(&stats(0), &Decoded::from(stats(sent)));
            meter.second(Second { at_s, stage: None });
            meter.now().map(|(_, used)| used).next().unwrap()
        };
        assert_eq!(send(1, 100), 0.2);
        // Three seconds' worth at once; and twice in one second.
        assert_eq!(send(4, 300), 0.8);
        assert_eq!(send(4, 50), 0.9);
        assert_eq!(send(100, 100), 0.2);
    }

    #[test]
    fn what_only_the_service_sees_is_not_measured() {
        let quotas = [
            quota("central.device_messages", 10.0, Some("s")),
            quota("central.devices", 200_000.0, None),
        ];
        assert!(QuotaMeter::new(&quotas).used().is_empty());
        assert!(is_measured("hub.sends") && !is_measured("central.devices"));
    }
}
