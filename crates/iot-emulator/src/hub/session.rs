//! A connected device: what it sends, and what it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iot_protocol::dps::ServiceError;
use iot_protocol::hub::{FromHub, MAX_SUBSCRIPTIONS, Subscription, ToHub};
use iot_protocol::id::RequestId;
use iot_protocol::properties::PropertyBag;
use iot_protocol::username::HubUserName;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Connect, LastWill, Packet, PubAck, Publish, SubAck, Subscribe, SubscribeReasonCode, UnsubAck, Unsubscribe,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::admission::{admit, will_properties};
use super::device::{Command, Device};
use crate::certificate::Certificate;
use crate::clock;
use crate::journal::{Event, Service, Why};
use crate::services::Services;
use crate::session::{patience, refuse};
use crate::stats::count;
use crate::unconfirmed::{RETAIN_PROPERTY, TWIN_BAD_PATCH};
use crate::wire::{Stream, Wire};

/// The hub's own limit for how long a client may be silent.
const LONGEST_SILENCE: Duration = Duration::from_secs(1767);
/// Largest device-to-cloud message: body and properties.
const MAX_MESSAGE: usize = 256 * 1024;

/// Serves a client whose user name is one for a hub.
pub(crate) async fn serve<S: Stream>(
    wire: Wire<S>,
    connect: Connect,
    user: &HubUserName,
    chain: &[Certificate],
    services: &Services,
    stop: &CancellationToken,
) {
    let device = match admit(&connect, user, chain, services) {
        Ok(device) => device,
        Err(refused) => {
            return refuse(
                wire,
                services,
                Some(Service::Hub),
                Some(user.device_id.as_str()),
                refused,
            )
            .await;
        }
    };
    let id = device.id.as_str();
    count(&services.counters.connects);
    services
        .counters
        .connected
        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    services
        .journal
        .record(Some(id), Event::Connected { service: Service::Hub });

    let mut session = Session::begin(wire, &connect, user, Arc::clone(&device), services);
    let session_present = session.resumed;
    let Err(why) = session
        .run(session_present, patience(connect.keep_alive, LONGEST_SILENCE), stop)
        .await;
    session.end();

    if let Some(will) = connect.last_will.filter(|_| why != Why::Disconnect) {
        publish_will(&will, &device, services);
    }
    services
        .counters
        .connected
        .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    services.journal.record(
        Some(id),
        Event::Disconnected {
            service: Service::Hub,
            why,
        },
    );
    session.wire.close().await;
}

/// A will arrives as a message of the device.
fn publish_will(will: &LastWill, device: &Device, services: &Services) {
    if let Some(properties) = will_properties(will, device) {
        services.journal.record(Some(device.id.as_str()), Event::Will);
        receive(
            device,
            services,
            &properties.with("iothub-MessageType", "Will"),
            &will.message,
        );
    }
}

/// Takes telemetry in. No lock but the device's own is taken.
fn receive(device: &Device, services: &Services, properties: &PropertyBag, body: &[u8]) {
    use std::sync::atomic::Ordering::Relaxed;
    let is_new = device.lock().inbox.receive(properties, body, clock::now());
    count(&services.counters.telemetry_received);
    services
        .counters
        .telemetry_bytes
        .fetch_add(u64::try_from(body.len()).unwrap_or(u64::MAX), Relaxed);
    if is_new {
        count(&services.counters.telemetry_received_unique);
    }
}

struct Session<'a, S> {
    wire: Wire<S>,
    device: Arc<Device>,
    services: &'a Services,
    serial: u64,
    commands: mpsc::UnboundedReceiver<Command>,
    keeps_session: bool,
    resumed: bool,
    subscriptions: BTreeMap<Subscription, QoS>,
    /// Methods that the device has not answered yet.
    calls: BTreeMap<String, Call>,
    next_call: u64,
    /// Cloud-to-device messages that the device has not acknowledged yet, by packet id.
    in_flight: BTreeMap<u16, u64>,
    packet_id: u16,
}

struct Call {
    name: String,
    reply: oneshot::Sender<(u16, Bytes)>,
}

/// A session ends only with a reason to end.
enum Never {}

impl<'a, S: Stream> Session<'a, S> {
    fn begin(
        wire: Wire<S>,
        connect: &Connect,
        user: &HubUserName,
        device: Arc<Device>,
        services: &'a Services,
    ) -> Self {
        let mut state = device.lock();
        let (serial, commands) = state.connect();
        if user.model_id.is_some() {
            state.model_id.clone_from(&user.model_id);
        }
        let mut subscriptions = BTreeMap::new();
        let mut resumed = false;
        if connect.clean_session {
            state.session = None;
            state.queue.clear();
        } else {
            resumed = state.session.is_some();
            if let Some(qos) = *state.session.get_or_insert(None) {
                subscriptions.insert(
                    Subscription::CloudToDevice {
                        device_id: device.id.clone(),
                    },
                    qos,
                );
            }
        }
        drop(state);
        Self {
            wire,
            device,
            services,
            serial,
            commands,
            keeps_session: !connect.clean_session,
            resumed,
            subscriptions,
            calls: BTreeMap::new(),
            next_call: 0,
            in_flight: BTreeMap::new(),
            packet_id: 0,
        }
    }

