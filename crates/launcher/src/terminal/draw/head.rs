//! The first rows: which run this is, and where it stands on the profile of its stages.

use std::time::Duration;

use device_sim::ramp::Ramp;
use fleet_report::words;
use ratatui::layout::Rect;

use super::bar::{block, eighths, filled};
use super::clock::clock;
use super::sheet::Sheet;
use super::theme::Tone;
use crate::standing::{Position, stage_words};
use crate::terminal::screen::Screen;

/// The run, its clock and what it does.
pub(super) fn draw(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let subject = &screen.subject;
    let theme = sheet.theme;
    let position = screen.snapshot.as_ref().map(|snapshot| snapshot.position);
    let (words, tone) = doing(position.as_ref());
    let style = theme.of(tone).patch(theme.bold());
    let rest = sheet.right(area, words, style);
    let at_s = position.map_or(0.0, |position| position.at_s);
    let rest = sheet.right(rest, &format!("{}  ", clock(at_s)), theme.bold());
    let details = format!("  {}  target {}", subject.run_id, subject.target);
    sheet.spans(rest, [(&*subject.name, theme.bold()), (&*details, theme.dim())]);
}

fn doing(position: Option<&Position>) -> (&'static str, Tone) {
    match position {
        None => ("starting", Tone::Busy),
        Some(position) if position.is_ending => ("ending", Tone::Uneasy),
        Some(position) if position.is_paused => ("PAUSED", Tone::Uneasy),
        Some(Position {
            stages_elapsed: None, ..
        }) => ("registering", Tone::Busy),
        Some(_) => ("running", Tone::Good),
    }
}

/// The stage, and the profile of all stages with a cursor.
pub(super) fn stages(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = sheet.theme;
    let ramp = screen.subject.ramp();
    let total = ramp.length();
    let elapsed = screen
        .snapshot
        .as_ref()
        .and_then(|snapshot| snapshot.position.stages_elapsed);
    let row = Rect { height: 1, ..area };
    let clock = |at: Duration| words::clock(at.as_secs());
    let figure = match elapsed {
        Some(elapsed) => format!("{} of {}", clock(elapsed.min(total)), clock(total)),
        None => format!("{} of stages", clock(total)),
    };
    let rest = sheet.right(row, &figure, theme.plain());
    sheet.text(rest, &standing(screen), theme.plain());
    let chart = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    profile(&ramp, elapsed, chart, sheet);
}

/// Where the run stands.
fn standing(screen: &Screen) -> String {
    let Some(snapshot) = &screen.snapshot else {
        return "the devices start".to_owned();
    };
    let position = snapshot.position;
    if position.is_ending {
        return "devices drain and disconnect".to_owned();
    }
    if position.stages_elapsed.is_none() {
        let (registered, devices) = (snapshot.counts.registered, screen.subject.devices());
        return format!("{registered} of {devices} devices have registered; then the stages begin");
    }
    let Some(stage) = position.stage else {
        return "the stages are over".to_owned();
    };
    let held = if stage.held { ", held" } else { "" };
    stage_words(&screen.subject.stages, stage.number) + held
}

/// How many devices the stages want over time; what has passed is bright, and the cursor stands at now.
fn profile(ramp: &Ramp, elapsed: Option<Duration>, area: Rect, sheet: &mut Sheet<'_>) {
    let total = ramp.length();
    if area.is_empty() || total.is_zero() {
        return;
    }
    let theme = sheet.theme;
    let at = |column: u16| total.mul_f64((f64::from(column) + 0.5) / f64::from(area.width));
    let cursor = elapsed.map(|elapsed| {
        let share = elapsed.min(total).div_duration_f64(total);
        area.x + place(share, area.width)
    });
    for column in 0..area.width {
        let x = area.x + column;
        let style = match cursor {
            Some(cursor) if x <= cursor => theme.of(Tone::Good),
            _ => theme.dim(),
        };
        // The ground is always there, so that the whole time is.
        let height = eighths(ramp.share_at(at(column)), 1.0, area.height).max(1);
        for row in 0..area.height {
            let symbol = block(filled(height, row, area.height));
            sheet.cell(x, area.y + row, symbol, style);
        }
    }
    if let Some(cursor) = cursor {
        for row in 0..area.height {
            sheet.cell(cursor, area.y + row, '┃', theme.bold());
        }
    }
}

/// The column of a share of the time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share from 0 to 1 of the columns"
)]
fn place(share: f64, columns: u16) -> u16 {
    ((share * f64::from(columns)) as u16).min(columns - 1)
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;

    use super::super::theme::Theme;
    use super::*;
    use crate::terminal::screen::testing;

    #[test]
    fn the_profile_goes_evenly_from_target_to_target() {
        let mut subject = testing::subject();
        subject.stages = ["100%@10s", "100%@20s", "0%@10s"]
            .map(|stage| stage.parse().unwrap())
            .to_vec();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 2));
        let (area, elapsed) = (buffer.area, Some(Duration::from_secs(20)));
        profile(
            &subject.ramp(),
            elapsed,
            area,
            &mut Sheet::new(&mut buffer, Theme::Plain),
        );
        let row = |y: u16| (0..40).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        assert_eq!(row(0), "     ▁▂▄▆▇██████████┃█████████▇▆▄▂▁     ");
        assert_eq!(row(1), "▁▂▄▆▇███████████████┃██████████████▇▆▄▂▁");
    }
}
