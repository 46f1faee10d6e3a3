//! The room that a thermostat measures and controls: a thermal mass that loses heat to the weather. Seeded, no clock.
//!
//! `dT/dt = output − (T − outdoor) / time constant`, where an open door or window shortens the time constant, and the
//! output heats or cools at a constant rate. All rates are per unit of heat capacity, in kelvin per second, so the
//! capacity itself cancels out. A controller with hysteresis and a minimum run time keeps the air near the target, lower
//! when nobody is there. Only the four basic operations are used: the same seed gives the same values on every machine.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::random::DeviceRng;
use crate::weather::Weather;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
/// Longest step of the integration, in seconds; every time constant is far above it.
const STEP: f64 = 10.0;
/// What the sensor can tell apart: tenths of a kelvin.
const PER_KELVIN: f64 = 10.0;
/// The hour at which every simulation begins. Fixed, so that a run does not depend on when it is started.
pub const BEGIN: f64 = 9.0 * HOUR;

/// What a room is like. The defaults vary from device to device; a group can set any of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Time constant of the losses, in seconds.
    pub time_constant: f64,
    /// What full heating adds, in kelvin per second.
    pub heating: f64,
    /// What full cooling takes, in kelvin per second.
    pub cooling: f64,
    /// Half the width of the band around the target in which the controller does nothing, in kelvin.
    pub hysteresis: f64,
    /// Once on or off, the output stays so for this long, in seconds.
    pub minimum_run: f64,
    /// How far the target is relaxed while nobody is there, in kelvin.
    pub setback: f64,
    /// Doors and windows opened per day.
    pub openings_per_day: f64,
    /// Width of the sensor's noise, in kelvin.
    pub noise: f64,
}

impl Parameters {
    /// A room of this site, drawn from the random stream.
    #[must_use]
    pub fn draw(random: &mut DeviceRng) -> Self {
        let time_constant = random.random_range(4.0..12.0) * HOUR;
        // Strong enough to hold 40 K above or below the weather, with 1 to 3 K per hour to spare.
        let mut strength = || 40.0 / time_constant + random.random_range(1.0..3.0) / HOUR;
        Self {
            time_constant,
            heating: strength(),
            cooling: strength(),
            hysteresis: 0.5,
            minimum_run: 180.0,
            setback: 3.0,
            openings_per_day: random.random_range(4.0..16.0),
            noise: 0.1,
        }
    }
}

/// What a group says of its rooms; what it leaves out is drawn for each device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// Time constant of the losses, in hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_constant_h: Option<f64>,
    /// What full heating adds, in kelvin per hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heating_k_per_h: Option<f64>,
    /// What full cooling takes, in kelvin per hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooling_k_per_h: Option<f64>,
    /// Half the width of the band around the target, in kelvin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hysteresis_k: Option<f64>,
    /// How long the output stays on or off at least, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_run_s: Option<f64>,
    /// How far the target is relaxed while nobody is there, in kelvin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setback_k: Option<f64>,
    /// Doors and windows opened per day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openings_per_day: Option<f64>,
    /// Width of the sensor's noise, in kelvin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_k: Option<f64>,
}

impl Overrides {
    /// The drawn parameters with what is set here in their place.
    #[must_use]
    pub fn apply(&self, drawn: Parameters) -> Parameters {
        Parameters {
            time_constant: self.time_constant_h.map_or(drawn.time_constant, |hours| hours * HOUR),
            heating: self.heating_k_per_h.map_or(drawn.heating, |rate| rate / HOUR),
            cooling: self.cooling_k_per_h.map_or(drawn.cooling, |rate| rate / HOUR),
            hysteresis: self.hysteresis_k.unwrap_or(drawn.hysteresis),
            minimum_run: self.minimum_run_s.unwrap_or(drawn.minimum_run),
            setback: self.setback_k.unwrap_or(drawn.setback),
            openings_per_day: self.openings_per_day.unwrap_or(drawn.openings_per_day),
            noise: self.noise_k.unwrap_or(drawn.noise),
        }
    }

