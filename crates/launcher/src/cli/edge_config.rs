//! `fleet edge-config`

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use device_sim::console;
use iot_protocol::id::IdScope;
use iot_protocol::shown;

use super::drive::in_runtime;
use crate::complete;
use crate::exit::{Failure, PASSED, print};
use crate::keep::{self, write_whole};
use crate::prepare::edge_config;
use crate::run;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct EdgeConfigArgs {
    /// The fleet manifest
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// Override a key of the manifest, e.g. `group.gateways.hostname=gw.local`
    #[arg(long, value_name = "PATH=VALUE", add = complete::paths())]
    set: Vec<String>,
    /// The IoT Edge device
    #[arg(long, value_name = "ID", add = complete::devices())]
    device: String,
    /// Write into this file instead of stdout; one that exists is left alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Folder on the device into which you copy its files, e.g. /var/aziot: certificates into `certs`, keys into
    /// `secrets`; they are named where they are here when left out
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// The id scope, instead of the one that the manifest or the application has
    #[arg(long, value_name = "ID")]
    id_scope: Option<IdScope>,
    /// Leave the registration id out: IoT Edge then takes the common name of the certificate
    #[arg(long)]
    no_registration_id: bool,
}

const EXAMPLES: &str = "\
Examples:
  fleet edge-config configs/edge-with-downstream.toml --device edge-0001
  fleet edge-config fleet.toml --device edge-0001 --prefix /var/aziot --out config.toml";

pub(super) fn run(args: EdgeConfigArgs) -> Result<u8, Failure> {
    in_runtime(async {
        let manifest = run::resolve(&args.manifest, &args.set, None)?;
        let options = edge_config::Options {
            device: args.device,
            prefix: args.prefix,
            id_scope: args.id_scope,
            registration_id: !args.no_registration_id,
        };
        if let Some(out) = args.out.as_deref().filter(|out| out.exists()) {
            return Err(Failure::refused(anyhow!("`{}` exists already", shown::path(out))));
        }
        if let Some(out) = &args.out {
            keep::try_file("--out", out)?;
        }
        let variables = |name: &str| std::env::var(name).ok();
        let config = edge_config::write(&manifest, &options, jiff::Timestamp::now(), variables).await?;
        match &args.out {
            Some(out) => write_whole(out, config.text.as_bytes())?,
            None => print(&config.text)?,
        }
        for note in &config.notes {
            console::note(format_args!("note: {note}"));
        }
        if options.prefix.is_some() {
            console::note("copy these files to the device:");
            for (here, there) in &config.files {
                console::note(format_args!("  {} -> {}", shown::path(here), shown::path(there)));
            }
        }
        Ok(PASSED)
    })
}
