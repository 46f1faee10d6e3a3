//! Waits that grow from failure to failure.

use std::time::Duration;

/// A wait that doubles with each failure in a row, up to a longest. How far it is spread, so that many devices don't
/// come back together, is decided by the user: here is neither a clock nor a die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// From `first` to `longest`, which holds for the first one, too.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The wait after so many failures in a row, from 1.
    #[must_use]
    pub fn after(self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_stay_there() {
        let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(3));
        let waits = [0, 1, 2, 3, 4, 5, u32::MAX].map(|failures| backoff.after(failures).as_millis());
        assert_eq!(waits, [500, 500, 1_000, 2_000, 3_000, 3_000, 3_000]);
        let short = Backoff::new(Duration::from_secs(5), Duration::from_secs(3));
        assert_eq!(short.after(1), Duration::from_secs(3));
        assert_eq!(Backoff::new(Duration::MAX, Duration::MAX).after(9), Duration::MAX);
    }
}
