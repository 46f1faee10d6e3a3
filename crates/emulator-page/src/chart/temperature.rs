//! The temperatures of a device's thermostats.

use maud::{Markup, html};

use super::{SIDE, Scale, line};
use crate::format;
use crate::history::{History, Point};

/// A chart shows at least so many seconds, so that a few points look like a few points.
const SHORTEST: f64 = 60.0;
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
