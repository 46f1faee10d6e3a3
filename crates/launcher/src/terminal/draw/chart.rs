//! Rates over the last minutes: what is, as an area, and what is wanted, as a line above it.

use ratatui::layout::Rect;

use super::bar::{below, block, eighths, filled};
use super::rule::rule;
use super::sheet::{Sheet, width};
use super::theme::Tone;
use crate::terminal::history::Count;
use crate::terminal::screen::Screen;

/// A chart is of so many seconds at least.
const SPAN_S: f64 = 180.0;

/// Messages acknowledged; the line is what was due.
pub(super) fn messages(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let (acked, due): (Count, Count) = (|counts| counts.acked, |counts| counts.due);
    let history = &screen.history;
    let figure = format!("{} of {} due", rounded(history.rate(acked)), rounded(history.rate(due)));
    let below = rule(area, "Messages/s", &figure, sheet);
    let columns = columns(below);
    let values = history.rates(acked, columns, SPAN_S);
    let wanted = history.rates(due, columns, SPAN_S);
    chart(&values, &wanted, below, sheet);
}

/// Connections made; the line is how many may be.
pub(super) fn connects(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let count: Count = |counts| counts.connects;
    let allowed = screen.subject.connect_rate;
    let history = &screen.history;
    let figure = format!("{}, at most {}", rounded(history.rate(count)), rounded(allowed));
    let below = rule(area, "Connects/s", &figure, sheet);
    let columns = columns(below);
    let values = history.rates(count, columns, SPAN_S);
    chart(&values, &vec![allowed; columns], below, sheet);
}

/// Beside the scale.
fn columns(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(SCALE))
}

/// Columns of the scale.
const SCALE: u16 = 6;

fn chart(values: &[f64], wanted: &[f64], area: Rect, sheet: &mut Sheet<'_>) {
    if area.height == 0 || area.width <= SCALE {
        return;
    }
    let theme = sheet.theme;
    let most = values
        .iter()
        .chain(wanted)
        .fold(0.0, |most: f64, value| most.max(*value));
    let top = nice(most);
    let place = Rect { height: 1, ..area };
    let scale = |words: &str, y: u16, sheet: &mut Sheet<'_>| {
        let row = Rect {
            y,
            width: SCALE - 1,
            ..place
        };
        let begins = row.width.saturating_sub(width(words));
        let row = Rect {
            x: row.x + begins,
            width: row.width - begins,
            ..row
        };
        sheet.text(row, words, theme.dim());
    };
    scale(&rounded(top), area.y, sheet);
    if area.height > 1 {
        scale("0", area.bottom() - 1, sheet);
    }
    for column in 0..area.width - SCALE {
        let at = usize::from(column);
        let value = values.get(at).copied();
        let line = wanted.get(at).map(|wanted| eighths(*wanted, top, area.height));
        let height = value.map_or(0, |value| eighths(value, top, area.height));
        for row in 0..area.height {
            let below = below(row, area.height);
            let (x, y) = (area.x + SCALE + column, area.y + row);
            let filled = filled(height, row, area.height);
            let is_line = line.is_some_and(|line| line > below && line <= below + 8);
            match (filled, is_line) {
                (0, true) => sheet.cell(x, y, '╌', theme.of(Tone::Uneasy)),
                (0, false) if row + 1 == area.height && value.is_some() => sheet.cell(x, y, '▁', theme.dim()),
                (0, false) => {}
                (filled, _) => sheet.cell(x, y, block(filled), theme.of(Tone::Busy)),
            }
        }
    }
}

/// The end of the scale: a round number, so that it stays where it is.
fn nice(most: f64) -> f64 {
    if most <= 1.0 {
        return 1.0;
    }
    let magnitude = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.into_iter().find(|step| step * magnitude >= most * 0.999);
    step.unwrap_or(10.0) * magnitude
}

/// A rate with as many digits as are of use.
pub(super) fn rounded(rate: f64) -> String {
    match rate {
        rate if rate >= 99_950.0 => format!("{:.0}k", rate / 1e3),
        rate if rate >= 9_995.0 => format!("{:.1}k", rate / 1e3),
        rate if rate >= 9.95 || rate == 0.0 => format!("{rate:.0}"),
        rate if (rate - rate.round()).abs() < 0.05 => format!("{rate:.0}"),
        rate => format!("{rate:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number() {
        for (most, top) in [
            (0.0, 1.0),
            (0.3, 1.0),
            (1.1, 1.2),
            (50.0, 50.0),
            (51.0, 60.0),
            (166.0, 200.0),
        ] {
            assert!((nice(most) - top).abs() < 1e-9, "{most}: {}", nice(most));
        }
    }

    #[test]
    fn rates_are_short() {
        for (rate, words) in [
            (0.0, "0"),
            (0.24, "0.2"),
            (3.0, "3"),
            (9.96, "10"),
            (166.4, "166"),
            (12_345.0, "12.3k"),
            (123_456.0, "123k"),
        ] {
            assert_eq!(rounded(rate), words);
        }
    }
}
