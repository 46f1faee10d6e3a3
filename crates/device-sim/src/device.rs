//! One device's life: a task that registers, connects, sends and recovers until it gets the order to stop.
//!
//! ```text
//! Pending ─► Registering ─► Connecting ─► Online ─► (BackingOff | Parked ─► …) ─► Stopped
//! ```
//! The task checks its orders and its state, takes the next step, and checks again.

mod ahead;
mod connect;
mod error;
mod faults;
mod messages;
mod negative;
mod register;
mod restart;
mod session;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use error::DeviceError;
use faults::Faults;
use fleet_protocol::lines::{DeviceLine, Line, Phase, State, counter};
use iot_protocol::id::RegistrationId;
use iot_protocol::shown;
use jiff::Timestamp;
use provisioning::certificate::load::Identity;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::{debug, info, warn};

use crate::context::{Assigned, Context, GroupContext};
use crate::mailbox::Mailbox;
use crate::metrics::Counter;
use crate::model::Model;
use crate::outbox::{Message, Outbox};
use crate::outcome::{Outcome, Step};
use crate::random::{DeviceRng, Purpose, stream};
use crate::recovery::{Next, Recovery};
use crate::reporter::Reporter;
use crate::sending::Sending;
use crate::spread::Part;
use crate::ticks::Ticks;

/// A session that lasted this long ends a series of failures.
const WELL_AFTER: Duration = Duration::from_secs(30);

/// An identity that was loaded for a registration serves the connection that follows within this time.
const IDENTITY_KEPT: Duration = Duration::from_secs(60);

/// One virtual thermostat.
pub(crate) struct Device {
    context: Arc<Context>,
    mailbox: Arc<Mailbox>,
    id: RegistrationId,
    group: usize,
    /// The index of its profile, or 0.
    profile: u16,

    state: State,
    assigned: Option<Assigned>,
    /// The identity that the device has just registered with, for its first connection.
    identity: Option<Box<Loaded>>,
    /// The cached assignment must not be used: the hub refused the device, or a registration was requested.
    ask_dps: bool,
    /// It is a negative device that was judged, and has nothing more to do.
    is_over: bool,
    /// The first registration is over, whether it succeeded or not.
    settled: bool,
    registered: bool,
    connected: bool,
    /// No step is taken before this instant.
    not_before: Option<Instant>,
    /// In a storm: the next connection does not wait for its turn.
    at_once: bool,
    /// It has restarted, and its next session begins as a new device's does.
    starts_up: bool,
    offline_since: Option<Instant>,
    /// Why it last failed.
    last_failure: Option<&'static str>,
    /// How far it has got towards being online.
    step: Step,
    recovery: Recovery,

    model: Model,
    /// A command has requested a restart at this instant.
    reboot_at: Option<Instant>,
    reporter: Reporter,
    outbox: Outbox,
    /// What it remembers of what it has sent, where its profile or the plan asks for it.
    sending: Option<Box<Sending>>,
    /// While the device is or should be online, it measures; a broken connection does not stop it.
    ticks: Option<Ticks>,
    timer: Pin<Box<Sleep>>,
    random: DeviceRng,
    /// What is wrong with it on purpose.
    faults: Option<Box<Faults>>,
}

/// An identity, and when it was read.
struct Loaded {
    identity: Identity,
    at: Instant,
}

