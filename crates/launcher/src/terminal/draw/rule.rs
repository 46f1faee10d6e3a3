//! The title of a part: a line with a word at its left end, and a figure at its right.

use ratatui::layout::Rect;

use super::sheet::{Sheet, width};

/// Draws a title into the first row of `area`. Returns what is below it.
pub(super) fn rule(area: Rect, title: &str, figure: &str, sheet: &mut Sheet<'_>) -> Rect {
    if area.height == 0 {
        return area;
    }
    let row = Rect { height: 1, ..area };
    let theme = sheet.theme;
    sheet.fill(row, '─', theme.dim());
    let room = row.width.saturating_sub(width(title) + 3);
    if !figure.is_empty() && width(figure) + 2 < room {
        sheet.right(row, &format!(" {figure}"), theme.plain());
    }
    sheet.text(row, &format!("{title} "), theme.bold());
    Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    }
}
