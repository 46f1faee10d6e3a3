//! Heat maps: how the values of each stretch of time are spread.

use maud::{Markup, html};

use super::path::{Path, across, down};

/// The darkest of so many tones is all of a column.
pub(in crate::html) const TONES: usize = 6;

/// Columns from left to right, each with the shares of its rows from the bottom up. A share above 0 always shows.
pub(in crate::html) fn heat(columns: &[Vec<f64>]) -> Markup {
    let mut tones: [Path; TONES] = Default::default();
    let width = 1.0 / (columns.len().max(1) as f64);
    for (column, shares) in columns.iter().enumerate() {
        let height = 1.0 / (shares.len().max(1) as f64);
        let left = column as f64 * width;
        for (row, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let bottom = row as f64 * height;
            tones[tone(*share)].rectangle(
                (across(left), down(bottom + height)),
                (across(left + width), down(bottom)),
            );
        }
    }
    html! {
        @for (tone, path) in tones.into_iter().enumerate() {
            @if !path.is_empty() { path class={ "tone t" (tone) } d=(path.into_text()) {} }
        }
    }
}

/// By the root, so that the rare values, which are the ones to look for, can be told from none.
fn tone(share: f64) -> usize {
    ((share.min(1.0).sqrt() * TONES as f64).ceil() as usize).clamp(1, TONES) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_value_shows_and_more_of_it_is_darker() {
        assert_eq!([1e-6, 0.1, 0.5, 1.0].map(tone), [0, 1, 4, 5]);
        let drawn = heat(&[vec![1.0, 0.0], vec![0.0, 0.01]]).0;
        assert!(drawn.contains(r#"class="tone t5" d="M0 500h500v500h-500z""#), "{drawn}");
        assert!(drawn.contains(r#"class="tone t0" d="M500 0h500v500h-500z""#), "{drawn}");
    }
}
