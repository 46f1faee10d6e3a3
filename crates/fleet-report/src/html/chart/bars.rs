//! Bars.

use maud::{Markup, html};

use super::path::{Path, across, down};
use crate::html::scale::Scale;

/// A bar for each value that is not 0, all equally wide: they fill the axis. Those of long runs are thinner than a pixel,
/// so they have a stroke of their own colour.
pub(in crate::html) fn bars(values: &[f64], class: &'static str, scale: Scale) -> Markup {
    let mut path = Path::default();
    let width = 1.0 / (values.len().max(1) as f64);
    for (index, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let left = index as f64 * width;
        path.rectangle(
            (across(left), down(scale.at(*value))),
            (across(left + width * 0.85), down(0.0)),
        );
    }
    html! { path class={ "fill edge " (class) } d=(path.into_text()) {} }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_the_ground_and_nothing_is_no_bar() {
        let scale = Scale::Linear { step: 1.0, steps: 10 };
        let drawn = bars(&[5.0, 0.0], "c1", scale).0;
        assert!(drawn.contains(r#"d="M0 500h425v500h-425z""#), "{drawn}");
    }
}
