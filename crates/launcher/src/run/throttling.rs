//! When DPS has too much to do, a run looks as if it stood still. What is reported of it meanwhile. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// So long after the last refusal the devices that register are taken for waiting: what a device waits between two requests.
const FRESH: Duration = Duration::from_secs(60);
/// Over so much time it is counted how many get in: a quota that lay idle lets many in at first, and that is soon past.
const COUNTED: Duration = Duration::from_secs(20);
/// From less, no figure per minute can be derived.
const COUNTED_AT_LEAST: Duration = Duration::from_secs(6);

/// How the registrations get on under a quota. Times are since the beginning of the run.
#[derive(Debug, Default)]
pub(super) struct Throttling {
    refusals: u64,
    refused_at: Option<Duration>,
    /// When how many devices had registered, since the first refusal.
    registered: VecDeque<(Duration, u64)>,
}

impl Throttling {
    /// Takes the fleet's figures until now: refusals with 429, and devices that have registered.
    pub(super) fn reported(&mut self, refusals: u64, registered: u64, now: Duration) {
        if refusals > self.refusals {
            self.refusals = refusals;
            self.refused_at = Some(now);
        }
        if self.refused_at.is_some() {
            self.registered.push_back((now, registered));
            while self.registered.get(1).is_some_and(|(at, _)| *at + COUNTED <= now) {
                self.registered.pop_front();
            }
        }
    }

    /// What to report where `registering` of `devices` are at it.
    pub(super) fn words(&self, registering: u64, devices: u32, now: Duration) -> Option<String> {
        let refused_at = self.refused_at?;
        if registering == 0 || now.saturating_sub(refused_at) > FRESH {
            return None;
        }
        let mut words = format!("429 from DPS: {registering} of {devices} wait");
        let (first, last) = (self.registered.front()?, self.registered.back()?);
        let counted = last.0.saturating_sub(first.0);
        if counted >= COUNTED_AT_LEAST {
            let a_minute = last.1.saturating_sub(first.1) as f64 * 60.0 / counted.as_secs_f64();
            words += &match a_minute.round() as u64 {
                0 => ", none gets in".to_owned(),
                one_or_more => format!(", about {one_or_more} a minute get in"),
            };
        }
        Some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_throttled_run_says_how_many_wait_and_how_many_get_in() {
        let mut throttling = Throttling::default();
        for second in 0..5 {
            throttling.reported(0, second * 50, at(second));
        }
        assert_eq!(throttling.words(250, 500, at(5)), None, "nothing was refused");
        throttling.reported(40, 200, at(5));
        assert_eq!(
            throttling.words(250, 500, at(5)).unwrap(),
            "429 from DPS: 250 of 500 wait",
            "a rate needs time"
        );
        for second in 6..=65 {
            throttling.reported(40 + second, 200 + (second - 5) * 3, at(second));
        }
        assert_eq!(
            throttling.words(85, 500, at(65)).unwrap(),
            "429 from DPS: 85 of 500 wait, about 180 a minute get in"
        );
        assert_eq!(throttling.words(0, 500, at(65)), None, "all are in");
        assert_eq!(
            throttling.words(85, 500, at(200)),
            None,
            "nothing was refused for a long time"
        );
    }

    #[test]
    fn where_none_gets_in_that_is_said() {
        let mut throttling = Throttling::default();
        for second in 0..200 {
            throttling.reported(second + 1, 7, at(second));
        }
        assert_eq!(
            throttling.words(3, 10, at(200)).unwrap(),
            "429 from DPS: 3 of 10 wait, none gets in"
        );
        assert!(throttling.registered.len() <= 62, "{}", throttling.registered.len());
    }
}
