//! `fleet init`

use std::path::PathBuf;

use clap::Args;
use iot_protocol::id::IdScope;
use settings::Span;

use super::drive::in_runtime;
use crate::exit::Failure;
use crate::init::{self, AppAddress, DpsAddress, GroupAnswer, TargetKind};

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
    /// A device template of the application, by its id or name: writes a group of its devices; may be given several times.
    /// All templates, when neither this nor --group is given
    #[arg(
        long = "template",
        value_name = "ID_OR_NAME",
        requires = "app",
        conflicts_with = "groups"
    )]
    templates: Vec<String>,
    /// How many devices of each template; 10 when left out
    #[arg(long, value_name = "COUNT", value_parser = init::count, requires = "app", conflicts_with = "groups")]
    devices: Option<u32>,
    /// The CA of the emulator that is the application, as `fleet emulator` keeps it in its state folder
    #[arg(long, value_name = "FILE", requires = "app")]
    ca: Option<PathBuf>,
    /// Where the devices find the DPS of that emulator, e.g. `localhost:8883`; the host of --app when left out
    #[arg(long, value_name = "HOST[:PORT]", requires = "ca")]
    dps_endpoint: Option<DpsAddress>,
    /// The environment variable of its API token [default: IOTC_API_TOKEN]
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

With --app, and without --group, the application is asked for its device templates and enrollment groups, so the token has \
to be there. The manifest has a group for each template, with an id that is free and an interval within the quota.

Examples:
  fleet init
  fleet init lab.toml --target emulator --group thermostats=100 --yes
  fleet init pumps.toml --app https://contoso.azureiotcentral.com --template Pump --template 'dtmi:contoso:gateway;1'
  fleet init local.toml --app https://localhost:8443 --ca state/emulator/ca_cert.pem --devices 50
  fleet init central.toml --app https://contoso.azureiotcentral.com --group seattle=50 --group berlin=50 --interval 30s
  fleet init dps.toml --id-scope 0ne00ABCDEF --stay 1h";

pub(super) fn run(args: InitArgs) -> Result<u8, Failure> {
    in_runtime(init::run(&init::Options {
        file: args.file,
        name: args.name,
        target: args.target,
        app: args.app,
        token_variable: args.token_variable,
        id_scope: args.id_scope,
        groups: args.groups,
        templates: args.templates,
        devices: args.devices,
        ca: args.ca,
        dps_endpoint: args.dps_endpoint,
        interval: args.interval,
        stay: args.stay,
        force: args.force,
        yes: args.yes,
        stdout: args.stdout,
    }))
}
