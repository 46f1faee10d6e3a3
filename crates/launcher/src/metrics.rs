//! The figures of a run for Prometheus, at `http://ADDR/metrics`.
//!
//! A scrape takes a small snapshot where the figures are ([`snapshot`], or [`shards`] where a process has a part of a fleet),
//! and all else is done on it: buckets ([`distribution`]), names and labels ([`catalog`]), text ([`render`]). Those are pure;
//! [`source`] is what is around them.

mod catalog;
mod distribution;
pub(crate) mod expiry;
mod own;
mod render;
mod shards;
mod snapshot;
mod source;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Args;
use device_sim::hint::Hint;
use fleet_protocol::plan::Group;
use settings::Span;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

pub(crate) use render::About;
pub(crate) use shards::LiveShards;
pub(crate) use snapshot::Snapshot;

use crate::ending::Ending;
use crate::exit::Failure;
use crate::http::{Address, Bounds, Listener, Server};
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

/// A scrape is one request, and short.
const BOUNDS: Bounds = Bounds {
    connections: 16,
    within: Some(Duration::from_secs(10)),
};

/// Certificates are looked at as often: a roll replaces them while a run goes on.
const EXPIRY_EVERY: Duration = Duration::from_secs(300);

/// The server of a run's figures; nothing where none are asked for.
#[derive(Debug)]
pub(crate) struct Exporter(Option<Serving>);

#[derive(Debug)]
struct Serving {
    source: Arc<Source>,
    at: SocketAddr,
    linger: Duration,
    groups: Arc<[Group]>,
    _server: Server,
    /// What looks at the certificates.
    looking: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.looking.iter().for_each(JoinHandle::abort);
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
        let listener = Listener::bind("--metrics", address).await?;
        let at = listener.address();
        progress.report(format!("metrics: http://{at}/metrics"));
        let source = Arc::new(Source::new(About {
            run_id,
            target: target.to_owned(),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
        }));
        Ok(Self(Some(Serving {
            _server: listener.serve(router(Arc::clone(&source)), BOUNDS),
            looking: None,
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

fn router(source: Arc<Source>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "the metrics are at /metrics\n") })
        .with_state(source)
}

async fn scrape(State(source): State<Arc<Source>>) -> Response {
    match source.text().await {
        Ok(text) => ([(CONTENT_TYPE, render::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

impl Serving {
    fn look_at_certificates(&mut self) {
        let looking = look_at_certificates(Arc::clone(&self.groups), Arc::clone(&self.source));
        self.looking = Some(tokio::spawn(looking));
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
