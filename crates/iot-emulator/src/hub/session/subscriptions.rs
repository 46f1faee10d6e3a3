//! What the device wants to be sent.

use iot_protocol::hub::{MAX_SUBSCRIPTIONS, Subscription};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, SubAck, Subscribe, SubscribeReasonCode, UnsubAck, Unsubscribe};

use super::Session;
use crate::hub::stored;
use crate::journal::Why;
use crate::wire::{Stream, granted_qos};

/// Topic filters, each with its QoS, in order. They are five at most, so a list does for a map.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<(Subscription, QoS)>);

impl Subscriptions {
    /// Those of a session that was kept.
    pub(super) fn resume(kept: &[(Subscription, QoS)]) -> Self {
        let mut subscriptions = Self::default();
        for (subscription, qos) in kept {
            subscriptions.insert(subscription.clone(), *qos);
        }
        subscriptions
    }

    pub(super) fn contains(&self, subscription: &Subscription) -> bool {
        self.find(subscription).is_ok()
    }

    fn insert(&mut self, subscription: Subscription, qos: QoS) {
        match self.find(&subscription) {
            Ok(known) => self.0[known].1 = qos,
            Err(place) => self.0.insert(place, (subscription, qos)),
        }
    }

    fn remove(&mut self, subscription: &Subscription) {
        if let Ok(known) = self.find(subscription) {
            self.0.remove(known);
        }
    }

    fn find(&self, subscription: &Subscription) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(subscription))
    }
}

impl<S: Stream> Session<'_, S> {
    pub(super) async fn subscribe(&mut self, subscribe: &Subscribe) -> Result<(), Why> {
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
            let qos = granted_qos(filter.qos);
            self.subscriptions.insert(subscription, qos);
            if self.subscriptions.0.len() > MAX_SUBSCRIPTIONS {
                return Err(Why::Violation("more than 5 subscriptions".into()));
            }
            granted.push(SubscribeReasonCode::Success(qos));
        }
        self.subscriptions_changed();
        self.stored().await?;
        self.wire
            .send(Packet::SubAck(SubAck::new(subscribe.pkid, granted)))
            .await?;
        self.deliver().await
    }

    pub(super) async fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), Why> {
        for topic in &unsubscribe.topics {
            if let Ok(subscription) = topic.parse::<Subscription>() {
                self.subscriptions.remove(&subscription);
            }
        }
        self.subscriptions_changed();
        self.stored().await?;
        Ok(self
            .wire
            .send(Packet::UnsubAck(UnsubAck { pkid: unsubscribe.pkid }))
            .await?)
    }

    /// Tells the service side: who may call methods, and what a kept session will have subscribed.
    fn subscriptions_changed(&self) {
        let takes_methods = self.subscriptions.contains(&Subscription::Methods);
        let mut state = self.device.lock();
        if let Some(connection) = state.connection_mut(self.serial) {
            connection.takes_methods = takes_methods;
            if self.keeps_session && state.session.as_deref() != Some(&self.subscriptions.0) {
                state.session = Some(self.subscriptions.0.as_slice().into());
                state.store(&self.services.store, |state, changes| {
                    stored::put_session(&self.device.id, state, changes);
                });
            }
        }
        drop(state);
        if takes_methods {
            self.device.reachable.notify_waiters();
        }
    }

    pub(super) fn message_qos(&self) -> Option<QoS> {
        let is_messages = |subscription: &Subscription| matches!(subscription, Subscription::CloudToDevice { .. });
        let messages = self.subscriptions.0.iter().find(|(known, _)| is_messages(known));
        messages.map(|(_, qos)| *qos)
    }
}
