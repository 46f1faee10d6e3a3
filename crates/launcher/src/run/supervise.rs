//! Supervises the device-sim processes: adds up their figures, reports progress, and stops them.

use std::collections::BTreeMap;
use std::time::Duration;

use device_sim::ramp::{self, RampClock};
use fleet_protocol::lines::{self, Action, DeviceLine, Line, State, Stats, counter};
use fleet_protocol::reason::Reason;
use fleet_report::measurements::Measurements;
use fleet_report::report::{EndReason, EventMark};
use fleet_report::thresholds::Second;
use fleet_report::totals::Decoded;
use fleet_report::words;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::event_log::EventLog;
use super::events::EventSchedule;
use super::futile::Futile;
use super::judge::Judge;
use super::operator::Operator;
use super::outcome::Outcome;
use super::presence::Presence;
use super::silence::Silence;
use super::stages::StageClock;
use super::throttling::Throttling;
use super::troubles::Troubles;
use crate::control::Request;
use crate::control::broker::Broker;
use crate::ending::Ending;
use crate::interrupts::Interrupts;
use crate::process::emulator::EmulatorChild;
use crate::process::settled::RegistrationBarrier;
use crate::process::shards::{Called, Event, Shards, Since, Update, states};
use crate::progress::ProgressLog;
use crate::standing::{Look, Position, Standing};
use crate::timer::at;

/// Time between two progress lines.
const PROGRESS: Duration = Duration::from_secs(3);
/// As often as the processes write their figures.
const SECOND: Duration = Duration::from_secs(1);

/// Without the last lines of output, which the progress has.
fn first_line(words: &str) -> String {
    let line = words.lines().next().unwrap_or_default();
    line.trim_end_matches("; its last words:").to_owned()
}

/// How many devices of a process the stages want online at their highest.
fn wanted_of(process: usize, processes: u32, devices: u32, peak: f64) -> u64 {
    // As the ramp of each process counts.
    let wanted = ramp::wanted(peak, devices);
    (process..wanted as usize).step_by(processes.max(1) as usize).count() as u64
}

/// The next line of an operator; without one, never.
async fn line_of(operator: &mut Option<Operator>) -> Option<Stats> {
    match operator {
        Some(operator) => operator.line().await,
        None => std::future::pending().await,
    }
}

async fn death_of(emulator: &mut Option<EmulatorChild>) -> String {
    match emulator {
        Some(emulator) => emulator.died().await,
        None => std::future::pending().await,
    }
}

/// How large a run is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) devices: u32,
    pub(super) processes: u32,
    pub(super) called: Called,
    /// The largest share of the fleet that the stages want online.
    pub(super) peak: f64,
}

/// When the stages of a run begin.
#[derive(Debug)]
pub(super) enum Begin {
    /// When each device has registered once or failed to.
    Settled(RegistrationBarrier),
    /// At an instant that the processes were given; one that has passed where this program was started later.
    At(Instant),
}

/// What a run is measured with.
pub(super) struct Instruments {
    pub(super) clock: StageClock,
    pub(super) measurements: Measurements,
    /// Where the manifest has thresholds.
    pub(super) judge: Option<Judge>,
    pub(super) troubles: Troubles,
}

/// What comes to a run from outside.
pub(super) struct Asked {
    pub(super) questions: UnboundedReceiver<Request>,
    pub(super) looks: UnboundedReceiver<Look>,
}

pub(super) struct Supervisor {
    measurements: Measurements,
    clock: StageClock,
    log: EventLog,
    devices: u32,
    processes: u32,
    called: Called,
    progress: ProgressLog,
    outcome: Outcome,
    first_device: String,
    shown: Option<String>,
    assigned: bool,
    all_online: bool,
    troubles: Troubles,
    broker: Broker,
    schedule: EventSchedule,
    stop_within: Duration,
    ending: Option<Ending>,
    /// When the stages are over, once they have begun.
    stages_over: Option<Instant>,
    /// When the devices were started.
    begun: Instant,
    presence: Presence,
    /// The processes that were left have been killed.
    killed: bool,
    begin: Begin,
    silence: Silence,
    throttling: Throttling,
    futile: Futile,
    /// The largest share of the fleet that the stages want online.
    peak: f64,
    /// Where the manifest has thresholds.
    judge: Option<Judge>,
    /// Where the manifest has one, until it has ended.
    operator: Option<Operator>,
}

