//! The page docs/words.md.

use std::fmt::Write as _;

use super::{Entry, Kind};

const INTRODUCTION: &str = "\
# Words

What the words and numbers mean that `fleet` prints: in the live view, in summaries and reports, in logs and in errors. \
`fleet explain WORD` prints the same in a terminal, with what helps. This page is printed by `fleet explain --format md`.
";

/// The page with these entries.
pub(super) fn page(entries: &[Entry]) -> String {
    let mut text = INTRODUCTION.to_owned();
    for kind in Kind::ALL {
        let entries: Vec<_> = entries.iter().filter(|entry| entry.kind == kind).collect();
        if entries.is_empty() {
            continue;
        }
        // Writing into a string can't fail.
        let _ = writeln!(text, "\n## {}\n\n| word | means |\n| --- | --- |", heading(kind));
        for entry in entries {
            let mut about = entry.about.clone();
            if let Some(cause) = entry.cause {
                let _ = write!(about, " Likely: {cause}.");
            }
            if let Some(remedy) = entry.remedy {
                let _ = write!(about, " What helps: {remedy}.");
            }
            let _ = writeln!(text, "| `{}` | {} |", entry.word, about.replace('|', "\\|"));
        }
    }
    text
}

pub(super) const fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::State => "States of a device",
        Kind::Phase => "What is timed",
        Kind::Word => "Words",
        Kind::Metric => "Metrics",
        Kind::Reason => "Reasons of failures",
        Kind::Code => "Codes of DPS and IoT Hub",
        Kind::Status => "Statuses of IoT Central's REST API",
        Kind::Connack => "Return codes of CONNACK",
        Kind::Exit => "Exit codes of fleet",
    }
}
