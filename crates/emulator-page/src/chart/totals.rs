//! The last minutes as curves: how many devices are online, and how much comes and is refused per second.

use iot_emulator::Stats;
use maud::{Markup, html};

use super::{SIDE, Scale, line};
use crate::format;
use crate::samples::{Sample, WITHIN, rate};

/// A curve, and what it is of.
struct Curve {
    name: &'static str,
    id: &'static str,
    /// Whether it shows a number as it is, or how much it grows in a second.
    is_rate: bool,
    of: fn(&Stats) -> u64,
}

const CURVES: [Curve; 5] = [
    Curve {
        name: "Online",
        id: "online-curve",
        is_rate: false,
        of: |stats| stats.connected,
    },
    Curve {
        name: "Messages per second",
        id: "messages-curve",
        is_rate: true,
        of: |stats| stats.telemetry_received,
    },
    Curve {
        name: "Registrations per second",
        id: "registrations-curve",
        is_rate: true,
        of: |stats| stats.registrations,
    },
    Curve {
        name: "Refusals per second",
        id: "refusals-curve",
        is_rate: true,
        of: |stats| stats.refused + stats.registrations_refused,
    },
    Curve {
        name: "Throttled per second",
        id: "throttled-curve",
        is_rate: true,
        of: |stats| stats.throttled,
    },
];

pub(crate) fn draw(samples: &[Sample]) -> Markup {
    html! {
        div.curves {
            @for curve in &CURVES { (one(curve, &curve.points(samples))) }
        }
    }
}

impl Curve {
    /// Seconds before the last sample, and the value then, oldest first.
    fn points(&self, samples: &[Sample]) -> Vec<(f64, f64)> {
        let Some(last) = samples.last() else {
            return Vec::new();
        };
        let ago = |sample: &Sample| last.at.duration_since(sample.at).as_secs_f64();
        let value = |sample: &Sample| (self.of)(&sample.stats) as f64;
        if !self.is_rate {
            return samples.iter().map(|sample| (ago(sample), value(sample))).collect();
        }
        let steps = samples.windows(2);
        let rates = steps.filter_map(|step| {
            let rate = rate(&step[0], &step[1], self.of)?;
            Some((ago(&step[1]), rate))
        });
        rates.collect()
    }
}

fn one(curve: &Curve, points: &[(f64, f64)]) -> Markup {
    let last = points.last().map_or(0.0, |(_, value)| *value);
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    // A curve of nothing lies on the ground, and not in the middle.
    let scale = Scale::around([0.0, most.max(1.0)].into_iter());
    let top = scale.as_ref().map_or(1.0, Scale::top);
    let place = |(ago, value): &(f64, f64)| {
        let x = SIDE * (1.0 - ago / WITHIN.as_secs_f64());
        (x, SIDE * (1.0 - value / top))
    };
    let spoken = format!(
        "{}: {} now, {} at most in the last five minutes",
        curve.name,
        written(last),
        written(most)
    );
    html! {
        div.curve id=(curve.id) {
            p { span { (curve.name) } " " strong { (written(last)) } }
            svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label=(spoken) {
                path.grid d="M0 0H1000M0 1000H1000" {}
                path.line d=(line(points.iter().map(place))) {}
            }
            p.scale aria-hidden="true" { span { "5 min ago" } span { "top " (written(top)) } }
        }
    }
}

/// Small rates with a digit behind the point.
fn written(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 {
        format::count(value.round() as u64)
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_rate_is_what_came_in_a_second_and_a_number_is_itself() {
        let start = Instant::now();
        let sample = |second, connected, telemetry_received| Sample {
            at: start + Duration::from_secs(second),
            stats: Stats {
                connected,
                telemetry_received,
                ..Stats::default()
            },
        };
        let samples = [sample(0, 1, 100), sample(2, 3, 120), sample(4, 2, 121)];
        assert_eq!(CURVES[0].points(&samples), [(4.0, 1.0), (2.0, 3.0), (0.0, 2.0)]);
        assert_eq!(CURVES[1].points(&samples), [(2.0, 10.0), (0.0, 0.5)]);
        assert!(CURVES[1].points(&samples[..1]).is_empty() && CURVES[1].points(&[]).is_empty());
        let drawn = draw(&samples).0;
        assert!(drawn.contains("Messages per second: 0.5 now, 10 at most"), "{drawn}");
        assert!(
            drawn.contains("<strong>2</strong>") && drawn.contains("L1000.0 "),
            "{drawn}"
        );
    }
}