    /// The settings that no room can have, each with what is accepted.
    pub fn problems(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let above = |value: Option<f64>, least: f64| value.is_none_or(|value| value.is_finite() && value >= least);
        [
            ("time_constant_h", "from 0.1", above(self.time_constant_h, 0.1)),
            ("heating_k_per_h", "0 or more", above(self.heating_k_per_h, 0.0)),
            ("cooling_k_per_h", "0 or more", above(self.cooling_k_per_h, 0.0)),
            ("hysteresis_k", "0 or more", above(self.hysteresis_k, 0.0)),
            ("minimum_run_s", "0 or more", above(self.minimum_run_s, 0.0)),
            ("setback_k", "0 or more", above(self.setback_k, 0.0)),
            ("openings_per_day", "0 or more", above(self.openings_per_day, 0.0)),
            ("noise_k", "0 or more", above(self.noise_k, 0.0)),
        ]
        .into_iter()
        .filter(|(_, _, good)| !good)
        .map(|(key, accepted, _)| (key, accepted))
    }
}

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
    parameters: Parameters,
    weather: Weather,
    /// Seconds since the first simulated midnight.
    time: f64,
    /// Air temperature in °C.
    air: f64,
    output: Output,
    /// The output may change again from here on.
    may_switch_at: f64,
    /// The next (or present) opening of a door or window.
    opening: Opening,
    /// When people come and go, in seconds of the day.
    occupied: (f64, f64),
    random: DeviceRng,
}

/// A door or window that stands open for a while.
#[derive(Debug, Clone, Copy)]
struct Opening {
    from: f64,
    to: f64,
    /// How many times as fast heat is lost.
    factor: f64,
}

impl Room {
    /// A room near `target`, in °C.
    #[must_use]
    pub fn new(parameters: Parameters, weather: Weather, target: f64, mut random: DeviceRng) -> Self {
        let occupied = (
            random.random_range(6.0..8.5) * HOUR,
            random.random_range(17.0..21.0) * HOUR,
        );
        let air = target + random.random_range(-1.5..1.5) * parameters.hysteresis;
        let opening = Opening {
            from: BEGIN,
            to: BEGIN,
            factor: 1.0,
        };
        let mut room = Self {
            parameters,
            weather,
            time: BEGIN,
            air,
            output: Output::Off,
            may_switch_at: BEGIN,
            opening,
            occupied,
            random,
        };
        room.opening = room.next_opening();
        room
    }

    /// Lets `seconds` pass while the controller aims at `target` (°C), and reads the sensor in °C.
    pub fn advance(&mut self, seconds: f64, target: f64) -> f64 {
        let mut left = seconds;
        while left > 0.0 {
            let step = left.min(STEP);
            self.step(step, target);
            left -= step;
        }
        self.read()
    }

    fn step(&mut self, seconds: f64, target: f64) {
        if self.time >= self.opening.to {
            self.opening = self.next_opening();
        }
        self.control(target);
        self.air += seconds * (self.gain() - self.loss());
        self.time += seconds;
    }

    /// What the output adds, in kelvin per second.
    fn gain(&self) -> f64 {
        match self.output {
            Output::Off => 0.0,
            Output::Heating => self.parameters.heating,
            Output::Cooling => -self.parameters.cooling,
        }
    }

    /// What the weather takes, in kelvin per second.
    fn loss(&self) -> f64 {
        let factor = if self.time >= self.opening.from {
            self.opening.factor
        } else {
            1.0
        };
        factor * (self.air - self.weather.outdoor(self.time)) / self.parameters.time_constant
    }

    fn control(&mut self, target: f64) {
        if self.time < self.may_switch_at {
            return;
        }
        let relax = if self.is_occupied() {
            0.0
        } else {
            self.parameters.setback
        };
        let (heat_to, cool_to) = (target - relax, target + relax);
        let band = self.parameters.hysteresis;
        let output = match self.output {
            Output::Heating if self.air < heat_to + band => Output::Heating,
            Output::Cooling if self.air > cool_to - band => Output::Cooling,
            _ if self.air < heat_to - band => Output::Heating,
            _ if self.air > cool_to + band => Output::Cooling,
            _ => Output::Off,
        };
        if output != self.output {
            self.output = output;
            self.may_switch_at = self.time + self.parameters.minimum_run;
        }
    }

    fn is_occupied(&self) -> bool {
        let time_of_day = self.time - (self.time / DAY).floor() * DAY;
        (self.occupied.0..self.occupied.1).contains(&time_of_day)
    }

    fn next_opening(&mut self) -> Opening {
        let mean_gap = DAY / self.parameters.openings_per_day.max(0.01);
        let from = self.time + mean_gap * self.random.random_range(0.1..1.9);
        let to = from + self.random.random_range(60.0..600.0);
        Opening {
            from,
            to,
            factor: self.random.random_range(2.0..6.0),
        }
    }

    /// The sensor: noise from two uniform draws, rounded to what it can tell apart.
    fn read(&mut self) -> f64 {
        let draws = self.random.random_range(-0.5..0.5) + self.random.random_range(-0.5..0.5);
        ((self.air + self.parameters.noise * draws) * PER_KELVIN).round() / PER_KELVIN
    }

