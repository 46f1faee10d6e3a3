//! A process that runs: its lines go into its record and to the collector, orders go to it, and its end is reported.

use std::time::Duration;

use device_sim::lease::Lease;
use fleet_protocol::lines::{EndReason, Line};
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{How, Order, Start, Update};
use crate::process::child::{Child, Ended};
use crate::process::settled::RegistrationBarrier;
use crate::sim::delivery::Delivery;
use crate::sim::record::Recorder;
use crate::sim::uplink::{News, Uplink};

/// The end of a process that had to be killed is reported, too, if that takes no longer.
const REPORTED_AFTER_KILL: Duration = Duration::from_secs(1);

/// A process that runs.
pub(super) struct Keeper {
    start: Start,
    child: Child,
    recorder: Recorder,
    uplink: Option<Uplink>,
    orders: mpsc::UnboundedReceiver<Order>,
    update: mpsc::UnboundedSender<(u32, Update)>,
    /// It has reported that it is ready.
    started: bool,
    settled: RegistrationBarrier,
    ended: Option<EndReason>,
    unwritten: Option<String>,
    /// Since when it is to end.
    leaving: Option<Instant>,
    /// Since when it is to be gone.
    killed: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(
        start: Start,
        child: Child,
        recorder: Recorder,
        uplink: Option<Uplink>,
        orders: mpsc::UnboundedReceiver<Order>,
        update: mpsc::UnboundedSender<(u32, Update)>,
        settled: RegistrationBarrier,
    ) -> Self {
        Self {
            start,
            child,
            recorder,
            uplink,
            orders,
            update,
            started: false,
            settled,
            ended: None,
            unwritten: None,
            leaving: None,
            killed: None,
        }
    }

    /// Until the process is gone and its last figures are where they belong.
    pub(super) async fn keep(mut self, stdout: Lines<BufReader<ChildStdout>>) -> How {
        self.listen(stdout).await;
        let how = self.end().await;
        if let Some(uplink) = self.uplink.as_ref().filter(|_| !matches!(how, How::Taken)) {
            uplink.ended(how.died());
        }
        match how {
            // It was none of its devices' processes.
            How::Taken => self.recorder.discard(),
            How::Badly { started: false, .. } => {
                self.recorder.discard();
                self.report_rest().await;
            }
            _ => {
                let delivery = self.deliver().await;
                self.report(Update::Recorded(delivery));
            }
        }
        how
    }

    /// Until its stdout ends.
    async fn listen(&mut self, mut stdout: Lines<BufReader<ChildStdout>>) {
        loop {
            tokio::select! {
                line = stdout.next_line() => match line {
                    Ok(Some(line)) => self.handle(&line),
                    Ok(None) | Err(_) => return,
                },
                Some(order) = self.orders.recv() => self.obey(order),
                Some(news) = news(self.uplink.as_mut()) => self.follow(news).await,
            }
        }
    }

    fn handle(&mut self, line: &str) {
        let written = match serde_json::from_str::<Line>(line) {
            Ok(line) => {
                if let Some(uplink) = &self.uplink {
                    uplink.line(line.clone());
                }
                self.take(line)
            }
            Err(_) => Err(anyhow::anyhow!(
                "it wrote a line that isn't part of the protocol: {line}"
            )),
        };
        if let Err(error) = written {
            // Devices whose figures are lost are of no use: another process may be able to write them.
            self.unwritten.get_or_insert(format!("{error:#}"));
            self.stop();
        }
    }

    fn take(&mut self, line: Line) -> anyhow::Result<()> {
        match line {
            Line::Ready { devices, .. } => {
                self.started = true;
                self.report(Update::Ready { devices });
                Ok(())
            }
            Line::Stats(stats) => {
                self.report(Update::Reported);
                self.start.figures.line(self.start.shard.index, &stats);
                self.recorder.add(stats)
            }
            Line::End { reason } => {
                self.ended = Some(reason);
                self.recorder.end(reason)
            }
            Line::Device(device) => {
                if !device.negative && self.settled.handle(&device) {
                    self.report(Update::RegistrationBarrier);
                }
                Ok(())
            }
            Line::Done { .. } | Line::Refused { .. } => Ok(()),
        }
    }

