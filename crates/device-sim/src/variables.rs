//! Flags that have an environment variable, too.

use clap::Command;

/// Takes variables that are set and empty for not set: compose files make such ones (`KEY=${KEY:-}`), and no flag of ours has
/// the empty text as a value.
#[must_use]
pub fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let empty = arg
                .get_env()
                .is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()));
            // No variable is called so, which leaves the flag without one; help shows why.
            if empty { arg.env("(set, but empty)") } else { arg }
        })
        .mut_subcommands(without_empty_variables)
}
