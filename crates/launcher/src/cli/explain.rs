//! `fleet explain`

use clap::Args;

use crate::exit::Failure;
use crate::explain::{self, Form};

#[derive(Debug, Args)]
#[command(after_help = EXPLAIN)]
pub(super) struct ExplainArgs {
    /// Words and numbers as they are printed: a state, a metric, a reason, a code of DPS, an exit code; all when left out
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// How the explanation is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Form::Text)]
    format: Form,
}

const EXPLAIN: &str = "\
Examples:
  fleet explain 401002
  fleet explain parked 'backing off' publish_sent
  fleet explain connect_failed/mqtt_not_authorized
  fleet explain";

pub(super) fn run(args: &ExplainArgs) -> Result<u8, Failure> {
    explain::run(&args.words, args.format)
}
