//! Evenly spaced turns: how a process keeps to a rate.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Longer than any run.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Hands out instants that are at least one interval apart. A turn that nobody took is not saved up, so a pause is not
/// followed by a burst.
#[derive(Debug)]
pub struct Turns {
    interval: Duration,
    next: Option<Instant>,
}

impl Turns {
    /// `rate` turns per second.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        // An interval that no instant can be added to would be none at all.
        let interval = Duration::try_from_secs_f64(1.0 / rate).map_or(LONGEST, |interval| interval.min(LONGEST));
        Self { interval, next: None }
    }

    /// The instant of the next free turn, not before `now`.
    pub fn take(&mut self, now: Instant) -> Instant {
        let turn = self.next.map_or(now, |next| next.max(now));
        self.next = turn.checked_add(self.interval).or(Some(turn));
        turn
    }
}

/// [`Turns`] that all devices of a process share.
#[derive(Debug)]
pub struct Pacer(Mutex<Turns>);

impl Pacer {
    /// `rate` turns per second.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self(Mutex::new(Turns::new(rate)))
    }

    /// Waits for a turn.
    pub async fn turn(&self) {
        let now = Instant::now();
        let turn = self.0.lock().expect("no holder of this lock panics").take(now);
        if turn > now {
            tokio::time::sleep_until(turn).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_evenly_spaced_and_not_saved_up() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut turns = Turns::new(10.0);
        assert_eq!(
            [turns.take(begin), turns.take(begin), turns.take(begin)],
            [at(0), at(100), at(200)]
        );
        assert_eq!(
            [turns.take(at(1_000)), turns.take(at(1_000))],
            [at(1_000), at(1_100)],
            "after a pause"
        );
    }

    #[test]
    fn an_absurdly_slow_rate_lets_one_through_and_no_more() {
        let now = Instant::now();
        for rate in [f64::MIN_POSITIVE, 1e-300, 1e-20, 0.0, f64::NAN] {
            let mut turns = Turns::new(rate);
            assert_eq!(turns.take(now), now, "{rate}");
            for _ in 0..3 {
                assert!(turns.take(now) >= now + LONGEST, "{rate}");
            }
        }
    }
}
