//! Evenly spaced turns: how the processes of a fleet keep to one rate.
//!
//! Time is cut into slots as long as the rate's interval, and slot k belongs to shard k modulo n, counted from an
//! instant that all processes share. So they never act in step, without any communication between them and whenever
//! each of them was started.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use fleet_protocol::plan::Shard;
use tokio::time::Instant;

/// Longer than any run.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// An instant that the processes of a fleet have in common, and its age.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch {
    seen: Instant,
    age: Duration,
}

impl Epoch {
    /// At `seen`, the common instant was `age` ago.
    #[must_use]
    pub(crate) fn new(seen: Instant, age: Duration) -> Self {
        Self { seen, age }
    }

    fn age_at(self, at: Instant) -> u128 {
        (self.age + at.saturating_duration_since(self.seen)).as_nanos()
    }
}

/// Assigns instants in this shard's slots, at most one in each. An unused turn is not saved up, so a pause is not
/// followed by a burst.
#[derive(Debug)]
pub(crate) struct TimeSlots {
    slot: Duration,
    shard: Shard,
    epoch: Epoch,
    first_asked: Option<Instant>,
    next: Option<Instant>,
}

impl TimeSlots {
    /// The part of a shard in `rate` turns per second of the whole fleet.
    #[must_use]
    pub(crate) fn new(rate: f64, shard: Shard, epoch: Epoch) -> Self {
        // An interval that no instant can be added to would be no limit at all.
        let slot = Duration::try_from_secs_f64(1.0 / rate).map_or(LONGEST, |slot| slot.min(LONGEST));
        Self {
            slot,
            shard,
            epoch,
            first_asked: None,
            next: None,
        }
    }

    /// The instant of the next free turn, not before `now`.
    pub(crate) fn take(&mut self, now: Instant) -> Instant {
        self.first_asked.get_or_insert(now);
        let turn = self.open_at(self.next.map_or(now, |next| next.max(now)));
        self.next = turn.checked_add(self.round()).or(Some(turn));
        turn
    }

    /// How long after this shard's last first turn of a device the fleet's is, where each of `devices` takes one.
    #[must_use]
    pub(crate) fn behind(&self, devices: u32) -> Duration {
        let (Some(asked), slot) = (self.first_asked, self.slot.as_nanos()) else {
            return Duration::ZERO;
        };
        let count = self.shard.count.get();
        // Below the number of shards, so it fits.
        let begin = self.epoch.age_at(asked).checked_div(slot).unwrap_or(0) % u128::from(count);
        let begin = u32::try_from(begin).unwrap_or(0);
        let last_slot = |index: u32| {
            let rounds = u64::from(Shard { index, ..self.shard }.part_of_number(devices).checked_sub(1)?);
            let position = (u64::from(index) + u64::from(count) - u64::from(begin)) % u64::from(count);
            Some(rounds * u64::from(count) + position)
        };
        let last = (0..count).filter_map(last_slot).max();
        let slots = last
            .zip(last_slot(self.shard.index))
            .map_or(0, |(all, ours)| all - ours);
        // At most two rounds.
        self.slot
            .saturating_mul(u32::try_from(slots).unwrap_or(u32::MAX))
            .min(LONGEST)
    }

    fn round(&self) -> Duration {
        self.slot.saturating_mul(self.shard.count.get())
    }

    /// `at`, if one of this shard's slots is open then, or else when the next one opens.
    fn open_at(&self, at: Instant) -> Instant {
        let (slot, round) = (self.slot.as_nanos(), self.round().as_nanos());
        let opens = slot * u128::from(self.shard.index);
        match (self.epoch.age_at(at) + round - opens).checked_rem(round) {
            Some(into) if into >= slot => at + nanoseconds(round - into).min(LONGEST),
            _ => at,
        }
    }
}

fn nanoseconds(nanos: u128) -> Duration {
    u64::try_from(nanos).map_or(LONGEST, Duration::from_nanos)
}

/// [`TimeSlots`] that all devices of a process share.
#[derive(Debug)]
pub(crate) struct RateLimiter(Mutex<TimeSlots>);

impl RateLimiter {
    /// The part of a shard in `rate` turns per second of the whole fleet.
    #[must_use]
    pub(crate) fn new(rate: f64, shard: Shard, epoch: Epoch) -> Self {
        Self(Mutex::new(TimeSlots::new(rate, shard, epoch)))
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) {
        let now = Instant::now();
        let turn = self.turns().take(now);
        if turn > now {
            tokio::time::sleep_until(turn).await;
        }
    }

