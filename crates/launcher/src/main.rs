//! `fleet`: one installed file that does everything.
#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "either may be closed or full, and these panic then; use `device_sim::console`"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    launcher::cli::main()
}
