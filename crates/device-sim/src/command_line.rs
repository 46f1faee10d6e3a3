//! The command line, read so that no content of a certificate or key is ever repeated.
//!
//! Where the name of a file is expected, people put its content: `IOTHUB_DEVICE_X509_KEY="$(cat key.pem)"`. The code
//! that reads such a path, and clap itself, would show it in an error, and the logs of a container are kept.

use std::ffi::OsStr;
use std::io::Write;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Parser};
use iot_protocol::shown;

use crate::console;

/// Wrong usage.
const REFUSED: u8 = 2;

/// Reads the arguments of this process and the variables that they stand for.
///
/// # Errors
///
/// There is nothing to do, since help was requested, or since the arguments are wrong. The message has been printed;
/// the process ends with this code.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    let words: Vec<_> = std::env::args_os().collect();
    let refused = |place: &str| {
        let _ = writeln!(std::io::stderr(), "error: {}", shown::content_refused(place));
        ExitCode::from(REFUSED)
    };
    let readable: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    if let Some(place) = shown::content_among(readable.iter().map(AsRef::as_ref)) {
        return Err(refused(&place));
    }
    let mut command = crate::without_empty_variables(P::command());
    let parsed = command.try_get_matches_from_mut(&words).and_then(|matches| {
        if let Some(variable) = content_in_variable(&command, &matches) {
            return Ok(Err(variable));
        }
        P::from_arg_matches(&matches).map(Ok)
    });
    match parsed {
        Ok(Ok(parsed)) => Ok(parsed),
        Ok(Err(variable)) => Err(refused(&format!("the environment variable {variable}"))),
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(REFUSED);
            // Help and version are entirely our own text; an error repeats what was given.
            if error.use_stderr() {
                // It repeats what was given, which could forge a line. The same mistake with escaped text gives the
                // same error.
                let tame = readable.iter().map(|word| shown::text(word).to_string());
                let error = command.try_get_matches_from_mut(tame).err().unwrap_or(error);
                let _ = write!(std::io::stderr(), "{}", worded(&error));
            } else {
                let _ = error.print();
            }
            Err(ExitCode::from(code))
        }
    }
}

/// An error of clap, in colour where that can be seen and nothing in it has to be escaped.
fn worded(error: &clap::Error) -> String {
    let plain = error.to_string();
    let tamed = shown::lines(&plain).to_string();
    if console::has_colours(&std::io::stderr()) && tamed == plain {
        error.render().ansi().to_string()
    } else {
        tamed
    }
}

/// The variable whose value is the content of a certificate or key, among those of the arguments of this command.
fn content_in_variable(command: &Command, matches: &ArgMatches) -> Option<String> {
    let holds_content = |value: &OsStr| shown::is_pem(&value.to_string_lossy());
    let here = command.get_arguments().find_map(|argument| {
        let variable = argument.get_env()?;
        let id = argument.get_id().as_str();
        let given = matches.try_get_raw(id).ok()??;
        let from_variable = matches.value_source(id) == Some(ValueSource::EnvVariable);
        (from_variable && given.into_iter().any(holds_content)).then(|| variable.to_string_lossy().into_owned())
    });
    here.or_else(|| {
        let (name, matches) = matches.subcommand()?;
        content_in_variable(command.find_subcommand(name)?, matches)
    })
}
