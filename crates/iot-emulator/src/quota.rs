//! Quotas: how much of everything a subscription allows, and what happens to more.
//!
//! Pure: the time is passed in. Source: [IoT Hub quotas and
//! throttling](https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling), [DPS
//! limits](https://learn.microsoft.com/azure/iot-dps/about-iot-dps#quotas-and-limits) and [IoT Central
//! quotas](https://learn.microsoft.com/azure/iot-central/core/concepts-quotas-limits).

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

mod bucket;
mod limits;

pub use limits::Quota;

use bucket::{Bucket, Rate};

use crate::phase::Phase;

/// How many devices are counted apart before those that have their whole rate back are dropped.
const TIDY_ABOVE: usize = 50_000;

/// What is left of a quota.
#[derive(Debug)]
pub(crate) struct Meter {
    quota: Quota,
    registrations: Bucket,
    connects: Bucket,
    messages: Bucket,
    daily_messages: Bucket,
    twin_reads: Bucket,
    twin_updates: Bucket,
    requests: Bucket,
    commands: Bucket,
    devices: HashMap<String, Bucket>,
    tidy_above: usize,
}

/// The outcome of something that is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) limit: &'static str,
    pub(crate) outcome: Outcome,
}

/// How a limit is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It waits for its turn.
    Delayed(Duration),
    /// The answer is no, and when to ask again.
    Refused(Duration),
    /// It would wait too long, so that the connection is closed.
    Closed,
}

impl Throttled {
    pub(crate) fn is_final(self) -> bool {
        !matches!(self.outcome, Outcome::Delayed(_))
    }
}

impl Meter {
    pub(crate) fn new(quota: Quota) -> Self {
        Self {
            quota,
            registrations: Bucket::default(),
            connects: Bucket::default(),
            messages: Bucket::default(),
            daily_messages: Bucket::default(),
            twin_reads: Bucket::default(),
            twin_updates: Bucket::default(),
            requests: Bucket::default(),
            commands: Bucket::default(),
            devices: HashMap::new(),
            tidy_above: TIDY_ABOVE,
        }
    }

    /// Takes what a device does `now` from the quota; returns the outcome if that is too much.
    pub(crate) fn ask(&mut self, phase: Phase, device: Option<&str>, now: Instant) -> Option<Throttled> {
        let quota = &self.quota;
        let (limit, rate, bucket) = match phase {
            Phase::Register => ("registrations", quota.registrations, &mut self.registrations),
            Phase::HubConnect => ("connects", quota.connects, &mut self.connects),
            Phase::TwinGet => ("twin_reads", quota.twin_reads, &mut self.twin_reads),
            Phase::TwinReport => ("twin_updates", quota.twin_updates, &mut self.twin_updates),
            Phase::Rest => ("requests", quota.requests, &mut self.requests),
            Phase::Command => ("commands", quota.commands, &mut self.commands),
            Phase::Telemetry => return self.message(device.unwrap_or_default(), now),
            _ => return None,
        };
        let rate = rate?;
        let wait = bucket.wait(rate, now);
        if wait.is_zero() {
            bucket.take(rate, now);
            return None;
        }
        let outcome = Outcome::Refused(wait);
        Some(Throttled { limit, outcome })
    }

