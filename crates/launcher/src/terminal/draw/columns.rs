//! Two parts side by side.

use ratatui::layout::Rect;

/// Between the two.
const GAP: u16 = 2;

/// The left and the right half.
pub(super) fn halves(area: Rect) -> (Rect, Rect) {
    let left = area.width.saturating_sub(GAP) / 2;
    let begins = (left + GAP).min(area.width);
    (
        Rect { width: left, ..area },
        Rect {
            x: area.x + begins,
            width: area.width - begins,
            ..area
        },
    )
}
