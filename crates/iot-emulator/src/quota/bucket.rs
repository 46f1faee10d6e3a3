//! A rate that is kept: so many in a period at once, and then as many as flow back.

use std::time::Duration;

use tokio::time::Instant;

/// So many in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) amount: u32,
    pub(crate) period: Duration,
}

/// What is left of a rate, counted as the instant at which all of it would be there again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// How long to wait until one may be taken.
    pub(super) fn wait(&self, rate: Rate, now: Instant) -> Duration {
        let Some(full_at) = self.full_at else {
            return Duration::ZERO;
        };
        // One of them must be back, and all others may be out.
        let lead = rate.period - rate.each();
        full_at.saturating_duration_since(now).saturating_sub(lead)
    }

    /// Takes one, be it there or not yet.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) {
        let from = self.full_at.map_or(now, |full_at| full_at.max(now));
        self.full_at = Some(from + rate.each());
    }

    /// Whether all of it is there, so that nothing needs to be remembered.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

impl Rate {
    fn each(self) -> Duration {
        self.period / self.amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        amount: 20,
        period: Duration::from_secs(1),
    };

    #[test]
    fn a_period_s_worth_goes_at_once_and_then_as_much_as_flows_back() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        for _ in 0..20 {
            assert_eq!(bucket.wait(RATE, at(0)), Duration::ZERO);
            bucket.take(RATE, at(0));
        }
        assert_eq!(bucket.wait(RATE, at(0)), Duration::from_millis(50));
        assert_eq!(bucket.wait(RATE, at(30)), Duration::from_millis(20));
        assert_eq!(bucket.wait(RATE, at(50)), Duration::ZERO);
        bucket.take(RATE, at(50));
        assert_eq!(bucket.wait(RATE, at(50)), Duration::from_millis(50));
        assert!(!bucket.is_full(at(1049)));
        assert!(bucket.is_full(at(1050)));
    }

    #[test]
    fn no_rest_saves_up_more_than_a_period_s_worth() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        bucket.take(RATE, start);
        let later = start + Duration::from_secs(3600);
        let taken = (0..100)
            .take_while(|_| {
                let free = bucket.wait(RATE, later).is_zero();
                if free {
                    bucket.take(RATE, later);
                }
                free
            })
            .count();
        assert_eq!(taken, 20);
    }

    #[test]
    fn what_is_taken_ahead_waits_in_line() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        for _ in 0..20 {
            bucket.take(RATE, now);
        }
        let mut waits = Vec::new();
        for _ in 0..3 {
            waits.push(bucket.wait(RATE, now).as_millis());
            bucket.take(RATE, now);
        }
        assert_eq!(waits, [50, 100, 150]);
    }
}
