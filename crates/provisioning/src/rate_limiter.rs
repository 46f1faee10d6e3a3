//! Not more requests than a service accepts.

use std::time::Duration;

use tokio::time::Instant;

/// Longer than any program runs.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Decides when the next request may go: one per interval in the long run, and a burst after a pause. Reads no clock.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    /// How far ahead of the even pace a burst may be.
    ahead: Duration,
    /// When the next request would go at an even pace.
    even: Option<Instant>,
}

impl RateLimiter {
    /// One request per `interval`, and at most `burst` of them (at least 1) at once.
    #[must_use]
    pub fn new(interval: Duration, burst: u32) -> Self {
        let interval = interval.min(LONGEST);
        Self {
            interval,
            ahead: interval.saturating_mul(burst.saturating_sub(1)).min(LONGEST),
            even: None,
        }
    }

    /// Takes the next place; the request may go at the instant that is returned.
    pub fn take(&mut self, now: Instant) -> Instant {
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + self.interval);
        even.checked_sub(self.ahead).map_or(now, |at| at.max(now))
    }

    /// The service has asked for a pause, which holds for the next requests, too.
    pub(crate) fn close_until(&mut self, then: Instant) {
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
        let mut limiter = RateLimiter::new(ms(50), 3);
        let start = Instant::now();
        let waits: Vec<_> = (0..6).map(|_| limiter.take(start) - start).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(50), ms(100), ms(150)]);
        // A pause brings the burst back, but no more than that.
        let later = start + ms(60_000);
        let waits: Vec<_> = (0..4).map(|_| limiter.take(later) - later).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(50)]);
    }

    #[test]
    fn a_pause_that_the_service_asks_for_holds_for_all_requests() {
        let mut limiter = RateLimiter::new(ms(100), 5);
        let start = Instant::now();
        limiter.take(start);
        limiter.close_until(start + ms(3_000));
        let waits: Vec<_> = (0..3).map(|_| limiter.take(start) - start).collect();
        assert_eq!(waits, [ms(3_000), ms(3_100), ms(3_200)]);
    }

    #[test]
    fn an_interval_beyond_all_clocks_lets_one_through() {
        let (mut limiter, now) = (RateLimiter::new(Duration::MAX, u32::MAX), Instant::now());
        limiter.close_until(now);
        let mut even = RateLimiter::new(Duration::MAX, 1);
        assert_eq!(even.take(now), now);
        assert!(even.take(now) >= now + LONGEST);
    }
}
