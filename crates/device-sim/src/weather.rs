//! The weather of the fleet's site: one for all its devices, decided by the seed alone.
//!
//! A daily cycle, and fronts that pass: every twelve hours the mean drifts to another level. It is a function of the
//! simulated time, so it needs no state and no order. Only the four basic operations are used, so that the same seed
//! gives the same weather on every machine.

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
/// How long one front takes to replace the other.
const FRONT: f64 = 12.0 * HOUR;
/// The warmest hour of the day.
const WARMEST: f64 = 15.0 * HOUR;

/// Outdoor temperatures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    seed: u64,
    /// Mean over a long time, in °C.
    mean: f64,
    /// Half the difference between day and night, in kelvin.
    swing: f64,
}

impl Weather {
    /// The weather of a fleet's site.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            mean: 2.0 + 12.0 * unit(seed, 0),
            swing: 3.0 + 3.0 * unit(seed, 1),
        }
    }

    /// Outdoor temperature in °C, `time` seconds after the midnight with which the simulation's first day begins.
    #[must_use]
    pub fn outdoor(&self, time: f64) -> f64 {
        self.mean + self.swing * wave((time - WARMEST) / DAY + 0.25) + self.front(time)
    }

    /// The departure from the mean that the current front brings, in kelvin.
    fn front(&self, time: f64) -> f64 {
        let position = (time / FRONT).max(0.0);
        let number = position.floor();
        // The number is not negative, and a run of centuries is below the limit of a u64.
        let level = |offset: u64| 10.0 * unit(self.seed, 2 + number as u64 + offset) - 5.0;
        let share = position - number;
        level(0) + (level(1) - level(0)) * share
    }
}

/// A sine of `turns` full turns, to within half a percent: parabolas, corrected once.
fn wave(turns: f64) -> f64 {
    let x = turns - turns.floor();
    let y = if x < 0.5 {
        16.0 * x * (0.5 - x)
    } else {
        -16.0 * (x - 0.5) * (1.0 - x)
    };
    y * (0.775 + 0.225 * y.abs())
}

/// A number from 0 to 1 for the seed and a place in its sequence: SplitMix64, whose output is defined to the bit.
fn unit(seed: u64, place: u64) -> f64 {
    let mut z = seed.wrapping_add((place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    // The upper 53 bits fill a double's mantissa exactly.
    (z >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afternoons_are_warmer_than_nights() {
        for seed in 0..50 {
            let weather = Weather::new(seed);
            let days = 60.0;
            let mean_at = |hour: f64| {
                (0..60)
                    .map(|day| weather.outdoor((f64::from(day) * 24.0 + hour) * HOUR))
                    .sum::<f64>()
                    / days
            };
            assert!(mean_at(15.0) > mean_at(3.0) + 4.0, "seed {seed}");
        }
    }

    #[test]
    fn weather_is_believable_and_does_not_jump() {
        for seed in 0..50 {
            let weather = Weather::new(seed);
            let mut last = weather.outdoor(0.0);
            for minute in 1..(14 * 24 * 60) {
                let now = weather.outdoor(f64::from(minute) * 60.0);
                assert!((-20.0..40.0).contains(&now), "seed {seed}: {now} °C");
                assert!((now - last).abs() < 0.1, "seed {seed}: {last} → {now} in a minute");
                last = now;
            }
        }
    }

    #[test]
    fn another_seed_is_another_site() {
        assert_eq!(Weather::new(7).outdoor(5e4), Weather::new(7).outdoor(5e4));
        assert_ne!(Weather::new(7).outdoor(5e4), Weather::new(8).outdoor(5e4));
    }

    #[test]
    fn the_wave_is_a_sine() {
        for step in 0..1_000 {
            let turns = f64::from(step) / 500.0;
            assert!(
                (wave(turns) - (turns * std::f64::consts::TAU).sin()).abs() < 0.005,
                "{turns}"
            );
        }
    }
}
