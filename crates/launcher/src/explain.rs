//! `fleet explain`: what a word or a number means that the programs print, and what helps.
//!
//! [`entries`] is the one list. What has a type comes from that type, by an exhaustive match or a list of all of it, so
//! that a new reason, state or metric can't go without; docs/words.md is printed from the same list, and a test compares.

mod entries;
mod page;

use std::fmt::Write as _;

use anyhow::{Context, anyhow};
use device_sim::hint::Hint;
use iot_protocol::shown;
use provisioning::explain;
use serde::Serialize;
use settings::nearest;

use self::entries::entries;
use crate::exit::{Failure, PASSED, print};

/// What a word belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A state of a device.
    State,
    /// A part of a device's work, whose time is measured.
    Phase,
    /// A word of the live view, the summary or the documentation.
    Word,
    /// A metric.
    Metric,
    /// A reason of a failure.
    Reason,
    /// A code of DPS or of IoT Hub.
    Code,
    /// A status of IoT Central's REST API.
    Status,
    /// A return code of MQTT's CONNACK.
    Connack,
    /// A number with which `fleet` ends.
    Exit,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::State,
        Self::Phase,
        Self::Word,
        Self::Metric,
        Self::Reason,
        Self::Code,
        Self::Status,
        Self::Connack,
        Self::Exit,
    ];

    /// As it stands behind a word.
    const fn name(self) -> &'static str {
        match self {
            Self::State => "a state of a device",
            Self::Phase => "a part of a device's work",
            Self::Word => "a word",
            Self::Metric => "a metric",
            Self::Reason => "a reason",
            Self::Code => "a code of DPS and IoT Hub",
            Self::Status => "a status of IoT Central's REST API",
            Self::Connack => "a return code of CONNACK",
            Self::Exit => "an exit code of fleet",
        }
    }
}

/// A word or a number, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Entry {
    word: String,
    kind: Kind,
    about: String,
    /// What is likely behind it, where it is a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Entry {
    fn new(kind: Kind, word: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            word: word.into(),
            kind,
            about: about.into(),
            cause: None,
            remedy: None,
        }
    }

    fn with(self, advice: Option<explain::Advice>) -> Self {
        Self {
            cause: advice.map(|advice| advice.cause),
            remedy: advice.map(|advice| advice.remedy),
            ..self
        }
    }
}

/// How the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// For a person
    Text,
    /// For a program
    Json,
    /// As the page docs/words.md
    Md,
}

