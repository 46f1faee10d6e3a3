//! `fleet doctor`

use std::path::PathBuf;

use clap::Args;

use super::drive::interruptible;
use crate::complete;
use crate::doctor;
use crate::exit::Failure;
use crate::format::Format;
use crate::prepare::budget::{Bound, MaxQuota};

#[derive(Debug, Args)]
#[command(after_help = DOCTOR)]
pub(super) struct DoctorArgs {
    /// The fleet manifest; when left out, only this machine is looked at
    #[arg(value_name = "MANIFEST")]
    manifest: Option<PathBuf>,
    /// Override a key of the manifest, e.g. `target.app=https://contoso.azureiotcentral.com`
    #[arg(long, value_name = "PATH=VALUE", requires = "manifest", add = complete::paths())]
    set: Vec<String>,
    /// How the findings are printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How much of a limit the plan may ask for, e.g. `80%`, as for `run`
    #[arg(long, value_name = "PERCENT", default_value = "100%")]
    max_quota: MaxQuota,
    /// Keep what a real application and DPS answer to harmless questions in this folder, without names, tokens and keys:
    /// docs/recording.md lists them
    #[arg(long, value_name = "DIR", requires = "manifest")]
    record: Option<PathBuf>,
}

const DOCTOR: &str = "\
Looks at this machine, and at what the manifest names: every server and IoT Edge gateway with the certificates that it \
shows, the way to it, the API token, the certificates on disk, and the limits of the target. Changes nothing, and asks \
the application only to read.

Exit codes: 0 nothing keeps a run from working, 2 something does, or the manifest can't be used.

Examples:
  fleet doctor
  fleet doctor fleet.toml
  fleet doctor fleet.toml --format json
  fleet doctor central.toml --record answers";

pub(super) fn run(args: DoctorArgs) -> Result<u8, Failure> {
    interruptible(async |interrupts| {
        let options = doctor::Options {
            manifest: args.manifest,
            set: args.set,
            bound: Bound {
                max: args.max_quota,
                force: false,
            },
            json: args.format == Format::Json,
            record: args.record,
        };
        doctor::run(options, interrupts).await
    })
}
