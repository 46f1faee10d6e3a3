//! The temperature chart, as SVG. It is stretched to the room that it has, so it holds lines only; its numbers are text
//! beside it.

use std::fmt::Write;

use maud::{Markup, html};

use crate::format;
use crate::history::{History, Point};

/// A chart shows at least so many seconds, so that a few points look like a few points.
const SHORTEST: f64 = 60.0;
/// Sides of the drawing, before it is stretched.
pub(crate) const SIDE: f64 = 1000.0;

/// The range of a scale in steps that people count in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    step: f64,
    steps: u32,
}

impl Scale {
    /// The smallest scale of at most five steps that holds all values. There must be one value at least.
    pub(crate) fn around(values: impl Iterator<Item = f64>) -> Option<Self> {
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

    pub(crate) fn top(&self) -> f64 {
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

/// Draws the points of a device's thermostats and the targets that are in force.
pub(crate) fn draw(history: &History, targets: &[(Option<String>, f64)]) -> Markup {
    let points = || history.values().flatten();
    let targets = targets.iter().filter(|(component, _)| history.contains_key(component));
    let values = points()
        .map(|(_, degrees)| *degrees)
        .chain(targets.clone().map(|(_, degrees)| *degrees));
    let (Some(scale), Some(first), Some(last)) = (
        Scale::around(values),
        points().map(|(at, _)| *at).min(),
        points().map(|(at, _)| *at).max(),
    ) else {
        return html! { p.quiet { "No temperature has come yet." } };
    };
    let seconds = |at: jiff::Timestamp| (last.as_millisecond() - at.as_millisecond()) as f64 / 1000.0;
    let span = seconds(first).max(SHORTEST);
    let place = |(at, degrees): &Point| (SIDE * (1.0 - seconds(*at) / span), scale.y(*degrees));
    let class = |component: &Option<String>| {
        let index = history.keys().position(|known| known == component);
        format!("s{}", index.unwrap_or(0))
    };
    html! {
        ul.legend {
            @for (component, points) in history {
                @if let Some((_, degrees)) = points.back() {
                    li class=(class(component)) {
                        @if history.len() > 1 || component.is_some() { span { (format::thermostat(component.as_deref())) } " " }
                        strong { (format::celsius(*degrees)) }
                    }
                }
            }
        }
        div.chart {
            div.scale aria-hidden="true" { @for mark in scale.marks() { span { (mark) "°" } } }
            svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label=(spoken(history)) {
                @for mark in scale.marks() { path.grid d=(format!("M0 {y:.0}H1000", y = scale.y(mark))) {} }
                @for (component, degrees) in targets {
                    path class={ "target " (class(component)) } d=(format!("M0 {y:.1}H1000", y = scale.y(*degrees))) {}
                }
                @for (component, points) in history {
                    path class={ "line " (class(component)) } d=(line(points.iter().map(place))) {}
                    @if let Some((x, y)) = points.back().map(place) {
                        path class={ "now " (class(component)) } d=(format!("M{x:.1} {y:.1}h.01")) {}
                    }
                }
            }
            div.span aria-hidden="true" {
                span { (format!("{} ago", duration(span))) }
                span { (last.strftime("%H:%M:%S").to_string()) }
            }
        }
    }
}

pub(crate) fn line(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.enumerate() {
        let pen = if index == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(path, "{pen}{x:.1} {y:.1}");
    }
    path
}

/// What the drawing shows, in words.
fn spoken(history: &History) -> String {
    let series = history.iter().filter_map(|(component, points)| {
        let (_, last) = points.back()?;
        let degrees = || points.iter().map(|(_, degrees)| *degrees);
        let (least, most) = (degrees().fold(*last, f64::min), degrees().fold(*last, f64::max));
        let name = format::thermostat(component.as_deref());
        Some(format!("{name}: {last:.1} °C now, from {least:.1} to {most:.1} °C"))
    });
    format!("Temperature. {}", series.collect::<Vec<_>>().join("; "))
}

fn duration(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
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

    #[test]
    fn time_goes_to_the_right_and_each_thermostat_has_its_line_and_name() {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let history = History::from([
            (Some("thermostat1".into()), [(at(0), 20.0), (at(120), 21.0)].into()),
            (Some("<b>".into()), [(at(60), 19.0)].into()),
        ]);
        let drawn = draw(&history, &[(Some("thermostat1".into()), 22.0)]).0;
        assert!(drawn.contains(r#"class="line s1" d="M0.0 "#), "{drawn}");
        assert!(drawn.contains("L1000.0 ") && drawn.contains("M500.0 "), "{drawn}");
        assert!(drawn.contains(r#"class="target s1""#), "{drawn}");
        assert!(drawn.contains("&lt;b&gt;") && !drawn.contains("<b>"), "{drawn}");
        assert!(draw(&History::new(), &[]).0.contains("No temperature"));
    }
}
