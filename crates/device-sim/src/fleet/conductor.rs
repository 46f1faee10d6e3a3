//! Moves the devices of a process: by the stages, by their days, and by control lines.

use std::sync::Arc;
use std::time::Duration;

use fleet_protocol::lines::{Action, EndReason, Line};
use fleet_protocol::plan::Shard;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Input;
use crate::context::Context;
use crate::control::{self, Absences, Roster};
use crate::day::{Change, Days};
use crate::mailbox::Mailbox;
use crate::metrics::Counter;
use crate::outcome::Outcome;
use crate::ramp::{Ramp, RampClock};
use crate::start_at::Schedule;

/// How finely the stages are followed.
const RAMP_STEP: Duration = Duration::from_millis(100);

/// Moves the devices.
pub(super) struct Conductor {
    pub(super) context: Arc<Context>,
    pub(super) shard: Shard,
    /// How many devices of the whole fleet the stages move.
    pub(super) of: u32,
    pub(super) ramp: Ramp,
    pub(super) schedule: Option<Schedule>,
    pub(super) roster: Roster,
    /// The mailboxes of the devices that must be refused: they go on by themselves, and get the order to stop only.
    pub(super) negative: Vec<Arc<Mailbox>>,
    pub(super) days: Days,
    /// How many devices have messages to send, where the plan has a number of them.
    pub(super) senders: Option<u32>,
    pub(super) absences: Absences,
    pub(super) input: mpsc::UnboundedReceiver<Input>,
}

impl Conductor {
    /// Until every device has stopped.
    pub(super) async fn conduct(mut self, tasks: &mut JoinSet<Outcome>) -> (EndReason, Vec<Outcome>) {
        let reason = self.follow_stages().await;
        self.absences.end().await;
        for mailbox in self.roster.mailboxes().iter().chain(&self.negative) {
            mailbox.stop();
        }
        let mut outcomes = Vec::with_capacity(tasks.len());
        while let Some(joined) = tasks.join_next().await {
            outcomes.push(joined.expect("a device's task does not panic"));
        }
        (reason, outcomes)
    }

    async fn follow_stages(&mut self) -> EndReason {
        let devices = u32::try_from(self.roster.mailboxes().len()).unwrap_or(u32::MAX);
        let context = Arc::clone(&self.context);
        let schedule = self.schedule;
        let settled = async {
            context.settled.all(devices).await;
            match schedule {
                Some(schedule) => sleep(schedule.until(Instant::now())).await,
                // All shards begin their stages together, when the fleet's last device has registered.
                None => sleep(context.register_limiter.behind(self.of)).await,
            }
        };
        tokio::pin!(settled);
        loop {
            tokio::select! {
                () = &mut settled => break,
                input = self.input.recv() => if self.obey(input, &mut None) { return EndReason::Stopped },
            }
        }
        // Ends of stages that this process was not there for are not made up for.
        let now = Instant::now();
        let mut reached = schedule.map_or(Duration::ZERO, |schedule| schedule.elapsed(now));
        let mut clock = Some(RampClock::join(reached, now));
        let mut online = 0;
        let changes = self.days.begin(reached);
        self.change_duties(changes);
        let sent = messages_sent(Arc::clone(&self.context), self.senders);
        tokio::pin!(sent);
        loop {
            let elapsed = clock
                .as_ref()
                .map_or(Duration::ZERO, |clock| clock.elapsed(Instant::now()));
            // The end of a stage is a separate moment: a share that is reached only there would otherwise be missed.
            let end = self.ramp.next_end(reached);
            reached = end.map_or(elapsed, |end| end.min(elapsed));
            let changes = self.days.until(reached);
            self.change_duties(changes);
            let wanted = self.shard.part_of_number(self.ramp.online_at(reached, self.of));
            online = self.bring_online(online, wanted as usize);
            if reached >= self.ramp.length() {
                return EndReason::StagesOver;
            }
            let end = self.ramp.next_end(reached).unwrap_or(reached);
            let step = end.saturating_sub(elapsed).min(RAMP_STEP);
            tokio::select! {
                () = sleep(step) => {}
                () = &mut sent => return EndReason::MessagesSent,
                input = self.input.recv() => if self.obey(input, &mut clock) { return EndReason::Stopped },
            }
        }
    }

    /// Takes devices offline whose part of the day ends, and lets those come online whose part begins.
    fn change_duties(&self, changes: Vec<Change>) {
        let metrics = &self.context.metrics;
        for Change { device, is_on } in changes {
            let (mailbox, group) = (&self.roster.mailboxes()[device], self.roster.group_of(device));
            if is_on {
                let (is_wanted, first) = mailbox.begin_duty();
                if is_wanted {
                    metrics.wants(group, true);
                }
                if first {
                    metrics.count(group, Counter::DevicesWanted);
                }
            } else if mailbox.end_duty() {
                metrics.wants(group, false);
            }
        }
    }

    /// Moves the border between the devices that are to be online and those that are not.
    fn bring_online(&self, now: usize, wanted: usize) -> usize {
        let metrics = &self.context.metrics;
        for (device, mailbox) in self.roster.mailboxes().iter().enumerate().take(wanted).skip(now) {
            let group = self.roster.group_of(device);
            if !mailbox.is_off_duty() {
                metrics.wants(group, true);
            }
            if mailbox.want_online() {
                metrics.count(group, Counter::DevicesWanted);
            }
        }
        for (device, mailbox) in self.roster.mailboxes().iter().enumerate().take(now).skip(wanted) {
            if !mailbox.is_off_duty() {
                metrics.wants(self.roster.group_of(device), false);
            }
            mailbox.want_offline();
        }
        wanted
    }

    /// Carries out an input. `true` means stop.
    fn obey(&self, input: Option<Input>, clock: &mut Option<RampClock>) -> bool {
        let control = match input {
            None | Some(Input::Stop) => return true,
            Some(Input::Retry(answer)) => {
                let reached = self.roster.mailboxes().iter().filter(|mailbox| mailbox.retry()).count();
                // The end may have come before the answer.
                let _ = answer.send(u32::try_from(reached).unwrap_or(u32::MAX));
                return false;
            }
            Some(Input::Control(control)) => control,
        };
        match control.action {
            Action::PauseRamp | Action::ResumeRamp => {
                match clock {
                    Some(clock) if control.action == Action::PauseRamp => clock.pause(Instant::now()),
                    Some(clock) => clock.resume(Instant::now()),
                    None => {
                        let message = "the stages have not begun".to_owned();
                        self.context.send(Line::Refused {
                            id: Some(control.id),
                            message,
                        });
                        return false;
                    }
                }
                self.context.send(Line::Done {
                    id: control.id,
                    devices: 0,
                });
            }
            _ => control::carry_out(&control, &self.roster, &self.context, &self.absences),
        }
        false
    }
}

/// Waits until all devices that have messages to send have sent them; forever, where there is no number of them.
async fn messages_sent(context: Arc<Context>, senders: Option<u32>) {
    match senders {
        Some(senders) => context.messages_sent.all(senders).await,
        None => std::future::pending().await,
    }
}
