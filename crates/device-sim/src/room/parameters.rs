//! The parameters of a room: drawn for each device, where its group does not set them.

use fleet_protocol::room::Overrides;
use rand::RngExt;

use super::HOUR;
use crate::random::DeviceRng;

/// The parameters of a room. The defaults vary from device to device; a group can set any of them.
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
    /// How far the target is relaxed while the room is empty, in kelvin.
    pub setback: f64,
    /// Doors and windows opened per day.
    pub openings_per_day: f64,
    /// Width of the sensor's noise, in kelvin.
    pub noise: f64,
}

impl Parameters {
    /// A room of this site, drawn from the random stream.
    #[must_use]
    pub(crate) fn draw(random: &mut DeviceRng) -> Self {
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

    /// The same room with what its group sets.
    #[must_use]
    pub fn with(self, set: &Overrides) -> Self {
        Self {
            time_constant: set.time_constant_h.map_or(self.time_constant, |hours| hours * HOUR),
            heating: set.heating_k_per_h.map_or(self.heating, |rate| rate / HOUR),
            cooling: set.cooling_k_per_h.map_or(self.cooling, |rate| rate / HOUR),
            hysteresis: set.hysteresis_k.unwrap_or(self.hysteresis),
            minimum_run: set.minimum_run_s.unwrap_or(self.minimum_run),
            setback: set.setback_k.unwrap_or(self.setback),
            openings_per_day: set.openings_per_day.unwrap_or(self.openings_per_day),
            noise: set.noise_k.unwrap_or(self.noise),
        }
    }
}
