//! What a person reads: on a terminal with quiet colours, elsewhere plain.

use device_sim::console;
use iot_protocol::shown;

use super::command::FleetCommand;
use super::script::Step;
use super::wrap::{WIDTH, fold, wrap};
use crate::exit::print;

/// Labels of a step have a column of their own.
const LABEL: usize = 18;
/// So do the names of files.
const ROW: usize = 31;

/// Writes to stdout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narrator {
    style: Style,
}

/// Whether colours can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Coloured,
}

impl Style {
    fn of_stdout() -> Self {
        match console::has_colours(&std::io::stdout()) {
            true => Self::Coloured,
            false => Self::Plain,
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    fn title(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn quiet(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A step, before anything is done.
    pub(super) fn step(self, number: usize, of: usize, step: &Step) -> String {
        let title = format!("Step {number} of {of}: {}", step.title);
        let rule = "─".repeat(WIDTH);
        let mut text = format!("\n{}\n{}\n", self.quiet(&rule), self.title(&title));
        text.push('\n');
        text += &wrap(step.story, "", "");
        text.push('\n');
        for (label, words) in [("In IoT Central", step.portal), ("On the page", step.page)] {
            text += &self.labelled(label, words);
        }
        text + "\n"
    }

    fn labelled(self, label: &str, words: &str) -> String {
        let (first, rest) = (format!("{label:LABEL$}"), " ".repeat(LABEL));
        wrap(words, &first, &rest).replacen(label, &self.quiet(label), 1)
    }

    /// A command, of one line or several.
    pub(super) fn command(self, typed: &str) -> String {
        let lines = typed.replace('\n', "\n  ");
        format!("{} {}\n", self.quiet("$"), self.paint("36", &lines))
    }

    /// Lines that a program has written, or that stand in a file.
    pub(super) fn quote<'a>(self, lines: impl IntoIterator<Item = &'a str>) -> String {
        let quoted = lines.into_iter().map(quoted).collect::<String>();
        quoted.lines().map(|line| self.quiet(line) + "\n").collect()
    }

    /// A result that was checked.
    pub(super) fn result(self, words: &str) -> String {
        wrap(words, "✓ ", "  ").replacen('✓', &self.paint("32", "✓"), 1)
    }

    fn prompt(self) -> String {
        self.quiet("Press Enter to do this, or Ctrl-C to stop everything. ")
    }
}

/// As it is, but without control characters.
fn quoted(line: &str) -> String {
    fold(&shown::text(line).to_string(), "  | ", "  |   ")
}

/// A name, and what it is.
pub(super) fn row(name: &str, words: &str) -> String {
    wrap(words, &format!("  {name:ROW$}"), &" ".repeat(ROW + 2))
}

impl Narrator {
    pub(super) fn of_stdout() -> Self {
        Self {
            style: Style::of_stdout(),
        }
    }

    pub(super) async fn step(self, number: usize, of: usize, step: &Step) -> anyhow::Result<()> {
        write(self.style.step(number, of, step)).await
    }

    pub(super) async fn fleet(self, command: &FleetCommand) -> anyhow::Result<()> {
        write(self.style.command(&command.typed())).await
    }

    pub(super) async fn curl(self, typed: &str) -> anyhow::Result<()> {
        write(self.style.command(typed)).await
    }

    pub(super) async fn quote<'a>(self, lines: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
        write(self.style.quote(lines)).await
    }

    pub(super) async fn result(self, words: &str) -> anyhow::Result<()> {
        write(self.style.result(words)).await
    }

    pub(super) async fn line(self, words: &str) -> anyhow::Result<()> {
        write(wrap(words, "", "")).await
    }

    pub(super) async fn row(self, name: &str, words: &str) -> anyhow::Result<()> {
        write(row(name, words)).await
    }

    pub(super) async fn prompt(self) -> anyhow::Result<()> {
        write(self.style.prompt()).await
    }
}

/// A terminal that was stopped with Ctrl-S, or a reader that is busy, must not keep Ctrl-C from being handled.
async fn write(text: String) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || print(text)).await?
}
