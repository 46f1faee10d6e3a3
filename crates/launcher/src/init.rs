//! `fleet init`: a first manifest. Flags answer; what they leave open is asked on a terminal, and has a default elsewhere.
//!
//! [`Answers`] is what the manifest is to be, and [`text`](text::manifest) writes it: a pure function, so that answers
//! from anywhere else become the same commented file. It is read back as `fleet plan` reads it before it is written.

mod answers;
mod ask;
mod text;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use device_sim::console;
use device_sim::hint::Hint;
use iot_protocol::shown;
use settings::Span;

use self::answers::{Answers, TargetAnswer};
pub(crate) use self::answers::{AppAddress, GroupAnswer, TargetKind, name, span, variable};
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
/// The file is there already, or the answers make no manifest.
pub(crate) fn run(options: &Options) -> Result<u8, Failure> {
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
        true => ask::answers(options, &mut ask::Terminal)?,
        false => ask::answers(options, &mut ask::Defaults)?,
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

/// What to do with it now.
fn next(answers: &Answers, file: &Path) -> String {
    let path = quoted(&file.to_string_lossy());
    let mut text = format!("`{}` is written. Next:\n", shown::path(file));
    let mut step = |command: String, why: &str| text.push_str(&format!("  {command:<44} {why}\n"));
    if let TargetAnswer::IotCentral { token_variable, .. } = &answers.target {
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
