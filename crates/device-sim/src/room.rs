//! The room that a thermostat measures and controls: first-order, seeded, no clock.
//!
//! The air loses heat towards the outdoor temperature with a time constant, and heating or cooling adds a constant
//! rate while it is on. A controller with hysteresis keeps the air near the target. Only the four basic operations
//! are used, so that the same seed gives the same values on every machine.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Half the width of the band around the target in which the controller does nothing, in kelvin.
const HYSTERESIS: f64 = 0.5;
/// Longest step of the integration, in seconds; the shortest time constant is far above it.
const STEP: f64 = 10.0;
/// What the sensor can tell apart, in kelvin.
const RESOLUTION: f64 = 0.1;
/// Width of the sensor's noise, in kelvin.
const NOISE: f64 = 0.1;

/// What the thermostat's output does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Off,
    Heating,
    Cooling,
}

/// A room with its thermostat's output and sensor.
#[derive(Debug, Clone)]
pub struct Room {
    /// Air temperature in °C.
    air: f64,
    /// Outdoor temperature in °C.
    outdoor: f64,
    /// Time constant of the losses in seconds.
    time_constant: f64,
    /// What heating adds (and cooling takes), in kelvin per second.
    power: f64,
    output: Output,
    random: ChaCha8Rng,
}

impl Room {
    /// A room near `target`, in °C. Its size, insulation and weather come from the random stream.
    #[must_use]
    pub fn new(mut random: ChaCha8Rng, target: f64) -> Self {
        let outdoor = random.random_range(-5.0..30.0);
        let time_constant: f64 = random.random_range(2.0..8.0) * 3600.0;
        // Strong enough to hold 40 K above or below the outdoor temperature, with 1 to 3 K per hour to spare.
        let spare = random.random_range(1.0..3.0) / 3600.0;
        let power = 40.0 / time_constant + spare;
        let air = target + random.random_range(-1.5..1.5);
        Self {
            air,
            outdoor,
            time_constant,
            power,
            output: Output::Off,
            random,
        }
    }

    /// Lets `seconds` pass while the controller aims at `target` (°C), and reads the sensor.
    pub fn advance(&mut self, seconds: f64, target: f64) -> f64 {
        let mut left = seconds;
        while left > 0.0 {
            let step = left.min(STEP);
            self.control(target);
            let output = match self.output {
                Output::Off => 0.0,
                Output::Heating => self.power,
                Output::Cooling => -self.power,
            };
            self.air += step * (output - (self.air - self.outdoor) / self.time_constant);
            left -= step;
        }
        self.read()
    }

    fn control(&mut self, target: f64) {
        self.output = match self.output {
            Output::Heating if self.air < target + HYSTERESIS => Output::Heating,
            Output::Cooling if self.air > target - HYSTERESIS => Output::Cooling,
            _ if self.air < target - HYSTERESIS => Output::Heating,
            _ if self.air > target + HYSTERESIS => Output::Cooling,
            _ => Output::Off,
        };
    }

    /// The sensor: noise from two uniform draws, rounded to what it can tell apart.
    fn read(&mut self) -> f64 {
        let noise = NOISE * (self.random.random_range(-0.5..0.5) + self.random.random_range(-0.5..0.5));
        ((self.air + noise) / RESOLUTION).round() / (1.0 / RESOLUTION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn room(id: &str) -> Room {
        Room::new(stream(7, id, Purpose::Physics), 21.0)
    }

    #[test]
    fn the_same_seed_gives_the_same_temperatures() {
        let readings = |mut room: Room| (0..50).map(|_| room.advance(5.0, 21.0)).collect::<Vec<_>>();
        assert_eq!(readings(room("a")), readings(room("a")));
        assert_ne!(readings(room("a")), readings(room("b")));
    }

    #[test]
    fn a_new_target_moves_the_room_there_and_it_stays() {
        for (id, target) in (0..20).map(|i| (format!("room-{i}"), 16.0 + f64::from(i % 10))) {
            let mut room = room(&id);
            let before = room.advance(5.0, 21.0);
            let soon = (0..120).map(|_| room.advance(5.0, target)).last().unwrap();
            if (target - before).abs() > 2.0 {
                assert!(
                    (target - soon).abs() < (target - before).abs(),
                    "{id}: {before} → {soon}, target {target}"
                );
            }
            for _ in 0..(12 * 720) {
                room.advance(5.0, target);
            }
            for _ in 0..720 {
                let reading = room.advance(5.0, target);
                assert!(
                    (reading - target).abs() <= HYSTERESIS + 0.3,
                    "{id} settles at {target}, was {reading}"
                );
            }
        }
    }

    #[test]
    fn no_reading_jumps_as_no_room_would() {
        let mut room = room("steady");
        let mut last = room.advance(5.0, 21.0);
        for i in 0..5_000 {
            let reading = room.advance(5.0, if i % 100 < 50 { 18.0 } else { 24.0 });
            assert!((reading - last).abs() <= 0.4, "{last} → {reading}");
            last = reading;
        }
    }

    #[test]
    fn a_long_step_is_as_good_as_many_short_ones() {
        let (mut long, mut short) = (room("x"), room("x"));
        long.advance(3_600.0, 21.0);
        for _ in 0..360 {
            short.advance(10.0, 21.0);
        }
        assert!((long.air - short.air).abs() < 1e-9);
    }
}
