//! The step from an assigned hub to a session, and the session itself: twin, telemetry, commands.

use std::sync::Arc;
use std::time::Duration;

use iot_protocol::command::CommandName;
use iot_protocol::hub::{FromHub, Subscription, TelemetryTopic, ToHub};
use iot_protocol::id::{DeviceId, RequestId};
use iot_protocol::properties::PropertyBag;
use iot_protocol::twin::{Section, TwinDocument};
use iot_protocol::username::HubUserName;
use mqtt_link::{ConnectOptions, ConnectTimings, Credentials, Endpoint, Event, Link, PublishError, Qos};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use super::{Device, Trouble, WELL_AFTER};
use crate::context::Assigned;
use crate::lines::{Phase, State, counter};
use crate::mailbox::Mailbox;
use crate::metrics::Counter;
use crate::thermostat::{Answer, Desired};

/// What the C SDK uses; telemetry keeps a busy connection alive without pings.
const KEEP_ALIVE: Duration = Duration::from_secs(240);
/// How long the twin may take to come.
const TWIN_WITHIN: Duration = Duration::from_secs(30);
/// How long a device that is to leave waits for its last acknowledgements.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// How long saying goodbye may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What lasts as long as a connection.
struct Session {
    link: Link,
    device_id: DeviceId,
    telemetry: TelemetryTopic,
    requests: u64,
    /// The twin that was asked for and has not come.
    twin_request: Option<(u64, Instant)>,
    /// The newest desired change that came while the twin was being fetched.
    desired_meanwhile: u64,
}

impl Session {
    fn request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    fn ask_for_twin(&mut self) -> Result<(), PublishError> {
        let number = self.request();
        let topic = ToHub::TwinGet {
            request_id: RequestId::from_number(number),
        };
        self.link.publish(topic.to_string(), "", Qos::AtMostOnce)?;
        self.twin_request = Some((number, Instant::now()));
        Ok(())
    }
}

impl Device {
    /// Connects to the assigned hub and stays until the connection breaks or an order ends it.
    pub(super) async fn connect(&mut self) {
        let Some(assigned) = self.assigned.clone() else { return };
        self.move_to(State::Connecting);
        let context = Arc::clone(&self.context);
        if self
            .alongside(context.connect_pacer.turn(), Mailbox::ends_session)
            .await
            .is_none()
        {
            return;
        }
        let identity = match self.load_identity().await {
            Ok(identity) => identity,
            Err(trouble) => return self.connect_failed(trouble),
        };
        if identity.leaf.sha256 != assigned.leaf_sha256 {
            // The hub knows only the leaf that DPS has told it.
            info!(device_id = %self.id, "has a new certificate and registers again");
            self.assigned = None;
            return;
        }
        let credentials = Credentials::X509(identity.certified_key());
        drop(identity);
        let opened = match self
            .alongside(
                open(&context, self.group, &assigned, &credentials),
                Mailbox::ends_session,
            )
            .await
        {
            None => return,
            Some(opened) => opened,
        };
        match opened {
            Err(trouble) => self.connect_failed(trouble),
            Ok((link, timings)) => {
                self.measure_connection(timings);
                let mut session = Session {
                    link,
                    telemetry: TelemetryTopic::new(&assigned.device_id, &PropertyBag::json()),
                    device_id: assigned.device_id,
                    requests: 0,
                    twin_request: None,
                    desired_meanwhile: 0,
                };
                let begun = Instant::now();
                let ended = self
                    .serve(&mut session, assigned.hub.as_ref(), &assigned.leaf_sha256)
                    .await;
                self.outbox.connection_lost();
                self.reporter.connection_lost();
                match ended {
                    Ok(()) => self.leave(session.link).await,
                    Err(trouble) => {
                        if begun.elapsed() >= WELL_AFTER {
                            self.recovery.recovered();
                        }
                        self.context.metrics.count_reason(counter::RECONNECTS, trouble.reason);
                        self.failed(trouble);
                    }
                }
                self.offline_since = Some(Instant::now());
            }
        }
    }

