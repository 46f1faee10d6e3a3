//! The command line of `iot-emulator`, which is also `fleet emulator`.

use std::future::Future;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use axum::http::Uri;
use clap::Args as ClapArgs;
use futures_util::FutureExt;
use iot_emulator::{Approval, Config, EdgeCa, Emulator, FaultRules, Gateway, Quota, Reprovision, StartError};
use iot_protocol::id::{HubHost, IdScope};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::terminal;

/// Runs DPS, IoT Hub and the IoT Central REST API on this machine. Not for production.
///
/// Port 0 means any free port. When everything listens, one line of JSON on stdout names the addresses and the files
/// that clients need. A line on stderr links to a page that shows all of it. Stops at Ctrl-C or SIGTERM.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Where devices connect with MQTT over TLS: DPS and hub on one port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8883")]
    pub mqtt: SocketAddr,
    /// Where devices connect with MQTT over WebSocket over TLS, which Azure has on port 443; off when left out.
    #[arg(long, value_name = "ADDR")]
    pub ws: Option<SocketAddr>,
    /// A transparent gateway: listens at ADDR under a server certificate for NAME, below an Edge CA of its own, for
    /// devices whose parent is the Edge device DEVICE; without DEVICE, that is the first label of NAME. May be given
    /// more than once.
    #[arg(long = "gateway", value_name = "[DEVICE@]NAME=ADDR")]
    pub gateways: Vec<Gateway>,
    /// The Edge CA of the Edge device DEVICE, which signs the certificate of its gateway instead of one that is made
    /// for it: DIR holds edge_ca_fullchain.pem and edge_ca_key.pem. May be given more than once.
    #[arg(long = "edge-ca", value_name = "DEVICE=DIR")]
    pub edge_cas: Vec<EdgeCa>,
    /// Accept TLS 1.3 too. Azure's usual endpoints speak 1.2 only.
    #[arg(long = "tls-1.3")]
    pub tls13: bool,
    /// Refuse devices that name no server in the TLS handshake (SNI). Otherwise the journal records them.
    #[arg(long)]
    pub require_sni: bool,
    /// Where the REST API listens with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub https: SocketAddr,
    /// Where the REST API listens without TLS; loopback addresses only.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Where people reach the page if that is not where it listens, as behind a published port: the link that is printed
    /// begins with it. For example https://localhost:8443.
    #[arg(long, value_name = "URL", value_parser = page_url)]
    pub page_url: Option<String>,
    /// The name under which clients reach this machine.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub hostname: String,
    /// Names of the hubs, separated by commas; one that is named like this machine when left out. Each is in the
    /// server's certificate, and has to lead clients to this machine. New devices are spread over the hubs evenly.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub hubs: Vec<HubHost>,
    /// Whether a new device that comes through an enrollment group is admitted, or waits until its `enabled` is set by
    /// REST.
    #[arg(long = "approve", value_name = "HOW", value_enum, default_value_t)]
    pub approval: Approval,
    /// What happens to a device that registers again: `migrate` moves its data to another hub, `reset` clears its data,
    /// `never` leaves it on its hub.
    #[arg(long, value_name = "POLICY", value_enum, default_value_t)]
    pub reprovision: Reprovision,
    /// The id scope of the emulated DPS.
    #[arg(long, value_name = "ID", default_value = "0ne00EMULATOR")]
    pub id_scope: IdScope,
    /// Folder for the certificate authority, the API token and everything that is stored; created if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "state/emulator")]
    pub state: PathBuf,
    /// Seconds that DPS asks a device to wait before it polls.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    pub dps_retry_after: u64,
    /// The limits for devices and callers: off, iot-central, dps, hub-f1, hub-s1, hub-s2, hub-s3, or a file of limits.
    /// Beyond them, the emulator answers as Azure does: 429 with retry-after; telemetry is delayed first, then the
    /// connection is closed.
    #[arg(long, value_name = "QUOTA", default_value = "off", value_parser = Quota::load)]
    pub quota: Limits,
    /// How many units of a hub the limits are for; one when left out.
    #[arg(long, value_name = "NUMBER", requires = "quota")]
    pub units: Option<u32>,
    /// What goes wrong on purpose: slow-network, lost-acks, throttled-dps, hub-move, outage, or a file of rules. While
    /// it runs, rules are changed on the page (/faults) and through /emulator/faults.
    #[arg(long, value_name = "FAULTS", value_parser = FaultRules::load)]
    pub faults: Option<FaultRules>,
    /// Decides every random choice: the same seed and device id meet the same faults.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u64,
    /// The control socket of the run whose devices these are, in its state folder: the page can then ask one that was
    /// refused to try again.
    #[arg(long, value_name = "SOCKET")]
    pub run: Option<PathBuf>,
    /// Stop when stdin ends, as it does when the process that started this one is gone.
    #[arg(long)]
    pub stop_on_stdin_eof: bool,
}

/// The beginning of a link, without what only a path may have behind it.
fn page_url(text: &str) -> Result<String, String> {
    let form = || format!("`{text}` is not the address of a server, such as https://localhost:8443");
    let uri: Uri = text.parse().map_err(|_| form())?;
    let is_server = matches!(uri.scheme_str(), Some("http" | "https")) && matches!(uri.path(), "" | "/");
    match uri.authority() {
        Some(server) if is_server && uri.query().is_none() && !server.as_str().contains('@') => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(form()),
    }
}

