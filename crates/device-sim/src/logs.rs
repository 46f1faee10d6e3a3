//! Logs on stderr, beside the notes.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::console::{self, NoteFormat};

/// Writes logs to stderr from now on: what `RUST_LOG` selects by level and target, such as `warn,mqtt_link=debug`;
/// otherwise what is `usually` selected.
pub fn to_stderr(usually: &str) {
    let lines = layer().with_target(false).with_writer(|| console::Log);
    let asked = std::env::var("RUST_LOG").ok();
    let logs = tracing_subscriber::registry().with(selected(asked.as_deref(), usually));
    match console::format() {
        NoteFormat::Text => logs
            .with(lines.with_ansi(console::has_colours(&std::io::stderr())))
            .init(),
        NoteFormat::Json => logs.with(lines.json().flatten_event(true)).init(),
    }
}

/// What can't be read selects nothing of its own.
fn selected(asked: Option<&str>, usually: &str) -> Targets {
    let asked = asked
        .filter(|words| !words.is_empty())
        .and_then(|words| words.parse().ok());
    asked.unwrap_or_else(|| {
        usually
            .parse()
            .expect("what programs select is written as it should be")
    })
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_and_targets_are_selected() {
        let usually = selected(None, "warn,device_sim=debug");
        assert!(usually.would_enable("device_sim::device", &Level::DEBUG));
        assert!(!usually.would_enable("mqtt_link", &Level::INFO));
        assert!(usually.would_enable("mqtt_link", &Level::WARN));
        let asked = selected(Some("error,mqtt_link=trace"), "warn");
        assert!(asked.would_enable("mqtt_link::link", &Level::TRACE));
        assert!(!asked.would_enable("device_sim", &Level::WARN));
        for unreadable in ["", "mqtt_link=loud"] {
            assert_eq!(
                selected(Some(unreadable), "warn"),
                selected(None, "warn"),
                "{unreadable}"
            );
        }
    }
}
