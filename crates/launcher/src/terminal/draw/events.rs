//! What happened last: marks of the report and lines of progress, in the order of their time.

use fleet_report::report::EventMark;
use fleet_report::words::devices;
use iot_protocol::shown;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::clock::clock;
use super::rule::rule;
use super::sheet::Sheet;
use super::theme::Tone;
use crate::terminal::screen::Screen;

/// Of these there is a line of progress, too.
const SAID_TWICE: [&str; 8] = [
    "interrupted",
    "process_died",
    "emulator_died",
    "threshold_crossed",
    "shard_lost",
    "shard_back",
    "shard_replaced",
    "collector_restarted",
];

pub(super) fn draw(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let theme = sheet.theme;
    let below = rule(area, "Events", "", sheet);
    let mut rows: Vec<(f64, String, Style)> = Vec::new();
    let marks = screen.snapshot.iter().flat_map(|snapshot| &snapshot.marks);
    let marks = marks.filter(|mark| !SAID_TWICE.contains(&mark.kind.as_str()));
    rows.extend(marks.map(|mark| (mark.at_s, words(mark), theme.plain())));
    for line in &screen.lines {
        let at_s = line.at.saturating_sub(screen.started).as_secs_f64();
        let lines = line.text.lines();
        rows.extend(lines.map(|text| (at_s, shown::text(text).to_string(), theme.plain())));
    }
    rows.sort_by(|(at_s, ..), (other, ..)| at_s.total_cmp(other));
    let now = screen.snapshot.as_ref().map_or(0.0, |snapshot| snapshot.position.at_s);
    rows.extend(
        screen
            .notes
            .iter()
            .map(|note| (now, note.clone(), theme.of(Tone::Uneasy))),
    );
    let skipped = rows.len().saturating_sub(usize::from(below.height));
    for (row, (at_s, text, style)) in below.rows().zip(rows.into_iter().skip(skipped)) {
        let at = format!("{}  ", clock(at_s));
        sheet.spans(row, [(&*at, theme.dim()), (&*text, style)]);
    }
}

fn words(mark: &EventMark) -> String {
    match mark.devices {
        Some(count) => format!("{}: {}", mark.what, devices(count)),
        None => mark.what.clone(),
    }
}
