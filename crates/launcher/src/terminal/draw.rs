//! The screen as cells. Pure: the same screen is always the same cells.
//!
//! Rows are given out from the top: what has a fixed height first, then what is left to charts and lists. Where there is
//! no room, the lower parts are left out.

mod bar;
mod chart;
mod clock;
mod columns;
mod devices;
mod events;
mod head;
mod help;
mod latency;
mod limits;
mod rule;
mod sheet;
mod theme;
mod verdict;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::screen::Screen;
use columns::halves;
use sheet::Sheet;
pub(super) use theme::Theme;

/// Below this nothing is readable.
const LEAST: (u16, u16) = (40, 8);
/// Where the chart of the stages is higher than a row.
const TALL: u16 = 32;

/// Draws it all.
pub(super) fn draw(screen: &Screen, theme: Theme, buffer: &mut Buffer) {
    let area = buffer.area;
    let mut sheet = Sheet::new(buffer, theme);
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return sheet.text(area, "terminal too small", theme.plain());
    }
    let (body, foot) = (
        Rect {
            height: area.height - 1,
            ..area
        },
        Rect {
            y: area.bottom() - 1,
            height: 1,
            ..area
        },
    );
    let mut rows = Rows { left: body };
    let heights = Heights::of(screen, area.height);
    head::draw(screen, rows.take(1), &mut sheet);
    head::stages(screen, rows.take(1 + heights.profile), &mut sheet);
    devices::draw(screen, rows.take(heights.devices), &mut sheet);
    let (left, right) = halves(rows.take(heights.charts));
    chart::messages(screen, left, &mut sheet);
    chart::connects(screen, right, &mut sheet);
    let (left, right) = halves(rows.take(heights.figures));
    latency::draw(screen, left, &mut sheet);
    limits::draw(screen, right, &mut sheet);
    let (left, right) = halves(rows.take(heights.verdict));
    verdict::thresholds(screen, left, &mut sheet);
    verdict::errors(screen, right, &mut sheet);
    events::draw(screen, rows.left, &mut sheet);
    help::foot(foot, &mut sheet);
    if screen.is_help_shown {
        help::draw(area, &mut sheet);
    }
}

/// The rows that are left.
struct Rows {
    left: Rect,
}

impl Rows {
    /// So many of them from the top, or as many as there are.
    fn take(&mut self, height: u16) -> Rect {
        let height = height.min(self.left.height);
        let taken = Rect { height, ..self.left };
        self.left.y += height;
        self.left.height -= height;
        taken
    }
}

/// How many rows each part gets, its title included.
struct Heights {
    profile: u16,
    devices: u16,
    charts: u16,
    figures: u16,
    verdict: u16,
}

impl Heights {
    fn of(screen: &Screen, height: u16) -> Self {
        let wanted = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let groups = wanted(screen.subject.groups.len()).max(1);
        let snapshot = screen.snapshot.as_ref();
        let quotas = wanted(snapshot.map_or(0, |snapshot| snapshot.quotas.len()));
        let thresholds = wanted(snapshot.map_or(0, |snapshot| snapshot.thresholds.len()));
        let errors = wanted(snapshot.map_or(0, |snapshot| snapshot.errors.len()));
        // On 24 rows: 1 + 2 + 4 + 5 + 4 + 4 + 3 + 1. What a larger terminal has more is given out by turns.
        let mut heights = Self {
            profile: if height < TALL { 1 } else { 3 },
            devices: 2 + groups.min(2),
            charts: 5,
            figures: 4,
            verdict: 4,
        };
        const EVENTS: u16 = 3;
        let used = |heights: &Self| {
            3 + heights.profile + heights.devices + heights.charts + heights.figures + heights.verdict + EVENTS
        };
        let mut spare = height.saturating_sub(used(&heights));
        let mut events = 0;
        while spare > 0 {
            let before = spare;
            let mut give = |rows: &mut u16, most: u16| {
                if spare > 0 && *rows < most {
                    *rows += 1;
                    spare -= 1;
                }
            };
            give(&mut heights.devices, 2 + groups.min(8));
            give(&mut heights.verdict, 1 + thresholds.max(errors).min(12));
            give(&mut heights.figures, 1 + quotas.min(8));
            give(&mut heights.charts, 11);
            give(&mut events, 8);
            if spare == before {
                break;
            }
        }
        heights
    }
}

#[cfg(test)]
mod tests;