impl Device {
    /// On the heap from the start: a future that took it by value would hold it twice.
    pub(crate) fn new(
        context: Arc<Context>,
        mailbox: Arc<Mailbox>,
        id: RegistrationId,
        (group, part): (usize, Part),
    ) -> Box<Self> {
        let seed = context.seed;
        let remembers = part.messages.is_some() || context.load(group, part.profile).remembers();
        Box::new(Self {
            state: State::Pending,
            assigned: None,
            identity: None,
            ask_dps: false,
            is_over: false,
            settled: false,
            registered: false,
            connected: false,
            not_before: None,
            at_once: false,
            starts_up: false,
            offline_since: None,
            last_failure: None,
            step: Step::Registration,
            recovery: Recovery::default(),
            model: context.groups[group].model(seed, &id),
            reboot_at: None,
            reporter: Reporter::default(),
            outbox: Outbox::default(),
            sending: remembers.then(|| Box::new(Sending::new(part.messages))),
            ticks: None,
            timer: Box::pin(sleep_until(Instant::now())),
            random: stream(seed, id.as_str(), Purpose::Decisions),
            faults: Faults::of(&context.groups[group].faults, part.faults, seed, &id),
            context,
            mailbox,
            id,
            group,
            profile: part.profile,
        })
    }

    /// Runs until it gets the order to stop.
    pub(crate) async fn live(mut self: Box<Self>) -> Outcome {
        while !self.mailbox.wants_stop() && !self.is_over {
            self.take_orders();
            if self.settled && !self.mailbox.wants_online() && !self.ask_dps {
                self.rest().await;
            } else if let Some(at) = self.not_before.filter(|at| *at > Instant::now()) {
                self.mailbox.waits(self.failed_last());
                Box::pin(self.alongside(sleep_until(at), |_| true)).await;
            } else if self.assigned.is_none() {
                // The large futures live on the heap and only while they are needed.
                Box::pin(self.register()).await;
            } else {
                Box::pin(self.connect()).await;
            }
        }
        self.stop()
    }

    fn take_orders(&mut self) {
        if self.mailbox.take_reregister() {
            self.assigned = None;
            self.identity = None;
            self.ask_dps = true;
            self.not_before = None;
        }
        if self.mailbox.take_reconnect() {
            self.identity = None;
            self.not_before = None;
        }
        if self.mailbox.take_storm() {
            self.identity = None;
            self.not_before = None;
            self.at_once = true;
        }
        // What a device waits for after a restart is its start, which can't be hurried.
        if self.mailbox.take_retry() && self.failed_last() {
            self.not_before = None;
        }
        if self.mailbox.take_reboot() {
            self.restart("restarts on an order");
        }
        if self.reboot_at.is_some_and(|at| at <= Instant::now()) {
            self.reboot();
        }
    }

    /// Whether the device waits, or would, because something failed.
    fn failed_last(&self) -> bool {
        matches!(self.state, State::BackingOff | State::Parked)
    }

    /// The device is not wanted online.
    async fn rest(&mut self) {
        self.ticks = None;
        if !self.failed_last() {
            self.move_to(State::Pending);
        }
        // While it is not wanted, it would not try.
        self.mailbox.waits(false);
        self.mailbox.changed().await;
    }

    fn stop(&mut self) -> Outcome {
        if self.is_negative() {
            return self.stop_negative();
        }
        self.drop_outstanding("not_acknowledged");
        let wanted_since = self.mailbox.wanted_since();
        let waited = [
            (Phase::Register, (!self.registered).then_some(self.context.begun)),
            (Phase::TimeToOnline, wanted_since.filter(|_| !self.connected)),
            (Phase::Report, self.reporter.unanswered_since()),
        ];
        for (phase, since) in waited {
            self.unfinished(phase, since);
        }
        self.move_to(State::Stopped);
        Outcome {
            group: self.group,
            wanted: wanted_since.is_some(),
            connected: self.connected,
            last_failure: self.last_failure,
            step: self.step,
        }
    }

    fn group(&self) -> &GroupContext {
        &self.context.groups[self.group]
    }

    /// The identity of the registration that has just ended, or else the current one.
    async fn identity(&mut self) -> Result<Identity, DeviceError> {
        match self.identity.take() {
            Some(loaded) if loaded.at.elapsed() < IDENTITY_KEPT => {
                let checked = self
                    .context
                    .check((self.group, &self.id), &loaded.identity, Timestamp::now());
                checked.map_err(|error| DeviceError::identity(&error.into()))?;
                Ok(loaded.identity)
            }
            _ => self.load_identity().await,
        }
    }

