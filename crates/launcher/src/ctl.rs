//! `fleet ctl`: orders to a live run, from another terminal.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use device_sim::console;
use device_sim::hint::Hint;
use fleet_protocol::lines::{Action, Control, Selection, ShareOf};
use fleet_report::exit::PASSED;
use fleet_report::words;
use settings::Span;

use crate::control::RunHandle;
use crate::exit::{FAILED, Failure, print};
use crate::manifest::{self, Manifest};
use crate::paths::absolute;
use crate::roll;

/// What a live run is ordered to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Order {
    /// All devices disconnect at the same moment, and connect again as quickly as `connect_rate` allows
    Storm,
    /// Devices disconnect cleanly and connect again
    Reconnect,
    /// Devices register with DPS again, then connect
    Reregister,
    /// Devices disconnect and stay offline until the stages or another order want them online
    Disconnect,
    /// The stages stand still: as many devices stay online as are now
    Pause,
    /// The stages go on
    Resume,
    /// The run ends: devices drain and disconnect, and the report is written, as after Ctrl-C
    Stop,
    /// Print what the run is, as JSON
    Status,
}

/// An order, and which devices it is for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) manifest: PathBuf,
    pub(crate) set: Vec<String>,
    pub(crate) order: Order,
    /// Devices by id.
    pub(crate) device: Vec<String>,
    pub(crate) group: Option<String>,
    /// From 0 to 1.
    pub(crate) share: Option<f64>,
    pub(crate) over: Option<Span>,
}

/// Gives an order to the live run of a manifest, and waits until all of its processes have carried it out.
///
/// # Errors
///
/// There is no such run, or it refused.
pub(crate) async fn run(options: Options) -> Result<u8, Failure> {
    let manifest = manifest::load(&options.manifest, &options.set)?;
    let control = options.control(&manifest)?;
    let state = absolute(&manifest.fleet.state)?;
    let Some(live) = roll::live(&state).await? else {
        let error = anyhow!("there is no run of {}", manifest.fleet.name);
        return Err(Failure::refused(
            error.hint("begin with `fleet run` in another terminal"),
        ));
    };
    match (options.order, control) {
        (Order::Stop, _) => stop(&live).await,
        (_, None) => {
            let status = live.status().await.context("can't ask the run")?;
            let text = serde_json::to_string_pretty(&status).context("the status can't be put into JSON")?;
            print(text + "\n")?;
            Ok(PASSED)
        }
        (order, Some(control)) => match live.order(control).await {
            Ok(devices) => {
                console::note(match order {
                    Order::Pause => "the stages stand still".to_owned(),
                    Order::Resume => "the stages go on".to_owned(),
                    _ => format!("{} reached", words::devices(devices)),
                });
                Ok(PASSED)
            }
            Err(error) => {
                console::note(format_args!("error: {error}"));
                Ok(FAILED)
            }
        },
    }
}

/// Ends the run as its own terminal would, and waits until it has ended.
async fn stop(live: &RunHandle) -> Result<u8, Failure> {
    let status = live.status().await.context("can't ask the run")?;
    live.end().await.context("can't end the run")?;
    live.gone().await;
    console::note(format_args!("run {} has ended", status.run_id));
    Ok(PASSED)
}

impl Options {
    /// The control line of the order, where it is one.
    fn control(&self, manifest: &Manifest) -> Result<Option<Control>, Failure> {
        let action = match self.order {
            Order::Storm | Order::Reconnect => Action::Reconnect,
            Order::Reregister => Action::Reregister,
            Order::Disconnect => Action::Disconnect,
            Order::Pause => Action::PauseRamp,
            Order::Resume => Action::ResumeRamp,
            Order::Stop | Order::Status => return self.alone().map(|()| None),
        };
        if matches!(self.order, Order::Pause | Order::Resume) {
            self.alone()?;
        }
        if self.order == Order::Storm && self.over.is_some() {
            let error = anyhow!("a storm is of one moment, so --over is of no use with it");
            return Err(Failure::refused(error.hint("`reconnect --over` spreads it")));
        }
        if let Some(group) = &self.group
            && !manifest.group.iter().any(|known| known.id.as_str() == group)
            && group != manifest::thresholds::INDIVIDUAL
        {
            let groups = manifest.group.iter().map(|group| group.id.as_str()).collect::<Vec<_>>();
            let error = anyhow!("--group: there is no group `{group}` in the manifest");
            return Err(Failure::refused(
                error.hint(format!("there are: {}", groups.join(", "))),
            ));
        }
        let devices = match (self.device.is_empty(), &self.group, self.share) {
            (false, ..) => Some(Selection::Ids(self.device.clone())),
            (_, None, None) => None,
            (_, group, share) => Some(Selection::Share(ShareOf {
                group: group.clone(),
                share,
            })),
        };
        let over = self.over.map(|over| over.0.try_into());
        Ok(Some(Control {
            devices,
            over: over
                .transpose()
                .map_err(|_| Failure::refused(anyhow!("--over is too long")))?,
            ..Control::new(action)
        }))
    }

    /// An order to the whole run names no devices.
    fn alone(&self) -> Result<(), Failure> {
        match (&self.group, self.device.is_empty(), self.share, self.over) {
            (None, true, None, None) => Ok(()),
            _ => Err(Failure::refused(anyhow!(
                "this order is for the whole run: --group, --device, --share and --over are of no use with it"
            ))),
        }
    }
}
