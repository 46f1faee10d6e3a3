//! The shards of one process: which it takes and gives back, and when it has nothing left to do.

mod updates;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::anyhow;
use device_sim::lease::Lease;
use device_sim::shard::host_name;
use fleet_protocol::plan::Plan;
use fleet_report::words;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::coordination::{Member, SharedFolder};
use super::deaths::Deaths;
use super::delivery::Carrier;
use super::lateness::Lateness;
use super::reach::Reach;
use super::record;
use super::share::{Seen, Share, Step};
use super::stages::Stages;
use super::termination::LastWords;
use super::worker::{Order, Start, Update};
use super::{LOOK, Options, Reporting};
use crate::ending::Ending;
use crate::exit::{FAILED, Failure, PASSED};
use crate::interrupts::Interrupts;
use crate::metrics::LiveShards;
use crate::progress::ProgressLog;
use crate::timer::at;

/// The shards of this process.
pub(super) struct Workers<'a> {
    pub(super) options: &'a Options,
    pub(super) plan: &'a Plan,
    pub(super) shared: &'a SharedFolder,
    pub(super) member: Member,
    pub(super) shards: NonZeroU32,
    pub(super) only: Option<u32>,
    /// The stages, where they begin at an instant.
    pub(super) stages: Option<Stages>,
    /// Where the shards report to, if anywhere.
    pub(super) collector: Option<(Reporting, Reach)>,
    pub(super) carrier: Carrier,
    pub(super) last_words: &'a mut LastWords,
    /// Why a record can't be read.
    pub(super) undelivered: Option<anyhow::Error>,
    pub(super) progress: ProgressLog,
    pub(super) update: mpsc::UnboundedSender<(u32, Update)>,
    pub(super) running: BTreeMap<u32, Running>,
    pub(super) deaths: Deaths,
    /// Why no shard is taken any more.
    pub(super) given_up: Option<Failure>,
    /// Devices were there.
    pub(super) has_begun: bool,
    /// The last line about this process could not be written.
    pub(super) unwritten: bool,
    /// Devices that never came online, of the shards that this process has finished.
    pub(super) failed: u64,
    /// Shards whose process did not end when it should have, and was killed. They are not taken again: all of the stages
    /// would begin anew.
    pub(super) late: BTreeSet<u32>,
    /// Shards of which the collector takes nothing more from this process: others have them, or they are given up.
    pub(super) superseded: BTreeSet<u32>,
    pub(super) ending: Option<Ending>,
    /// The end was asked for here, so that asking once more insists.
    pub(super) is_asked: bool,
    /// Where the lines of shards go, if they are served.
    pub(super) figures: LiveShards,
}

pub(super) struct Running {
    orders: mpsc::UnboundedSender<Order>,
    /// It was asked to stop.
    leaving: bool,
    /// When its process started; nothing while it waits for the collector.
    since: Option<Instant>,
    /// Its stages, where they begin at an instant.
    stages: Option<Stages>,
    lateness: Lateness,
}

