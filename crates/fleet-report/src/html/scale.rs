//! Axes: where a value stands, and round steps beside it.

use super::format::{Unit, float};

/// A label at an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Where: 0 is the beginning of the axis, 1 its end.
    pub(super) at: f64,
    pub(super) label: String,
}

/// A longer ratio of the largest value to the smallest is shown in powers of ten.
const LINEAR_RATIO: f64 = 30.0;
/// The most steps of an axis.
const STEPS: f64 = 5.0;

/// The axis of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// From 0 to a whole number of steps.
    Linear { step: f64, steps: u32 },
    /// From one power of ten to another, both as exponents.
    Log { low: i32, high: i32 },
}

impl Scale {
    /// The smallest axis from 0 that holds all values, in steps of 1, 2 or 5 times a power of ten.
    pub(super) fn linear(values: impl Iterator<Item = f64>, unit: Unit) -> Self {
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        // A count has no halves.
        let least = match unit {
            Unit::Count if most > 2.0 => 1.0,
            Unit::Share => 0.05,
            Unit::Count => 0.2,
            Unit::Seconds => 1e-6,
        };
        let most = if most > 0.0 { most } else { least * STEPS };
        let power = 10_f64.powf((most / STEPS).log10().floor());
        let sizes = [1.0, 2.0, 5.0, 10.0].map(|size| (size * power).max(least));
        let fits = |step: &f64| (most / step - 1e-9).ceil() <= STEPS;
        let step = sizes.into_iter().find(fits).unwrap_or(10.0 * power);
        Self::Linear {
            step,
            steps: (most / step - 1e-9).ceil().max(1.0) as u32,
        }
    }

    /// An axis for times: in powers of ten where they differ so much that small ones would lie on the ground.
    pub(super) fn times(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|value| value.is_finite() && *value > 0.0).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        if most <= least * LINEAR_RATIO {
            return Self::linear(values.into_iter(), Unit::Seconds);
        }
        Self::Log {
            low: (least.log10() + 1e-9).floor() as i32,
            high: (most.log10() - 1e-9).ceil() as i32,
        }
    }

    /// Where a value stands, from 0 to 1.
    pub(super) fn at(self, value: f64) -> f64 {
        let at = match self {
            Self::Linear { step, steps } => value / (step * f64::from(steps)),
            Self::Log { low, high } => (value.max(1e-9).log10() - f64::from(low)) / f64::from((high - low).max(1)),
        };
        at.clamp(0.0, 1.0)
    }

    /// The value at a place.
    pub(super) fn value(self, at: f64) -> f64 {
        match self {
            Self::Linear { step, steps } => at * step * f64::from(steps),
            Self::Log { low, high } => 10_f64.powf(f64::from(low) + at * f64::from(high - low)),
        }
    }

    pub(super) fn ticks(self, unit: Unit) -> Vec<Tick> {
        let values: Vec<f64> = match self {
            Self::Linear { step, steps } => (0..=steps).map(|number| f64::from(number) * step).collect(),
            Self::Log { low, high } => (low..=high).map(|power| 10_f64.powi(power)).collect(),
        };
        let tick = |value: f64| Tick {
            at: self.at(value),
            label: unit.tick(value),
        };
        values.into_iter().map(tick).collect()
    }
}

/// The steps in which people count time, in seconds.
const TIME_STEPS: [u64; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
];

/// The axis of a run's time, from 0 to `seconds`, and what its labels are.
pub(super) fn time_ticks(seconds: f64) -> (Vec<Tick>, &'static str) {
    let weeks = (0..32).map(|power| 604_800 << power);
    let mut steps = TIME_STEPS.into_iter().chain(weeks);
    let step = steps.find(|step| seconds / float(*step) <= 6.0).unwrap_or(u64::MAX);
    let has_hours = seconds >= 5_400.0;
    let label = |at: u64| match has_hours {
        true => format!("{}:{:02}", at / 3600, at / 60 % 60),
        false => format!("{}:{:02}", at / 60, at % 60),
    };
    let count = (seconds / float(step)).floor() as u64;
    let tick = |number: u64| Tick {
        at: float(number * step) / seconds.max(1.0),
        label: label(number * step),
    };
    let unit = if has_hours { "hours:minutes" } else { "minutes:seconds" };
    ((0..=count).map(tick).collect(), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn steps_are_round_and_hold_all_values() {
        for (most, unit, expected) in [
            (102.0, Unit::Count, &["0", "50", "100", "150"][..]),
            (1.0, Unit::Count, &["0", "0.2", "0.4", "0.6", "0.8", "1"]),
            (3.0, Unit::Count, &["0", "1", "2", "3"]),
            (19.7, Unit::Count, &["0", "5", "10", "15", "20"]),
            (0.83, Unit::Share, &["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
            (0.0042, Unit::Seconds, &["0", "1 ms", "2 ms", "3 ms", "4 ms", "5 ms"]),
            (0.0, Unit::Count, &["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ] {
            let scale = Scale::linear([most].into_iter(), unit);
            assert_eq!(labels(&scale.ticks(unit)), expected, "{most}");
        }
        for most in [0.3, 1.7, 12.0, 99.0, 101.0, 4_711.0, 1e9] {
            let scale = Scale::linear([most].into_iter(), Unit::Count);
            let ticks = scale.ticks(Unit::Count);
            assert!(ticks.len() <= 6 && scale.value(1.0) >= most, "{most}: {ticks:?}");
            assert!((scale.value(scale.at(most)) - most).abs() < most * 1e-9);
        }
    }

    #[test]
    fn times_that_differ_much_are_in_powers_of_ten() {
        let scale = Scale::times([0.0004, 2.4].into_iter());
        assert_eq!(
            labels(&scale.ticks(Unit::Seconds)),
            ["100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]
        );
        assert!((scale.at(0.01) - 0.4).abs() < 1e-9 && (scale.value(0.4) - 0.01).abs() < 1e-9);
        assert!(matches!(Scale::times([0.001, 0.004].into_iter()), Scale::Linear { .. }));
        assert!(matches!(Scale::times([].into_iter()), Scale::Linear { .. }));
    }

    #[test]
    fn time_is_in_steps_that_people_count_in() {
        for (seconds, expected, unit) in [
            (43.0, &["0:00", "0:10", "0:20", "0:30", "0:40"][..], "minutes:seconds"),
            (
                90.0,
                &["0:00", "0:15", "0:30", "0:45", "1:00", "1:15", "1:30"],
                "minutes:seconds",
            ),
            (7_300.0, &["0:00", "0:30", "1:00", "1:30", "2:00"], "hours:minutes"),
        ] {
            let (ticks, of) = time_ticks(seconds);
            assert_eq!((labels(&ticks), of), (expected.to_vec(), unit));
            assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&tick.at)), "{ticks:?}");
        }
    }
}
