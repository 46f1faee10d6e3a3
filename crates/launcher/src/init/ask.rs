//! What the flags leave open: asked on a terminal, otherwise the default.

use std::io::{self, BufRead};

use anyhow::{Context, anyhow};
use device_sim::console;
use device_sim::hint::Hint;
use iot_protocol::id::IdScope;
use settings::Span;

use super::Options;
use super::answers::{self, Answers, AppAddress, GroupAnswer, TargetAnswer, TargetKind};
use crate::exit::Failure;

/// Where answers come from.
pub(super) trait Answerer {
    /// The answer to a question, in words; empty for the default.
    fn answer(&mut self, question: &str) -> io::Result<String>;

    /// Reports why an answer can't be taken, and whether to ask again.
    fn refuse(&mut self, why: &str) -> bool;
}

/// A person at a terminal.
pub(super) struct Terminal;

impl Answerer for Terminal {
    fn answer(&mut self, question: &str) -> io::Result<String> {
        console::ask(question);
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim().to_owned()),
        }
    }

    fn refuse(&mut self, why: &str) -> bool {
        console::note(why);
        true
    }
}

/// No terminal: every answer is the default.
pub(super) struct Defaults;

impl Answerer for Defaults {
    fn answer(&mut self, _: &str) -> io::Result<String> {
        Ok(String::new())
    }

    fn refuse(&mut self, _: &str) -> bool {
        false
    }
}

/// All answers, the flags' first.
pub(super) fn answers(options: &Options, answerer: &mut impl Answerer) -> Result<Answers, Failure> {
    let name = match &options.name {
        Some(name) => name.clone(),
        None => {
            // The file is called as the fleet is, mostly.
            let stem = options.file.file_stem().and_then(|stem| stem.to_str());
            let default = stem.filter(|stem| answers::name(stem).is_ok()).unwrap_or("fleet");
            ask(answerer, "What is the fleet called?", default, answers::name)?
        }
    };
    let kind = match (options.target, &options.app, &options.id_scope) {
        (Some(kind), ..) => kind,
        (None, Some(_), _) => TargetKind::IotCentral,
        (None, None, Some(_)) => TargetKind::Dps,
        (None, None, None) => ask(
            answerer,
            "Where do its devices register: emulator, iot-central or dps?",
            "emulator",
            |text| {
                <TargetKind as clap::ValueEnum>::from_str(text, true)
                    .map_err(|_| "accepted: emulator, iot-central or dps".to_owned())
            },
        )?,
    };
    let target = match kind {
        TargetKind::Emulator => TargetAnswer::Emulator,
        TargetKind::IotCentral => TargetAnswer::IotCentral {
            app: match &options.app {
                Some(app) => app.to_string(),
                None => needed(answerer, "The application's address?", "--app", |text| {
                    Ok(text.parse::<AppAddress>()?.to_string())
                })?,
            },
            token_variable: match &options.token_variable {
                Some(variable) => variable.clone(),
                None => ask(
                    answerer,
                    "Which environment variable will have its API token?",
                    "IOTC_API_TOKEN",
                    answers::variable,
                )?,
            },
        },
        TargetKind::Dps => TargetAnswer::Dps {
            id_scope: match &options.id_scope {
                Some(id_scope) => id_scope.clone(),
                None => needed(
                    answerer,
                    "The id scope, from the overview page of the DPS instance?",
                    "--id-scope",
                    |text| IdScope::new(text).map_err(|error| error.to_string()),
                )?,
            },
        },
    };
    let groups = match options.groups.as_slice() {
        [] => vec![ask(
            answerer,
            "Which enrollment group, and how many devices?",
            &format!("{}-thermostats=10", name.replace('_', "-")),
            |text| text.parse::<GroupAnswer>(),
        )?],
        groups => groups.to_vec(),
    };
    let mut time = |given: Option<Span>, question: &str, default: &str| match given {
        Some(given) => Ok(given),
        None => ask(answerer, question, default, answers::span),
    };
    Ok(Answers {
        interval: time(options.interval, "How often does a device send its telemetry?", "10s")?,
        stay: time(options.stay, "How long does the whole fleet stay online?", "5m")?,
        name,
        target,
        groups,
    })
}

