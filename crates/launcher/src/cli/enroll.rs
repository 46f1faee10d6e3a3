//! `fleet enroll`

use std::path::PathBuf;

use clap::Args;

use super::drive::{executable, interruptible};
use super::shared::ManifestFile;
use crate::enroll;
use crate::exit::Failure;
use crate::format::Format;

#[derive(Debug, Args)]
#[command(after_help = ENROLL)]
pub(super) struct EnrollArgs {
    #[command(flatten)]
    manifest: ManifestFile,
    /// Only look, and print what would be done; makes no certificates either
    #[arg(long)]
    dry_run: bool,
    /// Upload CA certificates as verified: give your word that they are yours, instead of a proof
    #[arg(long)]
    verified: bool,
    /// Write the files to upload into DIR, and print what to do with them in IoT Central's pages [default:
    /// NAME-enrollment]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    manual: Option<Option<PathBuf>>,
    /// How the outcome is printed on stdout: as text it is the id scope
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text, conflicts_with = "manual")]
    format: Format,
}

const ENROLL: &str = "\
Publishes missing device templates, creates enrollment groups, uploads and verifies their CA certificates, creates \
individually enrolled devices, and reads everything back. What is there already stays as it is, so a second run changes \
nothing and an interrupted one is completed. The id scope goes to stdout.

With target kind \"emulator\", the emulator that `fleet run` would start is started on its state folder, and stopped again: \
the next run finds everything enrolled. With kind \"dps\", a script for the Azure CLI goes to stdout.

Examples:
  fleet enroll fleet.toml --dry-run
  fleet enroll fleet.toml
  fleet enroll fleet.toml --manual=upload";

pub(super) fn run(args: EnrollArgs) -> Result<u8, Failure> {
    interruptible(async |interrupts| {
        let options = enroll::Options {
            manifest: args.manifest.manifest,
            set: args.manifest.set,
            dry_run: args.dry_run,
            verified: args.verified,
            manual: args.manual.map(Option::unwrap_or_default),
            json: args.format == Format::Json,
            executable: executable()?,
        };
        enroll::run(options, interrupts).await
    })
}
