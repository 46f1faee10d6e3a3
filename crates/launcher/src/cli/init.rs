//! `fleet init`

use std::path::PathBuf;

use clap::Args;
use iot_protocol::id::IdScope;
use settings::Span;

use crate::exit::Failure;
use crate::init::{self, AppAddress, GroupAnswer, TargetKind};

#[derive(Debug, Args)]
#[command(after_help = INIT)]
pub(super) struct InitArgs {
    /// The file to write; one that exists is left alone
    #[arg(value_name = "FILE", default_value = "fleet.toml")]
    file: PathBuf,
    /// A name for the fleet, its reports and folders
    #[arg(long, value_name = "NAME", value_parser = init::name)]
    name: Option<String>,
    /// Where the devices register
    #[arg(long, value_name = "KIND", value_enum)]
    target: Option<TargetKind>,
    /// The IoT Central application, e.g. `https://contoso.azureiotcentral.com`
    #[arg(long, value_name = "URL", conflicts_with = "id_scope")]
    app: Option<AppAddress>,
    /// The environment variable in which its API token will be
    #[arg(long, value_name = "VARIABLE", value_parser = init::variable)]
    token_variable: Option<String>,
    /// The id scope of a DPS instance
    #[arg(long, value_name = "ID")]
    id_scope: Option<IdScope>,
    /// An enrollment group and how many devices it has, e.g. `thermostats=100`; may be given several times
    #[arg(long = "group", value_name = "ID=COUNT")]
    groups: Vec<GroupAnswer>,
    /// How often a device sends its telemetry, e.g. `10s`
    #[arg(long, value_name = "TIME", value_parser = init::span)]
    interval: Option<Span>,
    /// How long the whole fleet stays online, e.g. `5m`
    #[arg(long, value_name = "TIME", value_parser = init::span)]
    stay: Option<Span>,
    /// Ask nothing: what no flag answers has a default
    #[arg(long)]
    yes: bool,
    /// Write over a file that exists
    #[arg(long)]
    force: bool,
    /// Print the manifest instead of writing it
    #[arg(long, conflicts_with = "force")]
    stdout: bool,
}

const INIT: &str = "\
What the flags leave open is asked on a terminal; elsewhere, and with --yes, it has a default. The API token itself is \
never asked for: the manifest names the variable that has it.

Examples:
  fleet init
  fleet init lab.toml --target emulator --group thermostats=100 --yes
  fleet init central.toml --app https://contoso.azureiotcentral.com --group seattle=50 --group berlin=50 --interval 30s
  fleet init dps.toml --id-scope 0ne00ABCDEF --stay 1h";

pub(super) fn run(args: InitArgs) -> Result<u8, Failure> {
    init::run(&init::Options {
        file: args.file,
        name: args.name,
        target: args.target,
        app: args.app,
        token_variable: args.token_variable,
        id_scope: args.id_scope,
        groups: args.groups,
        interval: args.interval,
        stay: args.stay,
        force: args.force,
        yes: args.yes,
        stdout: args.stdout,
    })
}
