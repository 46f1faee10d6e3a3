//! What this process makes of what happens to its shards.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use fleet_protocol::collect::Refusal;
use fleet_protocol::lines::EndReason;
use fleet_report::words;
use tokio::time::Instant;

use super::Workers;
use crate::ending::Ending;
use crate::exit::Failure;
use crate::sim::deaths::NoUse;
use crate::sim::delivery::Delivery;
use crate::sim::lateness;
use crate::sim::stages::Stages;
use crate::sim::uplink::LinkNews;
use crate::sim::worker::{How, Order, Update};

impl Workers<'_> {
    pub(super) fn handle(&mut self, index: u32, update: Update) {
        let shards = self.shards;
        match update {
            Update::Started(stages) => self.started(index, stages),
            Update::Link(news) => self.link(index, news),
            Update::CollectorStops => self.stop("stopping: the collector ends the run; devices drain and disconnect"),
            Update::Superseded(message) => {
                self.progress.report(format!("shard {index}/{shards} stops: {message}"));
                self.superseded.insert(index);
            }
            Update::Reported => {
                if let Some(running) = self.running.get_mut(&index) {
                    running.lateness.reported(Instant::now());
                }
            }
            Update::RegistrationBarrier => self.settled(index),
            Update::Recorded(delivery) => self.recorded(index, delivery),
            Update::Ready { devices } => {
                self.deaths.ready();
                self.has_begun = true;
                self.progress
                    .report(format!("shard {index}/{shards}: {}", words::devices(devices)));
            }
            Update::Ended(how) => self.ended(index, how),
        }
    }

    /// The process of a shard has started.
    fn started(&mut self, index: u32, stages: Option<Stages>) {
        let now = Instant::now();
        if let Some(running) = self.running.get_mut(&index) {
            running.since = Some(now);
            running.lateness.reported(now);
            running.stages = stages;
        }
        if let Some(stages) = stages.filter(|_| self.collector.is_some()) {
            let when = stages.when(now);
            self.progress
                .report(format!("shard {index}/{} starts: {when}", self.shards));
        }
    }

    fn link(&mut self, index: u32, news: LinkNews) {
        let words = self.collector.as_mut().and_then(|(_, reach)| reach.news(index, news));
        if let Some(words) = words {
            self.progress.report(words);
        }
    }

    fn recorded(&mut self, index: u32, delivery: Delivery) {
        let Delivery { words, done, note } = delivery;
        self.last_words.process(words);
        if let Some(note) = note {
            self.progress.report(format!("shard {index}/{}: {note}", self.shards));
        }
        if let Err(error) = done {
            self.progress.report(format!("{error:#}"));
            self.undelivered.get_or_insert(error);
        }
    }

    fn ended(&mut self, index: u32, how: How) {
        let shards = self.shards;
        let since = self.running.remove(&index).and_then(|running| running.since);
        let lived = since.map_or(Duration::ZERO, |since| since.elapsed());
        if let Some((_, reach)) = &mut self.collector {
            reach.ended(index);
        }
        match how {
            How::Well {
                reason: EndReason::StagesOver | EndReason::MessagesSent,
                failed,
            } => {
                self.progress
                    .report(format!("shard {index}/{shards} is finished{}", never_online(&failed)));
                self.failed += failed.values().sum::<u64>();
            }
            How::Well { .. } => self.progress.report(format!("shard {index}/{shards} given back")),
            // Another process was quicker, or there was no time to begin.
            How::Taken | How::NotStarted => {}
            How::NotLetIn { why, message } => self.not_let_in(index, why, &message),
            How::StagesOver(words) => {
                self.give_up(anyhow!("shard {index}/{shards} is not simulated: {words}").into());
            }
            // It was killed for it, and named.
            How::Badly { .. } if self.late.contains(&index) => {}
            How::Badly { started, words } => {
                self.died(index, started, lived, &words);
            }
        }
    }

    /// The collector has no use for a shard of this process.
    fn not_let_in(&mut self, index: u32, why: Refusal, message: &str) {
        let error = anyhow!("the collector has refused shard {index}/{}: {message}", self.shards);
        self.give_up(match why {
            // Another try would not help, and a scheduler should not make one.
            Refusal::Version | Refusal::OtherRun | Refusal::OtherShards | Refusal::NotItsShard if !self.has_begun => {
                Failure::Refused(error)
            }
            _ => error.into(),
        });
    }

    /// The devices of a shard have finished their first registration.
    fn settled(&mut self, index: u32) {
        let now = Instant::now();
        let Some(running) = self.running.get_mut(&index) else {
            return;
        };
        let left = match running.stages {
            None => lateness::stages(self.plan, self.shared.shard(index)),
            Some(stages) => stages.left(now),
        };
        running.lateness.settled(now, left);
        if let Some(late) = running.stages.and_then(|stages| stages.late(now)) {
            self.progress.report(format!("shard {index}/{}: {late}", self.shards));
        }
    }

    pub(super) fn died(&mut self, index: u32, started: bool, lived: Duration, words: &str) {
        let shards = self.shards;
        self.progress
            .report(format!("device-sim {index}/{shards} died: {words}"));
        let Some(why) = self.deaths.died(index, started, lived, Instant::now()) else {
            return;
        };
        let error = match why {
            NoUse::NoStart => anyhow!("device-sim does not start: {why}; at last: {words}"),
            NoUse::Shard => anyhow!("shard {index}/{shards} is given up: {why}; at last: {words}"),
        };
        self.give_up(error.into());
    }

    /// The other shards drain, and are free for others.
    pub(super) fn give_up(&mut self, reason: Failure) {
        self.is_asked = true;
        self.given_up.get_or_insert(reason);
        self.ending
            .get_or_insert_with(|| Ending::begin(Instant::now(), self.options.stop_within));
        self.order_all(Order::Stop);
    }
}

/// The devices that failed in words, to be put behind others.
fn never_online(failed: &BTreeMap<String, u64>) -> String {
    let count: u64 = failed.values().sum();
    if count == 0 {
        return String::new();
    }
    let reasons: Vec<_> = failed
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    format!(", {} never came online ({})", words::devices(count), reasons.join(", "))
}
