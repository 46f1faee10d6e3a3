//! `fleet plan`

use std::path::PathBuf;

use clap::Args;

use super::drive::in_runtime;
use super::shared::{BoundArgs, ManifestArgs};
use crate::complete;
use crate::exit::{Failure, PASSED, print};
use crate::format::Format;
use crate::keep::fitted;
use crate::plan::{self, preview};
use crate::prepare::budget;
use crate::run;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    /// How the plan is printed: `text`, or `json` as report.json has it
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print the plan that `device-sim` reads, as JSON
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Judge by these limits instead of `target.quota`: iot-central, dps, hub-f1, hub-s1, hub-s2, hub-s3, or a file
    #[arg(long, value_name = "QUOTA")]
    quota: Option<String>,
    /// Show what a month of it costs, by the prices in this file; docs/quotas.md has one to fill in
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    bound: BoundArgs,
    /// Draw a simulated day of this device
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["json", "format"], add = complete::devices())]
    preview: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  fleet plan configs/demo.toml
  fleet plan configs/dps.toml --quota hub-s1 --format json
  fleet plan configs/demo.toml --preview thermo-0001";

pub(super) fn run(args: &PlanArgs) -> Result<u8, Failure> {
    let ManifestArgs { file, duration } = &args.manifest;
    let mut set = file.set.clone();
    set.extend(args.quota.as_deref().map(plan::named_quota));
    let manifest = in_runtime(run::resolve_whole(&file.manifest, &set, *duration))?;
    if let Some(device) = &args.preview {
        print(preview::preview(&manifest, device).map_err(Failure::Refused)?)?;
        return Ok(PASSED);
    }
    if args.json {
        print(plan::to_json(&manifest, jiff::Timestamp::now())?)?;
        return Ok(PASSED);
    }
    let mut summary = budget::plan(&manifest)?;
    if let Some(prices) = &args.prices {
        summary.cost = Some(plan::prices(prices)?.cost(&summary));
    }
    print(match args.format {
        Format::Text => fitted(plan::describe(&manifest, &summary)?),
        Format::Json => plan::summary_json(&summary)?,
    })?;
    budget::refuse_above(&summary, args.bound.into())?;
    Ok(PASSED)
}
