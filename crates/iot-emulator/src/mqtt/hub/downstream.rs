//! What the device is sent: cloud-to-device messages, method calls, twin messages.

use bytes::Bytes;
use iot_protocol::hub::{FromHub, Subscription};
use iot_protocol::id::RequestId;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Publish};
use tokio::sync::oneshot;

use super::{Call, Session};
use crate::clock;
use crate::journal::{DisconnectReason, Event};
use crate::stream::Stream;

impl<S: Stream> Session<'_, S> {
    /// Sends what waits in the queue, if the device wants it.
    pub(super) async fn deliver(&mut self) -> Result<(), DisconnectReason> {
        let Some(qos) = self.message_qos() else {
            return Ok(());
        };
        self.device
            .expire(clock::now(), &self.services.store, &self.services.journal);
        while let Some((number, publish)) = self.next_message(qos) {
            let last = match self.services.gate.has_rules() {
                true => Box::pin(self.before_delivery()).await?,
                false => None,
            };
            if qos == QoS::AtMostOnce {
                self.complete(number).await?;
            }
            self.wire.send(Packet::Publish(publish)).await?;
            if let Some(reason) = last {
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Takes the next message from the queue; gives its number there, too.
    fn next_message(&mut self, qos: QoS) -> Option<(u64, Publish)> {
        let (number, message) = self.device.lock().queue.send_next()?;
        let topic = FromHub::CloudToDevice {
            device_id: self.device.id.clone(),
            properties: message.properties,
        };
        let mut publish = Publish::from_bytes(topic.to_string(), qos, message.body);
        if qos == QoS::AtLeastOnce {
            self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
            publish.pkid = self.packet_id;
            self.in_flight.insert(self.packet_id, number);
        }
        Some((number, publish))
    }

    pub(super) async fn acknowledged(&mut self, packet_id: u16) -> Result<(), DisconnectReason> {
        match self.in_flight.remove(&packet_id) {
            Some(number) => self.complete(number).await,
            None => Ok(()),
        }
    }

    async fn complete(&self, number: u64) -> Result<(), DisconnectReason> {
        let (was_waiting, stored) = self.device.complete(number, &self.services.store);
        self.services.store.durable(stored).await?;
        if was_waiting {
            self.services
                .journal
                .record(Some(self.device.id.as_str()), Event::MessageCompleted);
        }
        Ok(())
    }

    pub(super) async fn call(
        &mut self,
        name: String,
        payload: Bytes,
        reply: oneshot::Sender<(u16, Bytes)>,
    ) -> Result<(), DisconnectReason> {
        // Those that were never answered are not waited for any more.
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
            FromHub::MethodCall { name, request_id },
            payload,
        )
        .await
    }

    /// Publishes with QoS 0, as hubs do for twins and methods, if the device has subscribed.
    pub(super) async fn publish_to(
        &mut self,
        subscription: &Subscription,
        topic: FromHub,
        body: Bytes,
    ) -> Result<(), DisconnectReason> {
        if self.subscriptions.contains(subscription) {
            let publish = Publish::from_bytes(topic.to_string(), QoS::AtMostOnce, body);
            self.wire.send(Packet::Publish(publish)).await?;
        }
        Ok(())
    }
}
