//! The emulator that a run starts for itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use fleet_protocol::plan::Transport;
use serde::Deserialize;
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::Instant;

use crate::control::Service;
use crate::process::child::{Child, Environment};

/// Making a certificate authority and opening three ports takes a moment, not this long.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Saying goodbye to every device takes a moment too.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// A running emulator.
#[derive(Debug)]
pub(crate) struct EmulatorChild {
    child: Child,
    // Kept open: a closed pipe would make its next line an error.
    _stdout: Lines<BufReader<ChildStdout>>,
    /// Where it is and what it trusts.
    pub ready: Ready,
}

/// The emulator's ready line.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ready {
    /// Where devices connect with MQTT.
    pub mqtt: SocketAddr,
    /// Where devices connect with MQTT over WebSocket, if it was asked for.
    pub ws: Option<SocketAddr>,
    /// The gateways that were asked for.
    #[serde(default)]
    pub gateways: Vec<GatewayReady>,
    /// Where its REST interface listens with TLS.
    pub https: SocketAddr,
    /// Where it listens without TLS, for this machine only.
    pub http: SocketAddr,
    /// The name in its certificate.
    pub hostname: String,
    /// The id scope of its DPS.
    pub id_scope: String,
    /// The certificate to trust.
    pub ca: PathBuf,
    /// The file with its API token.
    pub api_token_file: PathBuf,
}

/// A gateway of a running emulator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct GatewayReady {
    /// The Edge device that it stands for.
    pub device: String,
    /// Where devices connect with MQTT.
    pub mqtt: SocketAddr,
}

impl Ready {
    /// The address of its REST interface.
    #[must_use]
    pub(crate) fn app(&self) -> String {
        format!("https://{}:{}", self.hostname, self.https.port())
    }

    /// What another program needs to speak to its REST interface.
    #[must_use]
    pub(crate) fn service(&self) -> Service {
        Service {
            app: self.app(),
            ca: self.ca.clone(),
            api_token_file: self.api_token_file.clone(),
        }
    }

    /// Where devices connect with `transport`.
    #[must_use]
    pub(crate) fn port(&self, transport: Transport) -> Option<u16> {
        match transport {
            Transport::Mqtt => Some(self.mqtt.port()),
            Transport::WebSocket => self.ws.map(|address| address.port()),
        }
    }
}

impl EmulatorChild {
    /// Starts one and waits until it is ready. `port` is where devices connect with `transport`, 0 for any. Without names of
    /// `hubs`, it has one that is named like the machine. `more` are
    /// more arguments: its quota, its faults and their seed, its gateways.
    ///
    /// # Errors
    ///
    /// It can't be started or is not ready in time.
    pub(crate) async fn start(
        executable: &Path,
        state: &Path,
        port: u16,
        transport: Transport,
        hubs: &[String],
        more: &[String],
    ) -> anyhow::Result<Self> {
        let mut arguments: Vec<std::ffi::OsString> = vec!["emulator".into(), "--state".into(), state.into()];
        let (port, free) = (format!("127.0.0.1:{port}"), "127.0.0.1:0");
        let devices: &[_] = match transport {
            Transport::Mqtt => &[("--mqtt", port.as_str())],
            // Its MQTT port is always there.
            Transport::WebSocket => &[("--mqtt", free), ("--ws", port.as_str())],
        };
        for (flag, address) in devices.iter().copied().chain([("--https", free), ("--http", free)]) {
            arguments.extend([flag.into(), address.into()]);
        }
        if !hubs.is_empty() {
            arguments.extend(["--hubs".into(), hubs.join(",").into()]);
        }
        arguments.extend(more.iter().map(Into::into));
        arguments.push("--stop-on-stdin-eof".into());
        let (mut child, mut stdout) = Child::start(executable, "the emulator", arguments, &Environment::plain())?;
        let line = tokio::time::timeout(READY_WITHIN, stdout.next_line())
            .await
            .context("the emulator did not get ready")?
            .context("can't read from the emulator")?;
        let Some(line) = line else {
            bail!("the emulator ended before it was ready: {}", child.ended().await?);
        };
        let ready = serde_json::from_str(&line)
            .with_context(|| format!("the emulator wrote `{line}` instead of its addresses"))?;
        Ok(Self {
            child,
            _stdout: stdout,
            ready,
        })
    }

    /// Waits until it has ended, which it does not do by itself. Says how.
    pub(crate) async fn died(&mut self) -> String {
        match self.child.ended().await {
            Ok(ended) => format!("the emulator died: {ended}"),
            Err(error) => format!("{error:#}"),
        }
    }

    /// Stops it, in the time that it usually needs.
    ///
    /// # Errors
    ///
    /// It had failed before, or did not stop in time and was killed.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop_until(Instant::now() + STOPPED_WITHIN).await
    }

    /// Stops it, and kills it at `until`.
    ///
    /// # Errors
    ///
    /// It had failed before, or did not stop in time and was killed.
    pub(crate) async fn stop_until(mut self, until: Instant) -> anyhow::Result<()> {
        self.child.stop();
        let ended = tokio::time::timeout_at(until.min(Instant::now() + STOPPED_WITHIN), self.child.ended())
            .await
            .context("the emulator did not stop and was killed")??;
        if !ended.status.success() {
            bail!("the emulator failed: {ended}");
        }
        Ok(())
    }
}
