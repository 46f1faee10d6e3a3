//! A session with the hub: subscribe, fetch the twin, then telemetry until something ends it.

use std::future::Future;

use fleet_protocol::lines::{Phase, State, counter};
use iot_protocol::hub::{Subscription, TelemetryTopic, ToHub};
use iot_protocol::id::{DeviceId, RequestId};
use iot_protocol::properties::{COMPONENT, PropertyBag};
use mqtt_link::{Link, PublishError, Qos, SubscribeError};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info};

use super::ahead::Ahead;
use super::{Device, DeviceError};
use crate::mailbox::Mailbox;
use crate::metrics::Counter;

/// What lasts as long as a connection.
pub(super) struct Session {
    pub(super) link: Link,
    begun: Instant,
    device_id: DeviceId,
    /// One topic per component.
    telemetry: Vec<TelemetryTopic>,
    requests: u64,
    /// The twin that was requested and has not arrived.
    pub(super) twin_request: Option<(u64, Instant)>,
    /// A registration while the session goes on.
    pub(super) ahead: Option<Ahead>,
    /// The newest desired change that arrived while the twin was being fetched.
    pub(super) desired_meanwhile: u64,
    /// Answers to commands that take their time, each with the instant at which it is sent.
    pub(super) later: Vec<(Instant, Later)>,
}

/// An answer to a command.
pub(super) struct Later {
    pub(super) command: String,
    pub(super) request_id: RequestId,
    pub(super) arrived: Instant,
    pub(super) status: u16,
    pub(super) body: String,
}

/// Why a session that did not fail is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// An order needs the connection to end.
    Ordered,
    /// An order needs it to break off, as when the network or the power goes.
    BrokenOff,
    /// A command: the device restarts.
    Restarts,
}

impl Session {
    /// On the heap, or the future of a connection would hold it more than once.
    pub(super) fn new(
        link: Link,
        device_id: DeviceId,
        components: &[Option<String>],
        of_each: &PropertyBag,
        run_id: &str,
    ) -> Box<Self> {
        let of_ids = format!("{run_id}-");
        let properties = |component: &Option<String>| match component {
            None => of_each.clone(),
            Some(component) => of_each.clone().with(COMPONENT, component),
        };
        let topic = |component| TelemetryTopic::new(&device_id, &properties(component), &of_ids);
        Box::new(Self {
            telemetry: components.iter().map(topic).collect(),
            link,
            begun: Instant::now(),
            device_id,
            requests: 0,
            twin_request: None,
            ahead: None,
            later: Vec::new(),
            desired_meanwhile: 0,
        })
    }

    /// When the next answer that takes its time is sent.
    fn answers_at(&self) -> Option<Instant> {
        self.later.iter().map(|(at, _)| *at).min()
    }

    fn request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    pub(super) fn ask_for_twin(&mut self) -> Result<(), DeviceError> {
        let number = self.request();
        let topic = ToHub::TwinGet {
            request_id: RequestId::from_number(number),
        };
        self.link
            .publish(&topic.to_string(), "", Qos::AtMostOnce)
            .map_err(|error| not_taken(&error))?;
        self.twin_request = Some((number, Instant::now()));
        Ok(())
    }
}

fn not_taken(error: &PublishError) -> DeviceError {
    DeviceError::hub(error.reason(), error.to_string())
}

impl Device {
    /// Until an order or a restart ends the session, or it fails.
    pub(super) async fn serve(&mut self, session: &mut Session) -> Result<Ended, DeviceError> {
        // What is over before the device is online must not take up room while it is.
        if Box::pin(self.begin(session)).await?.is_none() {
            return Ok(self.ordered());
        }
        self.come_online();
        loop {
            self.write(session)?;
            let cut_at = self.cut_at();
            let answers_at = session.answers_at();
            tokio::select! {
                event = session.link.next() => {
                    let event = event.map_err(|error| DeviceError::link(&error, session.begun.elapsed()))?;
                    self.handle(session, event)?;
                }
                () = &mut self.timer, if self.ticks.is_some() => self.tick(),
                () = self.mailbox.changed() => {
                    if self.leaves(session) {
                        return Box::pin(self.drain(session, self.ordered())).await;
                    }
                }
                ended = of(&mut session.ahead), if session.ahead.is_some() => {
                    session.ahead = None;
                    if self.registered_ahead(ended) || self.leaves(session) {
                        return Box::pin(self.drain(session, self.ordered())).await;
                    }
                }
                // The socket closes without a DISCONNECT as it goes out of scope.
                () = at(cut_at), if cut_at.is_some() => return Err(DeviceError::cut()),
                () = at(answers_at), if answers_at.is_some() => self.answer_late(session),
                () = at(self.reboot_at), if self.reboot_at.is_some() => {
                    return Box::pin(self.drain(session, Ended::Restarts)).await;
                }
            }
        }
    }

