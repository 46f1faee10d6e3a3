//! The load profile: which share of the fleet is online at which time. Pure; the time is handed in.

use std::time::Duration;

use fleet_protocol::plan::Stage;
use tokio::time::Instant;

/// The stages of a run, one after the other.
#[derive(Debug, Clone)]
pub struct Ramp {
    stages: Vec<Stage>,
}

impl Ramp {
    /// A profile that begins with no device online.
    #[must_use]
    pub fn new(stages: Vec<Stage>) -> Self {
        Self { stages }
    }

    /// How long the stages take together.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.stages
            .iter()
            .map(|stage| Duration::from_millis(stage.over_ms))
            .sum()
    }

    /// The share that should be online once `elapsed` has passed since the beginning, from 0 to 1.
    #[must_use]
    pub fn share_at(&self, elapsed: Duration) -> f64 {
        let mut from = 0.0;
        let mut begin = Duration::ZERO;
        for stage in &self.stages {
            let length = Duration::from_millis(stage.over_ms);
            if elapsed < begin + length {
                let done = (elapsed - begin).as_secs_f64() / length.as_secs_f64();
                return from + (stage.share - from) * done;
            }
            from = stage.share;
            begin += length;
        }
        from
    }

    /// How many of the `devices` of a whole fleet should be online.
    #[must_use]
    pub fn online_at(&self, elapsed: Duration, devices: u32) -> u32 {
        wanted(self.share_at(elapsed), devices)
    }

    /// When the first stage ends that has not ended at `elapsed`.
    #[must_use]
    pub fn next_end(&self, elapsed: Duration) -> Option<Duration> {
        let mut ends = self.stages.iter().scan(Duration::ZERO, |end, stage| {
            *end += Duration::from_millis(stage.over_ms);
            Some(*end)
        });
        ends.find(|end| *end > elapsed)
    }
}

/// The time that counts for the stages, which stands still while they are paused.
#[derive(Debug, Clone, Copy)]
pub struct RampClock {
    counted: Duration,
    running_since: Option<Instant>,
}

impl RampClock {
    /// The stages begin.
    #[must_use]
    pub fn begin(now: Instant) -> Self {
        Self::join(Duration::ZERO, now)
    }

    /// The stages began `elapsed` ago.
    #[must_use]
    pub(crate) fn join(elapsed: Duration, now: Instant) -> Self {
        Self {
            counted: elapsed,
            running_since: Some(now),
        }
    }

    /// How much of their time has passed.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        let running = self.running_since.map(|since| now.duration_since(since));
        self.counted + running.unwrap_or_default()
    }

    /// When so much of their time will have passed, which may be in the past; `None` while they are held before it.
    #[must_use]
    pub fn reaches(&self, elapsed: Duration, now: Instant) -> Option<Instant> {
        let left = elapsed.saturating_sub(self.elapsed(now));
        // What is far beyond the end of a run is never reached.
        let at = || now.checked_add(left);
        if left.is_zero() || !self.is_paused() {
            at()
        } else {
            None
        }
    }

    /// Holds the stages where they are.
    pub fn pause(&mut self, now: Instant) {
        self.counted = self.elapsed(now);
        self.running_since = None;
    }

    /// Whether the stages are held.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.running_since.is_none()
    }

    /// Goes on with the stages.
    pub fn resume(&mut self, now: Instant) {
        self.running_since.get_or_insert(now);
    }
}

