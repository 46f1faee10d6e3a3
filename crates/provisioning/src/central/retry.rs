//! How often and how long a request is repeated.

use std::time::Duration;

use crate::backoff::Backoff;

/// How often and how long a request is repeated before its failure is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests in all, the first included.
    pub attempts: u32,
    /// The pauses where the service names none.
    pub backoff: Backoff,
    /// The whole time from the first request on, pauses included. A pause that would reach beyond it is not begun.
    pub overall: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(10)),
            overall: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// The pause after the `failed`-th failed attempt (from 1), or `None` to give up.
    ///
    /// `spread` (0 to 1) shortens our own pauses by up to a half, so that two programs don't stay in step; a pause the
    /// service asked for is never shortened.
    pub(super) fn pause(&self, failed: u32, asked: Option<Duration>, spent: Duration, spread: f64) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let pause = asked.unwrap_or_else(|| self.backoff.after(failed).mul_f64(1.0 - spread / 2.0));
        (spent.saturating_add(pause) <= self.overall).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_then_it_is_over() {
        let policy = RetryPolicy::default();
        let pauses: Vec<_> = (1..)
            .map_while(|failed| policy.pause(failed, None, SECOND, 0.0))
            .collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000].map(Duration::from_millis));
        assert_eq!(policy.pause(2, None, SECOND, 1.0), Some(Duration::from_millis(500)));
    }

    #[test]
    fn what_the_service_asks_for_is_kept_exactly_but_not_beyond_the_end() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.pause(1, Some(30 * SECOND), SECOND, 1.0), Some(30 * SECOND));
        assert_eq!(policy.pause(1, Some(30 * SECOND), 91 * SECOND, 0.0), None);
        assert_eq!(policy.pause(1, Some(Duration::MAX), SECOND, 0.0), None);
    }
}
