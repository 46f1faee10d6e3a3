//! A device as its hub keeps it. Everything of a device is behind its own lock, so that devices never wait for each
//! other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use iot_protocol::hub::Subscription;
use iot_protocol::id::{DeviceId, HubHost, ModelId};
use jiff::Timestamp;
use rumqttc::mqttbytes::QoS;
use serde_json::{Map, Value};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::mailbox::{Receiver, Sender, mailbox};
use super::queue::{CloudMessage, Queue, QueueFull};
use super::records::{self, Identity, Session};
use super::telemetry::Inbox;
use super::twin::{BadPatch, Twin};
use super::unmodeled::Unmodeled;
use crate::certificate::Thumbprint;
use crate::gateway::Gateway;
use crate::journal::{DisconnectReason, Event, Journal};
use crate::presented::Presented;
use crate::store::{Changes, Store, Ticket};

/// A device identity with all that belongs to it.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    state: Mutex<DeviceState>,
    /// Wakes callers of methods: the device may have become reachable.
    pub(crate) reachable: Notify,
}

#[derive(Debug)]
pub(crate) struct DeviceState {
    pub(crate) enabled: bool,
    /// The hub that the identity is in.
    pub(crate) hub: Arc<HubHost>,
    /// The hub that the next registration will give it to. Until then, no hub takes the device.
    pub(crate) next_hub: Option<Arc<HubHost>>,
    /// The hub that a failover took it from, and to which a failback returns it.
    pub(crate) home: Option<Arc<HubHost>>,
    /// Of the certificate that the device registered with last; none if it never did, and is known behind a gateway only.
    pub(crate) thumbprint: Option<Thumbprint>,
    /// What it came in with last, since the start.
    pub(crate) presented: Option<Box<Presented>>,
    pub(crate) model_id: Option<ModelId>,
    pub(crate) twin: Twin,
    pub(crate) queue: Queue,
    pub(crate) inbox: Inbox,
    /// What it has sent that its template does not have.
    pub(crate) unmodeled: Option<Box<Unmodeled>>,
    pub(crate) connection: Option<Connection>,
    /// What is left of a session with CleanSession=0: what it has subscribed. SDKs rely on it after a reconnect: the
    /// one for Python subscribes to nothing again, the one for Node not to what concerns the twin.
    pub(crate) session: Option<Arc<[(Subscription, QoS)]>>,
    /// The last write of what this device's own lock guards.
    pub(crate) stored: Ticket,
    /// The identity is gone, and what a last session still does is stored no more.
    is_removed: bool,
    connections: u64,
}

/// The one live connection of a device.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) serial: u64,
    pub(crate) commands: Sender<Command>,
    pub(crate) takes_methods: bool,
    /// The gateway that it came through.
    pub(crate) gateway: Option<Arc<Gateway>>,
    /// Ends the connection with all others of its time.
    pub(crate) epoch: CancellationToken,
}

/// What a session has to do.
#[derive(Debug)]
pub(crate) enum Command {
    Close(DisconnectReason),
    /// There is something in the queue.
    Deliver,
    /// Desired properties changed; they are sent to the device once they are stored.
    Desired {
        version: u64,
        patch: Bytes,
        stored: Ticket,
    },
    Method {
        name: String,
        payload: Bytes,
        reply: oneshot::Sender<(u16, Bytes)>,
    },
}

