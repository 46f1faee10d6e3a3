//! Plays the operator of a fleet: commands and properties through the application's REST API, at the rates of the manifest.
//!
//! It measures as a process of devices does, in lines of figures, so that its round trips are in reports, thresholds and
//! metrics like every other phase.

mod devices;
mod figures;
mod roundtrip;
mod turns;

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_protocol::lines::{DeviceLine, State, Stats};
use fleet_protocol::plan::Model;
use jiff::Timestamp;
use provisioning::central::Central;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::manifest::Manifest;
use crate::manifest::operator::{Operator as Settings, OperatorCommand};
use crate::prepare::plan;
use crate::timer::at;
use devices::{Device, Devices, Served};
use figures::{Figures, Skip};
use roundtrip::Refusal;
use turns::{Kind, Turns};

/// So much is under way at the same time at most.
const UNDER_WAY: usize = 256;
/// How often the figures are written, as by the processes of devices.
const SECOND: Duration = Duration::from_secs(1);
/// Once there is no device any more, answers that are on their way have so long to arrive.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// An operator at work, until this is dropped.
#[derive(Debug)]
pub(super) struct Operator {
    notices: UnboundedSender<Notice>,
    lines: UnboundedReceiver<Stats>,
}

/// What in the run concerns an operator.
#[derive(Debug)]
enum Notice {
    Online(String),
    Offline(String),
    /// The stages hold or raise the share of devices that is online, or not.
    Work(bool),
    /// The end of the run has begun, and devices leave.
    Drain,
    /// There is no device any more.
    End,
}

impl Operator {
    /// An operator as the manifest has it, if it has one. It rests until [`Operator::work`].
    ///
    /// # Errors
    ///
    /// The current folder can't be read, so that no path can be made absolute.
    pub(super) fn start(manifest: &Manifest, central: &Central) -> anyhow::Result<Option<Self>> {
        let Some(settings) = &manifest.operator else {
            return Ok(None);
        };
        let groups = plan::groups(manifest)?;
        let is_thermostat = |model| !matches!(model, Model::EdgeIdentity | Model::Own(_));
        let groups = groups
            .iter()
            .filter(|group| is_thermostat(group.model) && group.expect.is_none());
        let groups = groups.filter(|group| settings.group.as_ref().is_none_or(|named| *named == group.name));
        let groups: Vec<_> = groups.map(Served::new).collect();
        let mut figures = Figures::default();
        let counted = |group: &Served| central.clone().counted(figures.counts_of(&group.name));
        let centrals = groups.iter().map(counted).collect();
        let (notices, noticed) = unbounded_channel();
        let (written, lines) = unbounded_channel();
        let work = Work {
            centrals,
            devices: Devices::new(groups, manifest.fleet.seed, settings.share),
            turns: Turns::new([
                (Kind::Command, settings.commands_per_s()),
                (Kind::Property, settings.properties_per_s()),
                (Kind::Look, settings.looks_per_s()),
                (Kind::Message, settings.messages_per_s()),
            ]),
            settings: settings.clone(),
            figures,
            tasks: JoinSet::new(),
            under_way: BTreeMap::new(),
            next: 0,
            is_draining: false,
            begun: Instant::now(),
        };
        tokio::spawn(work.go_on(noticed, written));
        Ok(Some(Self { notices, lines }))
    }

    /// A device has changed its state.
    pub(super) fn device(&self, device: &DeviceLine) {
        self.notice(match device.state {
            State::Online => Notice::Online(device.id.clone()),
            _ => Notice::Offline(device.id.clone()),
        });
    }

    /// Whether it is to work now, or to rest.
    pub(super) fn work(&self, works: bool) {
        self.notice(Notice::Work(works));
    }

    /// The end of the run has begun: nothing new is begun, and what fails from now on does so because devices leave.
    pub(super) fn drain(&self) {
        self.notice(Notice::Drain);
    }

    /// There is no device any more: it ends as soon as the last answers are there, in two seconds at most.
    pub(super) fn end(&self) {
        self.notice(Notice::End);
    }

    /// The next line of figures; none when it has ended.
    pub(super) async fn line(&mut self) -> Option<Stats> {
        self.lines.recv().await
    }

    fn notice(&self, notice: Notice) {
        // After its end, there is nothing that it would need.
        let _ = self.notices.send(notice);
    }
}

/// An operator's work.
struct Work {
    settings: Settings,
    /// By group.
    centrals: Vec<Central>,
    devices: Devices,
    turns: Turns,
    figures: Figures,
    tasks: JoinSet<Done>,
    /// By number: what the tasks do.
    under_way: BTreeMap<u64, Operation>,
    next: u64,
    is_draining: bool,
    begun: Instant,
}

/// Something that is under way.
#[derive(Debug)]
struct Operation {
    kind: Kind,
    device: Device,
    due: Instant,
}