/// What is left of a run when no device is.
pub(super) struct Finished {
    pub(super) measurements: Measurements,
    pub(super) marks: Vec<EventMark>,
    /// The last line of each device.
    pub(super) devices: BTreeMap<String, DeviceLine>,
    pub(super) schedule: EventSchedule,
    /// What is left of the end's time.
    pub(super) ending: Ending,
    pub(super) judge: Option<Judge>,
    pub(super) time_to_online: Option<Duration>,
    /// The last second.
    pub(super) end: Second,
}

impl Supervisor {
    pub(super) fn new(
        Extent {
            devices,
            processes,
            called,
            peak,
        }: Extent,
        first_device: String,
        broker: Broker,
        schedule: EventSchedule,
        stop_within: Duration,
        progress: ProgressLog,
        Instruments {
            clock,
            measurements,
            judge,
            troubles,
        }: Instruments,
    ) -> Self {
        Self {
            measurements,
            clock,
            log: EventLog::default(),
            devices,
            processes,
            called,
            progress,
            outcome: Outcome::default(),
            first_device,
            shown: None,
            assigned: false,
            all_online: false,
            troubles,
            broker,
            schedule,
            stop_within,
            ending: None,
            stages_over: None,
            begun: Instant::now(),
            presence: Presence::new(processes, Instant::now()),
            killed: false,
            begin: Begin::Settled(RegistrationBarrier::new(devices)),
            silence: Silence::new(processes, progress.elapsed()),
            throttling: Throttling::default(),
            futile: Futile::new(ramp::wanted(peak, devices)),
            peak,
            judge,
            operator: None,
        }
    }

    /// Something is sent to the devices while the run lasts.
    pub(super) fn play_operator(&mut self, operator: Option<Operator>) {
        self.operator = operator;
    }

    /// What is left when no device is: the last second is over.
    pub(super) fn finish(mut self) -> Finished {
        let now = Instant::now();
        let end = self.clock.drain_second(now);
        self.measurements.second(end);
        Finished {
            measurements: self.measurements,
            marks: self.log.into_marks(),
            devices: self.broker.into_devices(),
            schedule: self.schedule,
            ending: self.ending.unwrap_or_else(|| Ending::begin(now, self.stop_within)),
            judge: self.judge,
            time_to_online: self.clock.time_to_online(),
            end,
        }
    }