/// Explains these words, or all.
///
/// # Errors
///
/// A word is not known.
pub(crate) fn run(words: &[String], form: Form) -> Result<u8, Failure> {
    let all = entries();
    let found = match words {
        [] => all,
        words => {
            let mut found = Vec::new();
            let mut unknown = Vec::new();
            for word in words {
                match look_up(&all, word) {
                    entries if entries.is_empty() => unknown.push(missing(&all, word)),
                    entries => found.extend(entries),
                }
            }
            if !unknown.is_empty() {
                return Err(Failure::Refused(
                    anyhow!(unknown.join("\n")).hint("`fleet explain` lists all words"),
                ));
            }
            found
        }
    };
    print(match form {
        Form::Json => serde_json::to_string_pretty(&found).context("the words can't be put into JSON")? + "\n",
        Form::Md => page::page(&found),
        Form::Text if words.is_empty() => listed(&found),
        Form::Text => found.iter().map(explained).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(PASSED)
}

/// A word as it may be copied from anywhere: `backing off`, `connect_failed/mqtt_not_authorized`, `(code 5)`, `"401002"`.
fn plain(word: &str) -> String {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let word = word.rsplit('/').next().unwrap_or_default();
    let word = word.strip_prefix("code ").unwrap_or(word);
    word.to_lowercase().replace([' ', '-'], "_")
}

/// Every meaning of a word: a number can be an exit code and a return code.
fn look_up(all: &[Entry], word: &str) -> Vec<Entry> {
    let word = plain(word);
    let found: Vec<_> = all.iter().filter(|entry| plain(&entry.word) == word).cloned().collect();
    if !found.is_empty() {
        return found;
    }
    match word.parse() {
        Ok(number) => of_number(number),
        Err(_) => Vec::new(),
    }
}

/// A code that is not in the list is explained by its status, which is its first three digits.
fn of_number(number: u32) -> Vec<Entry> {
    let entry = |kind, about| Entry::new(kind, number.to_string(), about);
    match number {
        400_000..=599_999 => {
            let about = format!("A code of the class {}, which is its HTTP status.", number / 1_000);
            vec![entry(Kind::Code, about).with(explain::of_dps(number))]
        }
        400..=599 => {
            let advice = u16::try_from(number).ok().and_then(explain::of_central);
            vec![entry(Kind::Status, "A status of HTTP.".to_owned()).with(advice)]
        }
        _ => Vec::new(),
    }
}

fn missing(all: &[Entry], word: &str) -> String {
    let known = all.iter().map(|entry| entry.word.as_str());
    match nearest(&plain(word), known) {
        Some(near) => format!("`{}` is no word of ours; did you mean `{near}`?", shown::text(word)),
        None => format!("`{}` is no word of ours", shown::text(word)),
    }
}

fn explained(entry: &Entry) -> String {
    let mut text = format!("{}: {}\n  {}\n", entry.word, entry.kind.name(), entry.about);
    // Writing into a string can't fail.
    if let Some(cause) = entry.cause {
        let _ = writeln!(text, "  likely cause: {cause}");
    }
    if let Some(remedy) = entry.remedy {
        let _ = writeln!(text, "  hint: {remedy}");
    }
    text
}

/// All of them, a line each.
fn listed(entries: &[Entry]) -> String {
    let width = entries.iter().map(|entry| entry.word.len()).max().unwrap_or(0);
    let mut text = String::new();
    for kind in Kind::ALL {
        let _ = writeln!(
            text,
            "{}{}",
            if text.is_empty() { "" } else { "\n" },
            page::heading(kind)
        );
        for entry in entries.iter().filter(|entry| entry.kind == kind) {
            let _ = writeln!(text, "  {:<width$}  {}", entry.word, entry.about);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fleet_protocol::reason::REASONS;
    use fleet_report::metric::Metric;

    use super::*;

    #[test]
    fn every_word_that_has_a_type_is_explained_once() {
        let all = entries();
        let words: BTreeSet<_> = all.iter().map(|entry| (entry.kind, entry.word.as_str())).collect();
        assert_eq!(words.len(), all.len());
        for reason in REASONS {
            assert!(words.contains(&(Kind::Reason, reason)), "{reason}");
        }
        for metric in Metric::ALL {
            assert!(words.contains(&(Kind::Metric, metric.name())), "{metric:?}");
        }
        for entry in &all {
            assert!(entry.about.ends_with('.'), "{entry:?}");
        }
    }

    #[test]
    fn a_word_is_found_as_it_is_printed() {
        let all = entries();
        let kinds = |word: &str| {
            look_up(&all, word)
                .into_iter()
                .map(|entry| entry.kind)
                .collect::<Vec<_>>()
        };
        for (word, expected) in [
            ("parked", vec![Kind::State]),
            ("backing off", vec![Kind::State]),
            ("Backing_Off", vec![Kind::State]),
            ("publish_sent", vec![Kind::Phase]),
            ("report", vec![Kind::Phase]),
            ("connect_failed/mqtt_not_authorized", vec![Kind::Reason]),
            ("401002", vec![Kind::Code]),
            ("401234", vec![Kind::Code]),
            ("(code 5)", vec![Kind::Connack]),
            ("418", vec![Kind::Status]),
            ("2", vec![Kind::Connack, Kind::Exit]),
            ("dps_throttled", vec![Kind::Metric, Kind::Reason]),
            ("nonsense", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(kinds(word), expected, "{word}");
        }
        let unauthorized = &look_up(&all, "401002")[0];
        assert!(unauthorized.cause.unwrap().starts_with("no enrollment has"));
        assert!(unauthorized.remedy.unwrap().contains("fleet enroll"));
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_nearest() {
        let all = entries();
        assert_eq!(
            missing(&all, "parket"),
            "`parket` is no word of ours; did you mean `parked`?"
        );
        assert_eq!(
            missing(&all, "quite another thing"),
            "`quite another thing` is no word of ours"
        );
    }
}
