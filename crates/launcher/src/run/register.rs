//! `fleet register`: the registrations of a run ahead of it. Devices register as they do at the beginning of a run, and none
//! connects to a hub; a run finds their assignments in its state folder.

mod summary;
mod tally;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use device_sim::hint::Hint;
use fleet_protocol::lines::{DeviceLine, Line, State, counter};
use fleet_protocol::plan::LONGEST_MS;
use fleet_report::totals::Totals;
use settings::Span;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::futile::Futile;
use super::resolve_whole;
use super::start::Start;
use super::throttling::Throttling;
use super::troubles::Troubles;
use crate::advice::Advisor;
use crate::control::state_lock::StateLock;
use crate::countdown::Countdown;
use crate::ending::{self, Ending};
use crate::exit::{FAILED, Failure, INTERRUPTED, PASSED, print};
use crate::interrupts::Interrupts;
use crate::manifest::types::Target;
use crate::manifest::values::Stage;
use crate::paths::absolute;
use crate::prepare::{budget, reach};
use crate::process::device_sims;
use crate::process::shards::{Event, Shards, Update};
use crate::progress::ProgressLog;
use crate::timer::at;
use summary::{End, Summary};
use tally::Tally;

/// Time between two progress lines.
const PROGRESS: Duration = Duration::from_secs(3);

/// Which devices register, and how that is reported.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// `path=value`, each over a key of the manifest.
    pub set: Vec<String>,
    /// Print the summary as JSON.
    pub json: bool,
    /// Go on, even where all devices fail for a reason that only a person can mend.
    pub keep_going: bool,
    /// How long the end may take.
    pub stop_within: Duration,
    /// Our own program, which is started for the devices.
    pub executable: PathBuf,
}

/// Registers the devices that have no assignment yet. Returns the number with which the process is to end.
///
/// # Errors
///
/// The manifest can't be used, the target does not agree, or a program can't be started.
pub async fn register(options: Options, mut interrupts: Interrupts) -> Result<u8, Failure> {
    let mut manifest = resolve_whole(&options.manifest, &options.set, None).await?;
    if matches!(manifest.target, Target::Emulator(_)) {
        return Err(Failure::refused(
            anyhow!(
                "a target of kind `emulator` lives only as long as the `fleet run` that starts it, and so do its \
                 registrations"
            )
            .hint("start `fleet emulator`, and describe it as a target of kind `iot-central` with its CA"),
        ));
    }
    // A run whose stages want no device online: its devices register, and rest.
    manifest.load.stages = vec![Stage {
        share: 0.0,
        over: Span(Duration::from_millis(LONGEST_MS)),
    }];
    let plan = budget::plan(&manifest).map_err(Failure::Refused)?;
    let (start, token) = Start::check(manifest, plan)?;
    let state = absolute(&start.manifest.fleet.state)?;
    StateLock::check(&state)?;
    let progress = ProgressLog::begin();
    progress.report(start.words());
    progress.report(format!(
        "registering all of them takes about {}, at {}",
        Span(Duration::from_secs(start.plan.register_s)),
        start.manifest.load.register_rate
    ));
    for warning in budget::warnings(&start.plan) {
        progress.report(format!("warning: {warning}"));
    }
    let prepared = async {
        reach::application_and_dps(&start.manifest.target, progress).await?;
        let identities = start.identities(progress).await?;
        let held = StateLock::for_run(&state)?;
        let ready = start.prepare(&identities, &options.executable, token, progress).await?;
        Ok::<_, Failure>((held, ready))
    };
    let (_held, ready) = tokio::select! {
        prepared = prepared => prepared?,
        () = interrupts.next() => return Err(Failure::Interrupted),
    };
    // Those that must be refused have nothing to register ahead of a run.
    let plan = start.write_plan(ready.plan, &ready.gateways, |group| group.expect.is_none())?;
    let drain = ending::drain(options.stop_within);
    let (shards, events) = device_sims::start(&options.executable, &plan, start.processes, drain)?;
    let summary = Registering::new(&start, &options, progress)
        .follow(shards, events, &mut interrupts)
        .await;
    let text = match options.json {
        true => summary.json()?,
        false => summary.text(),
    };
    print(text)?;
    Ok(match (summary.end, summary.is_whole()) {
        (End::Interrupted, _) => INTERRUPTED,
        (_, true) => PASSED,
        (_, false) => FAILED,
    })
}

/// The registrations while they go on.
struct Registering {
    tally: Tally,
    totals: Totals,
    countdown: Countdown,
    throttling: Throttling,
    futile: Futile,
    troubles: Troubles,
    processes: u32,
    devices: u32,
    progress: ProgressLog,
    begun: Instant,
    stop_within: Duration,
    ending: Option<Ending>,
    end: End,
}

