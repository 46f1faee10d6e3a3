//! The command line of `fleet roll`.

use std::path::PathBuf;

use clap::Args;
use provisioning::identities::Slot;
use settings::Span;
use settings::reading::from_percent;

use super::{Case, Options, Request};
use crate::complete;
use crate::format::Format;

/// The arguments of `fleet roll`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RollArgs {
    /// The fleet manifest
    #[arg(value_name = "MANIFEST")]
    manifest: PathBuf,
    /// Which certificates are replaced, and why
    #[arg(long, value_name = "CASE")]
    case: Case,
    /// The enrollment group whose CA is rolled; may be left out where there is only one
    #[arg(long, value_name = "ID", add = complete::groups())]
    group: Option<String>,
    /// An individually enrolled device; may be given several times. For an expiry all of them, when left out
    #[arg(long, value_name = "ID", add = complete::devices())]
    device: Vec<String>,
    /// The slot of the enrollment for the new certificate; the unused one when left out
    #[arg(long, value_name = "SLOT")]
    slot: Option<Slot>,
    /// The share of devices that registers again together, e.g. `10%`; a tenth, at least ten devices, when left out
    #[arg(long, value_name = "SHARE", value_parser = share)]
    wave: Option<f64>,
    /// The time over which the devices of a wave are asked, e.g. `10s`; as fast as `load.register_rate` allows when
    /// left out
    #[arg(long, value_name = "TIME", value_parser = |text: &str| text.parse::<Span>())]
    over: Option<Span>,
    /// How long the devices of a wave have to come online with their new certificates
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = |text: &str| text.parse::<Span>())]
    return_within: Span,
    /// group-expiry: leave the old CA in the enrollment
    #[arg(long)]
    keep_old: bool,
    /// individual-expiry: replace the old certificate too, by a spare one that no device uses yet
    #[arg(long)]
    remove_old: bool,
    /// Remove the old certificates even if some devices still use them
    #[arg(long)]
    leave_behind: bool,
    /// After a breach: let in the devices too that are blocked already, as a roll leaves them whose journal was lost; a
    /// journal that can't be read is set aside
    #[arg(long)]
    let_in: bool,
    /// Override a key of the manifest, as for `run`
    #[arg(long, value_name = "PATH=VALUE", add = complete::paths())]
    set: Vec<String>,
    /// Write a report into this folder: roll.json
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// How the outcome is printed on stdout; as JSON it is roll.json
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

const AFTER_HELP: &str = "\
Run it while `fleet run` of the same manifest goes on in another terminal: through it, the devices are asked to \
register again, wave by wave. Without a run (IoT Central only), it prepares the enrollment and the files before an \
expiry, and the same command finishes once the fleet runs; after a breach, it registers each device itself. An \
interrupted roll is continued by the same command.

At the end it tries old certificates at DPS and at the hub: both have to refuse them, or it ends with 1.

Examples:
  fleet roll fleet.toml --case group-expiry --group thermostats
  fleet roll fleet.toml --case group-breach --wave 20% --over 10s --report report
  fleet roll fleet.toml --case individual-expiry --device lab-0001";

impl From<RollArgs> for Options {
    fn from(args: RollArgs) -> Self {
        Self {
            manifest: args.manifest,
            set: args.set,
            report: args.report,
            json: args.format == Format::Json,
            request: Request {
                case: args.case,
                group: args.group,
                devices: args.device,
                slot: args.slot,
                wave: args.wave,
                over: args.over.map(|over| over.0),
                return_within: args.return_within.0,
                keep_old: args.keep_old,
                remove_old: args.remove_old,
                leave_behind: args.leave_behind,
                let_in: args.let_in,
            },
        }
    }
}

/// A share such as `10%`.
fn share(text: &str) -> Result<f64, String> {
    match from_percent(text) {
        Some(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share above 0% and up to 100%, such as 10%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_in_percent() {
        assert_eq!(share("10%"), Ok(0.1));
        assert_eq!(share("100 %"), Ok(1.0));
        for text in ["", "%", "10", "0%", "101%", "-1%", "NaN%", "ten%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
