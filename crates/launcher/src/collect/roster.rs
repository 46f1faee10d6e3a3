//! Which shards of a fleet are there, and what a collector takes of their sims. Pure: messages and the time are handed in,
//! and what follows from them is handed out.
//!
//! A shard is had by one process at a time, its *incarnation*. What the process writes is numbered, and its numbers decide
//! what is new: a number that came before is not taken again, and one that skips another is a mistake. So it does not
//! matter how often a connection ends, nor where.

mod admission;
mod plausible;
mod shard;
mod words;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use fleet_protocol::collect::{Hello, ToCollector, ToSim};
use fleet_protocol::lines::Control;
use fleet_protocol::plan::Shard as Number;
use tokio::time::Instant;

use crate::process::shards::{Event, Update};
use admission::Admission;
use shard::{Place, Shard, Taken};
pub(crate) use words::CALLED;

/// A connection, by a number of the collector's own.
pub(crate) type Connection = u64;

/// What a roster is of, and how long it waits.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// The run, as its plan names it.
    pub(crate) run_id: String,
    /// Into how many shards the fleet is cut.
    pub(crate) count: NonZeroU32,
    /// How many devices the whole fleet has.
    pub(crate) devices: u32,
    /// The devices of each shard, in words.
    pub(crate) named: Vec<String>,
    /// How long it waits for a shard whose connection or process is lost.
    pub(crate) lost_after: Duration,
    /// When all shards have to be there.
    pub(crate) ready_until: Instant,
    /// How long after that the stages begin: devices register before.
    pub(crate) lead: Duration,
}

impl Terms {
    /// How many devices a shard has.
    fn devices_of(&self, index: u32) -> u32 {
        let count = self.count;
        Number { index, count }.part_of_number(self.devices)
    }

    fn named(&self, index: u32) -> &str {
        self.named.get(index as usize).map_or("its devices", String::as_str)
    }
}

/// What follows from something that has happened.
#[derive(Debug)]
pub(crate) enum Action {
    /// A message to a sim.
    Send(Connection, ToSim),
    /// The connection ends when what was sent is written.
    Close(Connection),
    /// For the run's supervisor.
    Event(Event),
    /// For a person.
    Report(String),
    /// The stages begin, or have begun, at this instant.
    Go {
        /// When.
        begin: Instant,
        /// They had begun before, under another collector.
        restarted: bool,
    },
    /// Shards are missing, and it is too late. They are named.
    NotReady(String),
    /// Every shard has ended.
    Over,
}

/// Where the run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For the shards that are missing.
    Waiting,
    /// The stages begin, or have begun, at this instant.
    Going(Instant),
    Over,
}

/// The shards, and where each of them is.
#[derive(Debug)]
pub(crate) struct Roster {
    terms: Terms,
    phase: Phase,
    /// The run ends: no process begins any more.
    stopping: bool,
    shards: Vec<Shard>,
    connections: BTreeMap<Connection, u32>,
    actions: Vec<Action>,
}

