//! What is used of the documented limits.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::chart::rounded;
use super::rule::rule;
use super::sheet::{Sheet, width};
use super::theme::Tone;
use crate::terminal::screen::Screen;

/// A gauge is not longer.
const LONGEST_BAR: u16 = 20;
/// The longest figure: ` 1234 % of 99.9k/min`.
const FIGURE: u16 = 18;

pub(super) fn draw(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let theme = sheet.theme;
    let quotas = screen.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.quotas);
    let rows = usize::from(area.height.saturating_sub(1));
    let hidden = quotas.len().saturating_sub(rows);
    let figure = if hidden > 0 {
        format!("{hidden} more")
    } else {
        String::new()
    };
    let below = rule(area, "Quotas", &figure, sheet);
    if quotas.is_empty() {
        return sheet.note(below, screen, "no limits are known");
    }
    // The most used first, where not all have a place; they don't change their places otherwise.
    let mut shown: Vec<_> = quotas.iter().collect();
    if hidden > 0 {
        shown.sort_by(|(_, share), (_, other)| other.total_cmp(share));
    }
    let names = shown.iter().map(|(quota, _)| width(&quota.what)).max().unwrap_or(0);
    for (row, (quota, share)) in below.rows().zip(shown) {
        let tone = match share {
            share if *share > 1.0 => Tone::Bad,
            share if *share > 0.8 => Tone::Uneasy,
            _ => Tone::Good,
        };
        let figure = format!(" {:.0} % of {}/{}", share * 100.0, rounded(quota.allowed), quota.per);
        let columns = usize::from(FIGURE);
        let rest = sheet.right(row, &format!("{figure:>columns$}"), theme.plain());
        let name = Rect {
            width: names.min(rest.width),
            ..rest
        };
        sheet.text(name, &quota.what, theme.plain());
        let begins = (names + 1).min(rest.width);
        let gauge = Rect {
            x: rest.x + begins,
            width: (rest.width - begins).min(LONGEST_BAR),
            ..rest
        };
        bar(*share, gauge, theme.of(tone), sheet);
    }
}

/// A gauge: full is all that is allowed.
fn bar(share: f64, area: Rect, style: Style, sheet: &mut Sheet<'_>) {
    let filled = share * f64::from(area.width) + 0.5;
    for column in 0..area.width {
        let symbol = if filled >= f64::from(column + 1) { '█' } else { '░' };
        sheet.cell(area.x + column, area.y, symbol, style);
    }
}
