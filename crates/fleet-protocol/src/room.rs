//! What a plan sets of the rooms that its devices measure.

use serde::{Deserialize, Serialize};

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

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
    /// The settings that no room can have, each with what is accepted.
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
