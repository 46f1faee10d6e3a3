//! Not more requests than a service takes.

use std::time::Duration;

use tokio::time::Instant;

/// How many requests may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So many in a second, in the long run.
    pub per_second: u32,
    /// So many at once after a pause.
    pub burst: u32,
}

impl Pace {
    /// What IoT Central takes on most of its REST API
    /// (<https://learn.microsoft.com/azure/iot-central/core/concepts-quotas-limits>).
    pub const IOT_CENTRAL: Self = Self {
        per_second: 20,
        burst: 20,
    };
}

/// Says when the next request may go. Reads no clock.
#[derive(Debug)]
pub(super) struct Gate {
    interval: Duration,
    /// How far ahead of the even pace a burst may be.
    ahead: Duration,
    /// When the next request would go at an even pace.
    even: Option<Instant>,
}

impl Gate {
    pub(super) fn new(pace: Pace) -> Self {
        let interval = Duration::from_secs(1) / pace.per_second.max(1);
        Self {
            interval,
            ahead: interval * pace.burst.saturating_sub(1),
            even: None,
        }
    }

    /// Takes the next place; the request may go at the instant that is returned.
    pub(super) fn take(&mut self, now: Instant) -> Instant {
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + self.interval);
        even.checked_sub(self.ahead).map_or(now, |at| at.max(now))
    }

    /// The service has asked for a pause: it is meant for the next request, too.
    pub(super) fn close_until(&mut self, then: Instant) {
        let even = then + self.ahead;
        self.even = Some(self.even.map_or(even, |now| now.max(even)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_an_even_pace() {
        let mut gate = Gate::new(Pace {
            per_second: 20,
            burst: 3,
        });
        let start = Instant::now();
        let waits: Vec<_> = (0..6).map(|_| gate.take(start) - start).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(50), ms(100), ms(150)]);
        // A pause brings the burst back, but no more than that.
        let later = start + ms(60_000);
        let waits: Vec<_> = (0..4).map(|_| gate.take(later) - later).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(50)]);
    }

    #[test]
    fn a_pause_that_the_service_asks_for_holds_for_everybody() {
        let mut gate = Gate::new(Pace {
            per_second: 10,
            burst: 5,
        });
        let start = Instant::now();
        gate.take(start);
        gate.close_until(start + ms(3_000));
        let waits: Vec<_> = (0..3).map(|_| gate.take(start) - start).collect();
        assert_eq!(waits, [ms(3_000), ms(3_100), ms(3_200)]);
    }
}
