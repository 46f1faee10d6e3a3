//! What the hub sends to a device, and what the device does about it.

use fleet_protocol::lines::{Phase, counter};
use iot_protocol::command::CommandName;
use iot_protocol::hub::{FromHub, ToHub};
use iot_protocol::id::RequestId;
use iot_protocol::properties::{METHOD_NAME, PropertyBag};
use iot_protocol::shown;
use iot_protocol::twin::{Section, TwinDocument};
use mqtt_link::{Event, Qos};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::session::{Later, Session};
use super::{Device, DeviceError};
use crate::metrics::Counter;
use crate::model::{CommandResponse, Desired};

/// What IoT Central puts into a queued command that has no request value
/// (<https://learn.microsoft.com/azure/iot-central/core/concepts-telemetry-properties-commands#offline-commands>).
const NO_VALUE: &[u8] = b"@";

impl Device {
    pub(super) fn handle(&mut self, session: &mut Session, event: Event) -> Result<(), DeviceError> {
        let (topic, payload) = match event {
            Event::Acknowledged {
                packet_id,
                sent,
                latency,
            } => {
                if let Some(message) = self.outbox.acknowledged(packet_id.get()) {
                    let metrics = &self.context.metrics;
                    let arrived = sent + latency;
                    let since = |began: Instant| arrived.saturating_duration_since(began);
                    metrics.count(self.group, Counter::TelemetryAcked);
                    metrics.record(self.group, Phase::Publish, since(message.due));
                    let first_sent = message.first_sent.map_or(latency, since);
                    metrics.record(self.group, Phase::PublishSent, first_sent);
                    debug!(device_id = %self.id, "message {} acknowledged after {latency:.1?}", message.seq);
                }
                return Ok(());
            }
            Event::Message { topic, payload, .. } => (topic, payload),
            _ => return Ok(()),
        };
        match topic.parse() {
            Ok(FromHub::TwinResponse { status, request_id, .. }) => {
                self.twin_answered(session, status, &request_id, &payload)?;
            }
            Ok(FromHub::DesiredChanged { .. }) => self.desired_changed(session, &payload)?,
            Ok(FromHub::MethodCall { name, request_id }) => {
                self.answer_command(session, &name, request_id, &payload);
            }
            Ok(FromHub::CloudToDevice { properties, .. }) => self.cloud_to_device(&properties, &payload),
            Err(error) => warn!(device_id = %self.id, "message ignored: {}", shown::text(&error.to_string())),
        }
        Ok(())
    }

    fn twin_answered(
        &mut self,
        session: &mut Session,
        status: u16,
        request_id: &RequestId,
        body: &[u8],
    ) -> Result<(), DeviceError> {
        let Ok(number) = request_id.as_str().parse::<u64>() else {
            return Ok(());
        };
        let metrics = &self.context.metrics;
        if let Some((_, asked)) = session.twin_request.take_if(|(expected, _)| *expected == number) {
            if status != 200 {
                metrics.count_reason(self.group, counter::TWIN_GET_FAILED, &status.to_string());
                let message = format!("the hub answered the request for the twin with {status}");
                return Err(match status {
                    429 => DeviceError::throttled(message),
                    _ => DeviceError::hub("twin_refused", message),
                });
            }
            metrics.record(self.group, Phase::TwinGet, asked.elapsed());
            let twin = TwinDocument::parse(body).map_err(|error| DeviceError::operator("twin_unreadable", &error))?;
            let report = match std::mem::take(&mut self.starts_up) {
                true => self.model.start_up(&twin),
                false => self.model.take_up(&twin),
            };
            self.reporter.report(&report);
            if session.desired_meanwhile > twin.desired.version {
                session.ask_for_twin()?;
            }
        } else if let Some(sent) = self.reporter.answered(number) {
            if status < 300 {
                metrics.record(self.group, Phase::Report, sent.elapsed());
            } else {
                metrics.count_reason(self.group, counter::REPORT_FAILED, &status.to_string());
                warn!(device_id = %self.id, status, "reported properties were refused");
            }
        }
        Ok(())
    }

