//! Charts as SVG: their scale and their lines. They are stretched to the room that they have, so they hold lines only;
//! their numbers are text beside them.

use std::fmt::Write;

pub(crate) mod temperature;
pub(crate) mod totals;

/// Sides of the drawing, before it is stretched.
const SIDE: f64 = 1000.0;

/// The range of a scale in steps that people count in.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    low: f64,
    step: f64,
    steps: u32,
}

impl Scale {
    /// The smallest scale of at most five steps that holds all values. There must be one value at least.
    fn around(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && value.abs() < 1e6) {
            (least, most) = (least.min(value), most.max(value));
        }
        if least > most {
            return None;
        }
        let sizes = (0..8).flat_map(|power| [0.5, 1.0, 2.0].map(|size| size * 10_f64.powi(power)));
        let mut scales = sizes.map(|step| {
            let low = (least / step).floor();
            let steps = ((most / step).ceil() - low).max(1.0);
            (low, steps, step)
        });
        let (low, steps, step) = scales.find(|(_, steps, _)| *steps <= 5.0)?;
        Some(Self {
            low: low * step,
            step,
            steps: steps as u32,
        })
    }

    fn top(&self) -> f64 {
        self.low + f64::from(self.steps) * self.step
    }

    /// From the top.
    fn marks(&self) -> impl Iterator<Item = f64> {
        (0..=self.steps)
            .rev()
            .map(|step| self.low + f64::from(step) * self.step)
    }

    fn y(&self, value: f64) -> f64 {
        SIDE * (1.0 - (value - self.low) / (f64::from(self.steps) * self.step))
    }
}

fn line(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.enumerate() {
        let pen = if index == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(path, "{pen}{x:.1} {y:.1}");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(values: &[f64]) -> Option<(f64, f64, u32)> {
        Scale::around(values.iter().copied()).map(|scale| (scale.low, scale.step, scale.steps))
    }

    #[test]
    fn a_scale_is_round_and_holds_all_values() {
        assert_eq!(scale(&[21.2]), Some((21.0, 0.5, 1)));
        assert_eq!(scale(&[21.0]), Some((21.0, 0.5, 1)));
        assert_eq!(scale(&[20.1, 22.4]), Some((20.0, 0.5, 5)));
        assert_eq!(scale(&[-3.0, 24.0]), Some((-10.0, 10.0, 4)));
        assert_eq!(scale(&[f64::NAN, f64::INFINITY, 1e300]), None);
        assert_eq!(scale(&[]), None);
        let values = [18.3, 25.9, 21.0];
        let scale = Scale::around(values.into_iter()).unwrap();
        for value in values {
            assert!((0.0..=SIDE).contains(&scale.y(value)), "{value}");
        }
        assert!(scale.y(25.9) < scale.y(18.3), "warm is up");
    }
}
