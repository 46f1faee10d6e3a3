//! `fleet completions`, and what it has shells ask.
//!
//! The script hands each line that is being typed to this program, with [`VARIABLE`] set. So it offers what is built here and
//! now, and values that stand in the manifest on the line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command, ValueEnum};
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};
use device_sim::console;

use crate::exit::{FAILED, Failure, PASSED, print};

/// Set by the script, with the name of the shell.
const VARIABLE: &str = "FLEET_COMPLETE";

#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

const COMPLETIONS: &str = "\
Offers verbs, flags and values, and from the manifest on the line: groups, devices, and the paths that --set takes.

Examples:
  fleet completions bash
  fleet completions zsh
  fleet completions fish
  fleet completions powershell

  bash: add `source <(fleet completions bash)` to ~/.bashrc
  zsh: add `source <(fleet completions zsh)` to ~/.zshrc, below compinit
  fish: fleet completions fish > ~/.config/fish/completions/fleet.fish
  PowerShell: add `fleet completions powershell | Out-String | Invoke-Expression` to $PROFILE";

/// The shells that can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
            Self::Powershell => &Powershell,
        }
    }
}

pub(super) fn run(args: &CompletionsArgs) -> Result<u8, Failure> {
    let mut script = Vec::new();
    args.shell
        .completer()
        .write_registration(VARIABLE, "fleet", "fleet", &called(), &mut script)
        .context("the script can't be made")?;
    print(String::from_utf8(script).context("the script is no text")?)?;
    Ok(PASSED)
}

/// This program as it was called; a path that begins here would lead nowhere from another folder.
fn called() -> String {
    let called = std::env::args_os().next().map_or_else(|| "fleet".into(), PathBuf::from);
    let called = match called.components().count() {
        ..=1 => called,
        _ => std::path::absolute(&called).unwrap_or(called),
    };
    called.to_string_lossy().into_owned()
}

/// Answers a shell that asks what may come next; `None` where this is an ordinary call.
pub(super) fn answer(command: impl FnOnce() -> Command) -> Option<ExitCode> {
    let shell = std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())?;
    let shell = <Shell as ValueEnum>::from_str(&shell, true).ok()?;
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let mut command = command();
    command.build();
    let mut candidates = Vec::new();
    let here = std::env::current_dir().ok();
    let asked = shell
        .completer()
        .write_complete(&mut command, words, here.as_deref().map(Path::new), &mut candidates);
    let written = asked.and_then(|()| console::data(String::from_utf8_lossy(&candidates)));
    // A message would be mixed with what the person types.
    Some(match written {
        Ok(()) => ExitCode::from(PASSED),
        Err(_) => ExitCode::from(FAILED),
    })
}
