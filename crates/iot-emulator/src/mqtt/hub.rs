//! A connected device: what it sends, and what it is sent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use iot_protocol::hub::{FromHub, Subscription};
use rumqttc::mqttbytes::v4::{LastWill, Packet};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

mod admission;
mod downstream;
mod gate;
mod known_model;
mod subscriptions;
mod upstream;

pub(super) use admission::admit;

use self::admission::{Admitted, is_child, will_properties};
use self::known_model::KnownModel;
use self::subscriptions::Subscriptions;
use self::upstream::receive_written_anew;
use super::packets::Wire;
use super::peer::patience;
use crate::hub::device::{Command, Device};
use crate::hub::mailbox::Receiver;
use crate::hub::records;
use crate::journal::{DisconnectReason, Event, Service};
use crate::services::Services;
use crate::stats::count;
use crate::stream::Stream;

/// The hub's own limit for how long a client may be silent.
const LONGEST_SILENCE: Duration = Duration::from_secs(1767);

/// Begins the session of a device that was admitted, which `epoch` ends. It is on the heap, and is handed on from one
/// owner to the next.
pub(crate) fn begin<'a, S: Stream>(
    wire: Wire<S>,
    admitted: Admitted,
    services: &'a Services,
    epoch: &CancellationToken,
) -> Box<Session<'a, S>> {
    let device = Arc::clone(&admitted.device);
    let id = device.id.as_str();
    count(&services.counters.connects);
    services.counters.connected.fetch_add(1, Relaxed);
    if let Some(gateway) = &admitted.gateway {
        let gateway = gateway.device.to_string();
        services.journal.record(Some(id), Event::ThroughGateway { gateway });
    }
    services
        .journal
        .record(Some(id), Event::Connected { service: Service::Hub });

    let gateway = admitted.gateway.clone();
    let session = Box::new(Session::begin(wire, admitted, services, epoch));
    // A relationship that ended after the look at it did not end this connection.
    if let Some(gateway) = gateway.filter(|gateway| !is_child(&device, &gateway.device, services)) {
        device.orphan(&gateway.device);
    }
    session
}

/// Serves a device until either side ends its session.
pub(crate) async fn serve<S: Stream>(mut session: Box<Session<'_, S>>) {
    let Err(reason) = session.run().await;
    session.end();
    let services = session.services;
    if let Some(will) = session.will.take().filter(|_| reason != DisconnectReason::Disconnect) {
        let Session { device, model, .. } = &mut *session;
        publish_will(&will, device, model, services);
    }
    services.counters.connected.fetch_sub(1, Relaxed);
    services.journal.record(
        Some(session.device.id.as_str()),
        Event::Disconnected {
            service: Service::Hub,
            reason,
        },
    );
    session.wire.close().await;
}

/// A will arrives as a message of the device.
fn publish_will(will: &LastWill, device: &Device, model: &mut KnownModel, services: &Services) {
    if let Some(properties) = will_properties(will, device) {
        services.journal.record(Some(device.id.as_str()), Event::Will);
        let properties = properties.with("iothub-MessageType", "Will");
        let model = model.of(device, services);
        receive_written_anew(device, model, services, &properties, &will.message);
    }
}

pub(crate) struct Session<'a, S> {
    wire: Wire<S>,
    device: Arc<Device>,
    services: &'a Services,
    serial: u64,
    commands: Receiver<Command>,
    keeps_session: bool,
    resumed: bool,
    /// How long the device may be silent.
    patience: Duration,
    will: Option<Box<LastWill>>,
    subscriptions: Subscriptions,
    /// Methods that the device has not answered yet.
    calls: BTreeMap<String, Call>,
    next_call: u64,
    /// Cloud-to-device messages that the device has not acknowledged yet, by packet id.
    in_flight: BTreeMap<u16, u64>,
    packet_id: u16,
    model: KnownModel,
}

/// What a session has to see to next.
enum Input {
    Packet(Packet),
    Command(Command),
}

struct Call {
    name: String,
    reply: oneshot::Sender<(u16, Bytes)>,
}

