//! What the device sends: telemetry, twin requests, answers to methods.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use dtdl::Model;
use iot_protocol::TopicError;
use iot_protocol::dps::ServiceError;
use iot_protocol::hub::{FromHub, Subscription, Telemetry, ToHub};
use iot_protocol::id::RequestId;
use iot_protocol::properties::{PropertyBag, WrittenProperties};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubAck, Publish};

use super::Session;
use crate::clock;
use crate::documented;
use crate::hub::{Check, Device, DeviceState};
use crate::journal::{DisconnectReason, Event};
use crate::services::Services;
use crate::stats::count;
use crate::stream::Stream;
use crate::unconfirmed::{RETAIN_PROPERTY, TWIN_BAD_PATCH};

impl<S: Stream> Session<'_, S> {
    /// Takes a message in if it is telemetry, as most are; returns whether it was. Nothing is waited for.
    pub(super) fn take_telemetry(&mut self, publish: &Publish) -> Result<bool, DisconnectReason> {
        refuse_qos_2(publish)?;
        let Some(telemetry) = Telemetry::read(&publish.topic).map_err(unreadable)? else {
            return Ok(false);
        };
        if telemetry.module_id.is_some() || telemetry.device_id != self.device.id.as_str() {
            let reason = format!("published as another device: `{}`", publish.topic);
            return Err(DisconnectReason::Violation(reason));
        }
        let properties = telemetry.properties;
        let size = publish.payload.len() + properties.as_str().len();
        if size > *documented::MESSAGE {
            return Err(DisconnectReason::Violation(format!("a message of {size} bytes")));
        }
        let model = self.model.of(&self.device, self.services);
        if publish.retain {
            let mut properties = PropertyBag::from(properties);
            properties.push(RETAIN_PROPERTY.0, Some(RETAIN_PROPERTY.1));
            receive_written_anew(&self.device, model, self.services, &properties, &publish.payload);
        } else {
            receive(&self.device, model, self.services, properties, &publish.payload);
        }
        // After the message is counted, so that an acknowledged message is always a received one.
        self.acknowledge(publish)?;
        Ok(true)
    }

    pub(super) async fn publish(&mut self, publish: &Publish) -> Result<(), DisconnectReason> {
        refuse_qos_2(publish)?;
        let topic: ToHub = publish.topic.parse().map_err(unreadable)?;
        match topic {
            ToHub::Telemetry { .. } => self.take_telemetry(publish).map(drop),
            ToHub::TwinGet { request_id } => {
                self.acknowledge(publish)?;
                self.stored().await?;
                let document = self.device.lock().twin.document_json();
                self.answer_twin(200, request_id, None, document.into()).await
            }
            ToHub::TwinReport { request_id } => {
                // PUBACK confirms the receipt; what waits for the disk is the answer on the response topic.
                self.acknowledge(publish)?;
                self.report(request_id, &publish.payload).await
            }
            ToHub::MethodResponse { status, request_id } => {
                self.acknowledge(publish)?;
                self.answered(status, &request_id, publish.payload.clone());
                Ok(())
            }
        }
    }

    /// Acknowledges a message, if that is wanted.
    pub(super) fn acknowledge(&mut self, publish: &Publish) -> Result<(), DisconnectReason> {
        if publish.qos == QoS::AtLeastOnce {
            self.wire.put(Packet::PubAck(PubAck::new(publish.pkid)))?;
        }
        Ok(())
    }

    async fn report(&mut self, request_id: RequestId, body: &[u8]) -> Result<(), DisconnectReason> {
        match self.device.report(body, clock::now(), &self.services.store) {
            Ok((version, stored)) => {
                self.services.store.durable(stored).await?;
                self.services
                    .journal
                    .record(Some(self.device.id.as_str()), Event::Reported { version });
                self.check_report(body);
                self.answer_twin(204, request_id, Some(version), Bytes::new()).await
            }
            Err(bad) => {
                let error = ServiceError {
                    error_code: TWIN_BAD_PATCH,
                    tracking_id: String::new(),
                    message: bad.to_string(),
                    timestamp_utc: Some(clock::ticks(clock::now())),
                };
                let body =
                    serde_json::to_vec(&error).map_err(|error| DisconnectReason::Violation(error.to_string()))?;
                self.answer_twin(400, request_id, None, body.into()).await
            }
        }
    }

    /// Marks what of a report the device's template does not have.
    fn check_report(&mut self, body: &[u8]) {
        let Some(model) = self.model.of(&self.device, self.services) else {
            return;
        };
        // The twin has taken it, so it is an object.
        let Ok(reported) = serde_json::from_slice(body) else {
            return;
        };
        let mut state = self.device.lock();
        let mut check = Check::new(model, &mut state.unmodeled, clock::now());
        check.reported(&reported);
        let marked = check.marked();
        drop(state);
        journal(&self.device, self.services, marked);
    }

    pub(super) async fn answer_twin(
        &mut self,
        status: u16,
        request_id: RequestId,
        version: Option<u64>,
        body: Bytes,
    ) -> Result<(), DisconnectReason> {
        let topic = FromHub::TwinResponse {
            status,
            request_id,
            version,
        };
        self.publish_to(&Subscription::TwinResponses, topic, body).await
    }

    fn answered(&mut self, status: u16, request_id: &RequestId, body: Bytes) {
        // An answer to nothing, or one that comes too late, is dropped.
        if let Some(call) = self.calls.remove(request_id.as_str()) {
            let event = Event::MethodInvoked {
                name: call.name,
                status: Some(status),
            };
            self.services.journal.record(Some(self.device.id.as_str()), event);
            drop(call.reply.send((status, body)));
        }
    }
}

fn refuse_qos_2(publish: &Publish) -> Result<(), DisconnectReason> {
    if publish.qos == QoS::ExactlyOnce {
        return Err(DisconnectReason::Violation("published with QoS 2".into()));
    }
    Ok(())
}

fn unreadable(error: TopicError) -> DisconnectReason {
    DisconnectReason::Violation(error.to_string())
}

/// Takes telemetry in whose properties are not what the device wrote.
pub(super) fn receive_written_anew(
    device: &Device,
    model: Option<&Arc<Model>>,
    services: &Services,
    properties: &PropertyBag,
    body: &[u8],
) {
    let written = properties.to_string();
    let written = WrittenProperties::new(&written).expect("what a bag writes can be read");
    receive(device, model, services, written, body);
}

/// Takes telemetry in. No lock but the device's own is taken, except for the first message of a run.
fn receive(
    device: &Device,
    model: Option<&Arc<Model>>,
    services: &Services,
    properties: WrittenProperties<'_>,
    body: &[u8],
) {
    let now = clock::now();
    let mut state = device.lock();
    let DeviceState { inbox, unmodeled, .. } = &mut *state;
    let mut check = model.map(|model| Check::new(model, unmodeled, now));
    let is_new = inbox.receive(properties, body, now, &services.runs, check.as_mut());
    let marked = check.map(Check::marked).unwrap_or_default();
    inbox.record(properties, body, now, &services.room);
    drop(state);
    journal(device, services, marked);
    count(&services.counters.telemetry_received);
    services
        .counters
        .telemetry_bytes
        .fetch_add(u64::try_from(body.len()).unwrap_or(u64::MAX), Relaxed);
    if is_new {
        count(&services.counters.telemetry_received_unique);
    }
}

/// Records what a template was found not to have: once for each device and name, so nearly always nothing.
fn journal(device: &Device, services: &Services, marked: Vec<Event>) {
    for event in marked {
        services.journal.record(Some(device.id.as_str()), event);
    }
}