/// How an operation ended.
#[derive(Debug)]
struct Done {
    number: u64,
    at: Instant,
    result: Result<Ended, Refusal>,
}

/// What became of an operation that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The device did what it was asked for.
    Obeyed,
    /// The message waits in the hub, or has been sent on.
    Sent,
    /// Its last telemetry was fresh, or not.
    Looked { is_fresh: bool },
}

impl Work {
    async fn go_on(mut self, mut notices: UnboundedReceiver<Notice>, lines: UnboundedSender<Stats>) {
        let mut seconds = interval(SECOND);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut over = None;
        while over.is_none() || !self.under_way.is_empty() {
            tokio::select! {
                notice = notices.recv() => match notice {
                    Some(Notice::Online(id)) => self.devices.came(&id, Instant::now()),
                    Some(Notice::Offline(id)) => self.devices.left(&id),
                    Some(Notice::Work(works)) => self.turns.work(works && !self.is_draining, Instant::now()),
                    Some(Notice::Drain) => self.drain(),
                    Some(Notice::End) => {
                        self.drain();
                        over.get_or_insert_with(|| Instant::now() + LAST_ANSWERS);
                    }
                    // The run has left at once.
                    None => return,
                },
                () = at(self.turns.next()) => self.take_turn(),
                Some(done) = self.tasks.join_next() => self.end(done.expect("an operation does not panic")),
                _ = seconds.tick() => self.write(&lines),
                () = at(over) => break,
            }
        }
        let now = Instant::now();
        for operation in std::mem::take(&mut self.under_way).into_values() {
            self.unfinished(&operation, now);
        }
        self.write(&lines);
    }

    fn drain(&mut self) {
        self.is_draining = true;
        self.turns.work(false, Instant::now());
    }

    fn write(&mut self, lines: &UnboundedSender<Stats>) {
        // Without a reader, the run has left.
        let _ = lines.send(self.figures.line(self.begun.elapsed().as_secs_f64()));
    }

    fn take_turn(&mut self) {
        let now = Instant::now();
        let Some((kind, due)) = self.turns.take(now) else {
            return;
        };
        let has_measured = match kind {
            Kind::Command => self.settings.command == OperatorCommand::GetMaxMinReport,
            Kind::Property | Kind::Message => false,
            Kind::Look => true,
        };
        let device = match self.under_way.len() < UNDER_WAY {
            true => self.devices.draw(has_measured, now),
            false => Err(Skip::TooManyUnderWay),
        };
        match (device, self.devices.groups().first()) {
            (Ok(device), _) => self.begin(Operation { kind, device, due }),
            (Err(why), Some(group)) => self.figures.skipped(&group.name, why),
            (Err(_), None) => {}
        }
    }

    fn begin(&mut self, operation: Operation) {
        let Operation { kind, device, .. } = &operation;
        let (kind, id, group) = (*kind, device.id.clone(), device.group);
        let Served {
            component,
            two_intervals,
            ..
        } = self.devices.groups()[group];
        let central = self.centrals[group].clone();
        let (command, value) = (self.settings.command, self.devices.value(self.settings.values));
        let number = self.next;
        self.next += 1;
        self.under_way.insert(number, operation);
        self.tasks.spawn(async move {
            let now = Timestamp::now();
            let result = match kind {
                Kind::Command => {
                    let done = roundtrip::command(&central, &id, component, command, now).await;
                    done.map(|()| Ended::Obeyed)
                }
                Kind::Property => {
                    let done = roundtrip::property(&central, &id, component, value).await;
                    done.map(|()| Ended::Obeyed)
                }
                Kind::Look => {
                    let looked = roundtrip::is_fresh(&central, &id, component, two_intervals, now).await;
                    looked.map(|is_fresh| Ended::Looked { is_fresh })
                }
                Kind::Message => {
                    let sent = roundtrip::message(&central, &id, number).await;
                    sent.map(|()| Ended::Sent)
                }
            };
            let at = Instant::now();
            Done { number, at, result }
        });
    }

    fn end(&mut self, Done { number, at, result }: Done) {
        let Some(operation) = self.under_way.remove(&number) else {
            return;
        };
        let group = &self.devices.groups()[operation.device.group].name;
        match result {
            Ok(Ended::Looked { is_fresh }) => self.figures.looked(group, is_fresh),
            Ok(Ended::Sent) => self.figures.message_sent(group),
            Ok(Ended::Obeyed) => {
                let took = at.duration_since(operation.due);
                self.figures.succeeded(operation.kind, group, took);
            }
            Err(_) if self.is_draining => self.unfinished(&operation, at),
            Err(refusal) => self.figures.failed(operation.kind, group, &refusal.reason()),
        }
        self.devices.give_back(operation.device);
    }

    fn unfinished(&mut self, operation: &Operation, now: Instant) {
        let group = &self.devices.groups()[operation.device.group].name;
        let waited = now.duration_since(operation.due);
        self.figures.unfinished(operation.kind, group, waited);
    }
}