    /// The end begins; it has begun only once.
    fn begin_end(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Ending::begin(Instant::now(), self.stop_within));
            self.operator.iter().for_each(Operator::drain);
        }
    }

    /// Asks all processes to drain and stop.
    fn stop(&mut self, shards: &Shards) {
        self.begin_end();
        shards.stop();
    }

    /// Where some processes have ended and the others write nothing any more, the run is over.
    fn look_for_silence(&mut self) {
        if self.presence.is_silent(Instant::now()) {
            self.begin_end();
        }
    }

    /// A process that has not stopped until now is stopped, and its devices are counted as they were last seen.
    fn give_up(&mut self, shards: &Shards) {
        self.killed = true;
        let (within, killed) = (self.stop_within * 2 / 3, self.called.killed);
        for process in self.presence.left() {
            let words = format!("{} has not stopped within {within:.0?}", self.name(process));
            self.progress
                .fault(format!("{words} and is {killed}; its last figures are missing"));
            self.outcome.failures.push(format!("{words} and was {killed}"));
        }
        shards.end();
    }

    /// A process in messages.
    fn name(&self, process: usize) -> String {
        format!("{} {process}/{}", self.called.name, self.processes)
    }

    /// Notes that a device has registered once or failed to.
    fn settle(&mut self, device: &DeviceLine) {
        if let Begin::Settled(barrier) = &mut self.begin
            && barrier.handle(device)
        {
            self.begin_stages(Instant::now());
        }
    }

    /// The instant that the processes were given, until it has come.
    fn begins_at(&self) -> Option<Instant> {
        match self.begin {
            Begin::At(instant) if !self.clock.has_begun() => Some(instant),
            Begin::At(_) | Begin::Settled(_) => None,
        }
    }

    /// The stages begin, or began then.
    fn begin_stages(&mut self, begun: Instant) {
        self.stages_over = Some(begun + self.schedule.begin(begun));
        self.clock.begin(begun);
    }

    /// When the stages begin, where that is not to depend on registrations.
    pub(super) fn begin(&mut self, begin: Begin) {
        self.begin = begin;
    }

    /// The whole plan is wanted, however it goes.
    pub(super) fn keep_going(&mut self) {
        self.futile.hope();
    }

    /// Where nothing can become of the run any more, it is over.
    fn end_if_futile(&mut self, shards: &Shards) {
        if self.ending.is_some() {
            return;
        }
        if let Some(reason) = self.futile.verdict(self.begun.elapsed()) {
            let words = format!("all devices failed for the same reason, {reason}, which waiting does not mend");
            self.progress.report(format!(
                "{words}: the run stops early; --keep-going runs the whole plan"
            ));
            self.outcome.hopeless = Some(words);
            self.outcome.ends(EndReason::AllFailed);
            self.stop(shards);
        }
    }

    /// A device that has been online, the fleet's first if possible.
    pub(super) fn device_to_show(&self) -> Option<&str> {
        self.shown.as_deref()
    }

    /// Watches until every process has ended. Without the emulator there is nothing to go on for.
    pub(super) async fn run(
        &mut self,
        shards: Shards,
        mut events: UnboundedReceiver<Event>,
        Asked {
            mut questions,
            mut looks,
        }: Asked,
        emulator: &mut Option<EmulatorChild>,
        interrupts: &mut Interrupts,
    ) -> Outcome {
        let mut progress = interval_at(Instant::now() + PROGRESS, PROGRESS);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seconds = interval_at(Instant::now() + SECOND, SECOND);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let begins_at = self.begins_at();
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.handle(event, &shards),
                    None => {
                        self.lose_silent();
                        self.end_operator().await;
                        return self.outcome.clone();
                    }
                },
                Some(stats) = line_of(&mut self.operator) => self.operator_figures(stats),
                death = death_of(emulator) => {
                    self.outcome.failures.push(first_line(&death));
                    self.mark("emulator_died", first_line(&death));
                    self.outcome.ends(EndReason::EmulatorDied);
                    self.progress.fault(death);
                    *emulator = None;
                    self.stop(&shards);
                }
                () = at(self.ending.map(|ending| ending.drained())), if !self.killed => self.give_up(&shards),
                () = at(begins_at) => begins_at.into_iter().for_each(|begun| self.begin_stages(begun)),
                () = at(self.stages_over), if self.ending.is_none() => self.begin_end(),
                Some(question) = questions.recv() => {
                    let is_last = matches!(question, Request::Leave { .. });
                    self.question(question, &shards);
                    if is_last {
                        return self.leave(shards).await;
                    }
                }
                Some(look) = looks.recv() => look.at(&self.standing()),
                _ = seconds.tick() => self.second(&shards),
                _ = progress.tick() => {
                    self.report_progress();
                    self.look_for_silence();
                    self.end_if_futile(&shards);
                }
                () = interrupts.next() => {
                    if self.outcome.interrupted {
                        return self.leave(shards).await;
                    }
                    self.interrupt(&shards);
                }
            }
        }
    }

    /// There is no device any more. What an operator waits for has little time left.
    async fn end_operator(&mut self) {
        let Some(mut operator) = self.operator.take() else {
            return;
        };
        operator.end();
        while let Some(stats) = operator.line().await {
            self.operator_figures(stats);
        }
    }

    /// The operator writes figures as a process after all others.
    fn operator_figures(&mut self, stats: Stats) {
        self.measure(self.processes as usize, stats.into(), Since::LastLine);
    }

    /// Something is asked of the run, by its own events or over its socket.
    fn question(&mut self, question: Request, shards: &Shards) {
        if matches!(question, Request::End { .. }) && !self.outcome.interrupted {
            self.interrupt(shards);
        }
        if let Some(control) = self.broker.ask(question) {
            self.pause_or_resume(control.action);
            self.log.order(self.clock.at_s(Instant::now()), &control);
            shards.send(&control);
        }
    }

    /// The run is over now, whatever its devices do.
    async fn leave(&mut self, shards: Shards) -> Outcome {
        self.progress.report("leaving at once");
        if !std::mem::replace(&mut self.outcome.interrupted, true) {
            self.mark("interrupted", "interrupted: the run leaves at once");
        }
        shards.kill().await;
        self.lose_all();
        self.outcome.left_at_once = true;
        self.outcome.ends(EndReason::Interrupted);
        self.outcome.clone()
    }

    fn standing(&self) -> Standing<'_> {
        let position = self.clock.position(Instant::now(), self.ending.is_some());
        Standing {
            words: self.words(&position),
            position,
            measurements: &self.measurements,
            marks: self.log.marks(),
            thresholds: self.judge.as_ref().map(Judge::so_far).unwrap_or_default(),
            losses: self.outcome.losses,
            failures: &self.outcome.failures,
            time_to_online: self.clock.time_to_online(),
        }
    }

    /// Where the run stands.
    fn words(&self, position: &Position) -> String {
        let paused = if position.is_paused { ", held" } else { "" };
        match position.stage {
            Some(stage) => format!("{}{paused}", self.clock.words(stage)),
            None if position.is_ending => "devices drain and disconnect".to_owned(),
            None if position.stages_elapsed.is_some() => "the stages are over".to_owned(),
            None => {
                let registered = self.measurements.totals.counter(counter::DEVICES_REGISTERED);
                format!("{registered} of {} registered", words::devices(self.devices))
            }
        }
    }

    fn interrupt(&mut self, shards: &Shards) {
        self.outcome.interrupted = true;
        self.mark("interrupted", "interrupted: devices drain and disconnect");
        self.outcome.ends(EndReason::Interrupted);
        self.progress
            .report("interrupted: devices drain and disconnect; once more leaves at once");
        self.stop(shards);
    }

    fn mark(&mut self, kind: &str, what: impl Into<String>) {
        self.log.mark(self.clock.at_s(Instant::now()), kind, what);
    }

    fn pause_or_resume(&mut self, action: Action) {
        let change: fn(&mut RampClock, Instant) = match action {
            Action::PauseRamp => RampClock::pause,
            Action::ResumeRamp => RampClock::resume,
            _ => return,
        };
        if let Some(ramp) = self.clock.ramp() {
            change(ramp, Instant::now());
            self.schedule.pause_or_resume(*ramp);
        }
        // When the stages end, only the processes can decide from now on.
        self.stages_over = None;
    }

    /// A second has passed. A threshold that must not be crossed ends the run.
    fn second(&mut self, shards: &Shards) {
        let now = Instant::now();
        if self.ending.is_some() {
            let second = self.clock.drain_second(now);
            self.measurements.second(second);
            return self.judge.iter_mut().for_each(|judge| judge.drain(second));
        }
        let second = self.clock.second(now);
        if let Some(operator) = &self.operator {
            operator.work(self.clock.rises(now));
        }
        self.measurements.second(second);
        self.log.stage(self.clock.at_s(now), second, &self.clock);
        if let Some(judge) = &mut self.judge {
            judge.quota_used(self.measurements.quotas.now());
        }
        if let Some(threshold) = self.judge.as_mut().and_then(|judge| judge.second(second)) {
            let crossed = format!("threshold crossed: {} {}", threshold.selector, threshold.expression);
            self.progress
                .report(format!("{crossed}: the run ends here (abort_on_fail)"));
            self.mark("threshold_crossed", crossed);
            self.outcome.ends(EndReason::ThresholdCrossed);
            self.stop(shards);
        }
    }

    fn handle(&mut self, Event { shard, update }: Event, shards: &Shards) {
        match &update {
            Update::Ended { .. } => self.presence.ended(shard),
            Update::Away => self.presence.away(shard),
            Update::Note(..) => {}
            _ => self.presence.here(shard, Instant::now()),
        }
        match update {
            Update::Line(Line::Stats(stats)) => self.figures(shard, stats.into(), Since::LastLine),
            Update::Figures(line, since) => self.figures(shard, *line, since),
            Update::Line(Line::Device(device)) => {
                self.broker.device(&device);
                if device.negative {
                    return self.handle_negative(&device);
                }
                self.settle(&device);
                self.handle_device(device);
            }
            Update::Line(Line::Done { id, devices }) => {
                self.log.done(id, devices);
                self.broker.done(shard, id, devices);
            }
            Update::Line(Line::Refused { id, message }) => {
                if !self.broker.refused(shard, id, &message) {
                    self.progress.report(format!("a control line was refused: {message}"));
                }
            }
            Update::Line(Line::End {
                reason: lines::EndReason::MessagesSent,
            }) => self.outcome.ends(EndReason::MessagesSent),
            Update::Line(Line::Ready { .. } | Line::End { .. }) => {}
            Update::Garbled(line) => self.progress.report(format!(
                "{} wrote a line that isn't part of the protocol: {line}",
                self.name(shard)
            )),
            Update::Note(kind, words) => self.note(kind, words),
            Update::Away => {
                self.broker.ended(shard);
                self.silence.ended(shard);
            }
            Update::Back => self.broker.back(shard),
            Update::Replaced => {
                self.outcome.losses.unreported += self.measurements.totals.last_second_of(shard);
            }
            Update::Ended { died } => {
                self.broker.ended(shard);
                self.silence.ended(shard);
                if let Some(died) = died {
                    self.died(shard, died, shards);
                }
            }
        }
    }

    /// Half a fleet proves nothing.
    fn died(&mut self, shard: usize, died: String, shards: &Shards) {
        if !self.killed {
            self.outcome.failures.push(first_line(&died));
            self.mark("process_died", first_line(&died));
            self.outcome.ends(EndReason::ProcessDied);
            self.progress.fault(died);
        }
        self.lose(shard);
        self.stop(shards);
    }

    /// Something that is worth a line and a mark.
    pub(super) fn note(&mut self, kind: &str, words: String) {
        self.progress.report(&words);
        self.mark(kind, words);
    }

    /// Takes a line of figures.
    fn figures(&mut self, shard: usize, line: Decoded, since: Since) {
        self.measure(shard, line, since);
        let now = self.progress.elapsed();
        let totals = &self.measurements.totals;
        self.silence.reported(
            shard,
            totals.counter(counter::TELEMETRY_ACKED),
            totals.outstanding(),
            now,
        );
        self.throttling.reported(
            totals.counter(counter::DPS_THROTTLED),
            totals.counter(counter::DEVICES_REGISTERED),
            now,
        );
        self.report_all_online();
    }

    fn measure(&mut self, shard: usize, line: Decoded, since: Since) {
        let now = Instant::now();
        if let Some(judge) = &mut self.judge {
            judge.line(shard, &line);
        }
        match since {
            Since::LastLine => self.measurements.line(shard, line, self.clock.at_s(now)),
            Since::Before => self.measurements.earlier(shard, line),
        }
        let online = self.measurements.totals.state(State::Online);
        if let Some((took, judge)) = self.clock.online(online, now).zip(self.judge.as_mut()) {
            judge.time_to_online(took);
        }
    }

    /// Nothing will come any more: a shard that has not reported its end by now has failed.
    fn lose_silent(&mut self) {
        for shard in self.presence.left() {
            let words = format!("{} has ended without a word", self.name(shard));
            self.progress.fault(&words);
            self.outcome.failures.push(words);
        }
        self.lose_all();
    }

    /// The processes that were there until now have been killed.
    fn lose_all(&mut self) {
        let left: Vec<usize> = self.presence.left().collect();
        for shard in left {
            self.presence.ended(shard);
            self.lose(shard);
        }
    }

    /// Counts what a process has taken with it.
    fn lose(&mut self, process: usize) {
        let reported = |name| self.measurements.totals.counter_of(process, name);
        let wanted_until_then = reported(counter::DEVICES_WANTED);
        // A process that reported nothing at all still had its devices, and the stages would have wanted them.
        let wanted = wanted_of(process, self.processes, self.devices, self.peak).max(wanted_until_then);
        let accounted = reported(counter::DEVICES_CONNECTED) + reported(counter::DEVICES_FAILED);
        let losses = &mut self.outcome.losses;
        losses.wanted += wanted - wanted_until_then;
        losses.failed += wanted.saturating_sub(accounted);
        losses.unreported += self.measurements.totals.last_second_of(process);
    }

    fn handle_device(&mut self, device: DeviceLine) {
        if let Some(operator) = &self.operator {
            operator.device(&device);
        }
        if let (false, Some(hub)) = (self.assigned, &device.hub) {
            self.assigned = true;
            self.progress
                .report(format!("first device assigned: {} to hub {hub}", device.id));
        }
        match device.state {
            State::Online => {
                self.futile.hope();
                if self.shown.is_none() || device.id == self.first_device {
                    self.shown = Some(device.id);
                }
            }
            State::BackingOff if device.reason == Some(Reason::CutOnPurpose) => self.futile.hope(),
            State::BackingOff | State::Parked => {
                let parked = device.state == State::Parked;
                match &device.reason {
                    Some(reason) => self.futile.failed(&device.id, reason, parked),
                    None => self.futile.hope(),
                }
                self.troubles.report(&device);
            }
            State::Pending | State::Registering | State::Connecting | State::Stopped => {}
        }
    }

    /// A negative device is in no trouble while it is refused, and nothing waits for it. One that got in is worth a line.
    fn handle_negative(&mut self, device: &DeviceLine) {
        if device.state == State::Stopped && device.reason.is_none() && device.message.is_some() {
            self.troubles.report(device);
        }
    }

    fn report_all_online(&mut self) {
        let online = self.measurements.totals.state(State::Online);
        if !self.all_online && online > 0 && online == u64::from(self.devices) {
            self.all_online = true;
            self.progress.report(match online {
                1 => "the only device is online".to_owned(),
                _ => format!("all {online} devices online"),
            });
        }
    }

    fn report_progress(&self) {
        let states = states(&self.measurements.totals);
        let now = self.progress.elapsed();
        if !states.is_empty() {
            let no_answer = self.silence.no_answer_since(now);
            let no_answer = no_answer.map(|since| format!("no answer since {:.1}s", since.as_secs_f64()));
            let registering = self.measurements.totals.state(State::Registering);
            let throttling = self.throttling.words(registering, self.devices, now);
            let acknowledged = self.measurements.totals.counter(counter::TELEMETRY_ACKED);
            let notes: Vec<_> = no_answer.into_iter().chain(throttling).collect();
            self.progress
                .status(format_args!("{states}; telemetry {acknowledged} acknowledged"), &notes);
        }
        for (process, since) in self.silence.no_word_since(now) {
            let (name, since) = (self.name(process), since.as_secs_f64());
            self.progress.report(format!("no word from {name} since {since:.1}s"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_with_it_the_devices_that_the_stages_would_have_wanted() {
        for (process, processes, devices, peak, wanted) in [
            (0, 2, 7, 1.0, 4),
            (1, 2, 7, 1.0, 3),
            (0, 2, 7, 0.5, 2),
            (1, 2, 7, 0.5, 2),
            (6, 7, 3, 1.0, 0),
            (0, 1, 9, 0.0, 0),
        ] {
            assert_eq!(
                wanted_of(process, processes, devices, peak),
                wanted,
                "{process}/{processes}"
            );
        }
    }

    #[test]
    fn a_failure_is_one_line_and_the_last_lines_stay_in_the_progress() {
        assert_eq!(
            first_line("device-sim 0/2 died: exit status: 1; its last words:\n  no"),
            "device-sim 0/2 died: exit status: 1"
        );
    }
}
