//! What quotas and faults do to a registration.

use iot_protocol::dps::RequestTopic;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubAck};

use super::Session;
use crate::dps::request::Reply;
use crate::journal::DisconnectReason;
use crate::mqtt::gate::silence;
use crate::mqtt::packets::Withheld;
use crate::phase::Phase;
use crate::services::Decision;
use crate::stream::Stream;

impl<S: Stream> Session<'_, S> {
    /// Handles a packet as far as quotas and faults allow it.
    pub(super) async fn handle_through_gate(&mut self, packet: Packet) -> Result<(), DisconnectReason> {
        let Some((phase, ack)) = phase_of(&packet) else {
            return self.handle(packet).await;
        };
        let services = self.services;
        match services.pass_gate(phase, Some(self.id.as_str())).await {
            Decision::Respond(error) => {
                let Packet::Publish(publish) = &packet else {
                    return Ok(());
                };
                let Ok(topic) = publish.topic.parse::<RequestTopic>() else {
                    return Ok(());
                };
                if publish.qos == QoS::AtLeastOnce {
                    self.wire.send(Packet::PubAck(PubAck::new(publish.pkid))).await?;
                }
                self.answer(topic.request_id(), Reply::refused(error)).await
            }
            Decision::Silence { reads } => Err(silence(self.wire, services, reads).await),
            Decision::NoAck => self.handle_without(ack, packet).await,
            Decision::CloseBeforeAck(reason) => {
                self.handle_without(ack, packet).await?;
                Err(reason)
            }
            Decision::CloseAfterAck(reason) => {
                self.handle(packet).await?;
                Err(reason)
            }
            Decision::Close(reason) => Err(reason),
            // Only CONNECT can be refused.
            Decision::Pass | Decision::Refuse(_) => self.handle(packet).await,
        }
    }

    async fn handle_without(&mut self, ack: Withheld, packet: Packet) -> Result<(), DisconnectReason> {
        self.wire.withhold(Some(ack));
        let handled = self.handle(packet).await;
        self.wire.withhold(None);
        handled
    }
}

/// What a packet is about to do, and which packet acknowledges it.
fn phase_of(packet: &Packet) -> Option<(Phase, Withheld)> {
    let Packet::Publish(publish) = packet else {
        return None;
    };
    match publish.topic.parse().ok()? {
        RequestTopic::Register { .. } => Some((Phase::Register, Withheld::Publish)),
        RequestTopic::Poll { .. } => Some((Phase::Poll, Withheld::Publish)),
    }
}
