//! `fleet init`: a first manifest. Flags answer; what they leave open is asked on a terminal, and has a default elsewhere.
//!
//! Where the devices are to be of an application's own templates, the application is asked for them, and for its enrollment
//! groups, before anything else is.
//!
//! [`Answers`] is what the manifest is to be, and [`text`](text::manifest) writes it: a pure function, so that answers
//! from anywhere else become the same commented file. It is read back as `fleet plan` reads it before it is written.

mod answers;
mod application;
mod ask;
mod catalog;
mod fit;
mod groups;
mod text;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use device_sim::console;
use device_sim::hint::Hint;
use iot_protocol::shown;
use provisioning::central::schema::response::EnrollmentGroup;
use settings::Span;

use self::answers::{Answers, TargetAnswer};
pub(crate) use self::answers::{AppAddress, DpsAddress, GroupAnswer, TargetKind, count, name, span, variable};
use self::ask::Answerer;
use self::catalog::Catalog;
use crate::exit::{Failure, PASSED, print};
use crate::keep::{self, write_whole};
use crate::manifest;
use crate::shell::quoted;

/// What the flags say; the rest is open.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where the manifest goes.
    pub(crate) file: PathBuf,
    pub(crate) name: Option<String>,
    pub(crate) target: Option<TargetKind>,
    pub(crate) app: Option<AppAddress>,
    pub(crate) token_variable: Option<String>,
    pub(crate) id_scope: Option<iot_protocol::id::IdScope>,
    pub(crate) groups: Vec<GroupAnswer>,
    /// Device templates of the application, by id or name.
    pub(crate) templates: Vec<String>,
    /// How many devices of each template.
    pub(crate) devices: Option<u32>,
    /// The roots of an emulator.
    pub(crate) ca: Option<PathBuf>,
    /// Its DPS.
    pub(crate) dps_endpoint: Option<DpsAddress>,
    pub(crate) interval: Option<Span>,
    pub(crate) stay: Option<Span>,
    /// Write over a file that is there.
    pub(crate) force: bool,
    /// Ask nothing.
    pub(crate) yes: bool,
    /// Print the manifest instead of writing it.
    pub(crate) stdout: bool,
}

/// Writes the manifest.
///
/// # Errors
///
/// The file is there already, the application can't be asked or does not have what is wanted, or the answers make no
/// manifest.
pub(crate) async fn run(options: &Options) -> Result<u8, Failure> {
    let file = options.file.as_path();
    if !options.stdout {
        if file.exists() && !options.force {
            return Err(Failure::refused(
                anyhow!("`{}` exists already", shown::path(file))
                    .hint("name another file, or write over it with --force"),
            ));
        }
        keep::try_file("FILE", file)?;
    }
    let may_ask = !options.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let answers = match may_ask {
        true => answers(options, &mut ask::Terminal).await?,
        false => answers(options, &mut ask::Defaults).await?,
    };
    let text = text::manifest(&answers);
    let folder = file.parent().unwrap_or(Path::new(""));
    manifest::parse(&file.display().to_string(), &text, folder, &[])?;
    if options.stdout {
        print(&text)?;
        return Ok(PASSED);
    }
    write_whole(file, text.as_bytes())?;
    console::note(next(&answers, file));
    Ok(PASSED)
}

async fn answers(options: &Options, answerer: &mut impl Answerer) -> Result<Answers, Failure> {
    let (name, target) = ask::name_and_target(options, answerer)?;
    match &target {
        TargetAnswer::IotCentral {
            app, token_variable, ..
        } if lists_templates(options, token_variable) => {
            let (catalog, existing) = application::listed(app, token_variable, options).await?;
            of_templates(options, (name, target), &catalog, &existing, answerer)
        }
        TargetAnswer::IotCentral { .. } => of_thermostats(options, (name, target), answerer),
        _ if !options.templates.is_empty() => Err(Failure::refused(
            anyhow!("--template needs an application, whose device templates can be read").hint("give --app URL"),
        )),
        _ => of_thermostats(options, (name, target), answerer),
    }
}