    /// Seconds since the first simulated midnight.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Air temperature now, in °C, as no sensor sees it.
    #[must_use]
    pub fn air(&self) -> f64 {
        self.air
    }

    /// Outdoor temperature now, in °C.
    #[must_use]
    pub fn outdoor(&self) -> f64 {
        self.weather.outdoor(self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn room(id: &str) -> Room {
        let mut random = stream(7, id, Purpose::Physics);
        Room::new(Parameters::draw(&mut random), Weather::new(7), 21.0, random)
    }

    #[test]
    fn the_same_seed_gives_the_same_temperatures() {
        let readings = |mut room: Room| (0..50).map(|_| room.advance(5.0, 21.0)).collect::<Vec<_>>();
        assert_eq!(readings(room("a")), readings(room("a")));
        assert_ne!(readings(room("a")), readings(room("b")));
    }

    #[test]
    fn energy_balances() {
        // Whatever the air gains or loses went through the output or the walls: nothing comes from nowhere.
        let mut room = room("balance");
        let (begin, mut through) = (room.air, 0.0);
        for i in 0..20_000 {
            let target = if i % 4_000 < 2_000 { 18.0 } else { 24.0 };
            if room.time >= room.opening.to {
                room.opening = room.next_opening();
            }
            room.control(target);
            through += 5.0 * (room.gain() - room.loss());
            room.step(5.0, target);
        }
        assert!(
            (room.air - begin - through).abs() < 1e-6,
            "{} against {through}",
            room.air - begin
        );
    }

    #[test]
    fn a_room_that_is_left_alone_comes_to_the_weather() {
        let mut room = room("cold");
        room.parameters = Parameters {
            heating: 0.0,
            cooling: 0.0,
            ..room.parameters
        };
        room.air = 60.0;
        room.advance(10.0 * room.parameters.time_constant, 21.0);
        assert!(
            (room.air - room.outdoor()).abs() < 8.0,
            "{} inside, {} outside",
            room.air,
            room.outdoor()
        );
    }

    #[test]
    fn a_new_target_moves_the_room_there_and_it_settles() {
        for (id, target) in (0..20).map(|i| (format!("room-{i}"), 16.0 + f64::from(i % 10))) {
            let mut room = room(&id);
            // It is nine in the morning, and everybody is in.
            assert!(room.is_occupied());
            let before = room.advance(5.0, 21.0);
            let soon = room.advance(30.0 * 60.0, target);
            if (target - before).abs() > 2.0 {
                assert!(
                    (target - soon).abs() < (target - before).abs(),
                    "{id}: {before} → {soon}, target {target}"
                );
            }
            room.parameters.openings_per_day = 0.0;
            room.advance(5.0 * HOUR, target);
            for _ in 0..360 {
                let reading = room.advance(5.0, target);
                assert!(
                    (reading - target).abs() <= room.parameters.hysteresis + 0.7,
                    "{id} settles at {target}, was {reading}"
                );
            }
        }
    }

    #[test]
    fn nights_are_cooler_than_days() {
        let mut room = room("night");
        let target = 22.0;
        let mut at = |hour: f64| {
            let left = (hour * HOUR - room.time()).max(0.0);
            room.advance(left, target)
        };
        let (afternoon, night) = (at(14.0), at(29.0));
        assert!(
            night < afternoon - 1.0,
            "{afternoon} at two, {night} at five in the morning"
        );
    }

    #[test]
    fn no_reading_jumps_as_no_room_would() {
        let mut room = room("steady");
        let mut last = room.advance(5.0, 21.0);
        for i in 0..50_000 {
            let reading = room.advance(5.0, if i % 1_000 < 500 { 18.0 } else { 24.0 });
            assert!((reading - last).abs() <= 0.4, "{last} → {reading}");
            last = reading;
        }
    }

    #[test]
    fn the_output_does_not_chatter() {
        let mut room = room("calm");
        let (mut switches, mut last) = (0, room.output);
        let hours = 12.0;
        for i in 0..(hours * HOUR) as u32 {
            room.step(1.0, if i % 2 == 0 { 18.0 } else { 24.0 });
            switches += u32::from(room.output != last);
            last = room.output;
        }
        assert!(
            f64::from(switches) <= hours * HOUR / room.parameters.minimum_run + 1.0,
            "{switches} switches"
        );
    }

    #[test]
    fn a_long_step_is_as_good_as_many_short_ones() {
        let (mut long, mut short) = (room("x"), room("x"));
        long.advance(HOUR, 21.0);
        for _ in 0..360 {
            short.step(STEP, 21.0);
        }
        assert!((long.air - short.air).abs() < 1e-9);
    }
}