    /// Takes the connection out of the device, unless a newer one has taken its place.
    fn end(&mut self) {
        let mut state = self.device.lock();
        if state.connection_mut(self.serial).is_some() {
            state.connection = None;
        }
        drop(state);
        self.calls.clear();
    }

    async fn run(&mut self, session_present: bool, patience: Duration, stop: &CancellationToken) -> Result<Never, Why> {
        self.wire.accept(session_present).await?;
        self.deliver().await?;
        let mut deadline = Instant::now() + patience;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Err(Why::ShuttingDown),
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await?,
                    // Whoever took the sender away has said why before.
                    None => return Err(Why::Replaced),
                },
                packet = self.wire.next() => {
                    self.handle(packet?).await?;
                    deadline = Instant::now() + patience;
                }
                () = sleep_until(deadline) => return Err(Why::KeepAliveExpired),
            }
        }
    }

    async fn handle(&mut self, packet: Packet) -> Result<(), Why> {
        match packet {
            Packet::Publish(publish) => self.publish(publish).await,
            Packet::PubAck(ack) => {
                self.acknowledged(ack.pkid);
                Ok(())
            }
            Packet::PingReq => Ok(self.wire.send(Packet::PingResp).await?),
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe).await,
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe).await,
            Packet::Disconnect => Err(Why::Disconnect),
            _ => Err(Why::Violation("packet of an unexpected type".into())),
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Why> {
        match command {
            Command::Close(why) => Err(why),
            Command::Deliver => self.deliver().await,
            Command::Desired { version, patch } => {
                self.publish_to(
                    &Subscription::DesiredChanges,
                    &FromHub::DesiredChanged { version },
                    patch,
                )
                .await
            }
            Command::Method { name, payload, reply } => self.call(name, payload, reply).await,
        }
    }

    // ---- what the device sends

    async fn publish(&mut self, publish: Publish) -> Result<(), Why> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(Why::Violation("published with QoS 2".into()));
        }
        let topic: ToHub = publish
            .topic
            .parse()
            .map_err(|error: iot_protocol::TopicError| Why::Violation(error.to_string()))?;
        match topic {
            ToHub::Telemetry {
                device_id,
                module_id: None,
                mut properties,
            } if device_id == self.device.id => {
                let bag = publish.topic.rsplit('/').next().unwrap_or_default().len();
                if publish.payload.len() + bag > MAX_MESSAGE {
                    return Err(Why::Violation(format!(
                        "a message of {} bytes",
                        publish.payload.len() + bag
                    )));
                }
                if publish.retain {
                    properties.push(RETAIN_PROPERTY.0, Some(RETAIN_PROPERTY.1));
                }
                receive(&self.device, self.services, &properties, &publish.payload);
                self.acknowledge(&publish).await
            }
            ToHub::Telemetry { .. } => Err(Why::Violation(format!(
                "published as another device: `{}`",
                publish.topic
            ))),
            ToHub::TwinGet { request_id } => {
                self.acknowledge(&publish).await?;
                let document = serde_json::to_vec(&self.device.lock().twin.document);
                let document = document.map_err(|error| Why::Violation(error.to_string()))?;
                self.answer_twin(200, request_id, None, document.into()).await
            }
            ToHub::TwinReport { request_id } => {
                self.acknowledge(&publish).await?;
                self.report(request_id, &publish.payload).await
            }
            ToHub::MethodResponse { status, request_id } => {
                self.acknowledge(&publish).await?;
                self.answered(status, &request_id, publish.payload);
                Ok(())
            }
        }
    }

    async fn acknowledge(&mut self, publish: &Publish) -> Result<(), Why> {
        if publish.qos == QoS::AtLeastOnce {
            self.wire.send(Packet::PubAck(PubAck::new(publish.pkid))).await?;
        }
        Ok(())
    }

    async fn report(&mut self, request_id: RequestId, body: &[u8]) -> Result<(), Why> {
        let reported = self.device.lock().twin.report(body, clock::now());
        match reported {
            Ok(version) => {
                self.services
                    .journal
                    .record(Some(self.device.id.as_str()), Event::Reported { version });
                self.answer_twin(204, request_id, Some(version), Bytes::new()).await
            }
            Err(bad) => {
                let error = ServiceError {
                    error_code: TWIN_BAD_PATCH,
                    tracking_id: String::new(),
                    message: bad.to_string(),
                    timestamp_utc: Some(clock::ticks(clock::now())),
                };
                let body = serde_json::to_vec(&error).map_err(|error| Why::Violation(error.to_string()))?;
                self.answer_twin(400, request_id, None, body.into()).await
            }
        }
    }

    async fn answer_twin(
        &mut self,
        status: u16,
        request_id: RequestId,
        version: Option<u64>,
        body: Bytes,
    ) -> Result<(), Why> {
        let topic = FromHub::TwinResponse {
            status,
            request_id,
            version,
        };
        self.publish_to(&Subscription::TwinResponses, &topic, body).await
    }

    fn answered(&mut self, status: u16, request_id: &RequestId, body: Bytes) {
        // An answer to nothing, or one that comes too late, is nobody's any more.
        if let Some(call) = self.calls.remove(request_id.as_str()) {
            let event = Event::MethodInvoked {
                name: call.name,
                status: Some(status),
            };
            self.services.journal.record(Some(self.device.id.as_str()), event);
            drop(call.reply.send((status, body)));
        }
    }

    // ---- subscriptions

    async fn subscribe(&mut self, subscribe: &Subscribe) -> Result<(), Why> {
        let mut granted = Vec::with_capacity(subscribe.filters.len());
        for filter in &subscribe.filters {
            let refused = || Why::Violation(format!("subscribed to `{}`", filter.path));
            let subscription: Subscription = filter.path.parse().map_err(|_| refused())?;
            match &subscription {
                Subscription::CloudToDevice { device_id } | Subscription::ModuleInputs { device_id, .. }
                    if *device_id != self.device.id =>
                {
                    return Err(refused());
                }
                _ => {}
            }
            let qos = match filter.qos {
                QoS::AtMostOnce => QoS::AtMostOnce,
                QoS::AtLeastOnce | QoS::ExactlyOnce => QoS::AtLeastOnce,
            };
            self.subscriptions.insert(subscription, qos);
            if self.subscriptions.len() > MAX_SUBSCRIPTIONS {
                return Err(Why::Violation("more than 5 subscriptions".into()));
            }
            granted.push(SubscribeReasonCode::Success(qos));
        }
        self.wire
            .send(Packet::SubAck(SubAck::new(subscribe.pkid, granted)))
            .await?;
        self.subscriptions_changed();
        self.deliver().await
    }

    async fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), Why> {
        for topic in &unsubscribe.topics {
            if let Ok(subscription) = topic.parse::<Subscription>() {
                self.subscriptions.remove(&subscription);
            }
        }
        self.subscriptions_changed();
        Ok(self
            .wire
            .send(Packet::UnsubAck(UnsubAck { pkid: unsubscribe.pkid }))
            .await?)
    }

    /// Tells the service side: who may call methods, and what a kept session will have subscribed.
    fn subscriptions_changed(&self) {
        let takes_methods = self.subscriptions.contains_key(&Subscription::Methods);
        let messages = self.message_qos();
        let mut state = self.device.lock();
        if let Some(connection) = state.connection_mut(self.serial) {
            connection.takes_methods = takes_methods;
            if self.keeps_session {
                state.session = Some(messages);
            }
        }
        drop(state);
        if takes_methods {
            self.device.reachable.notify_waiters();
        }
    }

    fn message_qos(&self) -> Option<QoS> {
        let device_id = self.device.id.clone();
        self.subscriptions
            .get(&Subscription::CloudToDevice { device_id })
            .copied()
    }

    // ---- what the device is sent

    /// Sends what waits in the queue, if the device wants it.
    async fn deliver(&mut self) -> Result<(), Why> {
        let Some(qos) = self.message_qos() else {
            return Ok(());
        };
        loop {
            let Some((number, message)) = self.device.lock().queue.send_next() else {
                return Ok(());
            };
            let topic = FromHub::CloudToDevice {
                device_id: self.device.id.clone(),
                properties: message.properties,
            };
            let mut publish = Publish::from_bytes(topic.to_string(), qos, message.body);
            if qos == QoS::AtMostOnce {
                self.complete(number);
            } else {
                self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
                publish.pkid = self.packet_id;
                self.in_flight.insert(self.packet_id, number);
            }
            self.wire.send(Packet::Publish(publish)).await?;
        }
    }

    fn acknowledged(&mut self, packet_id: u16) {
        if let Some(number) = self.in_flight.remove(&packet_id) {
            self.complete(number);
        }
    }

    fn complete(&self, number: u64) {
        self.device.lock().queue.complete(number);
        self.services
            .journal
            .record(Some(self.device.id.as_str()), Event::MessageCompleted);
    }

    async fn call(&mut self, name: String, payload: Bytes, reply: oneshot::Sender<(u16, Bytes)>) -> Result<(), Why> {
        // Nobody waits any more for those that were never answered.
        self.calls.retain(|_, call| !call.reply.is_closed());
        self.next_call += 1;
        let request_id = RequestId::from_number(self.next_call);
        self.calls.insert(
            request_id.to_string(),
            Call {
                name: name.clone(),
                reply,
            },
        );
        self.publish_to(
            &Subscription::Methods,
            &FromHub::MethodCall { name, request_id },
            payload,
        )
        .await
    }

    /// Publishes with QoS 0, as hubs do for twins and methods, if the device has subscribed.
    async fn publish_to(&mut self, subscription: &Subscription, topic: &FromHub, body: Bytes) -> Result<(), Why> {
        if self.subscriptions.contains_key(subscription) {
            let publish = Publish::from_bytes(topic.to_string(), QoS::AtMostOnce, body);
            self.wire.send(Packet::Publish(publish)).await?;
        }
        Ok(())
    }
}
