//! What quotas and faults do to the packets of a session.

use std::str::FromStr;

use iot_protocol::dps::ServiceError;
use iot_protocol::hub::ToHub;
use rumqttc::mqttbytes::v4::Packet;

use super::Session;
use crate::clock;
use crate::hub::device::Command;
use crate::journal::DisconnectReason;
use crate::mqtt::gate::silence;
use crate::mqtt::packets::Withheld;
use crate::phase::Phase;
use crate::services::{Decision, ErrorResponse};
use crate::stream::Stream;

impl<S: Stream> Session<'_, S> {
    /// Handles a packet as far as quotas and faults allow it.
    pub(super) async fn handle_through_gate(&mut self, packet: &Packet) -> Result<(), DisconnectReason> {
        let Some((phase, ack)) = phase_of(packet) else {
            return self.handle(packet).await;
        };
        let services = self.services;
        match services.pass_gate(phase, Some(self.device.id.as_str())).await {
            Decision::Respond(error) => self.respond_with_error(packet, error).await,
            Decision::Silence { reads } => Err(self.silence(reads).await),
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

    /// Asks whether a cloud-to-device message may be sent. Gives why the connection has to end after it, if it has to.
    pub(super) async fn before_delivery(&mut self) -> Result<Option<DisconnectReason>, DisconnectReason> {
        let services = self.services;
        match services.pass_gate(Phase::C2d, Some(self.device.id.as_str())).await {
            Decision::Close(reason) => Err(reason),
            Decision::Silence { reads } => Err(self.silence(reads).await),
            Decision::CloseAfterAck(reason) => Ok(Some(reason)),
            _ => Ok(None),
        }
    }

    async fn handle_without(&mut self, ack: Withheld, packet: &Packet) -> Result<(), DisconnectReason> {
        self.wire.withhold(Some(ack));
        let handled = self.handle(packet).await;
        self.wire.withhold(None);
        handled
    }

    /// Sends nothing any more, until the connection ends or another one takes its place.
    async fn silence(&mut self, reads: bool) -> DisconnectReason {
        let commands = &mut self.commands;
        let close_command = async {
            loop {
                match commands.recv().await {
                    Some(Command::Close(reason)) => return reason,
                    Some(_) => {}
                    None => return DisconnectReason::Replaced,
                }
            }
        };
        tokio::select! {
            reason = close_command => reason,
            reason = silence(&mut self.wire, self.services, reads) => reason,
        }
    }

    async fn respond_with_error(&mut self, packet: &Packet, response: ErrorResponse) -> Result<(), DisconnectReason> {
        let Packet::Publish(publish) = packet else {
            return Ok(());
        };
        let Ok(ToHub::TwinGet { request_id } | ToHub::TwinReport { request_id }) = ToHub::from_str(&publish.topic)
        else {
            return Ok(());
        };
        self.acknowledge(publish)?;
        let error = ServiceError {
            error_code: response.error_code,
            tracking_id: String::new(),
            message: "The request was not served.".into(),
            timestamp_utc: Some(clock::ticks(clock::now())),
        };
        let body = serde_json::to_vec(&error).map_err(|error| DisconnectReason::Violation(error.to_string()))?;
        self.answer_twin(response.status, request_id, None, body.into()).await
    }
}

/// What a packet is about to do, and which packet acknowledges it.
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
