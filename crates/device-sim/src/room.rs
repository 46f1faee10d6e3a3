//! The room that a thermostat measures and controls: a thermal mass that loses heat to the weather. Seeded, no clock.
//!
//! `dT/dt = output − (T − outdoor) / time constant`, where an open door or window shortens the time constant, and the
//! output heats or cools at a constant rate. All rates are per unit of heat capacity, in kelvin per second, so the
//! capacity itself cancels out. A controller with hysteresis and a minimum run time keeps the air near the target,
//! lower when the room is empty. Only the four basic operations are used: the same seed gives the same values on every
//! machine.

mod parameters;

use rand::RngExt;

use crate::random::DeviceRng;
use crate::weather::Weather;

pub(crate) use parameters::Parameters;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
/// Longest step of the integration, in seconds; every time constant is far above it.
const STEP: f64 = 10.0;
/// The sensor's resolution: tenths of a kelvin.
const PER_KELVIN: f64 = 10.0;
/// The hour at which every simulation begins. Fixed, so that a run does not depend on when it is started.
pub(crate) const BEGIN: f64 = 9.0 * HOUR;

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
    /// The next (or current) opening of a door or window.
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

    /// What the room loses to the weather, in kelvin per second.
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

    /// The sensor: noise from two uniform draws, rounded to its resolution.
    fn read(&mut self) -> f64 {
        let draws = self.random.random_range(-0.5..0.5) + self.random.random_range(-0.5..0.5);
        ((self.air + self.parameters.noise * draws) * PER_KELVIN).round() / PER_KELVIN
    }

    /// Seconds since the first simulated midnight.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.time
    }

    /// The true air temperature now, in °C, without the sensor's noise.
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
mod tests;
