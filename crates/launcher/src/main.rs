//! `fleet`: one installed file that does everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    launcher::cli::main()
}
