//! The load profile: which share of the fleet is online at which time. Pure; the time is handed in.

use std::time::Duration;

use crate::plan::Stage;

/// The stages of a run, one after the other.
#[derive(Debug, Clone)]
pub struct Ramp {
    stages: Vec<Stage>,
}

impl Ramp {
    /// A profile that begins at nothing.
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

    /// How many of `devices` should be online. Anything above zero is at least one device.
    #[must_use]
    pub fn online_at(&self, elapsed: Duration, devices: usize) -> usize {
        let exact = self.share_at(elapsed) * devices as f64;
        // The product is between 0 and the number of devices.
        exact.ceil() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_small_share_of_a_small_fleet_is_one_device() {
        assert_eq!(ramp(&[(0.01, 0)]).online_at(Duration::ZERO, 3), 1);
        assert_eq!(ramp(&[(0.0, 0)]).online_at(Duration::ZERO, 3), 0);
    }
}
