//! `fleet ctl`

use clap::Args;
use settings::Span;

use super::drive::in_runtime;
use super::shared::{ManifestFile, percent};
use crate::complete;
use crate::ctl;
use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(after_help = CTL)]
pub(super) struct CtlArgs {
    #[command(flatten)]
    file: ManifestFile,
    /// The order
    #[arg(value_name = "ORDER", value_enum)]
    order: ctl::Order,
    /// For the devices of this group only
    #[arg(long, value_name = "GROUP", add = complete::groups())]
    group: Option<String>,
    /// For a share of the devices: by seed and device id, so the same every time
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    share: Option<f64>,
    /// For this device; may be given several times
    #[arg(long, value_name = "ID", conflicts_with_all = ["group", "share"], add = complete::devices())]
    device: Vec<String>,
    /// Spread over this time; all at once, when left out
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    over: Option<Span>,
    /// Of a churn: the share of the devices that leaves in each minute
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    share_per_minute: Option<f64>,
    /// Of a churn: for how long devices leave, e.g. 5m. Of a disconnect and a reboot: how long each device stays offline
    #[arg(long = "for", value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    lasts: Option<Span>,
    /// Of a churn: how long a device stays away; 30s when left out
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    away: Option<Span>,
}

const CTL: &str = "\
The run is found by its manifest, whose state folder has its control socket. Each order is a mark in the report.

Examples:
  fleet ctl configs/demo.toml storm
  fleet ctl configs/demo.toml disconnect --group thermostats --share 10%
  fleet ctl configs/demo.toml reconnect --over 30s
  fleet ctl configs/demo.toml churn --share-per-minute 10% --for 5m --away 30s
  fleet ctl configs/demo.toml retry --device thermo-0001";

impl From<CtlArgs> for ctl::Options {
    fn from(args: CtlArgs) -> Self {
        Self {
            manifest: args.file.manifest,
            set: args.file.set,
            order: args.order,
            device: args.device,
            group: args.group,
            share: args.share,
            over: args.over,
            share_per_minute: args.share_per_minute,
            lasts: args.lasts,
            away: args.away,
        }
    }
}

/// A share of devices: `10%`.
fn share(text: &str) -> Result<f64, String> {
    percent(text).and_then(|share| match share <= 1.0 {
        true => Ok(share),
        false => Err("accepted: from 0% to 100%".to_owned()),
    })
}

pub(super) fn run(args: CtlArgs) -> Result<u8, Failure> {
    in_runtime(ctl::run(args.into()))
}
