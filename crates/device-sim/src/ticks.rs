//! When a device's messages are due. Pure; the time is handed in.

use std::time::Duration;

use fleet_protocol::plan::Telemetry;
use rand::RngExt;
use tokio::time::Instant;

use crate::random::DeviceRng;

/// The schedule of one device.
///
/// The first tick falls anywhere within the first interval, so that devices which come online together don't send
/// together. A tick is due by the schedule, not by the time at which the one before was handled: a delayed device
/// does not drift.
#[derive(Debug, Clone)]
pub(crate) struct Ticks {
    interval: Duration,
    jitter: f64,
    due: Instant,
}

/// A tick whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick {
    /// When it was due.
    pub due: Instant,
    /// Ticks after it that came too late for a separate message.
    pub missed: u64,
}

impl Ticks {
    /// A schedule that begins now.
    #[must_use]
    pub(crate) fn begin(telemetry: Telemetry, now: Instant, random: &mut DeviceRng) -> Self {
        let interval = Duration::from_millis(telemetry.interval_ms);
        Self {
            interval,
            jitter: telemetry.jitter,
            due: now + interval.mul_f64(random.random_range(0.0..1.0)),
        }
    }

    /// When the next tick is due.
    #[must_use]
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Takes the tick that is due and schedules the next one after `now`.
    pub(crate) fn take(&mut self, now: Instant, random: &mut DeviceRng) -> Tick {
        let mut tick = Tick {
            due: self.due,
            missed: 0,
        };
        self.advance(random);
        while self.due + self.interval < now {
            tick.missed += 1;
            self.advance(random);
        }
        tick
    }

    fn advance(&mut self, random: &mut DeviceRng) {
        let factor = 1.0 + self.jitter * random.random_range(-1.0..1.0);
        // Even with full jitter, two ticks are never at the same instant: that would be a busy loop.
        self.due += self.interval.mul_f64(factor).max(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    const INTERVAL: Duration = Duration::from_secs(5);

    fn ticks(jitter: f64, now: Instant, random: &mut DeviceRng) -> Ticks {
        Ticks::begin(
            Telemetry {
                interval_ms: 5_000,
                jitter,
            },
            now,
            random,
        )
    }

    #[test]
    fn the_first_tick_falls_within_the_first_interval_and_differs_between_devices() {
        let now = Instant::now();
        let first = |id: &str| ticks(0.1, now, &mut stream(7, id, Purpose::Decisions)).due();
        assert!((0..100).all(|i| first(&format!("d{i}")) < now + INTERVAL));
        assert_ne!(first("a"), first("b"));
    }

    #[test]
    fn jitter_moves_a_tick_but_no_further_than_asked() {
        let (now, mut random) = (Instant::now(), stream(7, "a", Purpose::Decisions));
        let mut ticks = ticks(0.1, now, &mut random);
        for _ in 0..1_000 {
            let tick = ticks.take(ticks.due(), &mut random);
            let gap = ticks.due() - tick.due;
            assert!(gap >= INTERVAL.mul_f64(0.9) && gap <= INTERVAL.mul_f64(1.1), "{gap:?}");
            assert_eq!(tick.missed, 0);
        }
    }

    #[test]
    fn a_device_that_was_held_up_counts_what_it_missed_and_does_not_drift() {
        let (now, mut random) = (Instant::now(), stream(7, "a", Purpose::Decisions));
        let mut ticks = ticks(0.0, now, &mut random);
        let first = ticks.due();
        let tick = ticks.take(first + INTERVAL * 10 + Duration::from_millis(1), &mut random);
        assert_eq!(tick, Tick { due: first, missed: 9 });
        assert_eq!(ticks.due(), first + INTERVAL * 10, "the latest one still counts");
    }
}
