//! What is wrong with a device on purpose: its network, its program, its clock. Seed and device id decide when.

use std::num::NonZeroU64;
use std::time::Duration;

use fleet_protocol::plan::{DeviceFault, Fault};
use iot_protocol::id::RegistrationId;
use jiff::{SignedDuration, Timestamp};
use mqtt_link::{Endpoint, Impairment, Stalls};
use rand::RngExt;
use tokio::time::Instant;

use super::{Device, DeviceError};
use crate::random::{DeviceRng, Purpose, stream};
use crate::recovery::Failure;
use crate::spread::Faults as Places;

/// The faults of a device, of which it has at least one.
pub(super) struct Faults {
    slow: Option<(Duration, Option<NonZeroU64>)>,
    stalled: Option<(Duration, Duration)>,
    /// The mean time between two cuts.
    cut: Option<Duration>,
    clock_ahead_s: i64,
    /// When the session is cut.
    cut_at: Option<Instant>,
    random: DeviceRng,
}

/// What the faults make of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    impairment: Option<Impairment>,
    clock_ahead_s: i64,
}

impl Faults {
    /// Those of a device with these `places` in the faults of its group.
    pub(super) fn of(group: &[DeviceFault], places: Places, seed: u64, id: &RegistrationId) -> Option<Box<Self>> {
        let mut own = places.of(group).peekable();
        own.peek()?;
        let mut faults = Self {
            slow: None,
            stalled: None,
            cut: None,
            clock_ahead_s: 0,
            cut_at: None,
            random: stream(seed, id.as_str(), Purpose::FaultTimes),
        };
        for fault in own {
            match *fault {
                Fault::Slow {
                    latency_ms,
                    bytes_per_s,
                } => {
                    faults.slow = Some((Duration::from_millis(latency_ms), bytes_per_s.and_then(NonZeroU64::new)));
                }
                Fault::Stalled { every_ms, for_ms } => {
                    faults.stalled = Some((Duration::from_millis(every_ms), Duration::from_millis(for_ms)));
                }
                Fault::Cut { every_ms } => faults.cut = Some(Duration::from_millis(every_ms)),
                Fault::Clock { ahead_s } => faults.clock_ahead_s = ahead_s,
            }
        }
        Some(Box::new(faults))
    }

    /// How the next connection is.
    pub(super) fn network(&mut self) -> Network {
        let stalls = self.stalled.map(|(every, lasting)| Stalls {
            first: every.mul_f64(self.random.random_range(0.0..1.0)),
            every,
            lasting,
        });
        let (latency, bytes_per_s) = self.slow.unwrap_or_default();
        Network {
            impairment: (self.slow.is_some() || stalls.is_some()).then_some(Impairment {
                latency,
                bytes_per_s,
                stalls,
            }),
            clock_ahead_s: self.clock_ahead_s,
        }
    }

    /// A session has begun.
    pub(super) fn begin_session(&mut self, now: Instant) {
        // Cuts know nothing of each other, so the times between them are exponential.
        let drawn = |mean: Duration| mean.mul_f64(-f64::ln(1.0 - self.random.random_range(0.0..1.0)));
        self.cut_at = self.cut.map(drawn).and_then(|after| now.checked_add(after));
    }

    pub(super) fn cut_at(&self) -> Option<Instant> {
        self.cut_at
    }
}

impl Network {
    pub(super) fn of(self, endpoint: Endpoint) -> Endpoint {
        let mut endpoint = endpoint.impaired(self.impairment);
        if self.clock_ahead_s != 0 {
            endpoint.tls = endpoint.tls.with_clock_ahead(self.clock_ahead_s);
        }
        endpoint
    }
}

impl Device {
    /// What the device's own clock says.
    pub(super) fn clock(&self) -> Timestamp {
        let ahead_s = self.faults.as_ref().map_or(0, |faults| faults.clock_ahead_s);
        Timestamp::now()
            .saturating_add(SignedDuration::from_secs(ahead_s))
            .unwrap_or(Timestamp::MAX)
    }

    /// When the session is to be cut, if it is.
    pub(super) fn cut_at(&self) -> Option<Instant> {
        self.faults.as_ref()?.cut_at()
    }
}

impl DeviceError {
    /// The connection is cut, as the plan has it.
    pub(super) fn cut() -> Self {
        Self {
            failure: Failure::HubUnreachable,
            reason: "cut_on_purpose",
            message: "its connection is cut on purpose".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(id: &str) -> Box<Faults> {
        let group = [
            DeviceFault {
                share: 1.0,
                fault: Fault::Cut { every_ms: 10_000 },
            },
            DeviceFault {
                share: 1.0,
                fault: Fault::Stalled {
                    every_ms: 60_000,
                    for_ms: 5_000,
                },
            },
        ];
        let places = crate::spread::Faults::all(&group);
        Faults::of(&group, places, 7, &id.parse().unwrap()).unwrap()
    }

    #[test]
    fn cuts_come_at_random_with_their_mean_and_the_seed_decides() {
        let now = Instant::now();
        let drawn = |id: &str| {
            let mut faults = faults(id);
            let after = |_| {
                faults.begin_session(now);
                (faults.cut_at().unwrap() - now).as_secs_f64()
            };
            (0..2_000).map(after).collect::<Vec<f64>>()
        };
        let times = drawn("thermo-1");
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((9.0..11.0).contains(&mean), "{mean}");
        assert!(times.iter().any(|time| *time < 1.0) && times.iter().any(|time| *time > 30.0));
        assert_eq!(times, drawn("thermo-1"));
        assert_ne!(times, drawn("thermo-2"));
    }

    #[test]
    fn stalls_begin_somewhere_in_their_time() {
        let mut faults = faults("thermo-1");
        let mut first = || faults.network().impairment.unwrap().stalls.unwrap().first;
        let firsts: Vec<Duration> = (0..100).map(|_| first()).collect();
        assert!(firsts.iter().all(|first| *first < Duration::from_secs(60)));
        assert!(firsts.iter().any(|first| *first > Duration::from_secs(50)));
    }
}
