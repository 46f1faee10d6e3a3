//! What the device wants to be sent.

use std::sync::Arc;

use iot_protocol::hub::{MAX_SUBSCRIPTIONS, Subscription};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, SubAck, Subscribe, SubscribeReasonCode, UnsubAck, Unsubscribe};

use super::Session;
use crate::journal::DisconnectReason;
use crate::mqtt::packets::granted_qos;
use crate::stream::Stream;

/// Topic filters, each with its QoS. They are five at most, so a list does for a map. A session that is kept shares it with
/// its device.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Arc<[(Subscription, QoS)]>);

impl Subscriptions {
    /// Those of a session that was kept.
    pub(super) fn resume(kept: &Arc<[(Subscription, QoS)]>) -> Self {
        Self(Arc::clone(kept))
    }

    pub(super) fn contains(&self, subscription: &Subscription) -> bool {
        self.0.iter().any(|(known, _)| known == subscription)
    }

    fn insert(&mut self, subscription: Subscription, qos: QoS) {
        // Most devices subscribe again to what their session has: that stays the one list that they share with it.
        if self
            .0
            .iter()
            .any(|(known, granted)| *known == subscription && *granted == qos)
        {
            return;
        }
        let mut list = self.0.to_vec();
        match list.iter_mut().find(|(known, _)| *known == subscription) {
            Some(known) => known.1 = qos,
            None => list.push((subscription, qos)),
        }
        self.0 = list.into();
    }

    fn remove(&mut self, subscription: &Subscription) {
        let others = self.0.iter().filter(|(known, _)| known != subscription);
        self.0 = others.cloned().collect();
    }
}

impl<S: Stream> Session<'_, S> {
    pub(super) async fn subscribe(&mut self, subscribe: &Subscribe) -> Result<(), DisconnectReason> {
        let mut granted = Vec::with_capacity(subscribe.filters.len());
        for filter in &subscribe.filters {
            let refused = || DisconnectReason::Violation(format!("subscribed to `{}`", filter.path));
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
                return Err(DisconnectReason::Violation("more than 5 subscriptions".into()));
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

    pub(super) async fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), DisconnectReason> {
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

    /// Records for the service side whether methods may be called, and what a kept session will have subscribed.
    fn subscriptions_changed(&self) {
        let takes_methods = self.subscriptions.contains(&Subscription::Methods);
        let mut state = self.device.lock();
        if let Some(connection) = state.connection_mut(self.serial) {
            connection.takes_methods = takes_methods;
            if self.keeps_session && state.session.as_ref() != Some(&self.subscriptions.0) {
                state.session = Some(Arc::clone(&self.subscriptions.0));
                state.store(&self.services.store, |state, changes| {
                    state.put_session(&self.device.id, changes);
                });
            }
        }
        drop(state);
        if takes_methods {
            self.device.reachable.notify_waiters();
        }
    }

    pub(super) fn message_qos(&self) -> Option<QoS> {
        let is_messages = |subscription: &Subscription| {
            matches!(
                subscription,
                Subscription::CloudToDevice { .. } | Subscription::Everything
            )
        };
        // Of two filters that fit, the better one counts (MQTT 3.1.1, 3.3.5).
        let fitting = self.subscriptions.0.iter().filter(|(known, _)| is_messages(known));
        fitting.map(|(_, qos)| *qos).max_by_key(|qos| *qos as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_subscribes_again_to_the_same_shares_the_list_with_the_session() {
        let mut first = Subscriptions::default();
        first.insert(Subscription::Methods, QoS::AtLeastOnce);
        first.insert(Subscription::TwinResponses, QoS::AtMostOnce);
        let mut again = Subscriptions::resume(&first.0);
        again.insert(Subscription::TwinResponses, QoS::AtMostOnce);
        again.insert(Subscription::Methods, QoS::AtLeastOnce);
        assert!(Arc::ptr_eq(&first.0, &again.0));
        again.insert(Subscription::Methods, QoS::AtMostOnce);
        assert_eq!(again.0[0], (Subscription::Methods, QoS::AtMostOnce));
        assert_eq!(
            first.0[0],
            (Subscription::Methods, QoS::AtLeastOnce),
            "what is kept has not changed"
        );
    }
}
