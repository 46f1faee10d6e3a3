//! What a device does after a failure: one pure decision.
//!
//! | event | next |
//! | --- | --- |
//! | network, DNS, a hub that is unavailable (CONNACK 3) or silent | the same hub, with backoff; DPS after ten tries |
//! | the hub closed or reset a session | the same; but five short sessions in a row mean that another client uses the device's id, and the two disconnect each other: parked |
//! | the hub throttles (429) | the same hub, with a slower backoff |
//! | the hub refuses the device: CONNACK 4 or 5, a TLS alert about its certificate | DPS, with backoff |
//! | DPS is away, throttles or fails | DPS again: after the time that it asked for, or after at least five seconds |
//! | an operator must act: unauthorized, disabled, waiting for approval (400209), the device's own certificate | parked: DPS every five to seven minutes |
//!
//! Sources: [Manage device reconnections](https://learn.microsoft.com/azure/iot/concepts-manage-device-reconnections),
//! [Best practices for large-scale deployments](https://learn.microsoft.com/azure/iot-dps/concepts-deploy-at-scale).

use std::time::Duration;

use provisioning::backoff::Backoff;
use rand::RngExt;

use crate::random::DeviceRng;

/// The first backoff is somewhere below this.
const BASE: Duration = Duration::from_secs(1);
/// No backoff is longer than this.
const CAP: Duration = Duration::from_secs(60);
const BACKOFF: Backoff = Backoff::new(BASE, CAP);
/// No backoff is shorter than this, so that full jitter never means a busy loop.
const FLOOR: Duration = Duration::from_millis(100);
/// After this many tries at the same hub, the device registers with DPS again.
const TRIES_AT_HUB: u32 = 10;
/// The wait when DPS is overloaded and sends no retry-after.
const DPS_WAIT: Duration = Duration::from_secs(5);
/// A throttled device adds this to its backoff; the Node SDK's floor for throttling is the same.
const THROTTLED: Duration = Duration::from_secs(10);
/// A session that the hub closes within this time is a short one.
const SHORT_SESSION: Duration = Duration::from_secs(60);
/// This many short sessions in a row are no accident.
const SHORT_SESSIONS: u32 = 5;
/// Where an operator has to act, the next try comes after this and up to half as much again.
const PARKED: Duration = Duration::from_secs(300);

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The network or the hub is in trouble: no connection, a silent one, CONNACK 3.
    HubUnreachable,
    /// The hub closed or reset a session.
    SessionClosed {
        /// How long the session had lasted.
        lasted: Duration,
    },
    /// The hub throttles.
    HubThrottled,
    /// The hub refuses this device: CONNACK 4 or 5.
    HubRefused,
    /// DPS can't be reached, is throttling or has an error of its own.
    DpsUnavailable {
        /// What DPS asked for.
        retry_after: Option<Duration>,
    },
    /// A person has to act: unauthorized, disabled, waiting for approval, or no usable certificate.
    OperatorMustAct,
}

/// What to do next, and how long to wait before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Connect to the same hub.
    Reconnect(Duration),
    /// Register with DPS.
    Register(Duration),
    /// Register with DPS after a long time; the device counts as parked meanwhile.
    Park(Duration),
    /// Another client uses the device's id: wait for a long time, then connect to the same hub.
    GiveWay(Duration),
}

/// What went wrong since the device was last healthy.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    failures: u32,
    at_this_hub: u32,
    short_sessions: u32,
}

impl Recovery {
    /// The device has been online long enough to count as healthy.
    pub(crate) fn recovered(&mut self) {
        *self = Self::default();
    }

    /// Decides about a failure.
    pub(crate) fn failed(&mut self, failure: Failure, random: &mut DeviceRng) -> Next {
        self.failures = self.failures.saturating_add(1);
        let short = matches!(failure, Failure::SessionClosed { lasted } if lasted < SHORT_SESSION);
        self.short_sessions = if short { self.short_sessions + 1 } else { 0 };
        if self.short_sessions == SHORT_SESSIONS {
            self.short_sessions = 0;
            return Next::GiveWay(parked(random));
        }
        match failure {
            Failure::HubUnreachable | Failure::SessionClosed { .. } => {
                self.at_this_hub += 1;
                let wait = backoff(self.failures, random);
                if self.at_this_hub < TRIES_AT_HUB {
                    Next::Reconnect(wait)
                } else {
                    self.at_this_hub = 0;
                    Next::Register(wait)
                }
            }
            Failure::HubThrottled => Next::Reconnect(THROTTLED + backoff(self.failures, random)),
            Failure::HubRefused => {
                self.at_this_hub = 0;
                Next::Register(backoff(self.failures, random))
            }
            Failure::DpsUnavailable {
                retry_after: Some(wait),
            } => {
                // All got the same time, so they must not all return at its end, and less and less often if it goes on.
                let spread = wait.min(CAP).mul_f64(random.random_range(0.0..0.5));
                Next::Register(wait.min(PARKED) + spread + backoff(self.failures, random))
            }
            Failure::DpsUnavailable { retry_after: None } => Next::Register(DPS_WAIT + backoff(self.failures, random)),
            Failure::OperatorMustAct => Next::Park(parked(random)),
        }
    }
}

