//! What is drawn on: text never leaves the place that it was given.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::theme::Theme;
use crate::terminal::screen::Screen;

/// A buffer and the colours for it.
pub(super) struct Sheet<'a> {
    buffer: &'a mut Buffer,
    pub(super) theme: Theme,
}

/// How wide text is, in columns.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

impl<'a> Sheet<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, theme: Theme) -> Self {
        Self { buffer, theme }
    }

    /// Writes at the left end of the first row of `area`. What does not fit is cut off, with `…`.
    pub(super) fn text(&mut self, area: Rect, text: &str, style: Style) {
        let area = area.intersection(self.buffer.area);
        if area.is_empty() {
            return;
        }
        let is_cut = width(text) > area.width;
        let most = area.width - u16::from(is_cut);
        let (x, y) = self.buffer.set_stringn(area.x, area.y, text, usize::from(most), style);
        if is_cut {
            self.buffer.set_stringn(x, y, "…", 1, style);
        }
    }

    /// Says why there is nothing to show, once that is certain.
    pub(super) fn note(&mut self, area: Rect, screen: &Screen, words: &str) {
        if screen.snapshot.is_some() {
            self.text(area, words, self.theme.dim());
        }
    }

    /// Writes at the right end of the first row of `area`. Returns what is left of the row.
    pub(super) fn right(&mut self, area: Rect, text: &str, style: Style) -> Rect {
        let taken = width(text).min(area.width);
        let place = Rect {
            x: area.right() - taken,
            width: taken,
            ..area
        };
        self.text(place, text, style);
        Rect {
            width: area.width - taken,
            ..area
        }
    }

    /// Writes several texts one after the other. Returns what is left of the row.
    pub(super) fn spans<'t>(&mut self, mut area: Rect, spans: impl IntoIterator<Item = (&'t str, Style)>) -> Rect {
        for (text, style) in spans {
            self.text(area, text, style);
            let taken = width(text).min(area.width);
            area.x += taken;
            area.width -= taken;
        }
        area
    }

    /// Fills the rest of a row with a character.
    pub(super) fn fill(&mut self, area: Rect, symbol: char, style: Style) {
        self.text(area, &symbol.to_string().repeat(usize::from(area.width)), style);
    }

    /// Empties a place.
    pub(super) fn clear(&mut self, area: Rect) {
        for row in area.intersection(self.buffer.area).rows() {
            self.fill(row, ' ', self.theme.plain());
        }
    }

    pub(super) fn cell(&mut self, x: u16, y: u16, symbol: char, style: Style) {
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_char(symbol).set_style(style);
        }
    }
}
