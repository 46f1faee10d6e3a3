//! How long the chosen phase takes: of the last seconds, of the whole run, and each of the last seconds as a mark.

use fleet_report::words::readable;
use ratatui::layout::Rect;

use super::bar::block;
use super::rule::rule;
use super::sheet::Sheet;
use super::theme::Tone;
use crate::terminal::history::Quantiles;
use crate::terminal::screen::Screen;

type Quantile = (&'static str, fn(&Quantiles) -> f64);

const QUANTILES: [Quantile; 3] = [
    ("p50", |times| times.p50),
    ("p95", |times| times.p95),
    ("p99", |times| times.p99),
];

pub(super) fn draw(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let theme = sheet.theme;
    let phase = screen.phase();
    let title = format!("‹ {} ›", phase.word());
    let below = rule(area, &title, "10 s  whole run", sheet);
    let times = screen.snapshot.as_ref().and_then(|snapshot| snapshot.times.get(&phase));
    let whole = times.and_then(Quantiles::of);
    let Some(whole) = whole else {
        return sheet.note(below, screen, "nothing has ended yet");
    };
    let recent = screen.history.recent(phase);
    for (row, (name, value)) in below.rows().zip(QUANTILES) {
        let now = recent.as_ref().map_or("–".to_owned(), |times| readable(value(times)));
        let rest = sheet.right(
            row,
            &format!(" {now:>8}  {:>9}", readable(value(&whole))),
            theme.plain(),
        );
        let rest = sheet.spans(rest, [(name, theme.plain()), (" ", theme.plain())]);
        sparkline(screen, value, rest, sheet);
    }
}

/// The last seconds, each as high as it is of the slowest among them.
fn sparkline(screen: &Screen, value: fn(&Quantiles) -> f64, row: Rect, sheet: &mut Sheet<'_>) {
    let style = sheet.theme.of(Tone::Busy);
    let series = screen.history.quantiles(screen.phase(), usize::from(row.width));
    let values: Vec<_> = series.iter().map(|times| times.as_ref().map(value)).collect();
    let most = values.iter().flatten().fold(0.0, |most: f64, value| most.max(*value));
    for (x, value) in (row.x..).zip(values) {
        if let Some(value) = value {
            sheet.cell(x, row.y, block(mark(value, most)), style);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is from 1 to 8"
)]
fn mark(value: f64, most: f64) -> u16 {
    if most > 0.0 {
        (1.0 + value / most * 7.0).round().clamp(1.0, 8.0) as u16
    } else {
        1
    }
}