impl<'a, S: Stream> Session<'a, S> {
    fn begin(wire: Wire<S>, admitted: Admitted, services: &'a Services, epoch: &CancellationToken) -> Self {
        let Admitted {
            device,
            model_id,
            clean_session,
            keep_alive,
            will,
            gateway,
        } = admitted;
        let mut state = device.lock();
        let (serial, commands) = state.connect(gateway, epoch.clone());
        let mut changed = false;
        if model_id.is_some() && model_id != state.model_id {
            state.model_id = model_id;
            changed = true;
        }
        let mut dropped = Vec::new();
        let mut subscriptions = Subscriptions::default();
        let mut resumed = false;
        if clean_session {
            changed |= state.session.take().is_some();
            dropped.extend(state.queue.numbers());
            state.queue.clear();
        } else {
            resumed = state.session.is_some();
            changed |= !resumed;
            subscriptions = Subscriptions::resume(state.session.get_or_insert_default());
            if let Some(connection) = state.connection_mut(serial) {
                connection.takes_methods = subscriptions.contains(&Subscription::Methods);
            }
        }
        state.store(&services.store, |state, changes| {
            for number in dropped {
                records::remove_message(&device.id, number, changes);
            }
            if changed {
                state.put_session(&device.id, changes);
            }
        });
        drop(state);
        if subscriptions.contains(&Subscription::Methods) {
            device.reachable.notify_waiters();
        }
        Self {
            wire,
            device,
            services,
            serial,
            commands,
            keeps_session: !clean_session,
            resumed,
            patience: patience(keep_alive, LONGEST_SILENCE),
            will,
            subscriptions,
            calls: BTreeMap::new(),
            next_call: 0,
            in_flight: BTreeMap::new(),
            packet_id: 0,
            model: KnownModel::default(),
        }
    }

    /// Takes the connection out of the device, unless a newer one has taken its place.
    fn end(&mut self) {
        let mut state = self.device.lock();
        if state.connection_mut(self.serial).is_some() {
            state.connection = None;
            state.queue.retry();
        }
        drop(state);
        self.calls.clear();
    }

    /// Ends only with a reason to end.
    async fn run(&mut self) -> Result<Infallible, DisconnectReason> {
        // CONNACK promises the session that was resumed or begun, so that is on the disk first.
        self.stored().await?;
        self.wire.accept(self.resumed).await?;
        Box::pin(self.deliver()).await?;
        let mut last_packet = Instant::now();
        // It is begun once and not for every packet: a timer that begins enters a wheel that all share.
        let mut silence = pin!(sleep_until(last_packet + self.patience));
        loop {
            let input = tokio::select! {
                biased;
                // The reason was recorded when the sender was taken away.
                command = self.commands.recv() => Input::Command(command.ok_or(DisconnectReason::Replaced)?),
                packet = self.wire.next() => {
                    last_packet = Instant::now();
                    Input::Packet(packet?)
                }
                () = &mut silence => {
                    // The timer stands where it was set last; what came since then has put the end off.
                    let end = last_packet + self.patience;
                    if end <= Instant::now() {
                        return Err(DisconnectReason::KeepAliveExpired);
                    }
                    silence.as_mut().reset(end);
                    continue;
                }
            };
            // The short way of a message: without rules, telemetry is checked, counted and acknowledged in place.
            let is_taken = match &input {
                Input::Packet(Packet::Publish(publish)) if !self.services.gate.has_rules() => {
                    self.take_telemetry(publish)?
                }
                _ => false,
            };
            if !is_taken {
                // On a heap of its own for the moment that it takes: a task that waits for days has no room for it.
                Box::pin(self.take_up(input)).await?;
            }
            self.wire.room().await?;
        }
    }

    async fn take_up(&mut self, input: Input) -> Result<(), DisconnectReason> {
        match input {
            Input::Packet(packet) if !self.services.gate.has_rules() => self.handle(&packet).await,
            Input::Packet(packet) => Box::pin(self.handle_through_gate(&packet)).await,
            Input::Command(command) => self.execute(command).await,
        }
    }

    /// Waits until all that has changed of the device is stored.
    async fn stored(&self) -> Result<(), DisconnectReason> {
        let stored = self.device.lock().stored;
        Ok(self.services.store.durable(stored).await?)
    }

    async fn handle(&mut self, packet: &Packet) -> Result<(), DisconnectReason> {
        match packet {
            Packet::Publish(publish) => self.publish(publish).await,
            Packet::PubAck(ack) => self.acknowledged(ack.pkid).await,
            Packet::PingReq => Ok(self.wire.send(Packet::PingResp).await?),
            Packet::Subscribe(subscribe) => self.subscribe(subscribe).await,
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(unsubscribe).await,
            Packet::Disconnect => Err(DisconnectReason::Disconnect),
            _ => Err(DisconnectReason::Violation("packet of an unexpected type".into())),
        }
    }

    async fn execute(&mut self, command: Command) -> Result<(), DisconnectReason> {
        match command {
            Command::Close(reason) => Err(reason),
            Command::Deliver => self.deliver().await,
            Command::Desired { version, patch, stored } => {
                self.services.store.durable(stored).await?;
                self.publish_to(
                    &Subscription::DesiredChanges,
                    FromHub::DesiredChanged { version },
                    patch,
                )
                .await
            }
            Command::Method { name, payload, reply } => self.call(name, payload, reply).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_waits_one_and_a_half_keepalives_and_never_longer_than_its_own_limit() {
        for (keep_alive, seconds) in [(1, 1.5), (60, 90.0), (1177, 1765.5), (1179, 1767.0), (0, 1767.0)] {
            let waits = patience(keep_alive, LONGEST_SILENCE);
            assert_eq!(waits, Duration::from_secs_f64(seconds), "{keep_alive}");
        }
    }
}