/// A question that has a default.
fn ask<T>(
    answerer: &mut impl Answerer,
    question: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    loop {
        let answer = answered(answerer, &format!("{question} [{default}] "))?;
        let answer = if answer.is_empty() { default } else { &answer };
        match read(answer) {
            Ok(value) => return Ok(value),
            Err(why) if answerer.refuse(&why) => {}
            Err(why) => return Err(Failure::refused(anyhow!(why))),
        }
    }
}

/// A question that has none; `flag` answers it where there is no terminal.
fn needed<T>(
    answerer: &mut impl Answerer,
    question: &str,
    flag: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    loop {
        let answer = answered(answerer, &format!("{question} "))?;
        match read(&answer) {
            Ok(value) => return Ok(value),
            Err(why) if answerer.refuse(&why) => {}
            Err(_) => {
                return Err(Failure::Refused(
                    anyhow!("{flag} is missing, and there is no terminal to ask on").hint(format!("give {flag}")),
                ));
            }
        }
    }
}

fn answered(answerer: &mut impl Answerer, question: &str) -> Result<String, Failure> {
    let answer = answerer.answer(question).context("can't read the answer");
    answer.map_err(Failure::Refused)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    struct Script {
        answers: VecDeque<&'static str>,
        asked: Vec<String>,
        refused: Vec<String>,
    }

    impl Answerer for Script {
        fn answer(&mut self, question: &str) -> io::Result<String> {
            self.asked.push(question.to_owned());
            let next = self.answers.pop_front().ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(next.to_owned())
        }

        fn refuse(&mut self, why: &str) -> bool {
            self.refused.push(why.to_owned());
            true
        }
    }

    fn open() -> Options {
        Options {
            file: "fleet.toml".into(),
            name: None,
            target: None,
            app: None,
            token_variable: None,
            id_scope: None,
            groups: Vec::new(),
            interval: None,
            stay: None,
            force: false,
            yes: false,
            stdout: false,
        }
    }

    fn script(answers: &[&'static str]) -> Script {
        Script {
            answers: answers.iter().copied().collect(),
            asked: Vec::new(),
            refused: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_understood_is_asked_again() {
        let mut person = script(&[
            "my fleet",
            "lab",
            "central",
            "iot-central",
            "ftp://x",
            "contoso.azureiotcentral.com",
            "",
            "",
            "1m",
            "",
        ]);
        let answers = answers(&open(), &mut person).unwrap();
        assert_eq!(answers.name, "lab");
        assert_eq!(
            answers.target,
            TargetAnswer::IotCentral {
                app: "https://contoso.azureiotcentral.com".to_owned(),
                token_variable: "IOTC_API_TOKEN".to_owned()
            }
        );
        assert_eq!(answers.groups, ["lab-thermostats=10".parse().unwrap()]);
        assert_eq!(
            (answers.interval.to_string(), answers.stay.to_string()),
            ("1m".into(), "5m".into())
        );
        assert_eq!(person.refused.len(), 3, "{:?}", person.refused);
    }

    #[test]
    fn flags_are_not_asked_about_and_without_a_terminal_nothing_is() {
        let flags = Options {
            name: Some("lab".to_owned()),
            target: Some(TargetKind::Emulator),
            groups: vec!["a=1".parse().unwrap()],
            interval: Some("5s".parse().unwrap()),
            stay: Some("1m".parse().unwrap()),
            ..open()
        };
        let mut person = script(&[]);
        answers(&flags, &mut person).unwrap();
        assert!(person.asked.is_empty(), "{:?}", person.asked);
        assert_eq!(answers(&open(), &mut Defaults).unwrap().target, TargetAnswer::Emulator);
        let central = Options {
            target: Some(TargetKind::IotCentral),
            ..open()
        };
        let error = answers(&central, &mut Defaults).unwrap_err().to_string();
        assert!(error.starts_with("--app is missing"), "{error}");
        // The end of input ends the questions.
        assert!(answers(&open(), &mut script(&["lab"])).is_err());
    }
}