    /// What the collector wants.
    async fn follow(&mut self, news: News) {
        match news {
            News::Control(control) => {
                let line = serde_json::to_string(&control).expect("a control line can be written");
                self.child.order(&line).await;
            }
            News::Stop => {
                self.stop();
                self.report(Update::CollectorStops);
            }
            News::Refused { message, .. } => {
                self.stop();
                self.report(Update::Superseded(message));
            }
            News::Link(news) => self.report(Update::Link(news)),
            // It runs.
            News::Go { .. } => {}
        }
    }

    /// Until the process is gone, and with it the lease.
    async fn end(&mut self) -> How {
        let ended = loop {
            tokio::select! {
                ended = self.child.ended() => break ended,
                Some(order) = self.orders.recv() => self.obey(order),
            }
        };
        self.how(ended)
    }

    fn how(&mut self, ended: anyhow::Result<Ended>) -> How {
        let badly = |words| How::Badly {
            started: self.started,
            words,
        };
        match (ended, self.ended, self.unwritten.take()) {
            (_, _, Some(unwritten)) => badly(unwritten),
            (Ok(Ended { status, .. }), Some(reason), None) if status.success() => How::Well {
                reason,
                failed: self.recorder.failed_by_reason(),
            },
            (Ok(_), None, None) if !self.started && Lease::is_free(&self.start.lease).is_ok_and(|free| !free) => {
                How::Taken
            }
            (Ok(ended), ..) => badly(ended.to_string()),
            (Err(error), ..) => badly(format!("{error:#}")),
        }
    }

    /// Writes the record to stdout, and has the collector take what it has not taken.
    async fn deliver(&mut self) -> Delivery {
        let carrier = self.start.carrier;
        let record = self.recorder.record().clone();
        let (delivery, reported) = tokio::join!(carrier.deliver(&record), self.report_rest());
        match reported {
            None => delivery,
            Some(is_taken) => delivery.reported(is_taken, carrier),
        }
    }

    /// Whether the collector has taken everything in time; nothing where there is none.
    async fn report_rest(&mut self) -> Option<bool> {
        let ended = Instant::now();
        loop {
            let until = self.start.reported_by(self.leaving.unwrap_or(ended));
            let until = self
                .killed
                .map_or(until, |killed| until.min(killed + REPORTED_AFTER_KILL));
            tokio::select! {
                news = self.uplink.as_mut()?.news() => match news {
                    None => break,
                    Some(News::Link(news)) => self.report(Update::Link(news)),
                    Some(News::Stop) => self.report(Update::CollectorStops),
                    // There is nothing left that could obey, and a refusal ends the news.
                    Some(News::Go { .. } | News::Control(_) | News::Refused { .. }) => {}
                },
                Some(order) = self.orders.recv() => self.obey(order),
                () = sleep_until(until) => break,
            }
        }
        self.uplink.as_ref().map(Uplink::is_delivered)
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Stop => self.stop(),
            Order::Kill => {
                self.killed.get_or_insert_with(Instant::now);
                self.child.kill();
            }
        }
    }

    fn stop(&mut self) {
        self.leaving.get_or_insert_with(Instant::now);
        self.child.stop();
    }

    fn report(&self, update: Update) {
        // There is no listener any more when the process leaves at once.
        let _ = self.update.send((self.start.shard.index, update));
    }
}

/// News of the collector; without one, none ever.
async fn news(uplink: Option<&mut Uplink>) -> Option<News> {
    match uplink {
        Some(uplink) => uplink.news().await,
        None => std::future::pending().await,
    }
}
