//! How much of a long piece of work is done, and about how long the rest takes. Pure.

use std::time::Duration;

use settings::Span;

/// Work that is done one piece after the other, at a rate that it can't exceed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Countdown {
    /// All pieces, also those that need no work.
    pub of: u64,
    /// How many pieces a second can be done at most.
    pub per_second: f64,
}

impl Countdown {
    /// About how long the rest takes: at the rate so far, of the `worked` pieces that took `elapsed`, and at no higher one
    /// than is possible. `None` where nothing is left.
    pub(crate) fn left(self, done: u64, worked: u64, elapsed: Duration) -> Option<Duration> {
        let left = self.of.checked_sub(done).filter(|left| *left > 0)?;
        let so_far = (worked > 0).then(|| worked as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE));
        let rate = so_far.map_or(self.per_second, |rate| rate.min(self.per_second));
        Some(Duration::try_from_secs_f64(left as f64 / rate).unwrap_or(Duration::MAX))
    }

    /// `1200 of 10000, about 44m left`.
    pub(crate) fn words(self, done: u64, worked: u64, elapsed: Duration) -> String {
        let left = self.left(done, worked, elapsed);
        let left = left.map(|left| format!(", about {} left", about(left)));
        format!("{done} of {}{}", self.of, left.unwrap_or_default())
    }
}

/// As precisely as a person needs it.
pub(crate) fn about(time: Duration) -> Span {
    let step: u32 = match time.as_secs() {
        0..60 => 1,
        60..600 => 10,
        600.. => 60,
    };
    let steps = time.as_secs_f64() / f64::from(step);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time is not negative, and one beyond the range is shown as the longest"
    )]
    let steps = (steps.ceil() as u64).max(1);
    Span(Duration::from_secs(steps.saturating_mul(step.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Countdown = Countdown {
        of: 10_000,
        per_second: 4.0,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_rest_takes_as_long_as_the_work_so_far_suggests_and_no_shorter_than_it_can() {
        assert_eq!(OF.left(0, 0, seconds(0)), Some(seconds(2_500)));
        // A burst in the beginning does not go on.
        assert_eq!(OF.left(200, 200, seconds(1)), Some(seconds(2_450)));
        assert_eq!(OF.left(200, 200, seconds(100)), Some(seconds(4_900)));
        // What was there from the beginning took no time.
        assert_eq!(OF.left(6_000, 100, seconds(100)), Some(seconds(4_000)));
        assert_eq!(OF.left(10_000, 10_000, seconds(1)), None);
        assert_eq!(OF.words(1_200, 1_200, seconds(300)), "1200 of 10000, about 37m left");
        assert_eq!(OF.words(10_000, 1, seconds(300)), "10000 of 10000");
    }

    #[test]
    fn a_time_is_said_in_the_unit_that_counts() {
        for (exact, words) in [(0, "1s"), (59, "59s"), (61, "1m10s"), (599, "10m"), (3_601, "1h1m")] {
            assert_eq!(about(seconds(exact)).to_string(), words);
        }
        about(Duration::MAX);
    }
}