impl Workers<'_> {
    /// Delivers what earlier processes of its shard have recorded here. They may have been killed before they could, as in a
    /// container that was started again with the same folder.
    pub(super) async fn deliver_left_behind(&mut self) -> anyhow::Result<()> {
        let Some(index) = self.only else {
            return Ok(());
        };
        let shard = self.shared.shard(index);
        // The record of one that is still there is not its last.
        if !Lease::is_free(&self.shared.lease(shard))? {
            return Ok(());
        }
        for record in record::left_behind(&self.options.results, &self.plan.run_id, shard)? {
            let delivery = self.carrier.deliver(&record).await;
            self.handle(index, Update::Recorded(delivery));
        }
        Ok(())
    }

    /// Until all shards are finished, or a stop that was asked for is over.
    pub(super) async fn work(
        &mut self,
        mut updates: mpsc::UnboundedReceiver<(u32, Update)>,
        interrupts: &mut Interrupts,
    ) -> Result<u8, Failure> {
        let taste = self.taste();
        let mut share = Share::new(Instant::now(), taste);
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut idle_told = false;
        loop {
            tokio::select! {
                Some((index, update)) = updates.recv() => self.handle(index, update),
                _ = ticks.tick() => {
                    let mine: Vec<u32> = self.running.keys().copied().collect();
                    self.beat(&mine);
                    if self.ending.is_none() {
                        let seen = self.look()?;
                        self.end_late(&seen);
                        if seen.open == 0 && self.running.is_empty() {
                            return self.finished();
                        }
                        self.step(share.next(Instant::now(), &seen));
                        let idle = self.running.is_empty() && !self.deaths.is_any_tired();
                        if idle && !idle_told {
                            self.progress.report("standing by: all shards have their processes");
                        }
                        idle_told = idle;
                    }
                }
                () = interrupts.next() => {
                    if std::mem::replace(&mut self.is_asked, true) {
                        self.order_all(Order::Kill);
                        return Err(Failure::Interrupted);
                    }
                    self.stop("stopping: devices drain and disconnect; once more leaves at once");
                }
                () = at(self.ending.map(|ending| ending.stopped())) => {
                    let left: Vec<_> = self.running.keys().map(u32::to_string).collect();
                    self.order_all(Order::Kill);
                    self.reap(&mut updates).await;
                    return Err(anyhow!(
                        "{} {} of {} {} not stopped within {:?} and {} killed; the last figures are missing",
                        words::agreeing(left.len(), "shard", "shards"),
                        left.join(", "),
                        self.shards,
                        words::agreeing(left.len(), "has", "have"),
                        self.options.stop_within,
                        words::agreeing(left.len(), "is", "are"),
                    )
                    .into());
                }
            }
            if self.ending.is_some() && self.running.is_empty() {
                self.progress.report("stopped");
                let failure = self.given_up.take().or(self.undelivered.take().map(Failure::Failed));
                return failure.map_or(Ok(PASSED), Err);
            }
        }
    }

    /// Takes the records of processes that were killed, in the little time that is left.
    async fn reap(&mut self, updates: &mut mpsc::UnboundedReceiver<(u32, Update)>) {
        let over = self.ending.map_or_else(Instant::now, |ending| ending.over());
        while !self.running.is_empty() {
            let Ok(Some((index, update))) = timeout_at(over, updates.recv()).await else {
                return;
            };
            self.handle(index, update);
        }
    }

    /// Ends the processes that should have ended by themselves.
    fn end_late(&mut self, seen: &Seen) {
        let (now, shards) = (Instant::now(), self.shards);
        let within = self.options.stop_within * 2 / 3;
        let alone = usize::try_from(seen.open).is_ok_and(|open| open == self.running.len());
        for (index, running) in &mut self.running {
            if running.lateness.is_late(now, within, alone) && self.late.insert(*index) {
                self.progress.report(format!(
                    "shard {index}/{shards} has not ended within {within:.0?} of its stages and is killed; its last figures are \
                     missing"
                ));
                running.order(Order::Kill);
            }
        }
    }

    /// No shard is left to be simulated.
    fn finished(&mut self) -> Result<u8, Failure> {
        let late: Vec<_> = self.late.iter().map(u32::to_string).collect();
        if !late.is_empty() {
            let late = late.join(", ");
            return Err(anyhow!("shard {late} of {} did not end by itself and was killed", self.shards).into());
        }
        if let Some(error) = self.undelivered.take() {
            return Err(error.into());
        }
        if self.only.is_some() {
            // Its scheduler would start it again, and it has nothing left to do: `report merge` judges the whole fleet.
            return Ok(PASSED);
        }
        self.progress.report(match self.superseded.is_empty() {
            true => "all shards are finished",
            false => "no shard is left for this process",
        });
        Ok(if self.failed == 0 { PASSED } else { FAILED })
    }

    /// Says that this process is well. Where that can't be written, `fleet health` finds it silent, which is true.
    fn beat(&mut self, mine: &[u32]) {
        match self.member.beat(mine) {
            Ok(()) => self.unwritten = false,
            Err(error) => {
                if !std::mem::replace(&mut self.unwritten, true) {
                    self.progress.report(format!("{error:#}"));
                }
            }
        }
    }

    fn look(&mut self) -> anyhow::Result<Seen> {
        let now = Instant::now();
        self.deaths.pass(now);
        let mut seen = Seen {
            // A process for one shard has no part in the others'.
            members: if self.only.is_some() { 1 } else { self.shared.members()? },
            mine: u32::try_from(self.running.len()).unwrap_or(u32::MAX),
            ..Seen::default()
        };
        let indices = match self.only {
            Some(index) => index..index + 1,
            None => 0..self.shards.get(),
        };
        for index in indices {
            let shard = self.shared.shard(index);
            let is_over = self.late.contains(&index) || self.superseded.contains(&index);
            if is_over && !self.running.contains_key(&index) {
                continue;
            }
            if self.running.contains_key(&index) {
                seen.open += 1;
            } else if !self.shared.is_finished(shard) {
                seen.open += 1;
                if !self.deaths.is_tired(index) && Lease::is_free(&self.shared.lease(shard))? {
                    seen.free.push(index);
                }
            }
        }
        Ok(seen)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Take(index) if self.stages.is_some_and(|stages| stages.left(Instant::now()).is_zero()) => {
                let shards = self.shards;
                let words = anyhow!("the stages are over, and shard {index}/{shards} has not finished them");
                self.give_up(words.into());
            }
            Step::Take(index) => {
                let (orders, ordered) = mpsc::unbounded_channel();
                let shard = self.shared.shard(index);
                let start = Start {
                    executable: self.options.executable.clone(),
                    plan_file: self.options.plan.clone(),
                    shard,
                    lease: self.shared.lease(shard),
                    stop_within: self.options.stop_within,
                    figures: self.figures.clone(),
                    carrier: self.carrier,
                    stages: self.stages,
                    collector: self.collector.as_ref().and_then(|(reporting, _)| reporting.of(index)),
                };
                if let Err(error) = start.run(&self.options.results, self.plan, ordered, self.update.clone()) {
                    self.died(index, false, Duration::ZERO, &format!("{error:#}"));
                    return;
                }
                let running = Running {
                    orders,
                    leaving: false,
                    since: None,
                    stages: None,
                    lateness: Lateness::waiting(),
                };
                self.running.insert(index, running);
            }
            Step::GiveBack => self.give_back(),
            Step::Stay => {}
        }
    }

    fn give_back(&mut self) {
        // One at a time: the others may be gone before it is.
        if self.running.values().any(|running| running.leaving) {
            return;
        }
        // For a collector, a shard whose process has ended well is done; but one that has not started can change hands.
        let is_bound = self.collector.is_some();
        let mut last = self.running.values_mut().rev();
        if let Some(last) = last.find(|running| !is_bound || running.since.is_none()) {
            last.order(Order::Stop);
        }
    }

    /// All shards drain and stop, unless they do already.
    fn stop(&mut self, why: &str) {
        if self.ending.is_none() {
            self.progress.report(why);
            self.ending = Some(Ending::begin(Instant::now(), self.options.stop_within));
            self.order_all(Order::Stop);
        }
    }

    fn order_all(&mut self, order: Order) {
        for running in self.running.values_mut() {
            running.order(order);
        }
    }

    /// Something that differs from process to process on one host and from host to host.
    fn taste(&self) -> u32 {
        let name = host_name().unwrap_or_default();
        name.bytes().fold(std::process::id(), |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        })
    }
}

impl Running {
    fn order(&mut self, order: Order) {
        self.leaving = true;
        // A process that has ended takes no orders.
        let _ = self.orders.send(order);
    }
}
