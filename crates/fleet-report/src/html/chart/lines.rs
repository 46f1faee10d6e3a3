//! Lines over time, and the band between two of them.

use maud::{Markup, html};

use super::path::{Path, across, down};
use super::{Column, Fold, Key, Swatch};
use crate::html::format::Unit;
use crate::html::scale::Scale;

/// A line with its name.
pub(in crate::html) struct Line<'a> {
    pub(in crate::html) name: &'a str,
    pub(in crate::html) class: &'static str,
    pub(in crate::html) swatch: Swatch,
    /// Its points: a place from 0 to 1, and a value; where there is none, the line has a gap.
    pub(in crate::html) points: Vec<(f64, Option<f64>)>,
}

/// Colours of the lines of a chart whose number is not known before.
pub(in crate::html) const PALETTE: [&str; 6] = ["c1", "c2", "c0", "c3", "c4", "c5"];

impl<'a> Line<'a> {
    pub(in crate::html) fn new(
        name: &'a str,
        class: &'static str,
        swatch: Swatch,
        points: Vec<(f64, Option<f64>)>,
    ) -> Self {
        Self {
            name,
            class,
            swatch,
            points,
        }
    }

    /// A limit, all the way across.
    pub(in crate::html) fn level(name: &'a str, value: f64) -> Self {
        Self::new(name, "c3", Swatch::Dashed, vec![(0.0, Some(value)), (1.0, Some(value))])
    }

    /// The column of its figures.
    pub(in crate::html) fn column(&self, unit: Unit, fold: Fold) -> Column {
        Column::new(self.name, unit, fold, self.points.clone())
    }

    pub(in crate::html) fn key(&self) -> Key {
        Key::new(self.name, self.class, self.swatch)
    }
}

/// Lines, each over the one before.
pub(in crate::html) fn lines(lines: &[Line<'_>], scale: Scale) -> Markup {
    html! { @for one in lines { (line(one, scale)) } }
}

/// A line. A point without neighbours is a dot.
fn line(line: &Line<'_>, scale: Scale) -> Markup {
    let (mut path, mut dots) = (Path::default(), Path::default());
    for stretch in line.points.split(|(_, value)| value.is_none()) {
        let mut points = stretch.iter().filter_map(|point| place(point, scale));
        let Some(first) = points.next() else { continue };
        let mut points = points.peekable();
        if points.peek().is_none() {
            dots.begin(first);
            dots.on(first);
            continue;
        }
        path.begin(first);
        points.for_each(|point| path.on(point));
    }
    html! {
        @if !path.is_empty() { path class={ "line " (line.class) " " (line.swatch.class()) } d=(path.into_text()) {} }
        @if !dots.is_empty() { path class={ "dot " (line.class) } d=(dots.into_text()) {} }
    }
}

/// The room between two series of the same points.
pub(in crate::html) fn band(
    low: &[(f64, Option<f64>)],
    high: &[(f64, Option<f64>)],
    class: &'static str,
    scale: Scale,
) -> Markup {
    let pairs: Vec<_> = low
        .iter()
        .zip(high)
        .map(|(low, high)| Some((place(low, scale)?, place(high, scale)?)))
        .collect();
    let mut path = Path::default();
    for stretch in pairs.split(Option::is_none) {
        let mut edge = stretch.iter().flatten().map(|(_, high)| *high);
        let Some(first) = edge.next() else { continue };
        path.begin(first);
        edge.for_each(|point| path.on(point));
        stretch.iter().flatten().rev().for_each(|(low, _)| path.on(*low));
        path.close();
    }
    html! { @if !path.is_empty() { path class={ "band " (class) } d=(path.into_text()) {} } }
}

fn place((at, value): &(f64, Option<f64>), scale: Scale) -> Option<(i32, i32)> {
    Some((across(*at), down(scale.at((*value)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale::Linear { step: 1.0, steps: 10 };

    #[test]
    fn a_line_has_a_gap_where_nothing_was_measured_and_a_dot_where_a_point_is_alone() {
        let points = vec![
            (0.0, Some(0.0)),
            (0.1, Some(5.0)),
            (0.2, None),
            (0.3, Some(10.0)),
            (0.4, None),
        ];
        let of = Line {
            name: "online",
            class: "c0",
            swatch: Swatch::Line,
            points,
        };
        let drawn = line(&of, SCALE).0;
        assert!(drawn.contains(r#"d="M0 1000l100-500""#), "{drawn}");
        assert!(drawn.contains(r#"class="dot c0" d="M300 0h0""#), "{drawn}");
        let band = band(&[(0.0, Some(0.0)), (0.1, Some(1.0))], &of.points[..2], "c0", SCALE).0;
        assert!(band.contains(r#"d="M0 1000l100-500l0 400l-100 100z""#), "{band}");
    }
}
