//! `fleet unenroll`

use clap::Args;

use super::drive::{executable, interruptible};
use super::shared::ManifestFile;
use crate::enroll::unenroll;
use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct UnenrollArgs {
    #[command(flatten)]
    manifest: ManifestFile,
    /// Remove the devices of the manifest's groups as well, with what the application has of them: as fast as it accepts
    /// requests, 20 a second with IoT Central
    #[arg(long)]
    devices: bool,
    /// Only look, and print what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  fleet unenroll fleet.toml --dry-run
  fleet unenroll fleet.toml --devices --yes";

pub(super) fn run(args: UnenrollArgs) -> Result<u8, Failure> {
    interruptible(async |interrupts| {
        let options = unenroll::Options {
            manifest: args.manifest.manifest,
            set: args.manifest.set,
            devices: args.devices,
            dry_run: args.dry_run,
            yes: args.yes,
            executable: executable()?,
        };
        unenroll::run(options, interrupts).await
    })
}