    fn desired_changed(&mut self, session: &mut Session, body: &[u8]) -> Result<(), DeviceError> {
        let patch = match Section::parse(body) {
            Ok(patch) => patch,
            Err(error) => {
                warn!(device_id = %self.id, "desired properties ignored: {}", shown::text(&error.to_string()));
                return Ok(());
            }
        };
        // A twin that is under way may or may not contain the patch; its version shows which.
        if session.twin_request.is_some() {
            session.desired_meanwhile = session.desired_meanwhile.max(patch.version);
            return Ok(());
        }
        info!(device_id = %self.id, "desired properties: {}", shown::text(&String::from_utf8_lossy(body)));
        match self.model.desired_changed(&patch) {
            Desired::Report(report) => self.reporter.report(&report),
            Desired::Missed => session.ask_for_twin()?,
        }
        Ok(())
    }

    fn answer_command(&mut self, session: &mut Session, name: &str, request_id: RequestId, payload: &[u8]) {
        let arrived = Instant::now();
        let response = self.model.command(&CommandName::parse(name), payload);
        self.context.metrics.count(self.group, Counter::Commands);
        self.plan_reboot(&response);
        let answer = Later {
            command: name.to_owned(),
            request_id,
            arrived,
            status: response.status,
            body: response.body.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        match response.delay {
            None => self.answer(session, answer),
            Some(delay) => session.later.push((arrived + delay, answer)),
        }
    }

    /// Sends the answers whose time has come.
    pub(super) fn answer_late(&mut self, session: &mut Session) {
        let now = Instant::now();
        while let Some(index) = session.later.iter().position(|(at, _)| *at <= now) {
            let (_, answer) = session.later.remove(index);
            self.answer(session, answer);
        }
    }

    fn answer(&self, session: &mut Session, answer: Later) {
        let Later {
            command,
            request_id,
            arrived,
            status,
            body,
        } = answer;
        let topic = ToHub::MethodResponse { status, request_id };
        let metrics = &self.context.metrics;
        match session.link.publish(&topic.to_string(), body, Qos::AtMostOnce) {
            Ok(_) => {
                info!(device_id = %self.id, command, "answered with {status}");
                if status < 400 {
                    metrics.record(self.group, Phase::Command, arrived.elapsed());
                } else {
                    metrics.count_reason(self.group, counter::COMMAND_FAILED, &status.to_string());
                }
            }
            Err(error) => {
                metrics.count_reason(self.group, counter::COMMAND_FAILED, error.reason());
                warn!(device_id = %self.id, command, "answer was not sent: {error}");
            }
        }
    }

    /// The session has ended, and what was to be answered in it never is.
    pub(super) fn never_answered(&self, session: &Session) {
        for _ in &session.later {
            self.context
                .metrics
                .count_reason(self.group, counter::COMMAND_FAILED, "closed");
        }
    }

    /// A message, or a command that was queued while the device was away, whose answer is not waited for.
    fn cloud_to_device(&mut self, properties: &PropertyBag, payload: &[u8]) {
        let Some(command) = properties.value(METHOD_NAME) else {
            info!(device_id = %self.id, %properties, bytes = payload.len(), "cloud-to-device message received");
            self.context.metrics.count(self.group, Counter::C2dReceived);
            return;
        };
        let payload = if payload == NO_VALUE { &[] } else { payload };
        let response = self.model.command(&CommandName::parse(command), payload);
        info!(device_id = %self.id, command, status = response.status, "queued command carried out");
        self.context.metrics.count(self.group, Counter::Commands);
        if response.status >= 400 {
            self.context
                .metrics
                .count_reason(self.group, counter::COMMAND_FAILED, &response.status.to_string());
        }
        self.plan_reboot(&response);
    }

    fn plan_reboot(&mut self, response: &CommandResponse) {
        if let Some(delay) = response.reboot {
            let at = Instant::now() + delay;
            // Of two, the earlier one: by the other, the device has restarted already.
            self.reboot_at = Some(self.reboot_at.map_or(at, |planned| planned.min(at)));
        }
    }
}