    /// Messages are held back until it is their turn, and those that would wait too long cost the connection.
    fn message(&mut self, device: &str, now: Instant) -> Option<Throttled> {
        let of_device = match self.quota.device_messages {
            Some(rate) => {
                self.tidy(now);
                Some((rate, self.devices.entry(device.into()).or_default()))
            }
            None => None,
        };
        let mut limits: [(&'static str, Option<(Rate, &mut Bucket)>); 3] = [
            ("device_messages", of_device),
            ("messages", self.quota.messages.map(|rate| (rate, &mut self.messages))),
            (
                "daily_messages",
                self.quota.daily_messages.map(|rate| (rate, &mut self.daily_messages)),
            ),
        ];
        let longest = limits
            .iter()
            .filter_map(|(limit, kept)| kept.as_ref().map(|(rate, bucket)| (bucket.wait(*rate, now), *limit)))
            .max();
        let (wait, limit) = longest?;
        if wait > self.quota.shaped_at_most {
            let outcome = Outcome::Closed;
            return Some(Throttled { limit, outcome });
        }
        for (rate, bucket) in limits.iter_mut().filter_map(|(_, kept)| kept.as_mut()) {
            bucket.take(*rate, now);
        }
        let outcome = Outcome::Delayed(wait);
        (!wait.is_zero()).then_some(Throttled { limit, outcome })
    }

    fn tidy(&mut self, now: Instant) {
        if self.devices.len() > self.tidy_above {
            self.devices.retain(|_, bucket| !bucket.is_full(now));
            // Not again before there is as much to find.
            self.tidy_above = TIDY_ABOVE.max(self.devices.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(quota: &str) -> Meter {
        Meter::new(Quota::parse(quota).unwrap())
    }

    #[test]
    fn a_registration_too_many_is_refused_until_one_flows_back_and_polls_do_not_count() {
        let mut meter = meter("[dps]\nregistrations = \"200/min\"");
        let start = Instant::now();
        for _ in 0..200 {
            assert_eq!(meter.ask(Phase::Register, Some("t"), start), None);
            assert_eq!(meter.ask(Phase::Poll, Some("t"), start), None);
        }
        let refused = |wait| {
            Some(Throttled {
                limit: "registrations",
                outcome: Outcome::Refused(Duration::from_millis(wait)),
            })
        };
        assert_eq!(meter.ask(Phase::Register, Some("t"), start), refused(300));
        let later = start + Duration::from_millis(100);
        assert_eq!(meter.ask(Phase::Register, Some("t"), later), refused(200));
        let back = start + Duration::from_millis(300);
        assert_eq!(meter.ask(Phase::Register, Some("t"), back), None);
    }

    #[test]
    fn a_fleet_that_registers_at_the_documented_rate_is_never_refused() {
        let mut meter = Meter::new(Quota::load("iot-central").unwrap().unwrap());
        let start = Instant::now();
        for number in 0..2000 {
            let now = start + Duration::from_millis(300) * number;
            assert_eq!(meter.ask(Phase::Register, Some("t"), now), None, "{number}");
        }
    }

    #[test]
    fn messages_are_held_back_first_and_then_cost_the_connection() {
        let mut meter = meter("[hub]\nmessages = \"10/s\"\nshaped_at_most = \"300ms\"");
        let now = Instant::now();
        let outcomes: Vec<_> = (0..15)
            .map(|_| {
                meter
                    .ask(Phase::Telemetry, Some("t"), now)
                    .map(|throttled| throttled.outcome)
            })
            .collect();
        let delayed = |wait| Some(Outcome::Delayed(Duration::from_millis(wait)));
        assert!(outcomes[..10].iter().all(Option::is_none), "{outcomes:?}");
        assert_eq!(
            outcomes[10..],
            [
                delayed(100),
                delayed(200),
                delayed(300),
                Some(Outcome::Closed),
                Some(Outcome::Closed)
            ]
        );
        // What was refused took nothing.
        let later = now + Duration::from_millis(400);
        assert_eq!(meter.ask(Phase::Telemetry, Some("t"), later), None);
    }

    #[test]
    fn one_device_can_t_use_up_what_all_of_them_have() {
        let mut meter = meter("[hub]\nmessages = \"100/s\"\ndevice_messages = \"10/s\"");
        let now = Instant::now();
        let mut ask = |device, times| {
            (0..times)
                .filter(|_| meter.ask(Phase::Telemetry, Some(device), now).is_some())
                .count()
        };
        assert_eq!(ask("loud", 15), 5);
        assert_eq!(ask("quiet", 10), 0);
    }

    #[test]
    fn devices_that_are_quiet_again_are_forgotten() {
        let mut meter = meter("[hub]\ndevice_messages = \"10/s\"");
        meter.tidy_above = 10;
        let start = Instant::now();
        for number in 0..11 {
            meter.ask(Phase::Telemetry, Some(&format!("t-{number}")), start);
        }
        meter.ask(Phase::Telemetry, Some("late"), start + Duration::from_secs(2));
        assert_eq!(meter.devices.len(), 1);
    }

    #[test]
    fn what_is_not_limited_is_never_too_much() {
        let mut meter = meter("");
        let now = Instant::now();
        for phase in Phase::ALL {
            for _ in 0..1000 {
                assert_eq!(meter.ask(phase, Some("t"), now), None);
            }
        }
    }
}
