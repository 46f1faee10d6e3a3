//! What can be in the way of a registration.

use iot_protocol::dps::RequestTopic;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubAck};

use super::Session;
use crate::dps::request::Reply;
use crate::journal::Why;
use crate::mqtt::gate::silence;
use crate::mqtt::packets::Withheld;
use crate::phase::Phase;
use crate::services::Act;
use crate::stream::Stream;

impl<S: Stream> Session<'_, S> {
    /// Handles a packet as far as the weather lets it.
    pub(super) async fn handle_in_weather(&mut self, packet: Packet) -> Result<(), Why> {
        let Some((phase, ack)) = phase_of(&packet) else {
            return self.handle(packet).await;
        };
        let services = self.services;
        match services.meet(phase, Some(self.id.as_str())).await {
            Act::Answer(answer) => {
                let Packet::Publish(publish) = &packet else {
                    return Ok(());
                };
                let Ok(topic) = publish.topic.parse::<RequestTopic>() else {
                    return Ok(());
                };
                if publish.qos == QoS::AtLeastOnce {
                    self.wire.send(Packet::PubAck(PubAck::new(publish.pkid))).await?;
                }
                self.answer(topic.request_id(), Reply::kept_from(answer)).await
            }
            Act::Silence { reads } => Err(silence(self.wire, services, reads).await),
            Act::NoAck => self.handle_without(ack, packet).await,
            Act::CloseBeforeAck(why) => {
                self.handle_without(ack, packet).await?;
                Err(why)
            }
            Act::CloseAfterAck(why) => {
                self.handle(packet).await?;
                Err(why)
            }
            Act::Close(why) => Err(why),
            // Only CONNECT can be refused.
            Act::Pass | Act::Refuse(_) => self.handle(packet).await,
        }
    }

    async fn handle_without(&mut self, ack: Withheld, packet: Packet) -> Result<(), Why> {
        self.wire.withhold(Some(ack));
        let handled = self.handle(packet).await;
        self.wire.withhold(None);
        handled
    }
}

/// What a packet is about to do, and which packet tells the device that it is done.
fn phase_of(packet: &Packet) -> Option<(Phase, Withheld)> {
    let Packet::Publish(publish) = packet else {
        return None;
    };
    match publish.topic.parse().ok()? {
        RequestTopic::Register { .. } => Some((Phase::Register, Withheld::Publish)),
        RequestTopic::Poll { .. } => Some((Phase::Poll, Withheld::Publish)),
    }
}
