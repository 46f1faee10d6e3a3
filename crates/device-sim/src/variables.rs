//! Flags that have an environment variable, too.

use clap::Command;

/// Treats variables that are set but empty as not set: compose files make such ones (`KEY=${KEY:-}`), and none of our
/// flags takes an empty value.
#[must_use]
pub(crate) fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let empty = arg
                .get_env()
                .is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()));
            // No variable has this name, which leaves the flag without one; help shows why.
            if empty { arg.env("(set, but empty)") } else { arg }
        })
        .mut_subcommands(without_empty_variables)
}
