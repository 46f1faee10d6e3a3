//! Cells as the bytes that draw them on a terminal: those that differ from what is there. Pure.
//!
//! The sequences are those of ECMA-48 and xterm (<https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>), which every
//! terminal of today has.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// The other screen, without a cursor, and empty.
pub(super) const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[m\x1b[2J";
/// Back to the screen that was there, with its cursor.
pub(super) const LEAVE: &str = "\x1b[m\x1b[?25h\x1b[?1049l";

/// What turns `before` into `after`; both are of the same size. Nothing where nothing differs.
pub(super) fn update(before: &Buffer, after: &Buffer) -> String {
    let mut text = String::new();
    let mut look = Look::default();
    // Where the terminal writes next.
    let mut cursor = None;
    for (x, y, cell) in before.diff_iter(after) {
        // Writing into a string can't fail.
        if cursor != Some((x, y)) {
            let _ = write!(text, "\x1b[{};{}H", y + 1, x + 1);
        }
        look.change(Look::of(cell), &mut text);
        text.push_str(cell.symbol());
        // After the last column, where the cursor is depends on the terminal; as it does after what is not ASCII and may be
        // wider there than here.
        let is_certain = cell.symbol().is_ascii() || is_ours(cell.symbol());
        cursor = (is_certain && x + 1 < after.area.width).then_some((x + 1, y));
    }
    if !text.is_empty() && look != Look::default() {
        text.push_str("\x1b[m");
    }
    text
}

/// The whole of it, on a terminal with anything on it.
pub(super) fn whole(buffer: &Buffer) -> String {
    format!("\x1b[m\x1b[2J{}", update(&Buffer::empty(buffer.area), buffer))
}

/// Lines, blocks and marks that are one column wide on every terminal.
fn is_ours(symbol: &str) -> bool {
    symbol.chars().all(|c| ('\u{2500}'..='\u{259f}').contains(&c))
}

/// How a character looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    color: Color,
    modifier: Modifier,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            color: Color::Reset,
            modifier: Modifier::empty(),
        }
    }
}

impl Look {
    fn of(cell: &Cell) -> Self {
        Self {
            color: cell.fg,
            modifier: cell.modifier & (Modifier::BOLD | Modifier::DIM),
        }
    }

    fn change(&mut self, to: Self, text: &mut String) {
        if *self == to {
            return;
        }
        // From the beginning: bold and dim have only one end together.
        text.push_str("\x1b[0");
        if to.modifier.contains(Modifier::BOLD) {
            text.push_str(";1");
        }
        if to.modifier.contains(Modifier::DIM) {
            text.push_str(";2");
        }
        let _ = match to.color {
            Color::Red => write!(text, ";31"),
            Color::Green => write!(text, ";32"),
            Color::Blue => write!(text, ";34"),
            Color::Magenta => write!(text, ";35"),
            Color::Indexed(index) => write!(text, ";38;5;{index}"),
            // The theme has no others.
            _ => Ok(()),
        };
        text.push('m');
        *self = to;
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    fn buffer(rows: &[&str]) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 3));
        for (y, row) in (0..).zip(rows) {
            buffer.set_string(0, y, row, Style::new());
        }
        buffer
    }

    fn terminal() -> vt100::Parser {
        let size = |cells| std::num::NonZeroU16::new(cells).unwrap();
        vt100::Parser::new(size(3), size(12), 0)
    }

    #[test]
    fn a_terminal_shows_what_the_cells_are() {
        let mut terminal = terminal();
        let first = buffer(&["run  00:00:01", "█▓▒░ 12 ½ é✓", "wide 例 end"]);
        terminal.process(whole(&first).as_bytes());
        assert_eq!(terminal.screen().contents(), "run  00:00:0\n█▓▒░ 12 ½ é✓\nwide 例 end");
        let second = buffer(&["run  00:00:02", "█ 12", "wide aa end"]);
        terminal.process(update(&first, &second).as_bytes());
        let contents = terminal.screen().contents();
        let rows: Vec<_> = contents.lines().map(str::trim_end).collect();
        assert_eq!(rows, ["run  00:00:0", "█ 12", "wide aa end"]);
    }

    #[test]
    fn what_does_not_differ_is_not_drawn() {
        let one = buffer(&["the same"]);
        assert_eq!(update(&one, &one.clone()), "");
        let other = buffer(&["the sane"]);
        assert_eq!(update(&one, &other), "\x1b[1;7Hn");
    }

    #[test]
    fn colours_begin_where_they_should_and_end() {
        let mut after = buffer(&["ab c"]);
        after[(1, 0)].set_style(Style::new().fg(Color::Indexed(71)).add_modifier(Modifier::BOLD));
        let mut terminal = terminal();
        terminal.process(whole(&after).as_bytes());
        let cell = |column| terminal.screen().cell(0, column).unwrap().clone();
        assert_eq!((cell(1).fgcolor(), cell(1).bold()), (vt100::Color::Idx(71), true));
        assert_eq!((cell(0).fgcolor(), cell(3).bold()), (vt100::Color::Default, false));
        assert_eq!(terminal.screen().fgcolor(), vt100::Color::Default);
    }

    #[test]
    fn the_screen_that_was_there_comes_back_with_its_cursor() {
        let mut terminal = terminal();
        terminal.process(b"$ fleet run\r\n");
        terminal.process(ENTER.as_bytes());
        terminal.process(whole(&buffer(&["view"])).as_bytes());
        assert!(terminal.screen().alternate_screen() && terminal.screen().hide_cursor());
        terminal.process(LEAVE.as_bytes());
        assert_eq!(terminal.screen().contents(), "$ fleet run");
        assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
    }
}