fn parked(random: &mut DeviceRng) -> Duration {
    PARKED.mul_f64(random.random_range(1.0..1.5))
}

/// Exponential with full jitter: somewhere between the floor and the doubled-up bound.
fn backoff(failures: u32, random: &mut DeviceRng) -> Duration {
    let bound = BACKOFF.after(failures);
    FLOOR + bound.saturating_sub(FLOOR).mul_f64(random.random_range(0.0..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn random() -> DeviceRng {
        stream(7, "thermo-0001", Purpose::Decisions)
    }

    #[test]
    fn ten_tries_at_one_hub_then_dps_is_asked() {
        let (mut recovery, mut random) = (Recovery::default(), random());
        for _ in 1..TRIES_AT_HUB {
            assert!(matches!(
                recovery.failed(Failure::HubUnreachable, &mut random),
                Next::Reconnect(_)
            ));
        }
        assert!(matches!(
            recovery.failed(Failure::HubUnreachable, &mut random),
            Next::Register(_)
        ));
    }

    #[test]
    fn backoff_grows_to_its_bound_and_is_never_zero() {
        let mut random = random();
        let longest =
            |failures: u32, random: &mut DeviceRng| (0..500).map(|_| backoff(failures, random)).max().unwrap();
        assert!(longest(1, &mut random) <= BASE);
        assert!(longest(4, &mut random) > Duration::from_secs(6));
        assert!(longest(u32::MAX, &mut random) <= CAP);
        assert!((0..500).all(|_| backoff(1, &mut random) >= FLOOR));
    }

    #[test]
    fn a_fleet_dropped_at_once_does_not_come_back_at_once() {
        let mut waits: Vec<Duration> = (0..1_000)
            .map(|i| {
                let mut random = stream(7, &format!("thermo-{i:04}"), Purpose::Decisions);
                match Recovery::default().failed(Failure::HubUnreachable, &mut random) {
                    Next::Reconnect(wait) => wait,
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        waits.sort();
        // In no tenth of the window does more than an eighth of the fleet return.
        let tenth = BASE / 10;
        let most = waits
            .iter()
            .map(|&w| waits.iter().filter(|&&o| o >= w && o < w + tenth).count())
            .max()
            .unwrap();
        assert!(most < 160, "{most} of 1,000 within {tenth:?}");
    }

    #[test]
    fn a_refusing_hub_sends_to_dps_and_an_operators_problem_is_retried_slowly() {
        let (mut recovery, mut random) = (Recovery::default(), random());
        assert!(matches!(
            recovery.failed(Failure::HubRefused, &mut random),
            Next::Register(_)
        ));
        match recovery.failed(Failure::OperatorMustAct, &mut random) {
            Next::Park(wait) => assert!(wait >= PARKED && wait <= PARKED.mul_f64(1.5)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_device_that_is_thrown_out_again_and_again_gives_way() {
        let (mut recovery, mut random) = (Recovery::default(), random());
        let short = Failure::SessionClosed {
            lasted: Duration::from_secs(2),
        };
        for _ in 1..SHORT_SESSIONS {
            assert!(matches!(recovery.failed(short, &mut random), Next::Reconnect(_)));
        }
        match recovery.failed(short, &mut random) {
            Next::GiveWay(wait) => assert!(wait >= PARKED),
            other => panic!("{other:?}"),
        }
        assert!(
            matches!(recovery.failed(short, &mut random), Next::Reconnect(_)),
            "and tries again after that"
        );
    }

    #[test]
    fn long_sessions_and_other_failures_are_no_fight() {
        let (mut recovery, mut random) = (Recovery::default(), random());
        for i in 0..100 {
            let failure = match i % 3 {
                0 => Failure::SessionClosed { lasted: SHORT_SESSION },
                1 => Failure::HubUnreachable,
                _ => Failure::SessionClosed { lasted: Duration::ZERO },
            };
            assert!(
                !matches!(recovery.failed(failure, &mut random), Next::GiveWay(_)),
                "{i}"
            );
        }
    }

    #[test]
    fn a_throttled_device_stays_with_its_hub_and_takes_its_time() {
        match Recovery::default().failed(Failure::HubThrottled, &mut random()) {
            Next::Reconnect(wait) => assert!(wait >= THROTTLED),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn dps_is_not_asked_before_the_time_it_named() {
        let mut random = random();
        let asked = Duration::from_secs(7);
        match Recovery::default().failed(
            Failure::DpsUnavailable {
                retry_after: Some(asked),
            },
            &mut random,
        ) {
            Next::Register(wait) => assert!(wait >= asked && wait <= asked.mul_f64(1.5) + BASE),
            other => panic!("{other:?}"),
        }
        match Recovery::default().failed(Failure::DpsUnavailable { retry_after: None }, &mut random) {
            Next::Register(wait) => assert!(wait >= DPS_WAIT),
            other => panic!("{other:?}"),
        }
    }
}
