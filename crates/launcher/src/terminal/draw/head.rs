//! The first rows: which run this is, and where it stands on the profile of its stages.

use fleet_report::words::clock;
use ratatui::layout::Rect;

use super::sheet::Sheet;
use super::theme::Tone;
use crate::standing::Position;
use crate::terminal::screen::Screen;
use crate::terminal::snapshot::{Snapshot, Stage};

/// The run, its clock and what it does.
pub(super) fn draw(screen: &Screen, area: Rect, sheet: &mut Sheet<'_>) {
    let subject = &screen.subject;
    let theme = sheet.theme;
    let position = screen.snapshot.as_ref().map(|snapshot| snapshot.position);
    let (words, tone) = doing(position.as_ref());
    let style = theme.of(tone).patch(theme.bold());
    let rest = sheet.right(area, words, style);
    let at_s = position.map_or(0.0, |position| position.at_s);
    let rest = sheet.right(rest, &format!("{}  ", clock(whole(at_s))), theme.bold());
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
    let stages = &screen.subject.stages;
    let total: f64 = stages.iter().map(|stage| stage.seconds).sum();
    let elapsed = elapsed(screen.snapshot.as_ref());
    let row = Rect { height: 1, ..area };
    let figure = match elapsed {
        Some(elapsed) => format!("{} of {}", clock(whole(elapsed.min(total))), clock(whole(total))),
        None => format!("{} of stages", clock(whole(total))),
    };
    let rest = sheet.right(row, &figure, theme.plain());
    sheet.text(rest, &words(screen), theme.plain());
    let chart = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    profile(stages, total, elapsed, chart, sheet);
}

fn elapsed(snapshot: Option<&Snapshot>) -> Option<f64> {
    Some(snapshot?.position.stages_elapsed?.as_secs_f64())
}

fn words(screen: &Screen) -> String {
    let stages = &screen.subject.stages;
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
    let index = (stage.number as usize).checked_sub(1);
    let profile = index
        .and_then(|index| stages.get(index))
        .map_or("", |stage| &stage.words);
    let held = if stage.held { ", held" } else { "" };
    format!("stage {} of {}: {profile}{held}", stage.number, stages.len())
}

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How many devices the stages want over time; what has passed is bright, and the cursor stands at now.
fn profile(stages: &[Stage], total: f64, elapsed: Option<f64>, area: Rect, sheet: &mut Sheet<'_>) {
    if area.is_empty() || total <= 0.0 {
        return;
    }
    let theme = sheet.theme;
    let at = |column: u16| (f64::from(column) + 0.5) / f64::from(area.width) * total;
    let cursor = elapsed.map(|elapsed| {
        let share = (elapsed / total).clamp(0.0, 1.0);
        area.x + index(share * f64::from(area.width)).min(area.width - 1)
    });
    for column in 0..area.width {
        let x = area.x + column;
        let style = match cursor {
            Some(cursor) if x <= cursor => theme.of(Tone::Good),
            _ => theme.dim(),
        };
        for row in 0..area.height {
            // From below, in eighths of a row.
            let below = f64::from(area.height - 1 - row) * 8.0;
            let height = share_at(stages, at(column)) * f64::from(area.height) * 8.0 - below;
            // The ground is always there, so that the whole time is.
            let least = if row + 1 == area.height { 1.0 } else { 0.0 };
            let eighth = usize::from(index(height.clamp(least, 8.0).round()));
            sheet.cell(x, area.y + row, EIGHTHS[eighth], style);
        }
    }
    if let Some(cursor) = cursor {
        for row in 0..area.height {
            sheet.cell(cursor, area.y + row, '┃', theme.bold());
        }
    }
}

/// The share of the fleet that the stages want, so many seconds after they began.
fn share_at(stages: &[Stage], at_s: f64) -> f64 {
    let (mut begun, mut share) = (0.0, 0.0);
    for stage in stages {
        if at_s < begun + stage.seconds {
            return share + (stage.share - share) * (at_s - begun) / stage.seconds;
        }
        begun += stage.seconds;
        share = stage.share;
    }
    share
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places on a screen are small and above zero"
)]
fn index(place: f64) -> u16 {
    place as u16
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a run are above zero and far below 2^53"
)]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_goes_evenly_from_target_to_target() {
        let stage = |share, seconds| Stage {
            share,
            seconds,
            words: String::new(),
        };
        let stages = [stage(1.0, 10.0), stage(1.0, 20.0), stage(0.0, 10.0)];
        for (at_s, share) in [
            (0.0, 0.0),
            (5.0, 0.5),
            (10.0, 1.0),
            (29.0, 1.0),
            (35.0, 0.5),
            (99.0, 0.0),
        ] {
            assert!((share_at(&stages, at_s) - share).abs() < 1e-9, "{at_s}");
        }
    }
}