    /// How an order ends the session.
    fn ordered(&self) -> Ended {
        match self.mailbox.breaks_off() {
            true => Ended::BrokenOff,
            false => Ended::Ordered,
        }
    }

    /// Whether an order ends the session now. One to register again does not: that is done beside it.
    fn leaves(&mut self, session: &mut Session) -> bool {
        if self.mailbox.ends_even_online() {
            return true;
        }
        // The hub of some devices is given without DPS.
        if session.ahead.is_none() && self.group().hub.is_none() && self.mailbox.take_reregister() {
            session.ahead = Some(self.register_ahead());
        }
        session.ahead.is_none() && self.mailbox.ends_session()
    }

    /// Subscribes and fetches the twin. `None` if an order arrives first.
    async fn begin(&mut self, session: &mut Session) -> Result<Option<()>, DeviceError> {
        match self.subscribe(session).await? {
            None => Ok(None),
            Some(()) => self.fetch_twin(session).await,
        }
    }

    async fn subscribe(&mut self, session: &mut Session) -> Result<Option<()>, DeviceError> {
        let device_id = session.device_id.clone();
        let subscriptions = [
            (Subscription::CloudToDevice { device_id }.to_string(), Qos::AtLeastOnce),
            (Subscription::TwinResponses.to_string(), Qos::AtMostOnce),
            (Subscription::DesiredChanges.to_string(), Qos::AtMostOnce),
            (Subscription::Methods.to_string(), Qos::AtMostOnce),
        ];
        let filters = subscriptions.each_ref().map(|(filter, qos)| (filter.as_str(), *qos));
        match self
            .alongside(session.link.subscribe(&filters), Mailbox::ends_session)
            .await
        {
            None => Ok(None),
            Some(Ok(())) => Ok(Some(())),
            // A hub that closes the connection does so for the same reasons as later.
            Some(Err(SubscribeError::Link(error))) => Err(DeviceError::link(&error, session.begun.elapsed())),
            Some(Err(error)) => Err(DeviceError::hub(error.reason(), error.to_string())),
        }
    }

    async fn fetch_twin(&mut self, session: &mut Session) -> Result<Option<()>, DeviceError> {
        session.ask_for_twin()?;
        let deadline = Instant::now() + self.context.patience.answer;
        while session.twin_request.is_some() {
            let next = timeout_at(deadline, session.link.next());
            match self.alongside(next, Mailbox::ends_session).await {
                None => return Ok(None),
                Some(Ok(Ok(event))) => self.handle(session, event)?,
                Some(Ok(Err(error))) => return Err(DeviceError::link(&error, session.begun.elapsed())),
                Some(Err(_)) => return Err(self.twin_timed_out(session)),
            }
        }
        Ok(Some(()))
    }

    fn twin_timed_out(&self, session: &mut Session) -> DeviceError {
        session.twin_request = None;
        self.context
            .metrics
            .count_reason(self.group, counter::TWIN_GET_FAILED, "timeout");
        let within = self.context.patience.answer;
        DeviceError::hub("timeout_twin", format!("the twin did not come within {within:?}"))
    }

