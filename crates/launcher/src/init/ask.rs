//! What the flags leave open: asked on a terminal, otherwise the default.

use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Context, anyhow};
use device_sim::console;
use device_sim::hint::Hint;
use iot_protocol::id::IdScope;
use settings::Span;

use super::Options;
use super::answers::{self, AppAddress, DpsAddress, EmulatorAnswer, GroupAnswer, TargetAnswer, TargetKind};
use super::application::TOKEN_VARIABLE;
use super::catalog::{Catalog, Entry};
use crate::exit::Failure;

/// How often devices send, and how long the fleet stays, where nothing else is said.
pub(super) const INTERVAL: Span = Span::seconds(10);
pub(super) const STAY: Span = Span::seconds(300);

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

/// What the fleet is called, and where its devices register; the flags' answers first.
pub(super) fn name_and_target(
    options: &Options,
    answerer: &mut impl Answerer,
) -> Result<(String, TargetAnswer), Failure> {
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
        TargetKind::IotCentral => iot_central(options, answerer)?,
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
    Ok((name, target))
}

fn iot_central(options: &Options, answerer: &mut impl Answerer) -> Result<TargetAnswer, Failure> {
    let app = match &options.app {
        Some(app) => app.clone(),
        None => needed(
            answerer,
            "The application's address?",
            "--app",
            str::parse::<AppAddress>,
        )?,
    };
    let token_variable = match &options.token_variable {
        Some(variable) => variable.clone(),
        None => ask(
            answerer,
            "Which environment variable will have its API token?",
            TOKEN_VARIABLE,
            answers::variable,
        )?,
    };
    let emulator = options.ca.as_deref().map(|ca| EmulatorAnswer {
        ca: from_the_manifest(ca, &options.file),
        dps: options.dps_endpoint.clone().unwrap_or_else(|| DpsAddress {
            host: app.host().to_owned(),
            port: None,
        }),
    });
    Ok(TargetAnswer::IotCentral {
        app: app.to_string(),
        token_variable,
        emulator,
    })
}

/// A path as a manifest has it, which is read from its own folder.
fn from_the_manifest(path: &Path, manifest: &Path) -> String {
    let is_beside = manifest.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    let path = match is_beside {
        true => path.to_owned(),
        false => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    };
    path.to_string_lossy().into_owned()
}

/// Groups of thermostats.
pub(super) fn thermostats(
    options: &Options,
    name: &str,
    answerer: &mut impl Answerer,
) -> Result<Vec<GroupAnswer>, Failure> {
    Ok(match options.groups.as_slice() {
        [] => vec![ask(
            answerer,
            "Which enrollment group, and how many devices?",
            &format!("{}-thermostats=10", name.replace('_', "-")),
            str::parse::<GroupAnswer>,
        )?],
        groups => groups.to_vec(),
    })
}

/// The device templates of which there will be devices, and how many of each.
pub(super) fn templates<'a>(
    options: &Options,
    catalog: &'a Catalog,
    answerer: &mut impl Answerer,
) -> Result<(Vec<&'a Entry>, u32), Failure> {
    let chosen = match options.templates.as_slice() {
        [] => {
            let question = "Which of them, by number, name or id, with commas between?";
            ask(answerer, question, "all", |text| catalog.picked(text))?
        }
        wanted => catalog.choose(wanted).map_err(|problems| {
            let problems = problems.join("\n");
            Failure::refused(
                anyhow!("{problems}\nit has:\n{}", catalog.list())
                    .hint("--template takes the id of a template, that of its model, or the template's name"),
            )
        })?,
    };
    let count = match options.devices {
        Some(count) => count,
        None => ask(answerer, "How many devices of each?", "10", answers::count)?,
    };
    Ok((chosen, count))
}

/// How often devices send, unless a flag says it. `suits` is what else it has to be.
pub(super) fn interval(
    options: &Options,
    default: Span,
    answerer: &mut impl Answerer,
    suits: impl Fn(Span) -> Result<(), String>,
) -> Result<Span, Failure> {
    let question = "How often does a device send its telemetry?";
    match options.interval {
        Some(given) => Ok(given),
        None => ask(answerer, question, &default.to_string(), |text| {
            let interval = answers::span(text)?;
            suits(interval).map(|()| interval)
        }),
    }
}

/// How long the fleet stays online, unless a flag says it.
pub(super) fn stay(options: &Options, answerer: &mut impl Answerer) -> Result<Span, Failure> {
    let question = "How long does the whole fleet stay online?";
    match options.stay {
        Some(given) => Ok(given),
        None => ask(answerer, question, &STAY.to_string(), answers::span),
    }
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
mod tests;
