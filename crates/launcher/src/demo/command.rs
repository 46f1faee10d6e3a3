//! Commands, as they are run and as a person types them.

use std::ffi::OsString;

use crate::shell::quoted;

/// How wide a printed command is before it goes on in the next line.
const WIDTH: usize = 76;

/// A command of ours, with the arguments that it is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FleetCommand(Vec<String>);

impl FleetCommand {
    /// `fleet` with these arguments.
    pub(super) fn new<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self(arguments.into_iter().map(str::to_owned).collect())
    }

    /// The arguments.
    pub(super) fn arguments(&self) -> impl Iterator<Item = OsString> {
        self.0.iter().map(OsString::from)
    }

    /// For a POSIX shell.
    pub(super) fn typed(&self) -> String {
        lines(
            ["fleet".to_owned()]
                .into_iter()
                .chain(self.0.iter().map(|word| quoted(word))),
        )
    }
}

/// A request to IoT Central's REST API, as `curl` sends it.
pub(super) fn curl(words: impl IntoIterator<Item = String>) -> String {
    lines(["curl".to_owned()].into_iter().chain(words))
}

/// The words in lines, each but the last with a backslash at its end. A flag stands in one line with its value.
fn lines(words: impl Iterator<Item = String>) -> String {
    let (mut text, mut line) = (String::new(), String::new());
    let mut words = words.peekable();
    while let Some(mut word) = words.next() {
        if word.starts_with('-')
            && let Some(value) = words.next_if(|next| !next.starts_with('-'))
        {
            word = format!("{word} {value}");
        }
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text = text + &line + " \\\n";
            "   ".clone_into(&mut line);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    text + &line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_printed_as_a_shell_takes_it() {
        let command = FleetCommand::new(["cert", "root", "it's", "--out", "a folder", "--days", "5"]);
        assert_eq!(command.typed(), r"fleet cert root 'it'\''s' --out 'a folder' --days 5");
        let long = "x".repeat(50);
        let command = FleetCommand::new(["cert", "root", "--out", &long, "--key", &long]);
        let typed = command.typed();
        assert_eq!(typed, format!("fleet cert root --out {long} \\\n    --key {long}"));
    }
}
