//! `fleet register`

use clap::Args;

use super::drive::{executable, interruptible};
use super::shared::{ManifestFile, StopArgs};
use crate::exit::Failure;
use crate::format::Format;
use crate::run;

#[derive(Debug, Args)]
#[command(after_help = REGISTER)]
pub(super) struct RegisterArgs {
    #[command(flatten)]
    manifest: ManifestFile,
    /// How the summary is printed on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Try all devices, even where all that were tried failed for a reason that only a person can mend; without it, it
    /// stops after half a minute
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    stop: StopArgs,
}

const REGISTER: &str = "\
Makes certificates and enrolls as `run` does, then registers each device that has no assignment in the state folder, at \
`load.register_rate`, which is the quota's when left out. What is registered stays registered: after Ctrl-C, a kill or a \
failure, the same command goes on with the rest. A run then takes the assignments from the state folder and asks DPS \
nothing, as long as the certificates, the id scope and the DPS host are the same.

Exit codes: 0 all devices are registered, 1 some are not, 2 nothing was started, 130 interrupted.

Examples:
  fleet register fleet.toml
  fleet register fleet.toml --set load.register_rate=100/min --format json";

pub(super) fn run(args: RegisterArgs) -> Result<u8, Failure> {
    interruptible(async |interrupts| {
        let options = run::register::Options {
            manifest: args.manifest.manifest,
            set: args.manifest.set,
            json: args.format == Format::Json,
            keep_going: args.keep_going,
            stop_within: args.stop.stop_within.0,
            executable: executable()?,
        };
        run::register::register(options, interrupts).await
    })
}
