//! Watching the device-sim processes: adding up what they say, telling it, and stopping them.

use std::collections::BTreeSet;
use std::time::Duration;

use device_sim::lines::{Action, DeviceLine, Line, State, counter};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::advice::Advisor;
use crate::child::Ended;
use crate::control::Question;
use crate::control::desk::Desk;
use crate::emulator_child::EmulatorChild;
use crate::ending::Ending;
use crate::interrupts::Interrupts;
use crate::shard::{Event, News, Shards, states};
use crate::stats::Totals;
use crate::story::Story;

use super::agenda::Agenda;

/// Time between two progress lines.
const PROGRESS: Duration = Duration::from_secs(3);
/// Processes say their figures every second.
const SILENT_FOR: Duration = Duration::from_secs(15);
/// So many troubled devices are told one by one; the summary counts them all.
const TROUBLES_TOLD: u32 = 5;

/// How the processes ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcome {
    /// A process died.
    pub(super) failed: bool,
    /// Somebody asked for the end.
    pub(super) interrupted: bool,
    /// The end was asked for again.
    pub(super) left_at_once: bool,
    /// The application counts what it receives, and has not said it.
    pub(super) received_unknown: bool,
    /// Devices of dead processes that had not been online.
    pub(super) lost: u64,
}

impl Outcome {
    /// The end was asked for before any process was started.
    pub(super) fn interrupted_early() -> Self {
        Self {
            interrupted: true,
            ..Self::default()
        }
    }
}

/// Waits for an instant that may not be there; without one, for ever.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

async fn death_of(emulator: &mut Option<EmulatorChild>) -> String {
    match emulator {
        Some(emulator) => emulator.died().await,
        None => std::future::pending().await,
    }
}

pub(super) struct Watch {
    pub(super) totals: Totals,
    devices: u32,
    processes: u32,
    story: Story,
    outcome: Outcome,
    first_device: String,
    shown: Option<String>,
    assigned: bool,
    all_online: bool,
    troubles: u32,
    advisor: Option<Advisor>,
    desk: Desk,
    agenda: Agenda,
    stop_within: Duration,
    ending: Option<Ending>,
    /// When the stages are over, once they have begun.
    stages_over: Option<Instant>,
    /// By process: when it said its last line, until it has ended.
    last_line: Vec<Option<Instant>>,
    /// The processes that were left have been killed.
    killed: bool,
    /// Devices that have registered once, or failed to, until all have: then the stages begin.
    settled: BTreeSet<String>,
}

impl Watch {
    pub(super) fn new(
        devices: u32,
        processes: u32,
        first_device: String,
        desk: Desk,
        agenda: Agenda,
        stop_within: Duration,
        story: Story,
    ) -> Self {
        Self {
            totals: Totals::new(processes as usize),
            devices,
            processes,
            story,
            outcome: Outcome::default(),
            first_device,
            shown: None,
            assigned: false,
            all_online: false,
            troubles: 0,
            advisor: None,
            desk,
            agenda,
            stop_within,
            ending: None,
            stages_over: None,
            last_line: vec![Some(Instant::now()); processes as usize],
            killed: false,
            settled: BTreeSet::new(),
        }
    }

    /// The figures, the events and what is left of the end's time, when no device is left.
    pub(super) fn into_parts(self) -> (Totals, Agenda, Ending) {
        let ending = self
            .ending
            .unwrap_or_else(|| Ending::begin(Instant::now(), self.stop_within));
        (self.totals, self.agenda, ending)
    }

    /// The end begins; it has begun only once.
    fn begin_end(&mut self) {
        self.ending
            .get_or_insert_with(|| Ending::begin(Instant::now(), self.stop_within));
    }

    /// Asks all processes to drain and stop.
    fn stop(&mut self, shards: &Shards) {
        self.begin_end();
        shards.stop();
    }

    /// Where some processes have ended and the others say nothing any more, the run is over.
    fn look_for_silence(&mut self) {
        let now = Instant::now();
        let silent = |last: &Instant| now.duration_since(*last) > SILENT_FOR;
        if self.last_line.iter().any(Option::is_none) && self.last_line.iter().flatten().all(silent) {
            self.begin_end();
        }
    }

    /// Whoever has not stopped until now is stopped, and its devices are counted as they were last seen.
    fn give_up(&mut self, shards: &Shards) {
        self.killed = true;
        let within = self.stop_within * 2 / 3;
        for (process, _) in self.last_line.iter().enumerate().filter(|(_, last)| last.is_some()) {
            self.story.tell(format!(
                "device-sim {process}/{} has not stopped within {within:.0?} and is killed; its last figures are missing",
                self.processes
            ));
        }
        self.outcome.failed = true;
        shards.end();
    }

    /// Notes that a device has registered once or failed to.
    fn settle(&mut self, device: &DeviceLine) {
        let over = device.hub.is_some() || matches!(device.state, State::BackingOff | State::Parked);
        if over && self.settled.len() < self.devices as usize {
            self.settled.insert(device.id.clone());
            if self.settled.len() == self.devices as usize {
                self.stages_over = Some(Instant::now() + self.agenda.begin());
            }
        }
    }

