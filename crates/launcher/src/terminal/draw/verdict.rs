//! What must hold, and what went wrong.

use fleet_report::thresholds::{Marks, ThresholdResult, ThresholdRow, Verdict};
use ratatui::layout::Rect;

use super::rule::rule;
use super::sheet::{Sheet, width};
use super::theme::Tone;
use crate::terminal::screen::Screen;

/// A threshold for which there is no value yet has not failed, as long as the run goes on.
fn mark(result: &ThresholdResult) -> (&'static str, Tone) {
    match result.verdict {
        Verdict::NoData => ("–", Tone::Waiting),
        Verdict::Passed => (Marks::Unicode.of(result), Tone::Good),
        Verdict::Failed => (Marks::Unicode.of(result), Tone::Bad),
    }
}

pub(super) fn thresholds(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let theme = sheet.theme;
    let results = screen
        .snapshot
        .as_ref()
        .map_or(&[][..], |snapshot| &snapshot.thresholds);
    let failing = results
        .iter()
        .filter(|result| result.verdict == Verdict::Failed)
        .count();
    let rows = usize::from(area.height.saturating_sub(1));
    let hidden = results.len().saturating_sub(rows);
    let mut figure = match (results.len(), failing) {
        (0, _) => String::new(),
        (all, 0) => format!("{all}, none fails"),
        (all, failing) => format!("{failing} of {all} fail"),
    };
    if hidden > 0 {
        figure += &format!(", {hidden} hidden");
    }
    let below = rule(area, "Thresholds", &figure, sheet);
    if results.is_empty() {
        return sheet.note(below, screen, "the manifest has none");
    }
    let mut shown: Vec<_> = results.iter().collect();
    if hidden > 0 {
        // What fails has to be seen; otherwise they stand as in the manifest.
        shown.sort_by_key(|result| match result.verdict {
            Verdict::Failed => 0,
            Verdict::Passed => 1,
            Verdict::NoData => 2,
        });
    }
    for (row, result) in below.rows().zip(shown) {
        let (mark, tone) = mark(result);
        let words = ThresholdRow::of(result);
        let rest = sheet.spans(row, [(mark, theme.of(tone)), (" ", theme.plain())]);
        // Where there is none, the mark says so.
        let value = result.actual.map(|_| format!("  {}", words.actual)).unwrap_or_default();
        let rest = sheet.right(rest, &value, theme.of(tone));
        // Squeezed, and then left out, before the name is cut.
        let forms = [
            format!("  {}", words.expression),
            format!(" {}", words.expression.replace(' ', "")),
        ];
        let room = rest.width.saturating_sub(width(&words.name));
        let expression = forms.iter().find(|form| width(form) <= room);
        let rest = sheet.right(rest, expression.map_or("", String::as_str), theme.dim());
        sheet.text(rest, &words.name, theme.plain());
    }
}

pub(super) fn errors(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let theme = sheet.theme;
    let errors = screen.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.errors);
    let rows = usize::from(area.height.saturating_sub(1));
    let hidden = errors.len().saturating_sub(rows);
    let figure = if hidden > 0 {
        format!("{hidden} more")
    } else {
        String::new()
    };
    let below = rule(area, "Errors", &figure, sheet);
    if errors.is_empty() {
        return sheet.note(below, screen, "none");
    }
    for (row, (name, count)) in below.rows().zip(errors) {
        let rest = sheet.right(row, &format!("  {count}"), theme.bold());
        let (operation, reason) = name.split_once('/').unwrap_or((name, ""));
        let operation = format!("{} ", operation.replace('_', " "));
        sheet.spans(rest, [(&*operation, theme.plain()), (reason, theme.of(Tone::Bad))]);
    }
}
