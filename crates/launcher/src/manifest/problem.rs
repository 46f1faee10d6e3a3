//! Why there is no manifest, drawn for a person at a terminal.

use std::path::PathBuf;

use device_sim::console;
use iot_protocol::shown;
use miette::{GraphicalReportHandler, GraphicalTheme};
use settings::Problem;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file can't be read.
    #[error("can't read the manifest `{}`: {source}", shown::path(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Everything that is wrong with it, in the order of the text.
    #[error("the manifest has {} problem{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Invalid(Vec<Problem>),
}

impl ManifestError {
    /// The whole error for a person at a terminal.
    #[must_use]
    pub fn render(&self, look: Look) -> String {
        let mut text = String::new();
        match self {
            Self::Unreadable { source, .. } => {
                text = format!("error: {self}\n");
                if source.kind() == std::io::ErrorKind::NotFound {
                    text.push_str("hint: `fleet run configs/demo.toml` runs the example that comes with the source\n");
                }
            }
            Self::Invalid(problems) => {
                for problem in problems {
                    if look.handler().render_report(&mut text, problem).is_err() {
                        // Formatting into a string only fails where a source can't be read; the words are still there.
                        text.push_str(&format!("  {problem}\n"));
                    }
                    text.push('\n');
                }
                text.push_str(&format!("error: {self}; nothing was started\n"));
            }
        }
        text
    }
}

/// How a problem is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Without colour.
    Plain,
    /// With colour.
    Coloured,
}

impl Look {
    /// Colour on a terminal whose user has not set `NO_COLOR`.
    #[must_use]
    pub fn of_stderr() -> Self {
        match console::has_colours(&std::io::stderr()) {
            true => Self::Coloured,
            false => Self::Plain,
        }
    }

    fn handler(self) -> GraphicalReportHandler {
        let theme = match self {
            Self::Plain => GraphicalTheme::unicode_nocolor(),
            Self::Coloured => GraphicalTheme::unicode(),
        };
        GraphicalReportHandler::new_themed(theme)
            .with_width(110)
            .with_context_lines(1)
            .with_links(false)
    }
}
