//! Colours that are readable on a light and on a dark terminal. Nothing is said by a colour alone.

use device_sim::console;
use ratatui::style::{Color, Modifier, Style};

/// Which colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::terminal) enum Theme {
    /// None: `NO_COLOR`.
    Plain,
    /// Eight, as the terminal has them.
    Basic,
    /// 256, of middling brightness.
    Rich,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// On its way.
    Busy,
    /// It waits.
    Waiting,
    /// Not as it should be, and may mend.
    Uneasy,
    /// Wrong.
    Bad,
}

impl Theme {
    /// That of this process.
    pub(in crate::terminal) fn here() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let has_many = variable("COLORTERM").is_some()
            || variable("TERM").is_some_and(|term| term.to_string_lossy().contains("256color"));
        match (console::has_colours(&std::io::stderr()), has_many) {
            (false, _) => Self::Plain,
            (true, true) => Self::Rich,
            (true, false) => Self::Basic,
        }
    }

    pub(super) const fn plain(self) -> Style {
        Style::new()
    }

    pub(super) const fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// For what is there to be found, not to be seen.
    pub(super) const fn dim(self) -> Style {
        match self {
            Self::Rich => Style::new().fg(Color::Indexed(244)),
            // Not a colour, and where a terminal does not have it, it is plain.
            Self::Plain | Self::Basic => Style::new().add_modifier(Modifier::DIM),
        }
    }

    pub(super) const fn of(self, tone: Tone) -> Style {
        let color = match (self, tone) {
            (Self::Plain, Tone::Bad) => return self.bold(),
            (Self::Plain, Tone::Waiting) => return self.dim(),
            (Self::Plain, _) => return self.plain(),
            (Self::Basic, Tone::Good) => Color::Green,
            (Self::Basic, Tone::Busy) => Color::Blue,
            (Self::Basic, Tone::Waiting) => return self.dim(),
            (Self::Basic, Tone::Uneasy) => Color::Magenta,
            (Self::Basic, Tone::Bad) => Color::Red,
            (Self::Rich, Tone::Good) => Color::Indexed(71),
            (Self::Rich, Tone::Busy) => Color::Indexed(68),
            (Self::Rich, Tone::Waiting) => Color::Indexed(244),
            (Self::Rich, Tone::Uneasy) => Color::Indexed(172),
            (Self::Rich, Tone::Bad) => Color::Indexed(167),
        };
        Style::new().fg(color)
    }
}
