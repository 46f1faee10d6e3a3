//! The command line of `fleet demo`.

use std::path::PathBuf;

use clap::Args;
use settings::Span;

/// The arguments of `fleet demo`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DemoArgs {
    /// The folder for everything that is made; one that `fleet demo` made before is emptied first
    #[arg(long, value_name = "DIR", default_value = "fleet-demo")]
    pub(super) folder: PathBuf,
    /// Go on without waiting for Enter, for a rehearsal
    #[arg(long)]
    pub(super) auto: bool,
    /// With --auto: wait this long before each step, e.g. `5s`
    #[arg(long, value_name = "TIME", requires = "auto", value_parser = |text: &str| text.parse::<Span>())]
    pub(super) pause: Option<Span>,
}

const AFTER_HELP: &str = "\
Eleven steps, from the root CA to the roll after a breach: certificates that are refused, with the reason, and what admits \
them. Each step is explained, waits for Enter, prints its commands while it runs them, and checks what came of them. You \
can type the same commands in another terminal. Ctrl-C, or the end of input, stops everything that was started.

Nothing listens beyond this machine. Keys and the emulator's token stay in the folder, which only its owner can read.

Examples:
  fleet demo
  fleet demo --auto --pause 5s --folder /tmp/rehearsal";