impl Device {
    pub(crate) fn new(id: DeviceId, thumbprint: Option<Thumbprint>, hub: Arc<HubHost>) -> Self {
        let state = DeviceState {
            enabled: true,
            hub,
            next_hub: None,
            home: None,
            thumbprint,
            presented: None,
            model_id: None,
            twin: Twin::new(),
            queue: Queue::default(),
            inbox: Inbox::default(),
            unmodeled: None,
            connection: None,
            session: None,
            stored: Ticket::default(),
            is_removed: false,
            connections: 0,
        };
        Self {
            id,
            state: Mutex::new(state),
            reachable: Notify::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, DeviceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the live connection, if there is one.
    pub(crate) fn disconnect(&self, reason: DisconnectReason) {
        if let Some(connection) = self.lock().connection.take() {
            connection.send(Command::Close(reason));
        }
    }

    /// Ends the live connection if its epoch is over.
    pub(crate) fn hang_up(&self) {
        let is_over = |connection: &mut Connection| connection.epoch.is_cancelled();
        if let Some(connection) = self.lock().connection.take_if(is_over) {
            connection.send(Command::Close(DisconnectReason::ShuttingDown));
        }
    }

    /// Ends the live connection if it came through a gateway of this Edge device.
    pub(crate) fn orphan(&self, gateway: &DeviceId) {
        let came = |connection: &mut Connection| {
            let through = connection.gateway.as_ref();
            through.is_some_and(|through| through.device == *gateway)
        };
        if let Some(connection) = self.lock().connection.take_if(came) {
            connection.send(Command::Close(DisconnectReason::NoChild));
        }
    }

    /// Changes desired properties and sends them to the device if it is connected; otherwise it finds them in its twin.
    pub(crate) fn change_desired(
        &self,
        patch: Map<String, Value>,
        now: Timestamp,
        store: &Store,
    ) -> Result<u64, BadPatch> {
        let mut state = self.lock();
        let (version, patch) = state.twin.change_desired(patch, now)?;
        let stored = state.store(store, |state, changes| {
            records::put_twin(&self.id, &state.twin, changes)
        });
        if let Some(connection) = &state.connection {
            connection.send(Command::Desired { version, patch, stored });
        }
        Ok(version)
    }

    /// Merges what the device reports; gives the new version and when it is stored.
    pub(crate) fn report(&self, body: &[u8], now: Timestamp, store: &Store) -> Result<(u64, Ticket), BadPatch> {
        let mut state = self.lock();
        let version = state.twin.report(body, now)?;
        let stored = state.store(store, |state, changes| {
            records::put_twin(&self.id, &state.twin, changes)
        });
        Ok((version, stored))
    }

    pub(crate) fn send(&self, message: CloudMessage, store: &Store) -> Result<(), QueueFull> {
        let mut state = self.lock();
        let number = state.queue.push(message.clone())?;
        state.store(store, |_, changes| {
            records::put_message(&self.id, number, &message, changes);
        });
        if let Some(connection) = &state.connection {
            connection.send(Command::Deliver);
        }
        Ok(())
    }

    /// Takes what has expired out of the queue. Nothing happens by itself when a message expires: it is found to have
    /// expired when something is to be done with it.
    pub(crate) fn expire(&self, now: Timestamp, store: &Store, journal: &Journal) {
        let mut state = self.lock();
        let expired = state.queue.expire(now);
        if expired.is_empty() {
            return;
        }
        state.store(store, |_, changes| {
            for (number, _) in &expired {
                records::remove_message(&self.id, *number, changes);
            }
        });
        drop(state);
        for (_, message) in expired {
            let event = Event::MessageExpired {
                message_id: message.id().map(Into::into),
            };
            journal.record(Some(self.id.as_str()), event);
        }
    }

    /// A message is done with; returns whether it was waiting until now, and when that is stored.
    pub(crate) fn complete(&self, number: u64, store: &Store) -> (bool, Ticket) {
        let mut state = self.lock();
        let was_waiting = state.queue.complete(number);
        let stored = state.store(store, |_, changes| {
            if was_waiting {
                records::remove_message(&self.id, number, changes);
            }
        });
        (was_waiting, stored)
    }

    /// Takes out every message that waits, also one that is on its way; returns how many.
    pub(crate) fn purge(&self, store: &Store) -> usize {
        let mut state = self.lock();
        let numbers: Vec<_> = state.queue.numbers().collect();
        state.queue.clear();
        state.store(store, |_, changes| {
            for number in &numbers {
                records::remove_message(&self.id, *number, changes);
            }
        });
        numbers.len()
    }

    /// Removes what is stored of the device. Nothing is stored of it any more.
    pub(crate) fn remove_records(&self, changes: &mut Changes) {
        let mut state = self.lock();
        state.is_removed = true;
        records::remove(&self.id, state.queue.numbers(), changes);
    }
}

impl DeviceState {
    /// Stores what DPS and the application set for the device.
    pub(crate) fn put_identity(&self, id: &DeviceId, changes: &mut Changes) {
        let identity = Identity {
            enabled: self.enabled,
            thumbprint: Identity::thumbprint(self.thumbprint),
            hub: Some(HubHost::clone(&self.hub)),
            next_hub: self.next_hub.as_deref().cloned(),
            home: self.home.as_deref().cloned(),
        };
        changes.put(id.as_str(), &identity);
    }

    /// Stores what the device sent at its last connects.
    pub(crate) fn put_session(&self, id: &DeviceId, changes: &mut Changes) {
        let session = Session {
            model_id: self.model_id.clone(),
            kept: self.session.is_some(),
            subscriptions: self
                .session
                .as_deref()
                .into_iter()
                .flatten()
                .map(|(subscription, qos)| (subscription.to_string(), *qos as u8))
                .collect(),
            messages: None,
        };
        changes.put(id.as_str(), &session);
    }

    /// Stores what has changed under the lock that is held.
    pub(crate) fn store(&mut self, store: &Store, put: impl FnOnce(&Self, &mut Changes)) -> Ticket {
        if !self.is_removed {
            let mut changes = store.changes();
            put(self, &mut changes);
            self.stored = self.stored.max(store.write(changes));
        }
        self.stored
    }

    /// Leaves the hub, or starts anew there: no connection stays, nor a session that the hub would have resumed. Twin and
    /// messages come along, unless it `resets`.
    pub(crate) fn leave(&mut self, id: &DeviceId, resets: bool, store: &Store) {
        if let Some(connection) = self.connection.take() {
            connection.send(Command::Close(DisconnectReason::Moved));
        }
        let had_session = self.session.take().is_some();
        let mut dropped = Vec::new();
        if resets {
            dropped.extend(self.queue.numbers());
            self.queue.clear();
            self.twin = Twin::new();
        }
        self.store(store, |state, changes| {
            if had_session {
                state.put_session(id, changes);
            }
            if resets {
                records::put_twin(id, &state.twin, changes);
            }
            for number in dropped {
                records::remove_message(id, number, changes);
            }
        });
    }

    /// Why the device may not be connected any more, which can become so between its admission and its session.
    fn barred(&self) -> Option<DisconnectReason> {
        if self.is_removed {
            Some(DisconnectReason::Deleted)
        } else if !self.enabled {
            Some(DisconnectReason::Disabled)
        } else {
            self.next_hub.as_ref().map(|_| DisconnectReason::Moved)
        }
    }

    /// Makes a new connection the live one; the older one is dropped.
    pub(crate) fn connect(
        &mut self,
        gateway: Option<Arc<Gateway>>,
        epoch: CancellationToken,
    ) -> (u64, Receiver<Command>) {
        self.connections += 1;
        let (commands, receiver) = mailbox();
        // The end of an epoch closes the connections of that moment, and this one was not among them.
        let is_late = epoch.is_cancelled();
        let connection = Connection {
            serial: self.connections,
            commands,
            takes_methods: false,
            gateway,
            epoch,
        };
        if let Some(reason) = self.barred().or(is_late.then_some(DisconnectReason::ShuttingDown)) {
            connection.send(Command::Close(reason));
        }
        if let Some(older) = self.connection.replace(connection) {
            older.send(Command::Close(DisconnectReason::Replaced));
        }
        self.queue.retry();
        (self.connections, receiver)
    }

    /// The live connection, if it still is the one with this number.
    pub(crate) fn connection_mut(&mut self, serial: u64) -> Option<&mut Connection> {
        self.connection
            .as_mut()
            .filter(|connection| connection.serial == serial)
    }
}

impl Connection {
    fn send(&self, command: Command) {
        // A session that has ended meanwhile has no use for it.
        let _ = self.commands.send(command);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Bar = fn(&mut DeviceState);

    #[tokio::test]
    async fn a_device_that_is_barred_between_admission_and_session_is_closed_at_once() {
        let hub = Arc::new(HubHost::new("hub").unwrap());
        let bars: [(Bar, DisconnectReason); 3] = [
            (|state| state.enabled = false, DisconnectReason::Disabled),
            (
                |state| state.next_hub = Some(Arc::clone(&state.hub)),
                DisconnectReason::Moved,
            ),
            (|state| state.is_removed = true, DisconnectReason::Deleted),
        ];
        for (bar, expected) in bars {
            let device = Device::new(DeviceId::new("t-1").unwrap(), None, Arc::clone(&hub));
            bar(&mut device.lock());
            let (_, mut commands) = device.lock().connect(None, CancellationToken::new());
            let received = commands.recv().await;
            assert!(
                matches!(&received, Some(Command::Close(reason)) if *reason == expected),
                "{received:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_connection_ends_with_its_epoch_and_not_with_another() {
        let hub = Arc::new(HubHost::new("hub").unwrap());
        let device = Device::new(DeviceId::new("t-1").unwrap(), None, hub);
        let [over, goes_on] = [(); 2].map(|()| CancellationToken::new());

        let (_, mut commands) = device.lock().connect(None, over.clone());
        over.cancel();
        device.hang_up();
        let received = commands.recv().await;
        assert!(
            matches!(received, Some(Command::Close(DisconnectReason::ShuttingDown))),
            "{received:?}"
        );

        let (_, mut commands) = device.lock().connect(None, over);
        let received = commands.recv().await;
        assert!(
            matches!(received, Some(Command::Close(DisconnectReason::ShuttingDown))),
            "a late connection: {received:?}"
        );

        device.lock().connect(None, goes_on);
        device.hang_up();
        assert!(device.lock().connection.is_some());
    }
}
