//! Which form the progress of a run has.

use std::ffi::OsString;

use anyhow::anyhow;
use device_sim::console::{self, NoteFormat};
use device_sim::hint::Hint;

/// How the progress of a run is shown on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Ui {
    /// The live view where stderr is a terminal of at least 80 × 24 and CI is not set, otherwise lines
    #[default]
    Auto,
    /// The live view, or an error where it can't be
    Tui,
    /// A line for each step
    Lines,
    /// Nothing but errors
    None,
}

/// The form that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    View,
    Lines,
    Nothing,
}

/// The least terminal for which the view is chosen by itself: columns and rows.
const LEAST: (u16, u16) = (80, 24);

/// What decides.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// Columns and rows of the terminal on stderr; none where it is none.
    size: Option<(u16, u16)>,
    /// Whether another program has the terminal, because this one is in the background.
    is_background: bool,
    ci: Option<OsString>,
    term: Option<OsString>,
}

impl Ui {
    /// The form for this process.
    ///
    /// # Errors
    ///
    /// The view was asked for and can't be; with the reason.
    pub(crate) fn form(self) -> anyhow::Result<Form> {
        let facts = Facts::here();
        match self {
            Self::None => Ok(Form::Nothing),
            Self::Lines => Ok(Form::Lines),
            Self::Auto => Ok(match facts.obstacle() {
                None if !facts.is_ci() => Form::View,
                _ => Form::Lines,
            }),
            Self::Tui => match facts.obstacle() {
                None => Ok(Form::View),
                Some(reason) => {
                    let error = anyhow!("--ui tui: {reason}");
                    Err(error.hint("`--ui auto` shows the view where it can, and lines elsewhere"))
                }
            },
        }
    }
}

impl Facts {
    fn here() -> Self {
        Self {
            ci: std::env::var_os("CI"),
            term: std::env::var_os("TERM"),
            ..Self::of_stderr()
        }
    }

    #[cfg(unix)]
    fn of_stderr() -> Self {
        Self {
            size: super::tty::size(std::io::stderr()),
            is_background: !super::tty::is_foreground(std::io::stderr()),
            ..Self::default()
        }
    }

    #[cfg(not(unix))]
    fn of_stderr() -> Self {
        Self::default()
    }

    /// Why the view can't be shown.
    fn obstacle(&self) -> Option<String> {
        let (columns, rows) = LEAST;
        match self.size {
            _ if console::format() == NoteFormat::Json => Some("--log-format json is for a program".to_owned()),
            _ if cfg!(not(unix)) => Some("this system has no terminals that it could use".to_owned()),
            None => Some("stderr is no terminal".to_owned()),
            // A terminal that does not report its size has one of 0 × 0.
            Some((has_columns, has_rows)) if has_columns < columns || has_rows < rows => Some(format!(
                "the terminal has {has_columns} columns and {has_rows} rows, and {columns} × {rows} are needed"
            )),
            Some(_) if self.is_dumb() => Some("the terminal can't be drawn on (TERM is not set, or `dumb`)".to_owned()),
            Some(_) if self.is_background => Some("the program runs in the background".to_owned()),
            Some(_) => None,
        }
    }

    fn is_dumb(&self) -> bool {
        self.term.as_ref().is_none_or(|term| term.is_empty() || term == "dumb")
    }

    fn is_ci(&self) -> bool {
        // As the tools of CI systems read it.
        self.ci
            .as_ref()
            .is_some_and(|ci| !ci.is_empty() && ci != "false" && ci != "0")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn facts(size: (u16, u16)) -> Facts {
        Facts {
            size: Some(size),
            term: Some("xterm".into()),
            ..Facts::default()
        }
    }

    #[test]
    fn the_view_needs_a_terminal_in_the_foreground_that_is_large_enough() {
        assert_eq!(facts((80, 24)).obstacle(), None);
        for (facts, words) in [
            (Facts::default(), "stderr is no terminal"),
            (facts((79, 24)), "79 columns and 24 rows"),
            (facts((200, 23)), "200 columns and 23 rows"),
            (facts((0, 0)), "0 columns"),
            (
                Facts {
                    term: Some("dumb".into()),
                    ..facts((80, 24))
                },
                "TERM",
            ),
            (
                Facts {
                    is_background: true,
                    ..facts((80, 24))
                },
                "in the background",
            ),
        ] {
            let reason = facts.obstacle().unwrap();
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[test]
    fn a_ci_system_is_recognized_as_its_tools_do() {
        for (value, is_ci) in [
            (None, false),
            (Some(""), false),
            (Some("false"), false),
            (Some("true"), true),
        ] {
            let facts = Facts {
                ci: value.map(Into::into),
                ..facts((80, 24))
            };
            assert_eq!(facts.is_ci(), is_ci, "{value:?}");
        }
    }
}