/// A quota, or none.
type Limits = Option<Quota>;

/// The line for the moment when everything listens.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    ready: bool,
    mqtt: SocketAddr,
    ws: Option<SocketAddr>,
    gateways: &'a [Gateway],
    https: Option<SocketAddr>,
    http: Option<SocketAddr>,
    hostname: &'a str,
    hubs: Vec<&'a HubHost>,
    id_scope: &'a IdScope,
    ca: Option<PathBuf>,
    api_token_file: Option<PathBuf>,
    state: &'a Path,
}

fn with_units(quota: Limits, units: Option<u32>) -> Result<Limits, StartError> {
    match (quota, units) {
        (Some(quota), Some(units)) => quota.with_units(units).map(Some).map_err(StartError::Units),
        (quota, _) => Ok(quota),
    }
}

/// Runs an emulator until `shutdown` is done.
///
/// # Errors
///
/// The emulator can't start.
pub async fn run(args: Args, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    // The reader of the ready line may stop this at once. A signal is caught only from the first look for it on, so the
    // first look comes before anything is printed.
    let mut shutdown = std::pin::pin!(shutdown);
    if shutdown.as_mut().now_or_never().is_some() {
        return Ok(());
    }
    // The paths of the ready line must mean the same to its reader, wherever that runs.
    let state = std::path::absolute(&args.state).context("--state")?;
    let config = Config {
        mqtt: args.mqtt,
        ws: args.ws,
        gateways: args.gateways,
        edge_cas: args.edge_cas,
        tls13: args.tls13,
        require_sni: args.require_sni,
        https: Some(args.https),
        http: Some(args.http),
        hostname: args.hostname,
        hubs: args.hubs,
        approval: args.approval,
        reprovision: args.reprovision,
        id_scope: args.id_scope,
        state: Some(state.clone()),
        dps_retry_after: Duration::from_secs(args.dps_retry_after),
        quota: with_units(args.quota, args.units)?,
        faults: args.faults.unwrap_or_default(),
        seed: args.seed,
    };
    let emulator = crate::start_for(config, args.run).await?;
    // Devices are served all the same: the addresses may have been given by number.
    if let Err(error) = announce(&emulator, &state) {
        terminal::note(format_args!(
            "warning: the ready line can't be written to stdout: {error:#}"
        ));
    }
    // The program that started this one asks for a link itself when it wants one.
    let link = emulator.sign_in_link(args.page_url.as_deref());
    if let Some(link) = link.filter(|_| !args.stop_on_stdin_eof) {
        terminal::note(format_args!(
            "look at it: {link} (lets you in once, within ten minutes)"
        ));
    }
    tokio::select! {
        () = &mut shutdown => {}
        () = stdin_ended(), if args.stop_on_stdin_eof => {}
    }
    emulator.shutdown().await;
    Ok(())
}

fn announce(emulator: &Emulator, state: &Path) -> anyhow::Result<()> {
    let ready = Ready {
        ready: true,
        mqtt: emulator.mqtt_addr(),
        ws: emulator.ws_addr(),
        gateways: emulator.gateways(),
        https: emulator.https_addr(),
        http: emulator.http_addr(),
        hostname: emulator.hostname(),
        hubs: emulator.hubs().collect(),
        id_scope: emulator.id_scope(),
        ca: emulator.ca_file(),
        api_token_file: emulator.api_token_file(),
        state,
    };
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(&ready)?)?;
    Ok(stdout.flush()?)
}

/// Waits for the end of stdin. It is read by a thread of its own: a pending read on the runtime would keep the process
/// from ending for another reason.
async fn stdin_ended() {
    let (ended, wait) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        // A read error is an end, too.
        while matches!(std::io::stdin().read(&mut buffer), Ok(1..)) {}
        if ended.send(()).is_err() {
            tracing::debug!("stdin ended after the emulator did");
        }
    });
    if wait.await.is_err() {
        tracing::error!("stdin is no longer watched");
    }
}

/// Waits for Ctrl-C or, where there is such a thing, SIGTERM; and for SIGHUP unless it is ignored, as under `nohup`.
pub async fn stop_signal() {
    let interrupt = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C can't be waited for");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let (terminate, hangup) = {
        use tokio::signal::unix::SignalKind;
        (
            unix_signal(SignalKind::terminate(), false),
            unix_signal(SignalKind::hangup(), hangup_is_ignored()),
        )
    };
    #[cfg(not(unix))]
    let (terminate, hangup) = (std::future::pending::<()>(), std::future::pending::<()>());
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
        () = hangup => {}
    }
}

#[cfg(unix)]
async fn unix_signal(kind: tokio::signal::unix::SignalKind, ignored: bool) {
    if !ignored {
        match tokio::signal::unix::signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
                return;
            }
            Err(error) => tracing::error!(%error, ?kind, "this signal can't be waited for"),
        }
    }
    std::future::pending().await
}

/// SIGHUP is the lowest bit of the mask of ignored signals. To listen to it would undo `nohup`. Only Linux shows it.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
