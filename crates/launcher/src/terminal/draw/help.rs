//! The keys: a row at the foot, and all of them over the rest.

use ratatui::layout::Rect;

use super::sheet::{Sheet, width};

/// A key, what it does in a word, and in a sentence.
const KEYS: [(&str, &str, &str); 8] = [
    ("p", "pause", "pause the stages, and go on with them"),
    ("s", "storm", "storm: all devices disconnect at once and connect again"),
    ("r", "retry", "retry: devices that wait after a failure try again now"),
    (
        "d",
        "disconnect 10 %",
        "disconnect 10 % of the devices until the stages want them",
    ),
    ("← →", "phase", "choose the phase whose times are shown"),
    ("q", "stop", "stop: devices drain and disconnect, as after Ctrl-C"),
    ("Q", "leave", "leave at once, as after a second Ctrl-C"),
    ("?", "help", "show this, and hide it again"),
];

const NOTES: [&str; 3] = [
    "Each order is marked in the report, like those of `fleet ctl`.",
    "Ctrl-Z puts the view aside, and the devices go on; `fg` brings it back.",
    "✓ holds   ✗ does not   – has no value yet   ╌ what is due, or allowed",
];

pub(super) fn foot(area: Rect, sheet: &mut Sheet<'_>) {
    let theme = sheet.theme;
    let mut rest = area;
    for (key, word, _) in KEYS {
        rest = sheet.spans(
            rest,
            [
                (key, theme.bold()),
                (" ", theme.plain()),
                (word, theme.dim()),
                ("  ", theme.dim()),
            ],
        );
    }
}

pub(super) fn draw(area: Rect, sheet: &mut Sheet<'_>) {
    let theme = sheet.theme;
    let rows = KEYS.len() + NOTES.len() + 5;
    let sentences = KEYS.iter().map(|(_, _, sentence)| width(sentence) + 6);
    let widest = sentences.chain(NOTES.iter().map(|note| width(note))).max().unwrap_or(0);
    let size = (
        (widest + 4).min(area.width),
        u16::try_from(rows).unwrap_or(u16::MAX).min(area.height),
    );
    let frame = Rect {
        x: area.x + (area.width - size.0) / 2,
        y: area.y + (area.height - size.1) / 2,
        width: size.0,
        height: size.1,
    };
    sheet.clear(frame);
    border(frame, sheet);
    let inner = Rect {
        x: frame.x + 2,
        y: frame.y + 1,
        width: frame.width.saturating_sub(4),
        height: frame.height.saturating_sub(2),
    };
    let mut lines = inner.rows();
    if let Some(row) = lines.next() {
        sheet.text(row, "Keys", theme.bold());
    }
    for ((key, _, sentence), row) in KEYS.iter().zip(lines.by_ref()) {
        let key = format!("{key:<6}");
        sheet.spans(row, [(&*key, theme.bold()), (*sentence, theme.plain())]);
    }
    for (note, row) in NOTES.iter().zip(lines.skip(1)) {
        sheet.text(row, note, theme.dim());
    }
}

fn border(frame: Rect, sheet: &mut Sheet<'_>) {
    let style = sheet.theme.dim();
    let (right, bottom) = (frame.right().saturating_sub(1), frame.bottom().saturating_sub(1));
    for x in frame.left()..frame.right() {
        sheet.cell(x, frame.y, '─', style);
        sheet.cell(x, bottom, '─', style);
    }
    for y in frame.top()..frame.bottom() {
        sheet.cell(frame.x, y, '│', style);
        sheet.cell(right, y, '│', style);
    }
    for (x, y, corner) in [
        (frame.x, frame.y, '┌'),
        (right, frame.y, '┐'),
        (frame.x, bottom, '└'),
        (right, bottom, '┘'),
    ] {
        sheet.cell(x, y, corner, style);
    }
}