    /// Troubles are to be explained, not only told.
    pub(super) fn advise(&mut self, advisor: Advisor) {
        self.advisor = Some(advisor);
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
        mut questions: UnboundedReceiver<Question>,
        emulator: &mut Option<EmulatorChild>,
        interrupts: &mut Interrupts,
    ) -> Outcome {
        let mut progress = interval_at(Instant::now() + PROGRESS, PROGRESS);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.hear(event, &shards),
                    None => return self.outcome,
                },
                death = death_of(emulator) => {
                    self.story.tell(death);
                    *emulator = None;
                    self.outcome.failed = true;
                    self.stop(&shards);
                }
                () = at(self.ending.map(|ending| ending.drained())), if !self.killed => self.give_up(&shards),
                () = at(self.stages_over), if self.ending.is_none() => self.begin_end(),
                Some(question) = questions.recv() => if let Some(control) = self.desk.ask(question) {
                    if matches!(control.action, Action::PauseRamp | Action::ResumeRamp) {
                        // When the stages end, the processes know alone now.
                        self.stages_over = None;
                    }
                    shards.say(&control);
                },
                _ = progress.tick() => {
                    self.tell_progress();
                    self.look_for_silence();
                }
                () = interrupts.next() => {
                    if self.outcome.interrupted {
                        self.story.tell("leaving at once");
                        shards.kill().await;
                        self.outcome.left_at_once = true;
                        return self.outcome;
                    }
                    self.outcome.interrupted = true;
                    self.story.tell("interrupted: devices drain and disconnect; once more leaves at once");
                    self.stop(&shards);
                }
            }
        }
    }

    fn hear(&mut self, event: Event, shards: &Shards) {
        if let Some(last) = self.last_line.get_mut(event.process) {
            *last = (!matches!(event.news, News::Ended { .. })).then(Instant::now);
        }
        match event.news {
            News::Said(Line::Stats(stats)) => {
                self.totals.add(event.process, stats);
                self.tell_all_online();
            }
            News::Said(Line::Device(device)) => {
                self.desk.device(&device);
                self.settle(&device);
                self.hear_of(device);
            }
            News::Said(Line::Done { id, devices }) => self.desk.done(event.process, id, devices),
            News::Said(Line::Refused { id, message }) => {
                if !self.desk.refused(event.process, id, &message) {
                    self.story.tell(format!("a control line was refused: {message}"));
                }
            }
            News::Said(Line::Ready { .. } | Line::End { .. }) => {}
            News::Garbled(line) => self.story.tell(format!(
                "process {}/{} said what is no line of ours: {line}",
                event.process, self.processes
            )),
            News::Ended { name, finished, how } => {
                self.desk.ended(event.process);
                let died = match how {
                    Ok(Ended { status, .. }) if finished && status.success() => return,
                    Ok(ended) => ended.to_string(),
                    Err(error) => format!("{error:#}"),
                };
                if !self.killed {
                    self.story.tell(format!("{name} died: {died}"));
                }
                self.outcome.failed = true;
                self.outcome.lost += self.never_online(event.process);
                // Half a fleet proves nothing.
                self.stop(shards);
            }
        }
    }

    fn never_online(&self, process: usize) -> u64 {
        // A process that said nothing at all still had its devices.
        let share = (process as u64..u64::from(self.devices))
            .step_by(self.processes as usize)
            .count() as u64;
        let told: u64 = self.totals.failed_of(process);
        share
            .saturating_sub(self.totals.counter_of(process, counter::DEVICES_CONNECTED))
            .saturating_sub(told)
    }

    fn hear_of(&mut self, device: DeviceLine) {
        if let (false, Some(hub)) = (self.assigned, &device.hub) {
            self.assigned = true;
            self.story
                .tell(format!("first device assigned: {} to hub {hub}", device.id));
        }
        match device.state {
            State::Online => {
                if self.shown.is_none() || device.id == self.first_device {
                    self.shown = Some(device.id);
                }
            }
            State::BackingOff | State::Parked => self.tell_trouble(&device),
            State::Pending | State::Registering | State::Connecting | State::Stopped => {}
        }
    }

    fn tell_trouble(&mut self, device: &DeviceLine) {
        self.troubles += 1;
        if self.troubles <= TROUBLES_TOLD {
            let why = device
                .message
                .as_deref()
                .or(device.reason.as_deref())
                .unwrap_or("no reason given");
            let state = device.state.word().replace('_', " ");
            self.story.tell(format!("{} is {state}: {why}", device.id));
            for line in self.advisor.iter_mut().flat_map(|advisor| advisor.on(device)) {
                self.story.tell(line);
            }
        }
        if self.troubles == TROUBLES_TOLD {
            self.story.tell("further devices in trouble are only counted");
        }
    }

    fn tell_all_online(&mut self) {
        let online = self.totals.state(State::Online);
        if !self.all_online && online == u64::from(self.devices) {
            self.all_online = true;
            self.story.tell(format!("all {online} devices online"));
        }
    }

    fn tell_progress(&self) {
        let states = states(&self.totals);
        if !states.is_empty() {
            self.story.tell(format!(
                "{states}; telemetry {} acknowledged",
                self.totals.counter(counter::TELEMETRY_ACKED)
            ));
        }
    }
}