    /// Loads the certificate and key that are current now.
    async fn load_identity(&self) -> Result<Identity, DeviceError> {
        load_identity(&self.context, self.group, &self.id).await
    }

    /// Waits for `future` and keeps measuring meanwhile. `None` if an order arrives for which `interrupts` holds.
    async fn alongside<T>(
        &mut self,
        future: impl Future<Output = T>,
        interrupts: impl Fn(&Mailbox) -> bool,
    ) -> Option<T> {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Some(output),
                () = &mut self.timer, if self.ticks.is_some() => self.tick(),
                () = self.mailbox.changed() => {
                    if interrupts(&self.mailbox) {
                        return None;
                    }
                }
            }
        }
    }

    fn begin_ticks(&mut self) {
        let has_more = self.sending.as_ref().is_none_or(|sending| sending.has_more());
        if self.ticks.is_none() && has_more {
            let telemetry = self.context.load(self.group, self.profile).telemetry;
            let ticks = Ticks::begin(telemetry, Instant::now(), &mut self.random);
            self.timer.as_mut().reset(ticks.due());
            self.ticks = Some(ticks);
        }
    }

    /// A measurement is due.
    fn tick(&mut self) {
        let Some(ticks) = &mut self.ticks else { return };
        let now = Instant::now();
        let tick = ticks.take(now, &mut self.random);
        self.timer.as_mut().reset(ticks.due());

        let metrics = &self.context.metrics;
        if tick.missed > 0 {
            metrics.add(self.group, Counter::TicksMissed, tick.missed);
        }
        let expired = self.outbox.expire(now);
        self.give_up(expired, "too_old");
        let load = self.context.load(self.group, self.profile);
        // The room advances by the nominal interval, so that its temperatures don't depend on jitter or load.
        let seconds = load.telemetry.interval_ms as f64 / 1000.0 / f64::from(load.burst);
        let clock = self.clock();
        for _ in 0..load.burst {
            let measured = self.model.measure(seconds, clock);
            self.reporter.report(&measured.report);
            for (component, body) in measured.telemetry {
                let sends = |sending: &mut Sending| sending.sends(load.on_change, component, &body, tick.due);
                if !self.sending.as_deref_mut().is_none_or(sends) {
                    continue;
                }
                let body = match &load.extras {
                    Some(extras) => extras.body(&body),
                    None => body,
                };
                debug!(device_id = %self.id, "telemetry {}", String::from_utf8_lossy(&body));
                self.context.metrics.count(self.group, Counter::TelemetryOffered);
                let dropped = self.outbox.offer(tick.due, component, body);
                self.give_up(dropped, "outbox_full");
            }
        }
        if let Some(sending) = &mut self.sending {
            if sending.reports(load.reports) {
                self.reporter.report(&self.model.properties());
            }
            if !sending.has_more() {
                self.ticks = None;
                self.context.messages_sent.one_more();
            }
        }
    }

    fn drop_outstanding(&mut self, reason: &str) {
        let dropped = self.outbox.clear();
        self.give_up(dropped, reason);
    }

    /// Messages that will never be acknowledged.
    fn give_up(&self, messages: impl IntoIterator<Item = Message>, reason: &str) {
        for message in messages {
            self.context
                .metrics
                .count_reason(self.group, counter::TELEMETRY_DROPPED, reason);
            self.unfinished(Phase::Publish, Some(message.due));
            self.unfinished(Phase::PublishSent, message.first_sent);
        }
    }

    /// A phase that began at this instant, if it did, will never end.
    fn unfinished(&self, phase: Phase, since: Option<Instant>) {
        if let Some(since) = since {
            self.context.metrics.unfinished(self.group, phase, since.elapsed());
        }
    }

    fn settle(&mut self) {
        // The stages don't wait for a negative device, and it goes on until it is judged.
        if !self.settled && !self.is_negative() {
            self.settled = true;
            self.context.settled.one_more();
        }
    }

    /// Decides what follows a failure, and reports it.
    fn failed(&mut self, mut error: DeviceError) {
        if self.is_judged(&error) {
            return;
        }
        let next = self.recovery.failed(error.failure, &mut self.random);
        let (state, wait) = match next {
            Next::Reconnect(wait) | Next::Register(wait) => (State::BackingOff, wait),
            Next::Park(wait) => (State::Parked, wait),
            Next::GiveWay(wait) => {
                error.reason = "replaced";
                error.message = "the hub keeps closing this device's sessions soon after they begin: another client \
                                   seems to connect with the same device id"
                    .to_owned();
                (State::Parked, wait)
            }
        };
        if matches!(next, Next::Register(_) | Next::Park(_)) {
            self.assigned = None;
            self.ask_dps = true;
        }
        self.last_failure = Some(error.reason);
        self.at_once = false;
        self.not_before = Some(Instant::now() + wait);
        if state == State::Parked {
            let how = if self.context.enter_retries {
                "; Enter tries again now"
            } else {
                ""
            };
            warn!(device_id = %self.id, reason = error.reason, "{}; tries again in {wait:.0?}{how}", shown::text(&error.message));
        } else {
            info!(device_id = %self.id, reason = error.reason, "{}; tries again in {wait:.1?}", shown::text(&error.message));
        }
        self.report(state, |line| {
            line.reason = Some(error.reason.into());
            line.message = Some(error.message);
        });
    }

    fn move_to(&mut self, state: State) {
        if self.state != state {
            self.report(state, |_| {});
        }
    }

    fn report(&mut self, state: State, details: impl FnOnce(&mut DeviceLine)) {
        self.context.metrics.moved(self.group, self.state, state);
        self.state = state;
        self.mailbox.waits(self.failed_last());
        let mut line = DeviceLine {
            id: self.id.to_string(),
            state,
            hub: None,
            leaf_sha256: None,
            offline_ms: None,
            reason: None,
            message: None,
            negative: self.is_negative(),
        };
        details(&mut line);
        self.context.send(Line::Device(line));
    }
}

