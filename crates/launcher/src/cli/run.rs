//! `fleet run`

use clap::Args;

use super::drive::{executable, interruptible};
use super::shared::{BoundArgs, ConductArgs, ManifestArgs, StopArgs};
use crate::exit::Failure;
use crate::run;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    #[command(flatten)]
    conduct: ConductArgs,
    #[command(flatten)]
    bound: BoundArgs,
    #[command(flatten)]
    stop: StopArgs,
}

const EXAMPLES: &str = "\
Examples:
  fleet run configs/demo.toml
  fleet run configs/demo.toml --set group.thermostats.devices.count=500 --duration 5m
  fleet run configs/iot-central.toml --report report --web 8090
  fleet run configs/load-test.toml --max-quota 80% --report report --formats csv";

pub(super) fn run(args: RunArgs) -> Result<u8, Failure> {
    interruptible(async |interrupts| {
        let RunArgs {
            manifest,
            conduct,
            bound,
            stop,
        } = args;
        let options = run::Options {
            manifest: manifest.file.manifest,
            set: manifest.file.set,
            duration: manifest.duration,
            conduct: conduct.with(&stop),
            bound: bound.into(),
            executable: executable()?,
        };
        run::run(options, interrupts).await
    })
}
