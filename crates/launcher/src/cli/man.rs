//! `fleet man`

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Command};
use clap_mangen::Man;
use device_sim::console;
use device_sim::hint::Hint;
use iot_protocol::shown;
use settings::nearest;

use crate::exit::{Failure, PASSED, print};
use crate::keep;

#[derive(Debug, Args)]
#[command(after_help = MAN)]
pub(super) struct ManArgs {
    /// The verb, with those below it, e.g. `cert root`; `fleet` itself when left out
    #[arg(value_name = "VERB")]
    verb: Vec<String>,
    /// Write the pages of all verbs into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    out: Option<PathBuf>,
}

const MAN: &str = "\
Examples:
  fleet man run
  fleet man cert root
  fleet man --out ~/.local/share/man/man1

  fleet man run | man -l -";

pub(super) fn run(args: &ManArgs, mut command: Command) -> Result<u8, Failure> {
    // The foot of a page is that of the program, not of the verb.
    let source = format!("{} {}", command.get_name(), command.get_version().unwrap_or_default());
    if let Some(folder) = &args.out {
        keep::try_folder("--out", folder)?;
        command.build();
        write_all(&command, &source, folder)
            .with_context(|| format!("can't write the pages into `{}`", shown::path(folder)))?;
        console::note(format_args!("the pages are in {}", shown::path(folder)));
        return Ok(PASSED);
    }
    command.build();
    let mut page = &command;
    for verb in &args.verb {
        page = page.find_subcommand(verb).ok_or_else(|| unknown(page, verb))?;
    }
    let mut text = Vec::new();
    Man::new(page.clone())
        .source(source)
        .render(&mut text)
        .context("the page can't be made")?;
    print(String::from_utf8(text).context("the page is no text")?)?;
    Ok(PASSED)
}

/// Writes a page for each verb that is not hidden, and for those below it.
fn write_all(command: &Command, source: &str, folder: &Path) -> io::Result<()> {
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        write_all(below, source, folder)?;
    }
    Man::new(command.clone()).source(source).generate_to(folder)?;
    Ok(())
}

fn unknown(above: &Command, verb: &str) -> Failure {
    let error = anyhow!("`{}` is no verb of {}", shown::text(verb), above.get_name());
    let verbs = above.get_subcommands().map(Command::get_name);
    Failure::Refused(match nearest(verb, verbs) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    })
}
