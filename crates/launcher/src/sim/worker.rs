//! One shard of this process: a device-sim process under a lease, and the file with its figures.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use device_sim::lease::Lease;
use device_sim::start_at::StartAt;
use fleet_protocol::lines::{EndReason, Line};
use fleet_protocol::plan::{Plan, Shard};
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;

use crate::metrics::LiveShards;
use crate::process::child::{Child, Ended, Environment};
use crate::process::settled::RegistrationBarrier;
use crate::sim::delivery::{Carrier, Delivery};
use crate::sim::record::Recorder;

/// What happened to a shard.
#[derive(Debug)]
pub(super) enum Update {
    /// Its devices are there.
    Ready {
        /// How many.
        devices: u32,
    },
    /// All of them have finished their first registration, so its stages are about to begin.
    RegistrationBarrier,
    /// It has reported its figures.
    Reported,
    /// All that it will ever report is recorded.
    Recorded(Delivery),
    /// Its process has ended.
    Ended(How),
}

/// How a shard's process ended.
#[derive(Debug)]
pub(super) enum How {
    /// As it should.
    Well {
        /// Why.
        reason: EndReason,
        /// Its devices that were wanted and never came online, by reason.
        failed: BTreeMap<String, u64>,
    },
    /// Another process has the lease; nothing was started.
    Taken,
    /// Otherwise, in words. `started` when its devices had been there.
    Badly {
        /// Whether it had reported that it is ready.
        started: bool,
        /// What happened.
        words: String,
    },
}

/// An order to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Drain and stop.
    Stop,
    /// End at once.
    Kill,
}

/// What it takes to start a shard's process.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// Our own program.
    pub(super) executable: PathBuf,
    /// The plan's file.
    pub(super) plan_file: PathBuf,
    /// Which shard.
    pub(super) shard: Shard,
    pub(super) lease: PathBuf,
    /// How long its devices wait for acknowledgements when they stop.
    pub(super) drain: Duration,
    pub(super) figures: LiveShards,
    pub(super) carrier: Carrier,
    pub(super) start_at: Option<StartAt>,
}

impl Start {
    /// Starts the process. It obeys `orders` and sends updates, the last of which is its end.
    ///
    /// # Errors
    ///
    /// It can't be started, or its figures can't be written.
    pub(super) fn run(
        self,
        results: &Path,
        plan: &Plan,
        orders: mpsc::UnboundedReceiver<Order>,
        update: mpsc::UnboundedSender<(u32, Update)>,
    ) -> anyhow::Result<()> {
        let recorder = Recorder::begin(results, plan, self.shard)?;
        let mut arguments: Vec<OsString> = vec![
            "device-sim".into(),
            "--plan".into(),
            self.plan_file.into(),
            "--shard".into(),
            self.shard.to_string().into(),
            "--lease".into(),
            self.lease.clone().into(),
            // A number that no process of this shard has had: its file of figures and its message ids are its own.
            "--incarnation".into(),
            recorder.incarnation().to_string().into(),
            "--control".into(),
            "stdin".into(),
            "--drain-within".into(),
            format!("{}ms", self.drain.as_millis()).into(),
        ];
        if let Some(start) = self.start_at {
            arguments.extend(["--start-at".into(), start.to_string().into()]);
        }
        let name = format!("device-sim {}", self.shard);
        let started = Child::start(&self.executable, name, arguments, &Environment::of_devices(plan));
        let (child, stdout) = match started {
            Ok(started) => started,
            Err(error) => {
                recorder.discard();
                return Err(error);
            }
        };
        let mut keeper = Keeper {
            index: self.shard.index,
            lease: self.lease,
            child,
            recorder,
            figures: self.figures,
            carrier: self.carrier,
            orders,
            update,
            started: false,
            settled: RegistrationBarrier::default(),
            ended: None,
            unwritten: None,
        };
        tokio::spawn(async move {
            keeper.listen(stdout).await;
            let how = keeper.end().await;
            if matches!(how, How::Taken | How::Badly { started: false, .. }) {
                keeper.recorder.discard();
            } else {
                let delivery = keeper.carrier.deliver(keeper.recorder.record()).await;
                keeper.report(Update::Recorded(delivery));
            }
            keeper.figures.ended(keeper.index);
            keeper.report(Update::Ended(how));
        });
        Ok(())
    }
}

struct Keeper {
    index: u32,
    lease: PathBuf,
    child: Child,
    recorder: Recorder,
    figures: LiveShards,
    carrier: Carrier,
    orders: mpsc::UnboundedReceiver<Order>,
    update: mpsc::UnboundedSender<(u32, Update)>,
    started: bool,
    settled: RegistrationBarrier,
    ended: Option<EndReason>,
    unwritten: Option<String>,
}

impl Keeper {
    /// Until its stdout ends.
    async fn listen(&mut self, mut stdout: Lines<BufReader<ChildStdout>>) {
        loop {
            tokio::select! {
                line = stdout.next_line() => match line {
                    Ok(Some(line)) => self.handle(&line),
                    Ok(None) | Err(_) => return,
                },
                Some(order) = self.orders.recv() => self.obey(order),
            }
        }
    }

    fn handle(&mut self, line: &str) {
        let written = match serde_json::from_str(line) {
            Ok(Line::Ready { devices, .. }) => {
                self.started = true;
                self.settled = RegistrationBarrier::new(devices);
                self.report(Update::Ready { devices });
                Ok(())
            }
            Ok(Line::Stats(stats)) => {
                self.report(Update::Reported);
                self.figures.line(self.index, &stats);
                self.recorder.add(stats)
            }
            Ok(Line::End { reason }) => {
                self.ended = Some(reason);
                self.recorder.end(reason)
            }
            Ok(Line::Device(device)) => {
                if self.settled.handle(&device) {
                    self.report(Update::RegistrationBarrier);
                }
                Ok(())
            }
            Ok(Line::Done { .. } | Line::Refused { .. }) => Ok(()),
            Err(_) => Err(anyhow::anyhow!(
                "it wrote a line that isn't part of the protocol: {line}"
            )),
        };
        if let Err(error) = written {
            // Devices whose figures are lost are of no use: another process may be able to write them.
            self.unwritten.get_or_insert(format!("{error:#}"));
            self.child.stop();
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
            (Ok(_), None, None) if !self.started && Lease::is_free(&self.lease).is_ok_and(|free| !free) => How::Taken,
            (Ok(ended), ..) => badly(ended.to_string()),
            (Err(error), ..) => badly(format!("{error:#}")),
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Stop => self.child.stop(),
            Order::Kill => self.child.kill(),
        }
    }

    fn report(&self, update: Update) {
        // There is no listener any more when the process leaves at once.
        let _ = self.update.send((self.index, update));
    }
}