    fn connect_failed(&mut self, trouble: Trouble) {
        self.context
            .metrics
            .count_reason(counter::CONNECT_FAILED, trouble.reason);
        self.failed(trouble);
    }

    /// Says goodbye. Whether it arrives does not matter: everything that had to be acknowledged has been.
    async fn leave(&mut self, link: Link) {
        if let Err(error) = link.close(CLOSE_WITHIN).await {
            debug!(device_id = %self.id, "connection did not close in order: {error}");
        }
        if !self.mailbox.wants_stop() {
            self.move_to(State::Pending);
        }
    }

    /// Subscribe, take up the twin, then telemetry. `Ok` when an order ended the session.
    async fn serve(&mut self, session: &mut Session, hub: &str, leaf_sha256: &str) -> Result<(), Trouble> {
        if self.subscribe(session).await?.is_none() {
            return Ok(());
        }
        if self.fetch_twin(session).await?.is_none() {
            return Ok(());
        }
        self.come_online(hub, leaf_sha256);
        loop {
            self.write(session)?;
            tokio::select! {
                event = session.link.next() => {
                    let event = event.map_err(|error| Trouble::link(&error))?;
                    self.handle(session, event)?;
                }
                () = &mut self.timer, if self.ticks.is_some() => self.tick(),
                () = self.mailbox.changed() => {
                    if self.mailbox.ends_session() {
                        return self.drain(session).await;
                    }
                }
            }
        }
    }

    async fn subscribe(&mut self, session: &mut Session) -> Result<Option<()>, Trouble> {
        let subscriptions = [
            (
                Subscription::CloudToDevice {
                    device_id: session.device_id.clone(),
                }
                .to_string(),
                Qos::AtLeastOnce,
            ),
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
            Some(Err(error)) => Err(Trouble::hub(error.reason(), error.to_string())),
        }
    }

    async fn fetch_twin(&mut self, session: &mut Session) -> Result<Option<()>, Trouble> {
        session
            .ask_for_twin()
            .map_err(|error| Trouble::hub(error.reason(), error.to_string()))?;
        let deadline = Instant::now() + TWIN_WITHIN;
        while session.twin_request.is_some() {
            let next = timeout_at(deadline, session.link.next());
            match self.alongside(next, Mailbox::ends_session).await {
                None => return Ok(None),
                Some(Ok(Ok(event))) => self.handle(session, event)?,
                Some(Ok(Err(error))) => return Err(Trouble::link(&error)),
                Some(Err(_)) => {
                    self.context.metrics.count_reason(counter::TWIN_GET_FAILED, "timeout");
                    return Err(Trouble::hub(
                        "timeout_twin",
                        format!("the twin did not come within {TWIN_WITHIN:?}"),
                    ));
                }
            }
        }
        Ok(Some(()))
    }

    fn twin_timed_out(&self) -> Trouble {
        self.context.metrics.count_reason(counter::TWIN_GET_FAILED, "timeout");
        Trouble::hub("timeout_twin", format!("the twin did not come within {TWIN_WITHIN:?}"))
    }

    fn come_online(&mut self, hub: &str, leaf_sha256: &str) {
        if !std::mem::replace(&mut self.connected, true) {
            self.context.metrics.count(Counter::DevicesConnected);
        }
        self.begin_ticks();
        let offline = self.offline_since.take().map(|since| since.elapsed());
        info!(device_id = %self.id, hub, "online");
        self.say(State::Online, |line| {
            line.hub = Some(hub.to_owned());
            line.leaf_sha256 = Some(leaf_sha256.to_owned());
            line.offline_ms = offline.and_then(|offline| u64::try_from(offline.as_millis()).ok());
        });
    }

