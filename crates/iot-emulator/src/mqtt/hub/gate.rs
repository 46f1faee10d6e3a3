//! What can be in the way of what a session does.

use std::str::FromStr;

use iot_protocol::dps::ServiceError;
use iot_protocol::hub::ToHub;
use rumqttc::mqttbytes::v4::Packet;

use super::Session;
use crate::clock;
use crate::hub::device::Command;
use crate::journal::Why;
use crate::mqtt::gate::silence;
use crate::mqtt::packets::Withheld;
use crate::phase::Phase;
use crate::services::{Act, Answer};
use crate::stream::Stream;

impl<S: Stream> Session<'_, S> {
    /// Handles a packet as far as the weather lets it.
    pub(super) async fn handle_in_weather(&mut self, packet: &Packet) -> Result<(), Why> {
        let Some((phase, ack)) = phase_of(packet) else {
            return self.handle(packet).await;
        };
        let services = self.services;
        match services.meet(phase, Some(self.device.id.as_str())).await {
            Act::Answer(answer) => self.answer_error(packet, answer).await,
            Act::Silence { reads } => Err(self.silence(reads).await),
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

    /// Asks whether a cloud-to-device message may be sent. Gives why the connection has to end after it, if it has to.
    pub(super) async fn before_delivery(&mut self) -> Result<Option<Why>, Why> {
        let services = self.services;
        match services.meet(Phase::C2d, Some(self.device.id.as_str())).await {
            Act::Close(why) => Err(why),
            Act::Silence { reads } => Err(self.silence(reads).await),
            Act::CloseAfterAck(why) => Ok(Some(why)),
            _ => Ok(None),
        }
    }

    async fn handle_without(&mut self, ack: Withheld, packet: &Packet) -> Result<(), Why> {
        self.wire.withhold(Some(ack));
        let handled = self.handle(packet).await;
        self.wire.withhold(None);
        handled
    }

    /// Says nothing any more, until the connection ends or another one takes its place.
    async fn silence(&mut self, reads: bool) -> Why {
        let commands = &mut self.commands;
        let told_to_close = async {
            loop {
                match commands.recv().await {
                    Some(Command::Close(why)) => return why,
                    Some(_) => {}
                    None => return Why::Replaced,
                }
            }
        };
        tokio::select! {
            why = told_to_close => why,
            why = silence(&mut self.wire, self.services, reads) => why,
        }
    }

    async fn answer_error(&mut self, packet: &Packet, answer: Answer) -> Result<(), Why> {
        let Packet::Publish(publish) = packet else {
            return Ok(());
        };
        let Ok(ToHub::TwinGet { request_id } | ToHub::TwinReport { request_id }) = ToHub::from_str(&publish.topic)
        else {
            return Ok(());
        };
        self.acknowledge(publish)?;
        let error = ServiceError {
            error_code: answer.error_code,
            tracking_id: String::new(),
            message: "The request was not served.".into(),
            timestamp_utc: Some(clock::ticks(clock::now())),
        };
        let body = serde_json::to_vec(&error).map_err(|error| Why::Violation(error.to_string()))?;
        self.answer_twin(answer.status, request_id, None, body.into()).await
    }
}

/// What a packet is about to do, and which packet tells the device that it is done.
fn phase_of(packet: &Packet) -> Option<(Phase, Withheld)> {
    match packet {
        Packet::Subscribe(_) => Some((Phase::Subscribe, Withheld::SubAck)),
        Packet::Publish(publish) => match publish.topic.parse().ok()? {
            ToHub::Telemetry { .. } => Some((Phase::Telemetry, Withheld::PubAck)),
            ToHub::TwinGet { .. } => Some((Phase::TwinGet, Withheld::Publish)),
            ToHub::TwinReport { .. } => Some((Phase::TwinReport, Withheld::Publish)),
            ToHub::MethodResponse { .. } => Some((Phase::MethodResponse, Withheld::PubAck)),
        },
        _ => None,
    }
}
