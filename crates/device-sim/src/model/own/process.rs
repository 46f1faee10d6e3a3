//! Numbers that behave like what they measure, and places that move. Pure.

use std::fmt::Write as _;

use rand::RngExt;

use crate::random::DeviceRng;

/// How a number goes on. A device remembers two: its value, and one more that the process needs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Process {
    /// A first-order process: it is drawn to a value of the device's own, and disturbed. `noise` is its width in the
    /// steady state.
    Walk {
        min: f64,
        max: f64,
        start: Option<f64>,
        /// Seconds in which most of a disturbance is gone.
        settles: f64,
        noise: f64,
    },
    /// From `min` to `max` in a period, and again.
    Ramp {
        min: f64,
        max: f64,
        start: Option<f64>,
        period: f64,
        noise: f64,
    },
    /// Between `min` and `max` and back in a period.
    Sine {
        min: f64,
        max: f64,
        start: Option<f64>,
        period: f64,
        noise: f64,
    },
    /// It stays.
    Constant { min: f64, max: f64, noise: f64 },
    /// It only grows: by so much in a second, on average. A counter that is at its end begins again.
    Counter {
        start: Option<f64>,
        per_second: f64,
        end: f64,
        /// It counts whole things.
        is_whole: bool,
    },
}

impl Process {
    pub(super) fn begin(&self, state: &mut [f64], random: &mut DeviceRng) {
        let share = random.random_range(0.0..1.0);
        let within = |min: f64, max: f64| min + (max - min) * share;
        (state[0], state[1]) = match *self {
            Self::Walk { min, max, start, .. } => {
                // The middle of a device is off its ends, so that it does not rest at them.
                let middle = within(min + 0.25 * (max - min), max - 0.25 * (max - min));
                (start.unwrap_or(middle), start.unwrap_or(middle))
            }
            Self::Ramp { min, max, start, .. } => {
                let start = start.unwrap_or_else(|| within(min, max));
                (start, part_of(start, min, max))
            }
            Self::Sine { min, max, start, .. } => match start {
                // The rising half passes every value once; a parabola is near enough to find it.
                Some(start) => (start, 0.5 * part_of(start, min, max) - 0.25),
                None => (within(min, max), share),
            },
            Self::Constant { min, max, .. } => (within(min, max), within(min, max)),
            Self::Counter { start, per_second, .. } => {
                // Some months of service are behind it.
                let start = start.unwrap_or(share * per_second * 86_400.0 * 90.0);
                (start, start)
            }
        };
    }

    pub(super) fn advance(&self, state: &mut [f64], seconds: f64, random: &mut DeviceRng) {
        let wobble = random.random_range(-1.0..1.0);
        match *self {
            Self::Walk {
                min,
                max,
                settles,
                noise,
                ..
            } => {
                let step = (seconds / settles).clamp(0.0, 1.0);
                // The widths of uniform disturbances add up to `noise` in the steady state.
                let disturbance = noise * (3.0 * step * (2.0 - step)).sqrt() * wobble;
                state[0] = (state[0] + step * (state[1] - state[0]) + disturbance).clamp(min, max);
            }
            Self::Ramp {
                min,
                max,
                period,
                noise,
                ..
            } => {
                state[1] = fraction(state[1] + seconds / period);
                state[0] = (min + (max - min) * state[1] + noise * wobble).clamp(min, max);
            }
            Self::Sine {
                min,
                max,
                period,
                noise,
                ..
            } => {
                state[1] = fraction(state[1] + seconds / period);
                let middle = 0.5 * (min + max) + 0.5 * (max - min) * sine(state[1]);
                state[0] = (middle + noise * wobble).clamp(min, max);
            }
            Self::Constant { noise, .. } => state[0] = state[1] + noise * wobble,
            Self::Counter {
                per_second,
                end,
                is_whole,
                ..
            } => {
                state[1] += per_second * seconds * (1.0 + 0.5 * wobble);
                if state[1] >= end {
                    state[1] = 0.0;
                }
                state[0] = if is_whole { state[1].floor() } else { state[1] };
            }
        }
    }
}

fn part_of(value: f64, min: f64, max: f64) -> f64 {
    if max > min {
        ((value - min) / (max - min)).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn fraction(value: f64) -> f64 {
    value - value.floor()
}

/// The sine of so many turns, to 0.001: a library's differs between machines.
fn sine(turns: f64) -> f64 {
    let half = 2.0 * fraction(turns + 0.5) - 1.0;
    let parabola = 4.0 * half * (1.0 - half.abs());
    0.225 * (parabola * parabola.abs() - parabola) + parabola
}

/// How a place is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Geopoint,
    Geometry(dtdl::Geometry),
}

/// Metres in a degree of latitude.
const DEGREE: f64 = 111_320.0;
/// How far from where it began it goes, in degrees.
const FAR: f64 = 0.5;

/// Something that moves at a speed: latitude, longitude and heading, and where it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// In metres a second.
    pub(super) speed: f64,
}

impl Place {
    pub(super) const SLOTS: usize = 5;

    pub(super) fn begin(self, state: &mut [f64], random: &mut DeviceRng) {
        state[0] = random.random_range(45.0..52.0);
        state[1] = random.random_range(5.0..15.0);
        state[2] = random.random_range(0.0..1.0);
        (state[3], state[4]) = (state[0], state[1]);
    }

