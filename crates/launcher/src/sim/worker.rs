//! One shard of this process: a device-sim process under a lease, the file with its figures, and its reports to a collector
//! where there is one, which then decides when the process starts.

mod keeper;
mod waiting;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use device_sim::shard::host_name;
use fleet_protocol::collect::{COLLECT_VERSION, Hello, Refusal};
use fleet_protocol::lines::EndReason;
use fleet_protocol::plan::{Plan, Shard};
use keeper::Keeper;
use tokio::sync::mpsc;
use tokio::time::Instant;
use waiting::Outcome;

use super::delivery::{Carrier, Delivery};
use super::record::Recorder;
use super::stages::Stages;
use super::uplink::{Collector, LinkNews};
use crate::ending;
use crate::metrics::LiveShards;
use crate::process::child::{Child, Environment};
use crate::process::settled::RegistrationBarrier;

/// What happened to a shard.
#[derive(Debug)]
pub(super) enum Update {
    /// Its process has started; its stages begin at an instant, or have begun, if there is one.
    Started(Option<Stages>),
    /// What has become of its connection to the collector.
    Link(LinkNews),
    /// The collector ends the run.
    CollectorStops,
    /// The collector takes nothing more of its process, which stops.
    Superseded(String),
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
    /// It was given back before the collector let it start.
    NotStarted,
    /// The collector has not let it in, and would not later; nothing was started.
    NotLetIn {
        /// In one word.
        why: Refusal,
        /// In a sentence.
        message: String,
    },
    /// Its stages are over; nothing was started.
    StagesOver(String),
    /// Otherwise, in words. `started` when its devices had been there.
    Badly {
        /// Whether it had reported that it is ready.
        started: bool,
        /// What happened.
        words: String,
    },
}

impl How {
    /// How its process died, if it did.
    fn died(&self) -> Option<String> {
        match self {
            Self::Badly { words, .. } => Some(words.clone()),
            _ => None,
        }
    }
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
    /// How long the end may take.
    pub(super) stop_within: Duration,
    pub(super) figures: LiveShards,
    pub(super) carrier: Carrier,
    pub(super) stages: Option<Stages>,
    /// Who decides when the stages begin, in the place of `stages`.
    pub(super) collector: Option<Collector>,
}

impl Start {
    /// Starts the process, or waits until the collector lets it start. It obeys `orders` and sends updates, the last of which
    /// is its end.
    ///
    /// # Errors
    ///
    /// Its figures can't be written.
    pub(super) fn run(
        self,
        results: &Path,
        plan: &Plan,
        orders: mpsc::UnboundedReceiver<Order>,
        update: mpsc::UnboundedSender<(u32, Update)>,
    ) -> anyhow::Result<()> {
        let recorder = Recorder::begin(results, plan, self.shard)?;
        let environment = Environment::of_devices(plan);
        let plan = plan.clone();
        tokio::spawn(async move {
            let (index, figures) = (self.shard.index, self.figures.clone());
            let how = self.simulate(&plan, &environment, recorder, orders, &update).await;
            figures.ended(index);
            // There is no listener any more when the process leaves at once.
            let _ = update.send((index, Update::Ended(how)));
        });
        Ok(())
    }

    async fn simulate(
        self,
        plan: &Plan,
        environment: &Environment,
        recorder: Recorder,
        mut orders: mpsc::UnboundedReceiver<Order>,
        update: &mpsc::UnboundedSender<(u32, Update)>,
    ) -> How {
        let report = |what| {
            let _ = update.send((self.shard.index, what));
        };
        let (stages, uplink) = match self.collector.clone() {
            None => (self.stages, None),
            Some(collector) => {
                let hello = self.hello(plan, &recorder);
                match waiting::for_go(collector, hello, &self.lease, plan, &mut orders, report).await {
                    Outcome::Go(stages, uplink) => (Some(stages), Some(uplink)),
                    Outcome::Ended(how) => {
                        recorder.discard();
                        return how;
                    }
                }
            }
        };
        let arguments = self.arguments(&recorder, stages.as_ref());
        let name = format!("device-sim {}", self.shard);
        let started = Child::start(&self.executable, name, arguments, environment);
        let (child, stdout) = match started {
            Ok(started) => started,
            Err(error) => {
                recorder.discard();
                return How::Badly {
                    started: false,
                    words: format!("{error:#}"),
                };
            }
        };
        report(Update::Started(stages));
        // For those that must be refused, no stage waits.
        let settled = RegistrationBarrier::new(self.shard.part_of_number(plan.positive_count()));
        let keeper = Keeper::new(self, child, recorder, uplink, orders, update.clone(), settled);
        keeper.keep(stdout).await
    }

    fn hello(&self, plan: &Plan, recorder: &Recorder) -> Hello {
        Hello {
            version: COLLECT_VERSION,
            run_id: plan.run_id.clone(),
            index: self.shard.index,
            count: self.shard.count,
            incarnation: recorder.incarnation(),
            devices: self.shard.part_of_number(plan.device_count()),
            host: host_name().unwrap_or_default(),
            stages_in_ms: None,
        }
    }

    fn arguments(&self, recorder: &Recorder, stages: Option<&Stages>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            "device-sim".into(),
            "--plan".into(),
            self.plan_file.clone().into(),
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
            format!("{}ms", ending::drain(self.stop_within).as_millis()).into(),
        ];
        if let Some(stages) = stages {
            arguments.extend(["--start-at".into(), stages.start().to_string().into()]);
        }
        arguments
    }

    /// How long the collector may take for what was reported to it, from when the end begins.
    fn reported_by(&self, begun: Instant) -> Instant {
        begun + self.stop_within * 5 / 6
    }
}