/// Whether the application is asked for its templates: where one is wanted, or where an application is all that is said. A
/// person who has just typed its address need not have a token yet.
fn lists_templates(options: &Options, token_variable: &str) -> bool {
    let is_open = options.groups.is_empty() && (options.app.is_some() || application::has_token(token_variable));
    !options.templates.is_empty() || is_open
}

fn of_thermostats(
    options: &Options,
    (name, target): (String, TargetAnswer),
    answerer: &mut impl Answerer,
) -> Result<Answers, Failure> {
    Ok(Answers {
        groups: ask::thermostats(options, &name, answerer)?,
        interval: ask::interval(options, ask::INTERVAL, answerer, |_| Ok(()))?,
        stay: ask::stay(options, answerer)?,
        name,
        target,
    })
}

fn of_templates(
    options: &Options,
    (name, target): (String, TargetAnswer),
    catalog: &Catalog,
    existing: &[EnrollmentGroup],
    answerer: &mut impl Answerer,
) -> Result<Answers, Failure> {
    if let Some(nothing) = catalog.nothing() {
        return Err(Failure::refused(anyhow!(nothing).hint(
            "publish a device template, or give --group ID=COUNT for thermostats, whose template `fleet` publishes",
        )));
    }
    if options.templates.is_empty() {
        console::note(catalog.words());
    }
    let (chosen, count) = ask::templates(options, catalog, answerer)?;
    if options.templates.is_empty() && chosen.len() == catalog.simulated().len() {
        console::note("all of them are taken; --template NAME takes one");
    }
    let folder = options.file.parent().unwrap_or(Path::new(""));
    let certs = folder.join("certs").join(&name);
    let placed = groups::placed(&name, &chosen, count, existing, &certs);
    placed.notes.iter().for_each(console::note);
    let mut answers = Answers {
        name,
        target,
        groups: placed.groups,
        interval: ask::INTERVAL,
        stay: options.stay.unwrap_or(ask::STAY),
    };
    let check = |interval: Span| {
        let answers = Answers {
            interval,
            ..answers.clone()
        };
        fit::check(&answers, catalog, &options.file)
    };
    let interval = match options.interval {
        Some(given) => check(given).map(|()| given)?,
        None => {
            let shortest = fit::shortest(&answers, catalog, &options.file)?;
            ask::interval(options, shortest, answerer, |interval| {
                check(interval).map_err(|failure| failure.to_string())
            })?
        }
    };
    answers.interval = interval;
    answers.stay = ask::stay(options, answerer)?;
    Ok(answers)
}

/// What to do with it now.
fn next(answers: &Answers, file: &Path) -> String {
    let path = quoted(&file.to_string_lossy());
    let mut text = format!("`{}` is written. Next:\n", shown::path(file));
    let mut step = |command: String, why: &str| text.push_str(&format!("  {command:<44} {why}\n"));
    if let TargetAnswer::IotCentral { token_variable, .. } = &answers.target
        && !application::has_token(token_variable)
    {
        step(
            format!("export {token_variable}='…'"),
            "the API token: IoT Central, Permissions, API tokens",
        );
    }
    step(
        format!("fleet plan {path}"),
        "what it asks for, beside the limits; starts nothing",
    );
    if !matches!(answers.target, TargetAnswer::Emulator) {
        step(
            format!("fleet doctor {path}"),
            "whether the target can be reached from here",
        );
    }
    if let TargetAnswer::Dps { .. } = &answers.target {
        step(
            format!("fleet enroll {path}"),
            "prints the commands that enroll the devices",
        );
    }
    step(
        format!("fleet run {path} --report report"),
        "runs it, and writes a report",
    );
    text.truncate(text.trim_end().len());
    text
}