/// Loads the certificate and key that are current now, and checks what DPS and the hub will check.
async fn load_identity(context: &Arc<Context>, group: usize, id: &RegistrationId) -> Result<Identity, DeviceError> {
    let load = {
        let (context, id) = (Arc::clone(context), id.clone());
        move || {
            let identity = context.groups[group].load(&id)?;
            let now = Timestamp::now();
            context.check((group, &id), &identity, now)?;
            identity.check_form(now)?;
            Ok(identity)
        }
    };
    let loaded = if context.groups[group].loads_at_once() {
        // Reading three small files takes less time than handing them to another thread and being woken by it.
        load()
    } else {
        // Without a bound, a fleet that connects all together would start a thread for each of its devices.
        let turn = context.loading.acquire().await;
        let _turn = turn.expect("this semaphore is never closed");
        let loading = tokio::task::spawn_blocking(load);
        loading.await.expect("loading an identity does not panic")
    };
    loaded.map_err(|error| DeviceError::identity(&error))
}

#[cfg(test)]
mod tests {
    use super::session::Session;
    use super::*;

    #[test]
    fn a_device_that_is_online_takes_less_than_three_kib_beside_its_link() {
        // Every device of a fleet pays for each local in one of these futures.
        fn future<F, A>(_: fn(A) -> F) -> usize {
            size_of::<F>()
        }
        fn borrowing<'a, F>(_: fn(&'a mut Device) -> F) -> usize {
            size_of::<F>()
        }
        let sizes = [
            future(Device::live),
            size_of::<Device>(),
            borrowing(Device::connect),
            size_of::<Session>(),
        ];
        assert!(sizes.iter().sum::<usize>() < 3 * 1024, "{sizes:?}");
    }
}