impl Registering {
    fn new(start: &Start, options: &Options, progress: ProgressLog) -> Self {
        let mut futile = Futile::new(start.positive());
        if options.keep_going {
            futile.hope();
        }
        let per_second = f64::from(start.positive()) / start.plan.register_s.max(1) as f64;
        Self {
            tally: Tally::new(start.positive()),
            totals: Totals::new(start.processes as usize),
            countdown: Countdown {
                of: start.positive().into(),
                per_second,
            },
            throttling: Throttling::default(),
            futile,
            troubles: Troubles::new(Advisor::new(start.manifest.clone()), progress),
            processes: start.processes,
            devices: start.positive(),
            progress,
            begun: Instant::now(),
            stop_within: options.stop_within,
            ending: None,
            end: End::Done,
        }
    }

    /// Until every process has ended.
    async fn follow(
        mut self,
        shards: Shards,
        mut events: UnboundedReceiver<Event>,
        interrupts: &mut Interrupts,
    ) -> Summary {
        let mut ticks = interval_at(Instant::now() + PROGRESS, PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut killed = false;
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.handle(event, &shards),
                    None => return self.summary(),
                },
                () = at(self.ending.map(|ending| ending.drained())), if !killed => {
                    killed = true;
                    self.progress.fault("the device-sim processes have not stopped in time and are killed");
                    shards.end();
                }
                () = interrupts.next() => {
                    if self.end == End::Interrupted {
                        killed = true;
                        shards.end();
                    } else {
                        self.progress.report(
                            "interrupted; what is registered stays registered, and the same command goes on with the rest",
                        );
                        self.stop(End::Interrupted, &shards);
                    }
                }
                _ = ticks.tick(), if self.ending.is_none() => {
                    self.report_progress();
                    self.end_if_futile(&shards);
                }
            }
            if self.ending.is_none() && self.tally.is_over() {
                self.stop(End::Done, &shards);
            }
        }
    }

    /// The end begins; it has begun only once.
    fn stop(&mut self, end: End, shards: &Shards) {
        self.end = end;
        if self.ending.is_none() {
            self.ending = Some(Ending::begin(Instant::now(), self.stop_within));
            shards.stop();
        }
    }

    fn handle(&mut self, event: Event, shards: &Shards) {
        let process = event.shard;
        match event.update {
            Update::Line(Line::Stats(stats)) => {
                self.totals.add(process, stats);
                let throttled = self.totals.counter(counter::DPS_THROTTLED);
                self.throttling
                    .reported(throttled, self.tally.registered(), self.progress.elapsed());
            }
            Update::Line(Line::Device(device)) => self.handle_device(&device),
            // Connections of a collector alone come and go, or send figures that are decoded.
            Update::Line(_)
            | Update::Figures(..)
            | Update::Note(..)
            | Update::Away
            | Update::Back
            | Update::Replaced => {}
            Update::Garbled(line) => self.progress.report(format!(
                "process {process}/{} wrote a line that isn't part of the protocol: {line}",
                self.processes
            )),
            Update::Ended { died: None } => {}
            Update::Ended { died: Some(died) } => {
                let (name, of) = (device_sims::CALLED.name, self.processes);
                self.progress.fault(format!("{name} {process}/{of} died: {died}"));
                if self.end != End::Interrupted {
                    self.stop(End::ProcessDied, shards);
                }
            }
        }
    }

    fn handle_device(&mut self, device: &DeviceLine) {
        self.tally.handle(device);
        if device.hub.is_some() {
            return self.futile.hope();
        }
        let (Some(reason), true) = (&device.reason, self.ending.is_none()) else {
            return;
        };
        self.futile.failed(&device.id, reason, device.state == State::Parked);
        self.troubles.report(device);
    }

    fn report_progress(&self) {
        let done = self.tally.registered() + self.tally.given_up();
        let reused = self.totals.counter(counter::DEVICES_ASSIGNMENT_REUSED);
        let words = self
            .countdown
            .words(done, done.saturating_sub(reused), self.begun.elapsed());
        let failed = match self.tally.given_up() {
            0 => String::new(),
            failed => format!("; {failed} failed"),
        };
        let registering = self.totals.state(State::Registering);
        let throttling = self
            .throttling
            .words(registering, self.devices, self.progress.elapsed());
        let throttling = throttling.map(|words| format!("; {words}")).unwrap_or_default();
        self.progress.report(format!("registered {words}{failed}{throttling}"));
    }

    /// Where nothing can become of it any more, it is over.
    fn end_if_futile(&mut self, shards: &Shards) {
        if let Some(reason) = self.futile.verdict(self.begun.elapsed()) {
            self.progress.report(format!(
                "all devices failed for the same reason, {reason}, which waiting does not mend; --keep-going tries all of them"
            ));
            self.stop(End::AllFailed, shards);
        }
    }

    fn summary(self) -> Summary {
        Summary {
            devices: self.devices.into(),
            registered: self.tally.registered(),
            reused: self.totals.counter(counter::DEVICES_ASSIGNMENT_REUSED),
            failed: self.tally.failures(),
            throttled: self.totals.counter(counter::DPS_THROTTLED),
            took_s: self.begun.elapsed().as_secs_f64(),
            end: self.end,
        }
    }
}