    fn come_online(&mut self) {
        if !std::mem::replace(&mut self.connected, true) {
            self.context.metrics.count(self.group, Counter::DevicesConnected);
            if let Some(wanted) = self.mailbox.wanted_since() {
                let took = wanted.elapsed();
                self.context.metrics.record(self.group, Phase::TimeToOnline, took);
            }
        }
        self.begin_ticks();
        self.faults
            .iter_mut()
            .for_each(|faults| faults.begin_session(Instant::now()));
        let offline = self.offline_since.take().map(|since| since.elapsed());
        let hub = self.assigned.as_ref().map(|assigned| assigned.hub.to_string());
        let leaf_sha256 = self.assigned.as_ref().map(|assigned| assigned.leaf_sha256.clone());
        info!(device_id = %self.id, hub = hub.as_deref().map(display), "online");
        self.report(State::Online, |line| {
            line.hub = hub;
            line.leaf_sha256 = leaf_sha256;
            line.offline_ms = offline.and_then(|offline| u64::try_from(offline.as_millis()).ok());
        });
    }

    /// Sends nothing new, and waits until what was sent is acknowledged; unless the session breaks off.
    async fn drain(&mut self, session: &mut Session, ended: Ended) -> Result<Ended, DeviceError> {
        if ended == Ended::BrokenOff {
            return Ok(ended);
        }
        if self.mailbox.wants_stop() || !self.mailbox.wants_online() {
            self.ticks = None;
        }
        let deadline = Instant::now() + self.context.patience.drain;
        while self.outbox.outstanding() > 0 {
            self.write(session)?;
            match timeout_at(deadline, session.link.next()).await {
                Ok(Ok(event)) => self.handle(session, event)?,
                // It disconnects anyway; what is missing stays in the outbox.
                Ok(Err(error)) => {
                    debug!(device_id = %self.id, "connection broke while it drained: {error}");
                    break;
                }
                Err(_) => break,
            }
        }
        // An answer that was just accepted for sending must not be lost with the connection.
        if let Err(error) = session.link.flush().await {
            debug!(device_id = %self.id, "connection broke while it drained: {error}");
        }
        Ok(ended)
    }

    /// Hands the link as much as it accepts: one report, and telemetry in order.
    fn write(&mut self, session: &mut Session) -> Result<(), DeviceError> {
        // Half of all wake-ups are for an acknowledgement, after which there is nothing to write.
        if session.twin_request.is_none() && !self.reporter.is_waiting() && self.outbox.next().is_none() {
            return Ok(());
        }
        let now = Instant::now();
        let within = self.context.patience.answer;
        if session.twin_request.is_some_and(|(_, asked)| now - asked > within) {
            return Err(self.twin_timed_out(session));
        }
        if session.link.can_publish()
            && let Some(patch) = self.reporter.next(session.requests + 1, now)
        {
            let body = serde_json::to_vec(patch).expect("a JSON map can be written");
            debug!(device_id = %self.id, "reports {}", String::from_utf8_lossy(&body));
            let topic = ToHub::TwinReport {
                request_id: RequestId::from_number(session.request()),
            };
            session
                .link
                .publish(&topic.to_string(), body, Qos::AtMostOnce)
                .map_err(|error| not_taken(&error))?;
        }
        while session.link.can_publish() {
            let Some(message) = self.outbox.next() else { break };
            let topic = session.telemetry[usize::from(message.component)].of(message.seq);
            let again = message.first_sent.is_some();
            let published = if again {
                session.link.publish_again(topic, &message.body)
            } else {
                session.link.publish(topic, &message.body, Qos::AtLeastOnce)
            };
            match published {
                Ok(Some(packet_id)) => self.outbox.sent(packet_id.get(), now),
                Ok(None) => break,
                Err(error) if error.is_retryable() => break,
                Err(error) => return Err(not_taken(&error)),
            }
            self.context.metrics.count(
                self.group,
                if again {
                    Counter::TelemetryResent
                } else {
                    Counter::TelemetrySent
                },
            );
        }
        Ok(())
    }
}

/// Waits for an instant, if there is one; without one, forever.
async fn at(instant: Option<Instant>) {
    match instant {
        // On the heap, since hardly any device ever waits for it.
        Some(instant) => Box::pin(sleep_until(instant)).await,
        None => std::future::pending().await,
    }
}

/// Waits for a registration, if there is one; without one, forever.
async fn of(ahead: &mut Option<Ahead>) -> <Ahead as Future>::Output {
    match ahead {
        Some(ahead) => ahead.await,
        None => std::future::pending().await,
    }
}