    /// How long after this process's last first turn of a device the fleet's is: [`TimeSlots::behind`].
    #[must_use]
    pub(crate) fn behind(&self, devices: u32) -> Duration {
        self.turns().behind(devices)
    }

    fn turns(&self) -> MutexGuard<'_, TimeSlots> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(rate: f64, begin: Instant) -> TimeSlots {
        TimeSlots::new(rate, Shard::WHOLE, Epoch::new(begin, Duration::from_millis(12_345)))
    }

    /// The turns of all shards, each started up to 300 ms after the first, `devices` of them together.
    fn turns_of_a_fleet(rate: f64, count: u32, devices: u32, age: Duration) -> Vec<(Instant, u32)> {
        let begin = Instant::now();
        let mut all = Vec::new();
        for index in 0..count {
            let shard: Shard = format!("{index}/{count}").parse().unwrap();
            let late = Duration::from_millis(u64::from(index * 130 % 300));
            let mut turns = TimeSlots::new(rate, shard, Epoch::new(begin + late, age + late));
            all.extend((0..shard.part_of_number(devices)).map(|_| (turns.take(begin + late), index)));
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn turns_are_evenly_spaced_and_not_saved_up() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut turns = alone(10.0, begin);
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
    fn no_half_second_has_more_turns_of_the_whole_fleet_than_its_rate_and_one() {
        let window = Duration::from_millis(500);
        for (rate, count, devices) in [
            (2.0, 7, 28),
            (2.0, 3, 40),
            (10.0, 4, 100),
            (100.0, 64, 900),
            (0.5, 2, 9),
        ] {
            for age in [0, 777, 12_345_678].map(Duration::from_millis) {
                let turns = turns_of_a_fleet(rate, count, devices, age);
                assert_eq!(turns.len(), devices as usize);
                let allowed = (rate * window.as_secs_f64()).ceil() as usize + 1;
                for (first, _) in &turns {
                    let within = turns
                        .iter()
                        .filter(|(at, _)| at >= first && *at < *first + window)
                        .count();
                    assert!(within <= allowed, "{rate}/s in {count} shards: {within} within 0.5 s");
                }
                // And the rate is reached: nothing takes longer than its turns and one round.
                let lasted = (turns[turns.len() - 1].0 - turns[0].0).as_secs_f64();
                assert!(lasted * rate <= f64::from(devices + count), "{rate}/s: {lasted} s");
            }
        }
    }

    #[test]
    fn each_shard_computes_when_the_last_device_of_the_fleet_has_its_first_turn() {
        for (count, devices) in [(7, 28), (7, 30), (3, 2), (1, 5), (4, 4)] {
            for age in [0, 1_300, 98_765].map(Duration::from_millis) {
                let begin = Instant::now();
                let ends: Vec<_> = (0..count)
                    .filter_map(|index| {
                        let shard: Shard = format!("{index}/{count}").parse().unwrap();
                        let mut turns = TimeSlots::new(2.0, shard, Epoch::new(begin, age));
                        let last = (0..shard.part_of_number(devices)).map(|_| turns.take(begin)).last()?;
                        Some(last + turns.behind(devices))
                    })
                    .collect();
                let (min, max) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
                // The only difference is how late in its slot a shard is that began in the middle of one.
                assert!(
                    *max - *min <= Duration::from_millis(500),
                    "{devices} in {count}: {ends:?}"
                );
            }
        }
        let idle = alone(2.0, Instant::now());
        assert_eq!(idle.behind(28), Duration::ZERO, "no turn was needed");
    }

    #[test]
    fn an_absurdly_slow_rate_lets_one_through_and_no_more() {
        let now = Instant::now();
        for rate in [f64::MIN_POSITIVE, 1e-300, 1e-20, 0.0, f64::NAN] {
            let mut turns = alone(rate, now);
            assert_eq!(turns.take(now), now, "{rate}");
            for _ in 0..3 {
                assert!(turns.take(now) >= now + LONGEST, "{rate}");
            }
            let in_shards = turns_of_a_fleet(rate, 5, 5, Duration::from_secs(1));
            assert_eq!(
                in_shards.iter().filter(|(at, _)| *at < now + LONGEST / 2).count(),
                1,
                "{rate}"
            );
        }
    }

    #[test]
    fn a_rate_beyond_all_clocks_is_no_limit() {
        let now = Instant::now();
        let mut turns = TimeSlots::new(1e300, "1/3".parse().unwrap(), Epoch::new(now, Duration::ZERO));
        assert_eq!([turns.take(now), turns.take(now)], [now, now]);
    }
}
