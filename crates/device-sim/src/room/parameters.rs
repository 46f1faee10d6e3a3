//! The parameters of a room: drawn for each device, where its group does not set them.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{DAY, HOUR};
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

/// What a group sets for its rooms; what it leaves out is drawn for each device.
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
    /// How far the target is relaxed while the room is empty, in kelvin.
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
    /// The drawn parameters, replaced where they are set here.
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

    /// The invalid settings, each with what is accepted.
    pub fn problems(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        // Far above what any room does, and far below where arithmetic ends.
        let amount = |value: Option<f64>| value.is_none_or(|value| (0.0..=1e6).contains(&value));
        let century = |value: Option<f64>, least: f64, unit: f64| {
            value.is_none_or(|value| (least..=100.0 * 365.0 * DAY / unit).contains(&value))
        };
        [
            (
                "time_constant_h",
                "from 0.1 to a century",
                century(self.time_constant_h, 0.1, HOUR),
            ),
            ("heating_k_per_h", AMOUNT, amount(self.heating_k_per_h)),
            ("cooling_k_per_h", AMOUNT, amount(self.cooling_k_per_h)),
            ("hysteresis_k", AMOUNT, amount(self.hysteresis_k)),
            (
                "minimum_run_s",
                "from 0 to a century",
                century(self.minimum_run_s, 0.0, 1.0),
            ),
            ("setback_k", AMOUNT, amount(self.setback_k)),
            ("openings_per_day", AMOUNT, amount(self.openings_per_day)),
            ("noise_k", AMOUNT, amount(self.noise_k)),
        ]
        .into_iter()
        .filter(|(_, _, good)| !good)
        .map(|(key, accepted, _)| (key, accepted))
    }
}

const AMOUNT: &str = "from 0 to 1000000";
