//! Areas that stand on each other.

use maud::{Markup, html};

use super::path::{Path, across, down};
use crate::html::scale::Scale;

/// Series of the same length, the first at the bottom; each has the class that gives its colour. `at` is where the points
/// are, from 0 to 1.
pub(in crate::html) fn areas(series: &[(&'static str, Vec<f64>)], at: &[f64], scale: Scale) -> Markup {
    let mut floor = vec![0.0; at.len()];
    let mut drawn = Vec::new();
    for (class, values) in series {
        let top: Vec<f64> = floor.iter().zip(values).map(|(floor, value)| floor + value).collect();
        drawn.push((*class, area(&floor, &top, at, scale)));
        floor = top;
    }
    html! { @for (class, path) in drawn { path class={ "fill " (class) } d=(path) {} } }
}

fn area(floor: &[f64], top: &[f64], at: &[f64], scale: Scale) -> String {
    let place = |(value, at): (&f64, &f64)| (across(*at), down(scale.at(*value)));
    let mut path = Path::default();
    let mut edge = top.iter().zip(at).map(place);
    if let Some(first) = edge.next() {
        path.begin(first);
        edge.for_each(|point| path.on(point));
        floor.iter().zip(at).rev().map(place).for_each(|point| path.on(point));
        path.close();
    }
    path.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_area_stands_on_the_one_below() {
        let scale = Scale::Linear { step: 1.0, steps: 10 };
        let drawn = areas(&[("a", vec![2.0, 2.0]), ("b", vec![3.0, 8.0])], &[0.0, 1.0], scale).0;
        assert!(
            drawn.contains(r#"class="fill a" d="M0 800h1000l0 200h-1000z""#),
            "{drawn}"
        );
        assert!(
            drawn.contains(r#"class="fill b" d="M0 500l1000-500l0 800h-1000z""#),
            "{drawn}"
        );
    }
}