    pub(super) fn advance(self, state: &mut [f64], seconds: f64, random: &mut DeviceRng) {
        state[2] = fraction(state[2] + random.random_range(-0.05..0.05));
        let degrees = self.speed * seconds * random.random_range(0.6..1.4) / DEGREE;
        let (north, east) = (sine(state[2] + 0.25), sine(state[2]));
        // A degree of longitude is shorter towards the poles.
        let shorter = sine(0.25 + state[0] / 360.0).max(0.1);
        let (latitude, longitude) = (state[0] + degrees * north, state[1] + degrees * east / shorter);
        if (latitude - state[3]).abs() > FAR || (longitude - state[4]).abs() > FAR {
            // It turns around.
            state[2] = fraction(state[2] + 0.5);
        }
        state[0] = latitude.clamp(state[3] - FAR, state[3] + FAR);
        state[1] = longitude.clamp(state[4] - FAR, state[4] + FAR);
    }

    pub(super) fn write(self, state: &[f64], form: Form, out: &mut String) {
        use dtdl::Geometry;
        let point = |north: f64, east: f64| format!("[{:.6},{:.6}]", state[1] + east, state[0] + north);
        let line = || format!("[{},{}]", point(0.0, 0.0), point(0.001, 0.001));
        let ring = || {
            let [a, b, c] = [point(0.0, 0.0), point(0.0, 0.001), point(0.001, 0.001)];
            format!("[[{a},{b},{c},{a}]]")
        };
        let _ = match form {
            Form::Geopoint => write!(out, r#"{{"lat":{:.6},"lon":{:.6},"alt":120.0}}"#, state[0], state[1]),
            Form::Geometry(kind) => {
                let coordinates = match kind {
                    Geometry::Point => point(0.0, 0.0),
                    Geometry::MultiPoint | Geometry::LineString => line(),
                    Geometry::MultiLineString => format!("[{}]", line()),
                    Geometry::Polygon => ring(),
                    Geometry::MultiPolygon => format!("[{}]", ring()),
                };
                write!(out, r#"{{"type":"{}","coordinates":{coordinates}}}"#, kind.type_name())
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn values(process: Process, steps: usize) -> Vec<f64> {
        let (mut state, mut random) = ([0.0; 2], stream(7, "a", Purpose::Physics));
        process.begin(&mut state, &mut random);
        let mut step = || {
            process.advance(&mut state, 5.0, &mut random);
            state[0]
        };
        (0..steps).map(|_| step()).collect()
    }

    #[test]
    fn the_sine_is_one() {
        for step in 0..100 {
            let turns = f64::from(step) / 50.0;
            assert!(
                (sine(turns) - (turns * std::f64::consts::TAU).sin()).abs() < 2e-3,
                "{turns}"
            );
        }
    }

    #[test]
    fn a_walk_stays_within_its_bounds_and_moves() {
        let walk = Process::Walk {
            min: 1.0,
            max: 9.0,
            start: None,
            settles: 120.0,
            noise: 0.8,
        };
        let values = values(walk, 2_000);
        assert!(values.iter().all(|value| (1.0..=9.0).contains(value)));
        let (least, most) = values
            .iter()
            .fold((9.0_f64, 1.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
        assert!(most - least > 0.8, "{least} {most}");
    }

    #[test]
    fn a_counter_only_grows_until_its_end() {
        let counter = |end| Process::Counter {
            start: Some(100.0),
            per_second: 0.5,
            end,
            is_whole: true,
        };
        let grows = values(counter(1e9), 500);
        assert!(grows.windows(2).all(|pair| pair[1] >= pair[0]) && grows[499] > 1_000.0);
        assert!(grows.iter().all(|value| value.fract() == 0.0));
        assert!(values(counter(200.0), 500).iter().all(|value| *value < 200.0));
    }

    #[test]
    fn a_ramp_and_a_sine_go_from_end_to_end() {
        let (min, max, period, noise) = (10.0, 20.0, 100.0, 0.0);
        let ramp = values(
            Process::Ramp {
                min,
                max,
                start: Some(10.0),
                period,
                noise,
            },
            20,
        );
        assert!(
            (ramp[0] - 10.5).abs() < 1e-9 && (ramp[18] - 19.5).abs() < 1e-9,
            "{ramp:?}"
        );
        let sine = values(
            Process::Sine {
                min,
                max,
                start: Some(15.0),
                period,
                noise,
            },
            20,
        );
        assert!(
            (sine[4] - 20.0).abs() < 0.01 && (sine[14] - 10.0).abs() < 0.01,
            "{sine:?}"
        );
    }

    #[test]
    fn a_place_moves_at_its_speed_and_stays_near() {
        let (place, mut random) = (Place { speed: 20.0 }, stream(7, "truck", Purpose::Physics));
        let mut state = [0.0; Place::SLOTS];
        place.begin(&mut state, &mut random);
        let home = (state[0], state[1]);
        for _ in 0..20_000 {
            let before = (state[0], state[1]);
            place.advance(&mut state, 5.0, &mut random);
            assert!(((state[0] - before.0) * DEGREE).abs() <= 20.0 * 5.0 * 1.5);
        }
        assert!((state[0] - home.0).abs() <= FAR && (state[1] - home.1).abs() <= FAR);
        assert_ne!((state[0], state[1]), home);
    }
}