/// How many of `devices` a share is. Anything above zero is at least one device. A shard gets its part of that number
/// rather than its own share, since the rounding of all shards would add up.
#[must_use]
pub fn wanted(share: f64, devices: u32) -> u32 {
    let exact = share * f64::from(devices);
    // 7 % of 100 is not 8: an error of floating-point arithmetic must not count as part of a device.
    let whole = exact.round();
    let wanted = if whole > 0.0 && (exact - whole).abs() < 1e-6 {
        whole
    } else {
        exact.ceil()
    };
    // A share of at most 1 of a number stays in its range, and a cast saturates.
    wanted as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_protocol::plan::Shard;

    fn ramp(stages: &[(f64, u64)]) -> Ramp {
        Ramp::new(
            stages
                .iter()
                .map(|&(share, over_ms)| Stage { share, over_ms })
                .collect(),
        )
    }

    #[test]
    fn the_share_moves_evenly_within_a_stage() {
        let ramp = ramp(&[(1.0, 10_000), (1.0, 30_000), (0.0, 5_000)]);
        for (seconds, share) in [
            (0.0, 0.0),
            (5.0, 0.5),
            (10.0, 1.0),
            (39.9, 1.0),
            (42.5, 0.5),
            (45.0, 0.0),
            (99.0, 0.0),
        ] {
            let at = ramp.share_at(Duration::from_secs_f64(seconds));
            assert!((at - share).abs() < 1e-9, "{seconds} s: {at}");
        }
        assert_eq!(ramp.length(), Duration::from_secs(45));
    }

    #[test]
    fn a_stage_without_length_is_a_jump() {
        let ramp = ramp(&[(0.5, 0), (0.5, 1_000)]);
        assert_eq!(ramp.online_at(Duration::ZERO, 10), 5);
        assert_eq!(ramp.online_at(Duration::from_secs(9), 10), 5);
    }

    #[test]
    fn the_shards_together_have_the_number_of_the_fleet_at_each_moment() {
        let ramp = ramp(&[(1.0, 5_000), (0.5, 5_000), (0.07, 3_000), (1.0, 0), (0.0, 2_000)]);
        for devices in [1, 2, 10, 28, 100, 101] {
            for count in [1, 2, 7, 64] {
                for tenths in 0..160 {
                    let wanted = ramp.online_at(Duration::from_millis(tenths * 100), devices);
                    let shards = (0..count).map(|i| format!("{i}/{count}").parse::<Shard>().unwrap());
                    let sum: u32 = shards.map(|shard| shard.part_of_number(wanted)).sum();
                    assert_eq!(sum, wanted, "{devices} devices in {count} shards after {tenths}00 ms");
                }
            }
        }
        assert_eq!(ramp.online_at(Duration::from_secs(10), 28), 14);
        assert_eq!(wanted(0.07, 100), 7);
    }

    #[test]
    fn the_ends_of_stages_follow_each_other() {
        let ramp = ramp(&[(1.0, 2_000), (0.5, 0), (0.0, 1_000)]);
        let end = |ms| ramp.next_end(Duration::from_millis(ms));
        assert_eq!(end(0), Some(Duration::from_secs(2)));
        assert_eq!(end(2_000), Some(Duration::from_secs(3)));
        assert_eq!(end(3_000), None);
    }

    #[test]
    fn a_small_share_of_a_small_fleet_is_one_device() {
        assert_eq!(ramp(&[(0.01, 0)]).online_at(Duration::ZERO, 3), 1);
        assert_eq!(ramp(&[(0.0, 0)]).online_at(Duration::ZERO, 3), 0);
    }

    #[test]
    fn paused_stages_stand_still() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clock = RampClock::begin(at(2));
        clock.pause(at(5));
        assert_eq!(clock.elapsed(at(60)), Duration::from_secs(3));
        clock.resume(at(60));
        clock.resume(at(61));
        assert_eq!(clock.elapsed(at(62)), Duration::from_secs(5));
        let ten = Duration::from_secs(10);
        assert_eq!(clock.reaches(ten, at(62)), Some(at(67)));
        clock.pause(at(63));
        assert_eq!(clock.reaches(ten, at(64)), None, "they stand still before it");
        assert_eq!(clock.reaches(Duration::from_secs(4), at(64)), Some(at(64)));
        clock.resume(at(64));
        assert_eq!(clock.reaches(Duration::MAX, at(64)), None);
    }
}
