//! The figures of a run for Prometheus, at `http://ADDR/metrics`.
//!
//! A scrape takes a small snapshot where the figures are ([`snapshot`], or [`shards`] where a process has a part of a fleet),
//! and all else is done on it: buckets ([`distribution`]), names and labels ([`catalog`]), text ([`render`]). Those are pure;
//! [`server`] and [`source`] are what is around them.

mod address;
mod catalog;
mod distribution;
mod expiry;
mod own;
mod render;
mod server;
mod shards;
mod snapshot;
mod source;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use device_sim::hint::Hint;
use fleet_protocol::plan::Group;
use settings::Span;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

pub(crate) use address::Address;
pub(crate) use render::About;
pub(crate) use shards::LiveShards;
pub(crate) use snapshot::Snapshot;

use crate::ending::Ending;
use crate::exit::Failure;
use crate::interrupts::Interrupts;
use crate::progress::ProgressLog;
use crate::standing::Viewer;
use source::Source;

/// `--metrics`, `--metrics-linger`
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Serve the figures for Prometheus at http://ADDR/metrics. A port alone is one that only this machine reaches, and
    /// port 0 means any free one
    #[arg(long, value_name = "ADDR")]
    metrics: Option<Address>,
    /// How long the last figures can still be scraped after the end, within --stop-within; Ctrl-C ends it
    #[arg(long, value_name = "TIME", default_value = "0s", requires = "metrics", value_parser = |text: &str| text.parse::<Span>())]
    metrics_linger: Span,
}

/// Certificates are looked at as often: a roll replaces them while a run goes on.
const EXPIRY_EVERY: Duration = Duration::from_secs(300);

/// The server of a run's figures; nothing where none are asked for.
#[derive(Debug)]
pub(crate) struct Exporter(Option<Serving>);

#[derive(Debug)]
struct Serving {
    source: Arc<Source>,
    at: Address,
    linger: Duration,
    groups: Arc<[Group]>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Exporter {
    /// Listens where it is asked for, and serves what is known before anything is started. An end may take `stop_within`.
    ///
    /// # Errors
    ///
    /// The address can't be listened at, or the last figures would have to stay longer than an end may take.
    pub(crate) async fn begin(
        options: &Options,
        stop_within: Duration,
        (run_id, target, groups): (String, &str, Vec<Group>),
        progress: ProgressLog,
    ) -> Result<Self, Failure> {
        let Some(address) = options.metrics else {
            return Ok(Self(None));
        };
        let linger = options.metrics_linger.0;
        if linger > stop_within {
            let (linger, within) = (options.metrics_linger, Span(stop_within));
            let longer = anyhow!("--metrics-linger {linger} is longer than --stop-within {within}, which ends it");
            let hint = format!("give --stop-within a longer time than {linger}: the end itself takes a part of it");
            return Err(Failure::refused(longer.hint(hint)));
        }
        let (listener, at) = listen(address).await.map_err(Failure::Refused)?;
        progress.report(format!("metrics: http://{at}/metrics"));
        let source = Arc::new(Source::new(About {
            run_id,
            target: target.to_owned(),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
        }));
        Ok(Self(Some(Serving {
            tasks: vec![tokio::spawn(server::serve(listener, Arc::clone(&source)))],
            source,
            at,
            linger,
            groups: groups.into(),
        })))
    }

    /// The run has begun, and its certificates are there.
    pub(crate) fn run(&mut self, viewer: Viewer) {
        if let Some(serving) = &mut self.0 {
            serving.source.run(viewer);
            serving.look_at_certificates();
        }
    }

    /// Where the lines of this process' shards go.
    pub(crate) fn shards(&mut self) -> LiveShards {
        let Some(serving) = &mut self.0 else {
            return LiveShards::default();
        };
        let shards = LiveShards::kept();
        serving.source.shards(shards.clone());
        serving.look_at_certificates();
        shards
    }

    /// The run is over. `last` makes its last figures, if somebody wants them.
    pub(crate) async fn end(&self, last: impl FnOnce() -> Snapshot) {
        if let Some(serving) = &self.0 {
            serving.source.end(last()).await;
        }
    }

    /// Lets the last figures be scraped for as long as was asked for, but not beyond the time that the end may take, and not
    /// after a request to leave.
    pub(crate) async fn linger(self, ending: Option<Ending>, interrupts: &mut Interrupts, progress: ProgressLog) {
        let Some(serving) = self.0.filter(|serving| !serving.linger.is_zero()) else {
            return;
        };
        let now = Instant::now();
        let until = now + serving.linger;
        let until = ending.map_or(until, |ending| until.min(ending.over()));
        let left = until.saturating_duration_since(now).as_secs_f64();
        progress.report(format!(
            "the last figures stay at http://{}/metrics for {left:.1}s; Ctrl-C leaves",
            serving.at
        ));
        tokio::select! {
            () = sleep_until(until) => {}
            () = interrupts.next() => {}
        }
    }
}

async fn listen(address: Address) -> anyhow::Result<(TcpListener, Address)> {
    let listening = TcpListener::bind(address.0).await;
    let listening = listening.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match listening {
        Ok((at, listener)) => Ok((listener, Address(at))),
        Err(error) => {
            let help = match error.kind() {
                ErrorKind::AddrInUse => "give another port, or 0 for any free one",
                ErrorKind::PermissionDenied => "give a port from 1024 on, or 0 for any free one",
                _ => "give an address of this machine, or a port alone",
            };
            Err(anyhow::Error::from(error).context(format!("--metrics: can't listen at {address}"))).hint(help)
        }
    }
}

impl Serving {
    fn look_at_certificates(&mut self) {
        let looking = look_at_certificates(Arc::clone(&self.groups), Arc::clone(&self.source));
        self.tasks.push(tokio::spawn(looking));
    }
}

async fn look_at_certificates(groups: Arc<[Group]>, source: Arc<Source>) {
    let mut times = interval(EXPIRY_EVERY);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let groups = Arc::clone(&groups);
        if let Ok(expiry) = tokio::task::spawn_blocking(move || expiry::earliest(&groups)).await {
            source.expiry(expiry);
        }
    }
}