impl Roster {
    /// No shard is there.
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            shards: (0..terms.count.get()).map(|_| Shard::default()).collect(),
            terms,
            phase: Phase::Waiting,
            stopping: false,
            connections: BTreeMap::new(),
            actions: Vec::new(),
        }
    }

    /// What has followed since this was asked last.
    pub(crate) fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When to look at the clock again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting => Some(self.terms.ready_until),
            Phase::Going(_) => self
                .shards
                .iter()
                .filter_map(|shard| shard.lost_at(self.terms.lost_after))
                .min(),
            Phase::Over => None,
        }
    }

    /// The shards that are not there, in words; nothing where all are, or were.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing = self
            .shards
            .iter()
            .zip(0..)
            .filter(|(shard, _)| shard.place == Place::Missing);
        let missing: Vec<u32> = missing.map(|(_, index)| index).collect();
        (self.phase == Phase::Waiting && !missing.is_empty()).then(|| words::missing(&missing, self.terms.count.get()))
    }

    /// A sim introduces itself, with the certificate of a shard.
    pub(crate) fn hello(&mut self, connection: Connection, hello: &Hello, certificate: Number, now: Instant) {
        let admission = self.admit(hello, certificate);
        match admission {
            Admission::Refused(why, message) => {
                let message = ToSim::Refused { why, message };
                self.actions.push(Action::Send(connection, message));
                self.actions.push(Action::Close(connection));
            }
            Admission::Same | Admission::New => self.welcome(connection, hello, admission == Admission::New, now),
        }
    }

    /// A message from a connection. An error is a breach of the protocol, after which the connection is to be closed.
    pub(crate) fn message(&mut self, connection: Connection, message: ToCollector, now: Instant) -> Result<(), String> {
        let Some(index) = self.connections.get(&connection).copied() else {
            // What a connection that was refused or replaced still writes.
            return Ok(());
        };
        let (number, shard) = (self.number(index), &mut self.shards[index as usize]);
        let taken = shard.take(message)?;
        let last = shard.taken;
        let is_reply_due = taken.iter().any(Taken::is_reply_due);
        for taken in taken {
            match taken {
                Taken::Update(update) => self.event(index, *update),
                Taken::Nothing | Taken::Counted => {}
                // Its scheduler has moved it, as where a machine is drained: the fleet would be smaller from here on.
                Taken::Ended(None) if !self.stopping && self.shards[index as usize].was_stopped() => {
                    self.process_died(index, &words::stopped(number), now);
                }
                Taken::Ended(None) => self.end(index, None),
                Taken::Ended(Some(how)) => self.process_died(index, &words::died(number, &how), now),
            }
        }
        if is_reply_due {
            self.answer(index, connection, last);
        }
        self.look_whether_over();
        Ok(())
    }

    /// Answers what was taken and not answered yet: a sim whose lines are not taken for long gives up its connection.
    pub(crate) fn answer_all(&mut self) {
        for index in 0..self.terms.count.get() {
            let shard = &self.shards[index as usize];
            if let Some(connection) = shard.connection().filter(|_| shard.taken > shard.answered) {
                self.answer(index, connection, shard.taken);
            }
        }
    }

    fn answer(&mut self, index: u32, connection: Connection, n: u64) {
        self.shards[index as usize].answered = n;
        self.actions.push(Action::Send(connection, ToSim::Taken { n }));
    }

    /// A connection has ended, and why.
    pub(crate) fn closed(&mut self, connection: Connection, why: &str, now: Instant) {
        let Some(index) = self.connections.remove(&connection) else {
            return;
        };
        let number = self.number(index);
        let shard = &mut self.shards[index as usize];
        if shard.place != Place::Here(connection) {
            return;
        }
        match self.phase {
            Phase::Waiting => {
                shard.place = Place::Missing;
                self.report(words::left(number, why));
            }
            Phase::Going(_) => {
                let words = words::lost(number, self.terms.named(index), &shard.host, why, self.terms.lost_after);
                shard.place = Place::Lost {
                    since: now,
                    may_return: true,
                };
                self.away(index, words);
            }
            Phase::Over => shard.place = Place::Missing,
        }
    }

    /// An order goes to all shards that are there. One that is away does not get it.
    pub(crate) fn control(&mut self, control: &Control) {
        for connection in self.here() {
            self.actions
                .push(Action::Send(connection, ToSim::Control(control.clone())));
        }
    }

    /// All shards are to drain and stop; one that comes back later is, too.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        for connection in self.here() {
            self.actions.push(Action::Send(connection, ToSim::Stop));
        }
        if self.phase == Phase::Waiting {
            self.phase = Phase::Over;
        }
        // What has died is not replaced any more.
        for index in 0..self.terms.count.get() {
            if let Place::Lost { may_return: false, .. } = self.shards[index as usize].place {
                let words = words::not_replaced(self.number(index));
                self.end(index, Some(words));
            }
        }
        self.look_whether_over();
    }

    /// The run ends at once: what has not ended is given up.
    pub(crate) fn kill(&mut self) {
        self.stopping = true;
        for connection in std::mem::take(&mut self.connections).into_keys() {
            self.actions.push(Action::Close(connection));
        }
        for index in 0..self.terms.count.get() {
            if self.shards[index as usize].place != Place::Done {
                self.end(index, Some(words::given_up(self.number(index))));
            }
        }
        self.look_whether_over();
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) {
        match self.phase {
            Phase::Waiting if now >= self.terms.ready_until => {
                let missing = self.missing().unwrap_or_default();
                self.stop();
                self.actions.push(Action::NotReady(missing));
            }
            Phase::Going(_) => self.give_up_lost(now),
            Phase::Waiting | Phase::Over => {}
        }
    }

    fn give_up_lost(&mut self, now: Instant) {
        let after = self.terms.lost_after;
        for index in 0..self.terms.count.get() {
            let is_late = self.shards[index as usize].lost_at(after).is_some_and(|at| now >= at);
            if is_late {
                let words = words::lost_for_good(self.number(index), self.terms.named(index), after);
                self.end(index, Some(words));
            }
        }
        self.look_whether_over();
    }

    /// Lets a sim in. `is_new` where its process is another than the one that had the shard.
    fn welcome(&mut self, connection: Connection, hello: &Hello, is_new: bool, now: Instant) {
        // The old connection of the same process is dead, which may not have been noticed; of another, it is of no use.
        let (index, actions) = (hello.index, &mut self.actions);
        self.connections.retain(|old, of| {
            if *of == index {
                actions.push(Action::Close(*old));
            }
            *of != index
        });
        self.connections.insert(connection, hello.index);
        let number = self.number(hello.index);
        let shard = &mut self.shards[hello.index as usize];
        let is_first = shard.incarnation.is_none() || shard.place == Place::Missing;
        let was_lost = matches!(shard.place, Place::Lost { .. });
        // One that has ended only asks whether all was taken.
        if shard.place != Place::Done {
            shard.place = Place::Here(connection);
        }
        if is_new {
            shard.begin(hello);
        }
        shard.answered = shard.taken;
        let taken = shard.taken;
        self.actions.push(Action::Send(connection, ToSim::Welcome { taken }));
        if was_lost {
            self.event(index, Update::Back);
        }
        if is_first {
            self.report(words::there(number, hello));
        } else if is_new {
            self.event(index, Update::Replaced);
            self.event(index, Update::Note("shard_replaced", words::replaced(number, hello)));
        } else if was_lost {
            self.event(index, Update::Note("shard_back", words::back(number)));
        }
        self.send_on(connection, hello, now);
    }

    /// What a sim that was let in has to do next.
    fn send_on(&mut self, connection: Connection, hello: &Hello, now: Instant) {
        match (self.phase, hello.stages_in_ms) {
            (Phase::Going(begin), None) => self.send_go(connection, begin, now),
            (Phase::Waiting, Some(ms)) => self.restart(instant(now, ms), now),
            (Phase::Waiting, None) if self.shards.iter().all(Shard::is_here) => {
                let begin = now + self.terms.lead;
                self.go(begin, false, now);
            }
            _ => {}
        }
        if self.stopping {
            self.actions.push(Action::Send(connection, ToSim::Stop));
        }
    }

    /// The run has been going on: another collector has let it begin. What is not there yet is lost, until it comes.
    fn restart(&mut self, begin: Instant, now: Instant) {
        for index in 0..self.terms.count.get() {
            let place = &mut self.shards[index as usize].place;
            if *place == Place::Missing {
                *place = Place::Lost {
                    since: now,
                    may_return: true,
                };
                self.event(index, Update::Away);
            }
        }
        self.go(begin, true, now);
    }

    fn go(&mut self, begin: Instant, restarted: bool, now: Instant) {
        self.phase = Phase::Going(begin);
        self.actions.push(Action::Go { begin, restarted });
        for connection in self.waiting_for_go() {
            self.send_go(connection, begin, now);
        }
    }

    fn send_go(&mut self, connection: Connection, begin: Instant, now: Instant) {
        let index = self.connections.get(&connection).copied();
        if let Some(shard) = index.and_then(|index| self.shards.get_mut(index as usize)) {
            shard.has_go = true;
        }
        let stages_in_ms = millis(begin, now);
        self.actions.push(Action::Send(connection, ToSim::Go { stages_in_ms }));
    }

    /// The process of a shard has died. Another may take its place, unless the run ends anyway.
    fn process_died(&mut self, index: u32, words: &str, now: Instant) {
        if self.stopping {
            return self.end(index, Some(words.to_owned()));
        }
        self.shards[index as usize].place = Place::Lost {
            since: now,
            may_return: false,
        };
        self.away(index, words::waits(words, self.terms.lost_after));
    }

    /// A shard has ended; `died` is how, unless well.
    fn end(&mut self, index: u32, died: Option<String>) {
        let shard = &mut self.shards[index as usize];
        shard.place = Place::Done;
        if let Some(update) = died.is_none().then(|| shard.last_figures()).flatten() {
            self.event(index, update);
        }
        self.event(index, Update::Ended { died });
    }

    fn look_whether_over(&mut self) {
        let all_done = self.shards.iter().all(|shard| shard.place == Place::Done);
        if matches!(self.phase, Phase::Going(_)) && all_done {
            self.phase = Phase::Over;
            self.actions.push(Action::Over);
        }
    }

    /// The connections of shards that are there.
    fn here(&self) -> Vec<Connection> {
        self.shards.iter().filter_map(Shard::connection).collect()
    }

    fn waiting_for_go(&self) -> Vec<Connection> {
        let waiting = self.shards.iter().filter(|shard| !shard.has_go);
        waiting.filter_map(Shard::connection).collect()
    }

    fn number(&self, index: u32) -> Number {
        let count = self.terms.count;
        Number { index, count }
    }

    /// A shard is lost, and may come back.
    fn away(&mut self, index: u32, words: String) {
        self.event(index, Update::Note("shard_lost", words));
        self.event(index, Update::Away);
    }

    fn event(&mut self, index: u32, update: Update) {
        let shard = index as usize;
        self.actions.push(Action::Event(Event { shard, update }));
    }

    fn report(&mut self, words: String) {
        self.actions.push(Action::Report(words));
    }
}

/// So many milliseconds after `now`, or before it.
fn instant(now: Instant, ms: i64) -> Instant {
    let by = Duration::from_millis(ms.unsigned_abs());
    let then = if ms < 0 {
        now.checked_sub(by)
    } else {
        now.checked_add(by)
    };
    then.unwrap_or(now)
}

/// How many milliseconds after `now` an instant is; negative if it has passed.
fn millis(then: Instant, now: Instant) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    match then.checked_duration_since(now) {
        Some(ahead) => whole(ahead),
        None => -whole(now.duration_since(then)),
    }
}

#[cfg(test)]
mod tests;
