//! `fleet ctl`: orders to a live run, from another terminal.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use device_sim::console;
use device_sim::hint::Hint;
use fleet_protocol::lines::{Action, Churn, ChurnError, Control, Selection, ShareOf};
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
    /// Connections break off at one moment, and the devices connect again at once, past `connect_rate`
    Storm,
    /// Devices disconnect cleanly and connect again
    Reconnect,
    /// Devices register with DPS again, then connect
    Reregister,
    /// Devices disconnect and stay offline until the stages or another order want them online
    Disconnect,
    /// Connections break off as in a power cut; the devices lose what they had in memory, and start again
    Reboot,
    /// For a time (--for), a share of the devices leaves in each minute (--share-per-minute) and comes back (--away)
    Churn,
    /// Devices that wait after a failure try again now, parked ones too
    Retry,
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
    /// Of a churn: the share that leaves in each minute, where 1 is all.
    pub(crate) share_per_minute: Option<f64>,
    /// Of a churn: for how long devices leave. Of a disconnect and a reboot: how long each stays offline.
    pub(crate) lasts: Option<Span>,
    /// Of a churn: how long a device stays away.
    pub(crate) away: Option<Span>,
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
        (order, Some(control)) => {
            if let Ok(Some(churn)) = control.churn() {
                let (lasts, away) = (Span(churn.lasts), Span(churn.away));
                console::note(format_args!(
                    "devices leave for {lasts}, each for {away}; Ctrl-C leaves this command and not the churn"
                ));
            } else if let Some(lasts) = options.lasts {
                console::note(format_args!(
                    "devices stay offline for {lasts}; Ctrl-C leaves this command and not the order"
                ));
            }
            match live.order(control).await {
                Ok(devices) => {
                    console::note(carried_out(order, options.lasts.is_some(), devices));
                    Ok(PASSED)
                }
                Err(error) => {
                    console::note(format_args!("error: {error}"));
                    Ok(FAILED)
                }
            }
        }
    }
}

/// What an order has done to so many devices.
fn carried_out(order: Order, for_a_time: bool, devices: u32) -> String {
    let did = |one: &str, several: &str| match devices {
        1 => format!("1 device reached: it {one}"),
        _ => format!("{} reached: they {several}", words::devices(devices)),
    };
    match order {
        Order::Pause => "the stages stand still".to_owned(),
        Order::Resume => "the stages go on".to_owned(),
        Order::Retry if devices == 0 => "no device waits after a failure: there is nothing to try again".to_owned(),
        Order::Churn if devices == 0 => "no device left: none was online when it was to leave".to_owned(),
        Order::Storm => did(
            "connects again at once, past connect_rate",
            "connect again at once, past connect_rate",
        ),
        Order::Disconnect | Order::Reboot if for_a_time => did("was offline", "were offline"),
        Order::Reboot => did(
            "lost its connection, and starts again",
            "lost their connections, and start again",
        ),
        Order::Churn => did("left and came back", "left and came back"),
        Order::Retry => did("tries again now", "try again now"),
        Order::Reconnect | Order::Reregister | Order::Disconnect | Order::Stop | Order::Status => {
            format!("{} reached", words::devices(devices))
        }
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
            Order::Storm => Action::Storm,
            Order::Reconnect => Action::Reconnect,
            Order::Reregister => Action::Reregister,
            Order::Disconnect => Action::Disconnect,
            Order::Reboot => Action::Reboot,
            Order::Churn => Action::Churn,
            Order::Retry => Action::Retry,
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
        let churn = self.churn()?;
        let groups = manifest.group_names();
        if let Some(group) = self.group.as_deref().filter(|group| !groups.contains(group)) {
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
        let time = |name: &str, span: Option<Span>| {
            let time = span.map(|span| span.0.try_into()).transpose();
            time.map_err(|_| Failure::refused(anyhow!("{name} is too long")))
        };
        let over = time("--over", self.over)?;
        Ok(Some(match churn {
            Some(churn) => Control {
                devices,
                ..Control::of_churn(churn)
            },
            None => Control {
                devices,
                over,
                lasts: time("--for", self.lasts)?,
                ..Control::new(action)
            },
        }))
    }

    /// Whether --for is how long its devices stay offline.
    fn lasts_for_a_time(&self) -> bool {
        matches!(self.order, Order::Disconnect | Order::Reboot)
    }

    /// The churn that is ordered, if one is.
    fn churn(&self) -> Result<Option<Churn>, Failure> {
        const EXAMPLE: &str = "for example `churn --share-per-minute 10% --for 5m --away 30s`";
        let refused = |error: anyhow::Error, hint: String| Err(Failure::refused(error.hint(hint)));
        if self.order != Order::Churn {
            let lasts = self.lasts.filter(|lasts| !self.lasts_for_a_time() || lasts.0.is_zero());
            return match (self.share_per_minute, lasts, self.away) {
                (None, None, None) => Ok(None),
                (None, Some(Span(Duration::ZERO)), None) => refused(
                    anyhow!("--for must not be 0"),
                    "for example `disconnect --for 1m`".to_owned(),
                ),
                _ => refused(
                    anyhow!(
                        "--share-per-minute and --away are of use with `churn` only, and --for with `churn`, \
                         `disconnect` and `reboot`"
                    ),
                    EXAMPLE.to_owned(),
                ),
            };
        }
        if self.over.is_some() {
            return refused(
                anyhow!("--over is of no use with a churn, which has --for"),
                EXAMPLE.to_owned(),
            );
        }
        let (Some(share), Some(lasts)) = (self.share_per_minute, self.lasts) else {
            let missing = match self.lasts {
                None => "--for: for how long devices leave and come back",
                Some(_) => "--share-per-minute: which share of the devices leaves in each minute",
            };
            return refused(anyhow!("a churn needs {missing}"), EXAMPLE.to_owned());
        };
        let away = self.away.map_or(Churn::AWAY, |away| away.0);
        match Churn::new(share, lasts.0, away) {
            Ok(churn) => Ok(Some(churn)),
            Err(ChurnError::Share(_)) => refused(
                anyhow!(
                    "--share-per-minute must be above 0% and at most {}%",
                    Churn::MOST * 100.0
                ),
                EXAMPLE.to_owned(),
            ),
            Err(ChurnError::Lasts) => refused(anyhow!("--for must not be 0"), EXAMPLE.to_owned()),
            Err(ChurnError::Away) => refused(anyhow!("--away must not be 0"), EXAMPLE.to_owned()),
            Err(ChurnError::LongAway { period }) => refused(
                anyhow!(
                    "each device is to leave every {}, and can't stay away for {}",
                    Span(period),
                    Span(away)
                ),
                "a shorter --away, or a smaller --share-per-minute".to_owned(),
            ),
        }
    }

    /// An order to the whole run names no devices.
    fn alone(&self) -> Result<(), Failure> {
        self.churn()?;
        match (&self.group, self.device.is_empty(), self.share, self.over) {
            (None, true, None, None) => Ok(()),
            _ => Err(Failure::refused(anyhow!(
                "this order is for the whole run: --group, --device, --share and --over are of no use with it"
            ))),
        }
    }
}