    /// Sends nothing new, and waits until what was sent is acknowledged.
    async fn drain(&mut self, session: &mut Session) -> Result<(), Trouble> {
        if self.mailbox.wants_stop() || !self.mailbox.wants_online() {
            self.ticks = None;
        }
        let deadline = Instant::now() + DRAIN_WITHIN;
        while self.outbox.outstanding() > 0 {
            self.write(session)?;
            match timeout_at(deadline, session.link.next()).await {
                Ok(Ok(event)) => self.handle(session, event)?,
                // It leaves anyway; what is missing stays in the outbox.
                Ok(Err(error)) => {
                    debug!(device_id = %self.id, "connection broke while it drained: {error}");
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Hands over to the link what it will take: one report, and telemetry in order.
    fn write(&mut self, session: &mut Session) -> Result<(), Trouble> {
        let refused = |error: &PublishError| Trouble::hub(error.reason(), error.to_string());
        let now = Instant::now();
        if session.twin_request.is_some_and(|(_, asked)| now - asked > TWIN_WITHIN) {
            return Err(self.twin_timed_out());
        }
        if session.link.can_publish() {
            let number = session.requests + 1;
            if let Some(patch) = self.reporter.next(number, now) {
                let body = serde_json::to_vec(patch).expect("a JSON map can be written");
                let topic = ToHub::TwinReport {
                    request_id: RequestId::from_number(session.request()),
                };
                session
                    .link
                    .publish(topic.to_string(), body, Qos::AtMostOnce)
                    .map_err(|error| refused(&error))?;
            }
        }
        while session.link.can_publish() {
            let Some(message) = self.outbox.next() else { break };
            let topic = session
                .telemetry
                .with_message_id(&format_args!("{}-{}", self.context.run_id, message.seq));
            let again = message.sent_before;
            let published = if again {
                session.link.publish_again(topic, message.body.clone())
            } else {
                session.link.publish(topic, message.body.clone(), Qos::AtLeastOnce)
            };
            let packet_id = match published {
                Ok(Some(packet_id)) => packet_id,
                Ok(None) => break,
                Err(error) if error.is_retryable() => break,
                Err(error) => return Err(refused(&error)),
            };
            self.outbox.sent(packet_id.get());
            self.context.metrics.count(if again {
                Counter::TelemetryResent
            } else {
                Counter::TelemetrySent
            });
        }
        Ok(())
    }

    fn handle(&mut self, session: &mut Session, event: Event) -> Result<(), Trouble> {
        match event {
            Event::Acknowledged { packet_id, latency, .. } => {
                if let Some(message) = self.outbox.acknowledged(packet_id.get()) {
                    let metrics = &self.context.metrics;
                    metrics.count(Counter::TelemetryAcked);
                    metrics.record(self.group, Phase::Publish, message.due.elapsed());
                    metrics.record(self.group, Phase::PublishSent, latency);
                }
                Ok(())
            }
            Event::Message { topic, payload, .. } => match topic.parse() {
                Ok(FromHub::TwinResponse { status, request_id, .. }) => {
                    self.twin_answered(session, status, &request_id, &payload)
                }
                Ok(FromHub::DesiredChanged { .. }) => self.desired_changed(session, &payload),
                Ok(FromHub::MethodCall { name, request_id }) => {
                    self.answer_command(session, &name, request_id, &payload);
                    Ok(())
                }
                Ok(FromHub::CloudToDevice { properties, .. }) => {
                    info!(device_id = %self.id, %properties, bytes = payload.len(), "cloud-to-device message received");
                    Ok(())
                }
                Err(error) => {
                    warn!(device_id = %self.id, "message ignored: {error}");
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    fn twin_answered(
        &mut self,
        session: &mut Session,
        status: u16,
        request_id: &RequestId,
        body: &[u8],
    ) -> Result<(), Trouble> {
        let Ok(number) = request_id.as_str().parse::<u64>() else {
            return Ok(());
        };
        let metrics = &self.context.metrics;
        if let Some((_, asked)) = session.twin_request.take_if(|(expected, _)| *expected == number) {
            if status != 200 {
                metrics.count_reason(counter::TWIN_GET_FAILED, &status.to_string());
                return Err(Trouble::hub(
                    "twin_refused",
                    format!("the hub answered the request for the twin with {status}"),
                ));
            }
            metrics.record(self.group, Phase::TwinGet, asked.elapsed());
            let twin = TwinDocument::parse(body).map_err(|error| Trouble::operator("twin_unreadable", &error))?;
            self.reporter.report(self.thermostat.take_up(&twin));
            if session.desired_meanwhile > twin.desired.version {
                session
                    .ask_for_twin()
                    .map_err(|error| Trouble::hub(error.reason(), error.to_string()))?;
            }
        } else if let Some(sent) = self.reporter.answered(number) {
            if status < 300 {
                metrics.record(self.group, Phase::Report, sent.elapsed());
            } else {
                metrics.count_reason(counter::REPORT_FAILED, &status.to_string());
                warn!(device_id = %self.id, status, "reported properties were refused");
            }
        }
        Ok(())
    }

    fn desired_changed(&mut self, session: &mut Session, body: &[u8]) -> Result<(), Trouble> {
        let patch = match Section::parse(body) {
            Ok(patch) => patch,
            Err(error) => {
                warn!(device_id = %self.id, "desired properties ignored: {error}");
                return Ok(());
            }
        };
        // A twin that is under way may hold the patch or may not; its version will tell.
        if session.twin_request.is_some() {
            session.desired_meanwhile = session.desired_meanwhile.max(patch.version);
            return Ok(());
        }
        match self.thermostat.desired_changed(&patch) {
            Desired::Report(report) => self.reporter.report(report),
            Desired::Missed => {
                session
                    .ask_for_twin()
                    .map_err(|error| Trouble::hub(error.reason(), error.to_string()))?;
            }
        }
        Ok(())
    }

    fn answer_command(&mut self, session: &mut Session, name: &str, request_id: RequestId, payload: &[u8]) {
        let arrived = Instant::now();
        let Answer { status, body } = self.thermostat.command(&CommandName::parse(name), payload);
        let topic = ToHub::MethodResponse { status, request_id };
        let metrics = &self.context.metrics;
        match session
            .link
            .publish(topic.to_string(), body.to_string(), Qos::AtMostOnce)
        {
            Ok(_) => {
                metrics.record(self.group, Phase::Command, arrived.elapsed());
                if status >= 400 {
                    metrics.count_reason(counter::COMMAND_FAILED, &status.to_string());
                }
            }
            Err(error) => {
                metrics.count_reason(counter::COMMAND_FAILED, error.reason());
                warn!(device_id = %self.id, command = name, "answer was not sent: {error}");
            }
        }
    }

    fn measure_connection(&self, timings: ConnectTimings) {
        let record = |phase, took| self.context.metrics.record(self.group, phase, took);
        record(Phase::Connect, timings.total());
        record(Phase::ConnectDns, timings.dns);
        record(Phase::ConnectTcp, timings.tcp);
        record(Phase::ConnectTls, timings.tls);
        record(Phase::ConnectMqtt, timings.mqtt);
    }
}

async fn open(
    context: &crate::context::Context,
    group: usize,
    assigned: &Assigned,
    credentials: &Credentials,
) -> Result<(Link, ConnectTimings), Trouble> {
    let target = &context.target;
    let host = target.connect_host.as_deref().unwrap_or(assigned.hub.as_str());
    let endpoint = Endpoint::new(host, target.port, context.tls.clone())
        .map_err(|error| Trouble::operator("server_name", &error))?;
    let model_id = context.groups[group].model_id.clone();
    let user_name = HubUserName::new(assigned.hub.clone(), assigned.device_id.clone(), Some(model_id));
    let options = ConnectOptions {
        user_name: Some(user_name.to_string()),
        // Cloud-to-device messages that were queued while the device was away are to be kept.
        clean_session: false,
        keep_alive: KEEP_ALIVE,
        ..ConnectOptions::new(user_name.client_id())
    };
    Link::connect(&endpoint, credentials, &options)
        .await
        .map_err(|error| Trouble::connection(&error))
}
