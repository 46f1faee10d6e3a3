//! A shard whose collector has not said go. The lease is held meanwhile, so that no other process of the folder waits for
//! the same.

use std::path::Path;
use std::time::Duration;

use device_sim::lease::{Lease, LeaseError};
use device_sim::start_at::StartAt;
use fleet_protocol::collect::{Hello, Refusal};
use fleet_protocol::plan::Plan;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{How, Order, Update};
use crate::sim::stages::Stages;
use crate::sim::uplink::{Collector, News, Uplink};

/// What comes of waiting.
pub(super) enum Outcome {
    /// The process may start: its stages begin, or have begun.
    Go(Stages, Uplink),
    /// It does not.
    Ended(How),
}

/// Connects and waits for go, or for an order to end.
pub(super) async fn for_go(
    collector: Collector,
    hello: Hello,
    lease: &Path,
    plan: &Plan,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    report: impl Fn(Update),
) -> Outcome {
    // Before the hello, with which the shard would be this process's for the collector. The process itself takes it when it
    // starts; if another one is quicker then, it ends as without a collector.
    let _lease = match Lease::take(lease) {
        Ok(lease) => lease,
        Err(LeaseError::Held { .. }) => return Outcome::Ended(How::Taken),
        Err(error) => {
            return Outcome::Ended(How::Badly {
                started: false,
                words: format!("{:#}", anyhow::Error::from(error)),
            });
        }
    };
    let mut uplink = Uplink::begin(collector, hello);
    loop {
        let news = tokio::select! {
            news = uplink.news() => news,
            _ = orders.recv() => return Outcome::Ended(How::NotStarted),
        };
        match news {
            Some(News::Go { stages_in_ms }) => {
                return match stages(plan, stages_in_ms) {
                    Ok(stages) => Outcome::Go(stages, uplink),
                    Err(words) => Outcome::Ended(How::StagesOver(words)),
                };
            }
            Some(News::Link(news)) => report(Update::Link(news)),
            Some(News::Stop) => {
                report(Update::CollectorStops);
                return Outcome::Ended(How::NotStarted);
            }
            Some(News::Refused { why, message }) => return Outcome::Ended(How::NotLetIn { why, message }),
            // The machine passes no order on before go.
            Some(News::Control(_)) => {}
            None => {
                return Outcome::Ended(How::NotLetIn {
                    why: Refusal::Over,
                    message: "the connection has ended for good".to_owned(),
                });
            }
        }
    }
}

/// The stages by this machine's clock, or why they can't be.
fn stages(plan: &Plan, in_ms: i64) -> Result<Stages, String> {
    let now = Timestamp::now();
    let start = now.as_millisecond().saturating_add(in_ms);
    let start = Timestamp::from_millisecond(start).unwrap_or(match in_ms {
        ..0 => Timestamp::MIN,
        0.. => Timestamp::MAX,
    });
    Stages::new(plan, StartAt(start), now, Instant::now()).map_err(|_| {
        let seconds = Duration::from_millis(in_ms.unsigned_abs()).as_secs_f64();
        match in_ms {
            ..0 => format!("the stages began {seconds:.1}s ago and are over"),
            0.. => format!("the collector has the stages begin only in {seconds:.1}s, which can't be right"),
        }
    })
}
